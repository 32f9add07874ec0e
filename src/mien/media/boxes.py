"""Boxes of ISO base media files (ISO/IEC 14496-12): what MP4, HEIF, AVIF and JPEG 2000 files are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MOST_BOXES = 100_000
"""Boxes read at one level. The largest picture has 65,536 tiles; a hostile file could hold a box every 8 bytes."""


class FileBytes:
    """Slices of an open file, read when asked for: headers of a file without the file in memory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._length = file.seek(0, 2)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: slice) -> bytes:
        start, stop, _ = place.indices(self._length)
        self._file.seek(start)
        return self._file.read(max(stop - start, 0))


InMemory = bytes | bytearray
Data = InMemory | FileBytes


@dataclass(frozen=True, slots=True)
class Box:
    """One box.

    Attributes:
        kind: its four letters.
        start: where its content begins.
        end: where it ends, at most where the data end.
    """

    kind: bytes
    start: int
    end: int


def boxes(data: Data, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes that follow each other in ``data[start:end]``; what is no box ends them."""
    end = len(data) if end is None else min(end, len(data))
    for _ in range(MOST_BOXES):
        head = data[start : min(start + 16, end)]
        size, content = int.from_bytes(head[:4], "big"), start + 8
        if size == 1:
            size, content = int.from_bytes(head[8:16], "big"), start + 16
        stop = start + size if size else end
        if len(head) < 8 or stop < content:
            return
        yield Box(bytes(head[4:8]), content, min(stop, end))
        start = stop


def find_box(data: Data, path: tuple[bytes, ...], within: Box | None = None) -> Box | None:
    """The first box at ``path``, kind by kind downwards; the boxes on the way hold nothing but boxes."""
    span = (within.start, within.end) if within else (0, len(data))
    found = next((box for box in boxes(data, *span) if box.kind == path[0]), None)
    return found if found is None or len(path) == 1 else find_box(data, path[1:], found)


class Fields:
    """Reads numbers one after the other, big endian. Past the end they are 0, and ``left`` is 0 too."""

    def __init__(self, data: InMemory) -> None:
        self._data, self._at = bytes(data), 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return max(len(self._data) - self._at, 0)

    def number(self, size: int) -> int:
        """The next ``size`` bytes as a number; 0 for none."""
        return int.from_bytes(self.take(size), "big")

    def signed(self, size: int) -> int:
        """The next ``size`` bytes as a number with a sign."""
        return int.from_bytes(self.take(size), "big", signed=True)

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer at the end."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def version(self) -> tuple[int, int]:
        """Version and flags, with which a full box begins."""
        return self.number(1), self.number(3)
