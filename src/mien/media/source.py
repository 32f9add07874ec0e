"""What every source of frames is, whatever it reads from: what it knows about itself, and one pass over its frames.

Readers hand over a stream of :class:`Shot` values: a time, and a way to get the pixels. Turning a video's frames into
RGB costs about as much as decoding it, so the pixels of a frame that is left out on purpose are never made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

import numpy as np
from jaxtyping import Float64, Int, UInt8

from mien.core.errors import SourceError
from mien.core.names import printable
from mien.core.types import NO_PIXELS, Frame
from mien.media.selection import Picker, Selection

Kind = Literal["video", "image", "sequence", "camera", "array"]


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source before its frames are read.

    A container's header is only a claim: ``duration`` and ``frame_count`` serve a progress bar, never arithmetic.

    Attributes:
        name: file name, folder name, address without its password, ``"camera 0"`` or ``"array"``.
        kind: what it is read as.
        width: pixels of an upright frame (the first one's, where a sequence's pictures differ in size).
        height: pixels of an upright frame.
        duration: seconds of pictures, an estimate; None where it is unknown or has no meaning (a camera, a still).
        frame_rate: mean frames per second, an estimate; None where unknown.
        frame_count: an estimate; None where unknown.
        has_audio: True when the file also holds sound.
        rotation: degrees clockwise (0, 90, 180, 270) by which the stored pixels were turned to stand upright; already
            done in every frame handed out.
        start: seconds of the first picture on the source's clock. A film's clock is its container's, as players show
            it: a film cut where its sound goes on earlier than its picture starts at more than 0.0.
        sizes: seconds, width and height of every picture that has another size than the one before; known after the
            frames are read.
    """

    name: str
    kind: Kind
    width: int
    height: int
    duration: float | None = None
    frame_rate: float | None = None
    frame_count: int | None = None
    has_audio: bool = False
    rotation: int = 0
    start: float = 0.0
    sizes: tuple[tuple[float, int, int], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", printable(self.name))  # reports, tables and pictures hold it

    def sizes_at(self, times: Float64[np.ndarray, " n"]) -> Int[np.ndarray, "n 2"]:
        """Width and height of the pictures at these times (seconds)."""
        known = np.array([(self.width, self.height), *(size[1:] for size in self.sizes)])
        sizes: Int[np.ndarray, "n 2"] = known[np.searchsorted([size[0] for size in self.sizes], times, side="right")]
        return sizes

    @property
    def pictures(self) -> int:
        """How many still pictures it is made of; 0 for a film: a video, a camera, an array of many frames."""
        stills = self.kind in ("image", "sequence") or (self.kind == "array" and self.frame_count == 1)
        return (self.frame_count or 1) if stills else 0


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of a stream, not yet turned into pixels.

    Attributes:
        time: seconds on the source's clock.
        pixels: makes the upright RGB picture, uint8 (h, w, 3); raises SourceError when it cannot be read.
        duration: seconds it is shown for, where the source says so.
        index: its number in the source; None: one more than that of the shot before.
        size: width and height of that picture, without making it; raises as ``pixels``. None: only making it tells.
    """

    time: float
    pixels: Callable[[], UInt8[np.ndarray, "h w 3"]]
    duration: float | None = None
    index: int | None = None
    size: Callable[[], tuple[int, int]] | None = None


def _nothing() -> None:
    """What closing means for a source that holds nothing open."""


@dataclass(eq=False)
class Source:
    """An open source: a context manager and one pass over :class:`~mien.core.types.Frame` values.

    One frame is in memory at a time. A file that breaks in the middle gives every frame that could be read, then stops;
    what was wrong stands in :attr:`problems`. Only when no frame at all could be read does the pass raise SourceError.

    Attributes:
        info: what was known on opening.
        shots: the reader's stream; consumed by the one pass.
        release: frees what the reader holds; called once.
        problems: damage met so far, one sentence each; empty for a sound source. Complete after the pass.
        selection: which frames are handed out.
        lazy: frames come without their image, where its size is known without it; :meth:`Frame.developed` makes it.
        end: seconds up to which pictures were shown so far, as far as the source says; None where it does not.
        sizes: seconds, width and height of every picture that has another size than the one before it.
    """

    info: SourceInfo
    shots: Iterator[Shot]
    release: Callable[[], None] = _nothing
    problems: list[str] = field(default_factory=list)
    selection: Selection = field(default_factory=Selection)
    lazy: bool = False
    end: float | None = field(default=None, init=False)
    sizes: list[tuple[float, int, int]] = field(default_factory=list, init=False)
    _begun: bool = field(default=False, init=False, repr=False)
    _closed: bool = field(default=False, init=False, repr=False)

    def __iter__(self) -> Iterator[Frame]:
        """Start the one pass. Raises SourceError when the source was already read or is closed."""
        if self._begun or self._closed:
            state = "closed" if self._closed else "already read"
            raise SourceError("a source that is open and unread", f"{self.info.name}, {state}", "open it again")
        self._begun = True
        return self._frames()

    def _frames(self) -> Iterator[Frame]:
        read = 0
        for index, shot in self._picked():
            try:
                if self.lazy and shot.size is not None:
                    (width, height), frame = shot.size(), Frame(index, shot.time, NO_PIXELS, shot.pixels)
                else:
                    frame = Frame(index, shot.time, shot.pixels())
                    height, width = frame.image.shape[:2]
            except SourceError as error:
                self.problems.append(str(error))
                continue
            read += 1
            self._note_size(shot.time, width, height)
            yield frame
            if self._closed:  # never ask a released reader for more
                return
        if not read:
            raise self._nothing_read()

    def _picked(self) -> Iterator[tuple[int, Shot]]:
        """The shots that are wanted, with their numbers."""
        picker, number = Picker(self.selection), -1
        for shot in self.shots:
            number = number + 1 if shot.index is None else shot.index
            if picker.over(shot.time):
                break
            self.end = None if shot.duration is None else shot.time + shot.duration
            if picker.wants(shot.time):
                yield number, shot
        if picker.crowded:
            came = f"{self.info.name} shows more than {self.selection.most_rate:g} pictures a second"
            self.problems.append(f"{came}: {picker.crowded} of them were passed over")

    def _note_size(self, time: float, width: int, height: int) -> None:
        last = self.sizes[-1][1:] if self.sizes else (self.info.width, self.info.height)
        if (width, height) == last:
            return
        self.sizes.append((time, width, height))
        if self.info.kind == "video" and len(self.sizes) == 1:
            change = f"from {last[0]} x {last[1]} to {width} x {height} pixels at {time:.2f} s"
            self.problems.append(f"{self.info.name} changes {change}; boxes are in pixels of each picture")

    def _nothing_read(self) -> SourceError:
        if self.problems:
            got, fix = self.problems[0], "check that the source plays elsewhere"
        elif self.selection.start is not None or self.selection.end is not None:
            until = "on" if self.selection.end is None else f"to {self.selection.end:g} s"
            got = f"none of {self.info.name} from {self.selection.start or 0.0:g} s {until}"
            fix = f"it starts at {self.info.start:g} s{self._lasting()}"
        else:
            got, fix = f"{self.info.name}, which gave no frame", "check that the source plays elsewhere"
        return SourceError("at least one readable frame", got, fix)

    def _lasting(self) -> str:
        return "" if self.info.duration is None else f" and lasts {self.info.duration:.2f} s"

    @property
    def expected(self) -> int | None:
        """How many frames the pass will give, an estimate; None where unknown."""
        count, seconds, chosen = self.info.frame_count, self.info.duration, self.selection
        if count is None or seconds is None or chosen.is_whole:
            return count
        first, last = self.info.start, self.info.start + seconds
        start = max(first, first if chosen.start is None else chosen.start)
        wanted = max(0.0, min(last, last if chosen.end is None else chosen.end) - start)
        rate = min(chosen.frame_rate or float("inf"), count / max(seconds, 1e-9)) / chosen.every
        return max(1, round(wanted * rate))

    def close(self) -> None:
        """Free the file or the camera; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self.release()

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
