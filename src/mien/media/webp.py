"""Animated WebP, which FFmpeg cannot read: its frames one by one, laid over each other as browsers do.

Format: https://developers.google.com/speed/webp/docs/riff_container, "Animation".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from mien.core.errors import SourceError
from mien.media.arrays import over_white
from mien.media.headers import read_header, webp_chunks
from mien.media.orientation import Orientation, from_header
from mien.media.selection import MOST_PIXELS
from mien.media.source import Shot, Source, SourceInfo
from mien.media.stills import demand_size, file_bytes, opencv_pixels

SHORTEST, INSTEAD = 0.010, 0.100
"""Seconds: browsers show a frame that asks for no more than the first for the second."""
ALPHA = 0x10
FRAME_HEAD = 16
"""Bytes of a frame's place, size, duration and flags before its pixels."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One frame of the file: a rectangle of the picture.

    Attributes:
        x: left edge in pixels; even.
        y: upper edge in pixels; even.
        width: pixels.
        height: pixels.
        seconds: how long it is shown.
        blend: lay it over what is there; else it takes the place of that.
        dispose: take it away again after it was shown.
        start: where its pixels begin in the file.
        end: where they end.
    """

    x: int
    y: int
    width: int
    height: int
    seconds: float
    blend: bool
    dispose: bool
    start: int
    end: int


def open_webp(path: Path, max_pixels: int = MOST_PIXELS) -> Source:
    """An animated WebP as a film: its frames at their times, played once, transparency on white.

    Args:
        path: the file.
        max_pixels: of one frame; more are refused before they are decoded.

    Raises:
        SourceError: it cannot be read, is too large, or holds no frame.
    """
    data = file_bytes(path)
    header = read_header(data)
    width, height = demand_size(header.size, path.name, len(data), max_pixels)
    turn = from_header(data, header)
    parts = [_part(data, one.start, one.end) for one in webp_chunks(data) if one.kind == b"ANMF"]
    if not parts:
        raise SourceError("an animation with at least one frame", f"{path.name}, which has none", "copy it again")
    problems: list[str] = []
    if len(data) < 8 + int.from_bytes(data[4:8], "little"):
        problems.append(
            f"{path.name} is cut off: {len(data)} bytes are left of {8 + int.from_bytes(data[4:8], 'little')}"
        )
    duration = sum(part.seconds for part in parts)
    upright, rate = turn.size(width, height), len(parts) / duration
    info = SourceInfo(path.name, "video", *upright, duration, rate, len(parts), rotation=90 * turn.turns)
    shots = _shots(data, parts, np.zeros((height, width, 4), np.uint8), turn, path.name, problems)
    return Source(info, shots, problems=problems)


def _part(data: bytes, start: int, end: int) -> _Part:
    head = data[start : min(start + FRAME_HEAD, end)].ljust(FRAME_HEAD, b"\0")
    x, y, width, height, milliseconds = (int.from_bytes(head[at : at + 3], "little") for at in range(0, 15, 3))
    seconds = milliseconds / 1000 if milliseconds / 1000 > SHORTEST else INSTEAD
    blend, dispose = not head[15] & 2, bool(head[15] & 1)
    return _Part(2 * x, 2 * y, width + 1, height + 1, seconds, blend, dispose, start + FRAME_HEAD, end)


def _shots(
    data: bytes,
    parts: list[_Part],
    canvas: UInt8[np.ndarray, "h w 4"],
    turn: Orientation,
    name: str,
    problems: list[str],
) -> Iterator[Shot]:
    def upright(shown: UInt8[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "h2 w2 3"]:
        return turn.upright(over_white(shown[..., :3], shown[..., 3]))

    time, damaged = 0.0, 0
    for part in parts:
        pixels = _decode(data, part, canvas.shape[:2])
        if pixels is None:
            damaged += 1
        else:
            shown = _laid(canvas, part, pixels)
            yield Shot(time, partial(upright, shown), part.seconds)
            canvas = _laid(shown, part, np.zeros_like(pixels), blend=False) if part.dispose else shown
        time += part.seconds
    if damaged:
        problems.append(f"{name} is damaged: {damaged} frames could not be decoded")


def _decode(data: bytes, part: _Part, shape: tuple[int, ...]) -> UInt8[np.ndarray, "h w 4"] | None:
    """A frame's pixels, by making a still picture of it; None where it is damaged or lies outside of the picture."""
    if part.y + part.height > shape[0] or part.x + part.width > shape[1]:
        return None
    chunks = (one for one in webp_chunks(data, part.start, part.end) if one.kind in (b"ALPH", b"VP8 ", b"VP8L"))
    inner = b"".join(
        one.kind + struct.pack("<I", one.end - one.start) + data[one.start : one.end] + bytes((one.end - one.start) % 2)
        for one in chunks
    )
    sides = (part.width - 1).to_bytes(3, "little") + (part.height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<II", 10, ALPHA) + sides + inner
    pixels = opencv_pixels(b"RIFF" + struct.pack("<I", len(body)) + body)
    if pixels is None or pixels.shape[:2] != (part.height, part.width) or pixels.dtype != np.uint8:
        return None
    return pixels if pixels.shape[2] == 4 else np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])


def _laid(
    canvas: UInt8[np.ndarray, "h w 4"], part: _Part, pixels: UInt8[np.ndarray, "h2 w2 4"], blend: bool | None = None
) -> UInt8[np.ndarray, "h w 4"]:
    """A copy of ``canvas`` with ``pixels`` in their place."""
    answer = canvas.copy()
    place = answer[part.y : part.y + part.height, part.x : part.x + part.width]
    if not (part.blend if blend is None else blend):
        place[:] = pixels
        return answer
    above = pixels[..., 3:].astype(np.float32) / 255
    below = place[..., 3:].astype(np.float32) / 255 * (1 - above)
    whole = above + below
    mixed = (pixels[..., :3] * above + place[..., :3] * below) / np.maximum(whole, 1e-6)
    place[:] = np.dstack([mixed, whole * 255]).round().astype(np.uint8)
    return answer
