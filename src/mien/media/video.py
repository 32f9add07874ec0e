"""Video files and streams through FFmpeg (PyAV): frames with the stream's own times, whatever the header claims."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

from mien.core.errors import SourceError
from mien.core.settings import thread_count
from mien.media.arrays import over_white
from mien.media.clock import StreamClock
from mien.media.orientation import from_frame
from mien.media.source import Shot, Source, SourceInfo

FALLBACK_RATE = Fraction(25)
# Seconds to wait for a network source: for it to answer, and for each further read. Files never wait.
NETWORK_TIMEOUT = (15.0, 15.0)
# FFmpeg would draw the characters of any text file and call it a video.
TEXT_FORMATS = frozenset({"tty", "bin", "xbin", "adf", "idf"})
# Pixels further from square than this are made square by widening the frame; less is an encoder's rounding.
SQUARE_TOLERANCE = 0.02
# A file that ends earlier than its header says by more than this (seconds, and share of the whole) was cut off.
CUT_OFF_SECONDS, CUT_OFF_SHARE = 0.5, 0.05


def open_video(location: str, name: str, frame_rate: float | None = None) -> Source:
    """Frames of a video.

    Colours are converted to RGB with the stream's own matrix and range, rotation and mirroring of its display matrix
    are applied, non-square pixels are made square by changing the width, transparency is laid on white. All frames have
    the size of the first. The video stream read is the first that is no cover picture; opening decodes its first frame.

    Args:
        location: path or address, as FFmpeg takes it.
        name: what to call it.
        frame_rate: frames per second to thin to, None for all.

    Raises:
        SourceError: it cannot be opened, holds no video, or no frame of it can be decoded.
    """
    container = _container(location, name)
    try:
        reader = _VideoReader(container, _stream(container, name), name)
    except BaseException:
        container.close()
        raise
    return Source(reader.info, reader.shots(), container.close, frame_rate, reader.problems)


def _container(location: str, name: str) -> InputContainer:
    network = "://" in location
    options = {"rtsp_transport": "tcp"} if location.startswith("rtsp") else {}
    try:
        container = av.open(location, options=options, timeout=NETWORK_TIMEOUT if network else None)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        fix = "check the address and the network" if network else "check that it plays; copy or convert it again"
        reason = getattr(error, "strerror", None) or "it cannot be opened"
        raise SourceError("a video or picture that FFmpeg can open", f"{name}: {reason}", fix) from error
    if container.format.name in TEXT_FORMATS:
        container.close()
        raise SourceError("a video", f"{name}, which is text", "give a video file")
    return container


def _stream(container: InputContainer, name: str) -> VideoStream:
    films = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
    if films:
        return next((one for one in films if not _is_item(one)), films[0])
    kinds: list[str] = sorted({stream.type for stream in container.streams})
    got = f"{name}, which holds {' and '.join(kinds) or 'nothing'}"
    raise SourceError("a file with a video stream", got, "give a video file")


def _is_item(stream: VideoStream) -> bool:
    """A still picture beside the film of an animated AVIF or HEIF: FFmpeg lists it as a stream, and first."""
    return stream.frames == 1 and not stream.duration


class _VideoReader:
    """One open video stream.

    Attributes:
        info: what is known after the first frame.
        problems: damage met so far, one sentence each.
    """

    def __init__(self, container: InputContainer, stream: VideoStream, name: str) -> None:
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = thread_count()
        self.problems: list[str] = []
        self._container, self._stream, self._name = container, stream, name
        self._damaged = 0
        rate = stream.average_rate or stream.guessed_rate or FALLBACK_RATE
        tick = stream.time_base or 1 / rate
        self._clock = StreamClock(float(tick), float(1 / rate))
        self._decoded = self._decode()
        first = next(self._decoded, None)
        if first is None:
            fix = "check that it plays; copy or convert it again"
            raise SourceError("a video with at least one frame", f"{name}, none of which can be decoded", fix)
        self._first: VideoFrame = first
        self._orientation = from_frame(first)
        self._size = _square_size(stream, first)
        self.info = self._describe()

    def _describe(self) -> SourceInfo:
        # Read now: fields of a stream are garbage once its container is closed.
        stream, container = self._stream, self._container
        width, height = self._orientation.size(*self._size)
        rate = float(stream.average_rate) if stream.average_rate else None
        duration = self._claimed_duration()
        count = stream.frames or (round(duration * rate) if duration and rate else None)
        turned, audio = 90 * self._orientation.turns, bool(container.streams.audio)
        return SourceInfo(self._name, "video", width, height, duration, rate, count, audio, turned)

    def _claimed_duration(self) -> float | None:
        """Seconds of video by the header: the stream's own figure, else the container's (which may count sound)."""
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        if not self._container.duration:
            return None
        # Matroska counts from the clock's zero, not from the first frame.
        early = self._container.start_time or 0 if "matroska" in self._container.format.name else 0
        return (self._container.duration - max(early, 0)) / av.time_base

    def _decode(self) -> Iterator[VideoFrame]:
        """Every frame that can be decoded; damaged packets are counted, a broken container ends the stream."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError) as error:
                self.problems.append(f"{self._name} breaks off: {error.strerror or 'it cannot be read further'}")
                packet = None
            try:
                yield from self._stream.decode(packet)
            except av.error.EOFError:
                return  # the decoder was already emptied by the demuxer's closing packet
            except av.error.FFmpegError:
                self._damaged += 1
            if packet is None:
                return

    def shots(self) -> Iterator[Shot]:
        """The frames in order of display, then a word on what was missing."""
        last = 0.0
        for frame in self._all_frames():
            last = self._clock.read(*_stamp(frame))
            yield Shot(last, partial(self._pixels, frame))
        if self._damaged:
            self.problems.append(f"{self._name} is damaged: {self._damaged} packets could not be decoded")
        claimed = self.info.duration or 0.0
        if claimed - last > max(CUT_OFF_SECONDS, CUT_OFF_SHARE * claimed):
            self.problems.append(f"{self._name} should last {claimed:.2f} s but its last frame is at {last:.2f} s")

    def _all_frames(self) -> Iterator[VideoFrame]:
        yield self._first
        yield from self._decoded

    def _pixels(self, frame: VideoFrame) -> UInt8[np.ndarray, "h w 3"]:
        width, height = self._size
        if any(component.is_alpha for component in frame.format.components):
            rgba = frame.reformat(width=width, height=height, format="rgba").to_ndarray()
            image = over_white(rgba[..., :3], rgba[..., 3])
        else:
            image = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
        return self._orientation.upright(image)


def _stamp(frame: VideoFrame) -> tuple[float | None, float | None]:
    """A frame's time stamp and duration in seconds, as far as the stream says."""
    tick = frame.time_base
    if frame.pts is None or not tick:
        return None, None
    return float(frame.pts * tick), float(frame.duration * tick) if frame.duration else None


def _square_size(stream: VideoStream, frame: VideoFrame) -> tuple[int, int]:
    """Width and height, as stored, once its pixels are square."""
    aspect = float(stream.sample_aspect_ratio or 1)
    if abs(aspect - 1) < SQUARE_TOLERANCE or not 0.25 <= aspect <= 4:
        return frame.width, frame.height
    return round(frame.width * aspect), frame.height
