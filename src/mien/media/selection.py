"""Which pictures of a source are looked at: from when to when, how many of them, out of which of its streams."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mien.core.errors import ConfigError
from mien.media.clock import Thinner

MOST_PIXELS = 100_000_000
"""Pixels of a picture from which on it is refused by default: 300 MB as RGB, twice the largest camera's."""
MOST_RATE = 1000.0
"""Pictures a second that an analysis looks at when nothing else is asked for: a clock that shows more is broken."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a source is wanted. The default is all of it.

    Attributes:
        frame_rate: pictures per second at most, the nearest to each due time; None for all.
        every: each how manyth picture, counted from the first one wanted; 1 for all.
        start: seconds on the source's clock from which on pictures are wanted; None from its first.
        end: seconds from which on they are not; None up to its last.
        stream: number of the video stream, from 0, cover pictures not counted; None for the one marked as default,
            else the first.
        max_pixels: pixels of a picture above which it is refused before it is decoded.
        most_rate: pictures per second above which the clock is not believed, and thinned to it; None believes all.

    Raises:
        ConfigError: a value out of range, or two that contradict each other.
    """

    frame_rate: float | None = None
    every: int = 1
    start: float | None = None
    end: float | None = None
    stream: int | None = None
    max_pixels: int = MOST_PIXELS
    most_rate: float | None = None

    def __post_init__(self) -> None:
        rate = self.frame_rate
        if rate is not None and not (rate > 0 and math.isfinite(rate)):
            raise ConfigError("a frame rate above 0", str(rate), "give frames per second, or leave it out")
        if self.every < 1:
            raise ConfigError("every of at least 1", str(self.every), "use 1 for every picture, 2 for every second one")
        if rate is not None and self.every > 1:
            raise ConfigError("frame_rate or every", "both", "leave one out: each says which pictures are looked at")
        for name, value in (("start", self.start), ("end", self.end)):
            if value is not None and not (value >= 0 and math.isfinite(value)):
                raise ConfigError(f"{name} of at least 0 s", str(value), "give seconds on the film's own clock")
        if self.end is not None and self.end <= (self.start or 0.0):
            raise ConfigError("an end after the start", f"{self.start or 0.0} to {self.end} s", "give a later end")
        if self.stream is not None and self.stream < 0:
            raise ConfigError("a stream's number from 0", str(self.stream), "use 0 for the first video stream")
        if self.max_pixels < 1:
            raise ConfigError("max_pixels of at least 1", str(self.max_pixels), "leave it at its default")

    @property
    def is_whole(self) -> bool:
        """True when every picture is wanted."""
        return self.frame_rate is None and self.every == 1 and self.start is None and self.end is None


class Picker:
    """Applies a selection to a stream, picture by picture.

    Args:
        selection: what is wanted.

    Attributes:
        crowded: pictures passed over only because more than ``most_rate`` came a second.
    """

    def __init__(self, selection: Selection) -> None:
        self._start = -math.inf if selection.start is None else selection.start
        self._end = math.inf if selection.end is None else selection.end
        self._every, self._number = selection.every, 0
        self._asked = selection.frame_rate is not None
        self._thinner = Thinner(selection.frame_rate or selection.most_rate)
        self.crowded = 0

    def over(self, time: float) -> bool:
        """Whether nothing from ``time`` (seconds) on is wanted any more."""
        return time >= self._end

    def begun(self, time: float) -> bool:
        """Whether the part that is wanted has begun at ``time`` (seconds)."""
        return time >= self._start

    def wants(self, time: float) -> bool:
        """Whether the picture at ``time`` (seconds, increasing from call to call) is wanted."""
        if self.over(time) or not self.begun(time):
            return False
        number, self._number = self._number, self._number + 1
        if number % self._every:
            return False
        wanted = self._thinner.wants(time)
        self.crowded += not wanted and not self._asked
        return wanted
