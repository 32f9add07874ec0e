"""Beginning at a key frame: to reach a late part without decoding what is before it, or to decode a torn end again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import cast

import av.error
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

MOST_HELD = 64 << 20
"""Bytes of packets that wait for the next key frame; with more, nobody waits any longer."""

Packets = Iterator["Packet[VideoStream] | None"]


@dataclass(frozen=True, slots=True)
class Skipped:
    """Where decoding goes on.

    Attributes:
        stamp: presentation timestamp of the key frame; frames before it are not to be shown.
        frames: how many frames of the stream are shown before it, by the packets.
    """

    stamp: int
    frames: int


def skip(packets: Packets, read: int, wanted: Fraction) -> tuple[Packets, Skipped | None]:
    """The packets from the last key frame on that is shown no later than ``wanted``.

    Args:
        packets: of one stream, in order of decoding; None closes them.
        read: how many were taken from it before.
        wanted: a timestamp, in the stream's ticks.

    Returns:
        The packets that are still to be decoded, and where that is; None where no key frame lies ahead, and decoding
        goes on as if nothing had been asked.
    """
    held: list[Packet[VideoStream] | None] = []
    size, key = 0, None
    for packet in packets:
        stamp = None if packet is None else packet.pts
        if packet is not None and packet.is_keyframe and stamp is not None and stamp <= wanted:
            read += len(held)
            held, size, key = [], 0, stamp
        held.append(packet)
        size += 0 if packet is None else packet.size
        # Frames are decoded in another order than they are shown, but none is decoded after it is shown.
        if packet is None or size > MOST_HELD or _order(packet) > wanted:
            break
    if key is None:
        return chain(held, packets), None
    leading = sum(1 for packet in held if packet is not None and packet.pts is not None and packet.pts < key)
    return chain(held, packets), Skipped(key, read + leading)


def _order(packet: Packet[VideoStream]) -> int:
    """When a packet is decoded, in ticks; 0 where it does not say."""
    return packet.dts if packet.dts is not None else packet.pts or 0


class KeyGroups:
    """The packets of the last two key frames, for the end of a torn file.

    Threads decode several frames at a time, and an error in one takes with it others that were ready: how many are lost
    would depend on how many threads there are. So the end is decoded again by one thread where frames are missing.

    Attributes:
        damaged: packets that could not be decoded there.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._before: list[Packet[VideoStream]] = []
        self._packets: list[Packet[VideoStream]] = []
        self._size = self._due = 0
        self._newest: int | None = None

    def add(self, packet: Packet[VideoStream] | None) -> None:
        """Note the next packet of the stream."""
        if packet is None or not packet.size:
            return
        if packet.is_keyframe or self._size > MOST_HELD:
            self._before, self._packets, self._size = self._packets, [], 0
        self._packets.append(packet)
        self._size += packet.size
        self._due += 1

    def noted(self, frames: list[VideoFrame]) -> Iterator[VideoFrame]:
        """``frames`` as they are, which the stream's own decoder has given."""
        for frame in frames:
            self._due -= 1
            self._newest = frame.pts
            yield frame

    def missed(self, context: VideoCodecContext) -> Iterator[VideoFrame]:
        """Frames after the last one noted, where fewer came than packets; decoded with the settings of ``context``."""
        if self._due <= 0:
            return
        again = cast(VideoCodecContext, CodecContext.create(context.codec.name, "r"))
        again.extradata, again.thread_count = context.extradata, 1
        for packet in (*self._before, *self._packets, None):
            try:
                frames = again.decode(packet)
            except av.error.FFmpegError:
                self.damaged += 1
                continue
            newest = self._newest
            yield from (one for one in frames if one.pts is not None and (newest is None or one.pts > newest))
