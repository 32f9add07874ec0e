"""Video files and streams through FFmpeg (PyAV): frames at the container's own times, whatever its header claims."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial

import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8

from mien.core.errors import SourceError
from mien.core.settings import thread_count
from mien.media.arrays import over_white
from mien.media.clock import StreamClock
from mien.media.keyframes import KeyGroups, Skipped, skip
from mien.media.orientation import Orientation, from_frame
from mien.media.selection import Selection
from mien.media.source import Shot, Source, SourceInfo
from mien.media.streams import (
    Readable,
    choose_stream,
    claimed_duration,
    claimed_end,
    clock_zero,
    open_container,
    starts_anywhere,
)

FALLBACK_RATE = Fraction(25)
# Pixels further from square than this are made square by widening the frame; less is an encoder's rounding.
SQUARE_TOLERANCE = 0.02
# A file that ends earlier than its header says by more than this (seconds, and share of the whole) was cut off.
CUT_OFF_SECONDS, CUT_OFF_SHARE = 0.5, 0.05


def open_video(location: str | Readable, name: str, selection: Selection | None = None) -> Source:
    """Frames of a video.

    Times are the container's own, as players show them (:func:`mien.media.streams.clock_zero`). Colours are converted
    to RGB with the stream's own matrix and range, rotation and mirroring of its display matrix are applied, non-square
    pixels are made square by changing the width, transparency is laid on white. Opening decodes the first frame. Where
    only a late part is wanted, decoding goes on at the last key frame before it.

    Args:
        location: path or address, as FFmpeg takes it, or a pipe.
        name: what to call it.
        selection: which stream, from when on, and how large a frame may be. All of it when None.

    Raises:
        SourceError: it cannot be opened, holds no video, or no frame of it can be decoded.
    """
    selection = selection or Selection()
    container = open_container(location, name)
    try:
        reader = _VideoReader(container, name, selection)
    except BaseException:
        container.close()
        raise
    return Source(reader.info, reader.shots(), container.close, reader.problems, selection)


class _VideoReader:
    """One open video stream.

    Attributes:
        info: what is known after the first frame.
        problems: damage met so far, one sentence each.
    """

    def __init__(self, container: InputContainer, name: str, selection: Selection) -> None:
        stream, note = choose_stream(container, name, selection.stream)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = thread_count()
        self.problems: list[str] = [note] if note else []
        self._container, self._stream, self._name, self._selection = container, stream, name, selection
        self._demand_size(stream.codec_context.width, stream.codec_context.height)
        self._damaged = self._read = 0
        self._held = KeyGroups()
        rate = stream.average_rate or stream.guessed_rate or FALLBACK_RATE
        tick = stream.time_base or 1 / rate
        self._tick, self._zero = tick, clock_zero(container)
        starts = float((stream.start_time or 0) * tick - self._zero)
        self._clock = StreamClock(float(tick), float(1 / rate), float(self._zero), starts)
        self._packets = self._demuxed()
        self._decoded = self._decode()
        first = next(self._decoded, None)
        if first is None:
            fix = "check that it plays; copy or convert it again"
            raise SourceError("a video with at least one frame", f"{name}, none of which can be decoded", fix)
        self._first: VideoFrame = first
        self._oriented, self._orientation = first, from_frame(first)
        self._first_time = self._clock.read(self._stamp(first), self._shown_for(first))
        # Read now: fields of a stream are garbage once its container is closed, by another thread perhaps.
        self._end, self._aspect = self._claimed_end(), float(stream.sample_aspect_ratio or 1)
        self.info = self._describe()

    def _claimed_end(self) -> float | None:
        beside = [stream for stream in self._container.streams if stream.type in ("audio", "video")]
        end = claimed_end(self._container, self._stream, [one for one in beside if one.index != self._stream.index])
        return None if end is None else end - float(self._zero)

    def _describe(self) -> SourceInfo:
        stream = self._stream
        orientation = self._orientation
        width, height = orientation.size(*self._square_size(self._first))
        rate = float(stream.average_rate) if stream.average_rate else None
        duration = claimed_duration(self._container, stream)
        count = stream.frames or (round(duration * rate) if duration and rate else None)
        return SourceInfo(
            *(self._name, "video", width, height, duration, rate, count, bool(self._container.streams.audio)),
            rotation=90 * orientation.turns,
            start=self._first_time,
        )

    def _demand_size(self, width: int, height: int) -> None:
        if width * height > self._selection.max_pixels:
            got = f"{width} x {height} in {self._name}"
            fix = "shrink it, or allow more with --max-pixels"
            raise SourceError(f"pictures of at most {self._selection.max_pixels:,} pixels", got, fix)

    def _demuxed(self) -> Iterator[Packet[VideoStream] | None]:
        """Every packet, then None, which empties the decoder; a broken container ends the stream."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError) as error:
                self.problems.append(f"{self._name} breaks off: {error.strerror or 'it cannot be read further'}")
                packet = None
            self._read += 1
            yield packet
            if packet is None:
                return

    def _decode(self) -> Iterator[VideoFrame]:
        """Every frame that can be decoded; damaged packets are counted."""
        while True:
            packet = next(self._packets, None)  # asked for anew each time: what is left to read may be replaced
            closing = packet is None or not packet.size
            self._held.add(packet)
            try:
                frames = self._stream.decode(packet)
            except av.error.FFmpegError:
                frames, self._damaged = [], self._damaged + 1
            yield from self._held.noted(frames)
            if closing:
                yield from self._held.missed(self._stream.codec_context)
                self._damaged = max(self._damaged, self._held.damaged)
                return

    def shots(self) -> Iterator[Shot]:
        """The frames in order of display, then a word on what was missing."""
        yield self._shot(self._first, self._first_time, self._shown_for(self._first))
        time, skipped = self._first_time, self._skip()
        until = time + (self._shown_for(self._first) or 0.0)
        index = 0
        for frame in self._decoded:
            if skipped is not None:
                if frame.pts is not None and frame.pts < skipped.stamp:
                    continue
                index, skipped = skipped.frames - 1, None
            index += 1
            duration = self._shown_for(frame)
            time = self._clock.read(self._stamp(frame), duration)
            until = time + (duration or 0.0)
            yield self._shot(frame, time, duration, index)
        if self._damaged:
            self.problems.append(f"{self._name} is damaged: {self._damaged} packets could not be decoded")
        if self._end is not None:
            missing, length = self._end - until, self._end - self._first_time
            if missing > max(CUT_OFF_SECONDS, CUT_OFF_SHARE * length):
                lasts = f"should last {length:.2f} s but its pictures end after {length - missing:.2f} s"
                self.problems.append(f"{self._name} {lasts}")

    def _skip(self) -> Skipped | None:
        """Go on at the last key frame before the part that is wanted, where that lies ahead."""
        wanted = self._selection.start
        if wanted is None or wanted <= self._first_time or starts_anywhere(self._container):
            return None
        self._packets, skipped = skip(self._packets, self._read, (Fraction(wanted) + self._zero) / self._tick)
        if skipped is not None:
            self._stream.codec_context.flush_buffers()
            self._held = KeyGroups()
        return skipped

    def _stamp(self, frame: VideoFrame) -> float | None:
        return None if frame.pts is None else float(frame.pts * self._tick)

    def _shown_for(self, frame: VideoFrame) -> float | None:
        return float(frame.duration * self._tick) if frame.duration and frame.duration > 0 else None

    def _shot(self, frame: VideoFrame, time: float, duration: float | None, index: int | None = None) -> Shot:
        if frame.width != self._oriented.width or frame.height != self._oriented.height:
            self._oriented, self._orientation = frame, from_frame(frame)
        # Of the frame as it comes: its pixels may be asked for when others have come.
        orientation = self._orientation
        size, pixels = partial(self._size, frame, orientation), partial(self._pixels, frame, orientation)
        return Shot(time, pixels, duration, index, size)

    def _size(self, frame: VideoFrame, orientation: Orientation) -> tuple[int, int]:
        self._demand_size(frame.width, frame.height)
        return orientation.size(*self._square_size(frame))

    def _pixels(self, frame: VideoFrame, orientation: Orientation) -> UInt8[np.ndarray, "h w 3"]:
        self._demand_size(frame.width, frame.height)
        width, height = self._square_size(frame)
        if any(component.is_alpha for component in frame.format.components):
            rgba = frame.reformat(width=width, height=height, format="rgba").to_ndarray()
            image = over_white(rgba[..., :3], rgba[..., 3])
        else:
            image = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
        return orientation.upright(image)

    def _square_size(self, frame: VideoFrame) -> tuple[int, int]:
        """Width and height, as stored, once its pixels are square."""
        aspect = self._aspect
        if abs(aspect - 1) < SQUARE_TOLERANCE or not 0.25 <= aspect <= 4:
            return frame.width, frame.height
        return round(frame.width * aspect), frame.height
