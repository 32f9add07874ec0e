"""Writing a video whose frames keep their own times, with the sound of its source."""

from __future__ import annotations

import math
import os
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Literal

import av
import av.error
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from jaxtyping import UInt8

from mien.core.errors import ConfigError, MissingDependencyError, SourceError
from mien.core.files import draft_beside
from mien.media.sound import Sound

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv"})
# MPEG-4 allows 16 bits for a second's ticks; 60000 is a whole number of ticks a frame at 24, 25, 29.97, 30, 50 and 60.
TICK = Fraction(1, 60000)
# No B-frames: with frames at odd times they make MP4's header, which players believe, end before the last frame.
# H.264 first; the last one is in every FFmpeg. Hardly visible loss, at a speed that does not slow the analysis.
EncoderName = Literal["libx264", "libopenh264", "mpeg4"]
ENCODERS: tuple[tuple[EncoderName, dict[str, str]], ...] = (
    ("libx264", {"preset": "veryfast", "crf": "20", "bf": "0"}),
    ("libopenh264", {"rc_mode": "quality"}),
    ("mpeg4", {"qscale": "4"}),
)


class VideoWriter:
    """Write RGB frames to a video file, each at its own time.

    A context manager. The file appears under its name only when the block ends well; an error leaves nothing behind,
    and so does a block that wrote no frame. An odd width or height grows by a copy of the last column or row.

    Args:
        path: file to write, ``.mp4``, ``.m4v``, ``.mov`` or ``.mkv`` (``.mkv`` rounds times to milliseconds). Missing
            folders are made; an older file is replaced.
        width: pixels of a frame.
        height: pixels of a frame.
        frame_rate: mean frames per second, as the header will claim; the frames' own times are kept.
        sound_of: file whose sound goes with the pictures, which have times on its clock; None writes no sound.

    Attributes:
        codec: the encoder in use; ``libx264`` where the installed FFmpeg has it.
        sound: where the sound came from (:class:`mien.media.sound.Sound`), or None.

    Raises:
        ConfigError: a suffix, size or frame rate that cannot be written.
        MissingDependencyError: no encoder works.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        width: int,
        height: int,
        frame_rate: float,
        sound_of: str | os.PathLike[str] | None = None,
    ) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in SUFFIXES:
            raise ConfigError(f"one of {', '.join(sorted(SUFFIXES))}", str(self.path), "change the file's suffix")
        if min(width, height) < 1 or not frame_rate > 0:
            got = f"{width} x {height} at {frame_rate}"
            raise ConfigError("a positive size and frame rate", got, "take them from the source's info")
        self._width, self._height = width, height
        self._rate = Fraction(frame_rate).limit_denominator(1001)
        self._last_time, self._last_tick, self._ended = -1.0, -1, False
        self.codec = working_encoder()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._partial = draft_beside(self.path, self.path.suffix)
        suffix = self.path.suffix.lower()
        # The index in front: a browser starts at once instead of asking for the end of the file first.
        options = {} if suffix == ".mkv" else {"movflags": "+faststart"}
        self.sound: Sound | None = None
        self._container: OutputContainer = av.open(f"file:{self._partial}", "w", options=options)
        try:
            self._stream = self._container.add_stream(self.codec, rate=self._rate, options=dict(ENCODERS)[self.codec])
            _configure(self._stream.codec_context, width + width % 2, height + height % 2)
            self._stream.time_base = TICK
            self.sound = _sound(sound_of, self._container, suffix) if sound_of is not None else None
        except BaseException:
            self._discard()
            raise

    def write(self, image: UInt8[np.ndarray, "h w 3"], time: float) -> None:
        """Add one frame.

        Args:
            image: RGB. One of another size than announced is scaled to fit, on black (pictures of a mixed folder).
            time: seconds >= 0, greater than the one before.

        Raises:
            ValueError: time does not increase, or is negative.
        """
        if not time > self._last_time or time < 0:
            raise ValueError(f"time {time} s after {self._last_time} s; times must be >= 0 and increase")
        # Two frames nearer than a tick still need two ticks.
        tick = max(round(time / TICK), self._last_tick + 1)
        self._last_time, self._last_tick = time, tick
        frame = VideoFrame.from_ndarray(self._fitted(image), format="rgb24")
        frame = frame.reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, src_color_range=2
        )
        frame.pts, frame.time_base = tick, TICK
        if self.sound is not None:
            self.sound.mux_until(time)
        self._container.mux(self._stream.encode(frame))

    def _fitted(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
        """``image`` in the announced size, padded to even sides."""
        image = fitted(image, self._width, self._height)
        return np.pad(image, ((0, self._height % 2), (0, self._width % 2), (0, 0)), mode="edge")

    def close(self) -> None:
        """Finish the file and give it its name; a second call does nothing."""
        if self._ended:
            return
        if self._last_tick < 0:
            self._discard()
            return
        self._ended = True
        try:
            self._container.mux(self._stream.encode(None))
            if self.sound is not None:
                self.sound.mux_until(math.inf)
                self.sound.close()
            self._container.close()
            self._partial.replace(self.path)
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        self._ended = True
        if self.sound is not None:
            self.sound.close()
        try:
            self._container.close()
        except av.error.FFmpegError:
            pass  # a file with nothing in it cannot be finished, and is thrown away
        finally:
            self._partial.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._discard()


def fitted(image: UInt8[np.ndarray, "h w 3"], width: int, height: int) -> UInt8[np.ndarray, "h2 w2 3"]:
    """``image`` in the middle of a picture of ``width`` x ``height``, as large as fits, on black."""
    if image.shape[:2] == (height, width):
        return image
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    canvas = np.zeros((height, width, 3), np.uint8)
    top, left = (height - size[1]) // 2, (width - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return canvas


def _sound(source: str | os.PathLike[str], container: OutputContainer, suffix: str) -> Sound:
    try:
        return Sound(source, container, suffix)
    except (av.error.FFmpegError, OSError) as error:
        why = getattr(error, "strerror", None) or "it cannot be read"
        raise SourceError("a file with sound", f"{source}: {why}", "write the video without sound") from error


@cache
def working_encoder() -> EncoderName:
    """The first of :data:`ENCODERS` that is built in and opens: a listed one may lack its library at run time.

    Raises:
        MissingDependencyError: none does.
    """
    for name, options in ENCODERS:
        if _opens(name, options):
            return name
    tried = ", ".join(name for name, _ in ENCODERS)
    raise MissingDependencyError("an FFmpeg with a video encoder", f"none of {tried}", "install PyPI's wheel of av")


def _opens(name: EncoderName, options: dict[str, str]) -> bool:
    try:
        context = VideoCodecContext.create(name, "w")
        context.options = options
        _configure(context, 64, 64)
        context.open()
    except (av.error.FFmpegError, ValueError):
        return False
    return True


def _configure(context: VideoCodecContext, width: int, height: int) -> None:
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base = TICK
    # Untagged colours are guessed by players from the picture's size, differently from player to player.
    context.colorspace = context.color_primaries = context.color_trc = int(Colorspace.ITU709)
    context.color_range = int(ColorRange.MPEG)
