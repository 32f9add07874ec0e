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
from jaxtyping import UInt8

from mien.core.errors import SourceError
from mien.core.types import Frame
from mien.media.clock import Thinner

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
        duration: seconds, an estimate; None where it is unknown or has no meaning (a camera, a still picture).
        frame_rate: mean frames per second, an estimate; None where unknown.
        frame_count: an estimate; None where unknown.
        has_audio: True when the file also holds sound.
        rotation: degrees clockwise (0, 90, 180, 270) by which the stored pixels were turned to stand upright; already
            done in every frame handed out.
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

    @property
    def pictures(self) -> int:
        """How many still pictures it is made of; 0 for a film: a video, a camera, an array of many frames."""
        stills = self.kind in ("image", "sequence") or (self.kind == "array" and self.frame_count == 1)
        return (self.frame_count or 1) if stills else 0


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of a stream, not yet turned into pixels.

    Attributes:
        time: seconds on the stream's own clock, from the first shot's 0.0.
        pixels: makes the upright RGB picture, uint8 (h, w, 3); raises SourceError when it cannot be read.
    """

    time: float
    pixels: Callable[[], UInt8[np.ndarray, "h w 3"]]


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
        frame_rate: frames per second to thin to, None for every frame.
        problems: damage met so far, one sentence each; empty for a sound source. Complete after the pass.
    """

    info: SourceInfo
    shots: Iterator[Shot]
    release: Callable[[], None] = _nothing
    frame_rate: float | None = None
    problems: list[str] = field(default_factory=list)
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
        thinner = Thinner(self.frame_rate)
        read = 0
        for index, shot in enumerate(self.shots):
            if not thinner.wants(shot.time):
                continue
            try:
                image = shot.pixels()
            except SourceError as error:
                self.problems.append(str(error))
                continue
            read += 1
            yield Frame(index, shot.time, image)
            if self._closed:  # never ask a released reader for more
                return
        if not read:
            what = self.problems[0] if self.problems else f"{self.info.name}, which gave no frame"
            raise SourceError("at least one readable frame", what, "check that the source plays elsewhere")

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
