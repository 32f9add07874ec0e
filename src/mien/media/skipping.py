"""Going on at a key frame: packets before it are counted but not decoded, so that frames keep their numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

from av.packet import Packet
from av.video.stream import VideoStream

MOST_HELD = 64 << 20
"""Bytes of packets that wait for the next key frame; with more, what is there is decoded."""

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
