"""Directories of TIFF files (TIFF 6.0, and BigTIFF): the pages of a picture file, and the little file that EXIF is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mien.media.boxes import InMemory

STARTS = (b"II*\0", b"MM\0*")
BIG_STARTS = (b"II+\0", b"MM\0+")
SUBFILE, WIDTH, HEIGHT, ORIENTATION, TILE_WIDTH, TILE_HEIGHT = 254, 256, 257, 274, 322, 323
NO_PAGE = 0b101
"""Bits of the subfile type: a smaller copy of another page, a mask."""
NUMBER_SIZES = {1: 1, 3: 2, 4: 4, 16: 8}
"""Bytes of one number of a field type: BYTE, SHORT, LONG, LONG8."""
MOST_FIELDS, MOST_PAGES = 256, 100_000
"""Fields read of one directory (sound ones have about 20), and directories read of one file."""


@dataclass(frozen=True, slots=True)
class Directory:
    """What one directory says of its page.

    Attributes:
        at: where it lies, in bytes from the start of the TIFF file.
        numbers: the first number of every field of whole numbers that lie in the directory itself, by tag.
        fields: how many there are.
        following: where the next directory lies, 0 for none.
    """

    at: int
    numbers: dict[int, int]
    fields: int
    following: int

    @property
    def is_page(self) -> bool:
        """It describes a picture of its own."""
        return not self.numbers.get(SUBFILE, 0) & NO_PAGE

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels, that decoding makes room for: of the page, or of its tile if that is larger."""
        sizes = ((WIDTH, HEIGHT), (TILE_WIDTH, TILE_HEIGHT))
        width, height = max(
            ((self.numbers.get(wide, 0), self.numbers.get(high, 0)) for wide, high in sizes), key=lambda s: s[0] * s[1]
        )
        return width, height


class TiffReader:
    """The directories of a TIFF file that begins ``start`` bytes into ``data``; nothing sensible reads as zeros."""

    def __init__(self, data: InMemory, start: int = 0) -> None:
        self._data, self._start = data, start
        self._order: Literal["little", "big"] = "little" if data.startswith(b"II", start) else "big"
        self._big = data[start : start + 4] in BIG_STARTS
        self.first = self._number(8, 8) if self._big else self._number(4, 4)

    def show(self, page: Directory, data: bytearray) -> None:
        """Change ``data``, a copy of the file, so that decoders find ``page`` first, and as upright as it is stored."""
        place, size = (8, 8) if self._big else (4, 4)
        data[self._start + place : self._start + place + size] = page.at.to_bytes(size, self._order)
        head, step, room = (8, 20, 8) if self._big else (2, 12, 4)
        for field in range(page.at + head, page.at + head + page.fields * step, step):
            if self._number(field, 2) == ORIENTATION:
                value = self._start + field + step - room
                data[value : value + 2] = (1).to_bytes(2, self._order)

    def directory(self, at: int) -> Directory:
        """The directory at ``at``."""
        head, step, room = (8, 20, 8) if self._big else (2, 12, 4)
        fields = min(self._number(at, head), MOST_FIELDS)
        numbers: dict[int, int] = {}
        for place in range(at + head, at + head + fields * step, step):
            size = NUMBER_SIZES.get(self._number(place + 2, 2), room + 1)
            if size * max(self._number(place + 4, room), 1) <= room:
                numbers.setdefault(self._number(place, 2), self._number(place + step - room, size))
        return Directory(at, numbers, fields, self._number(at + head + fields * step, room))

    def pages(self) -> tuple[list[Directory], bool]:
        """The pages in their order (the first directory where none is a page), and whether the chain of them is whole.

        A chain that leads out of the file was cut off; one that bites its tail ends there.
        """
        chain: list[Directory] = []
        seen: set[int] = set()
        at = self.first
        while 0 < at < len(self._data) and at not in seen and len(chain) < MOST_PAGES:
            seen.add(at)
            chain.append(self.directory(at))
            at = chain[-1].following
        return [one for one in chain if one.is_page] or chain[:1], at == 0

    def _number(self, at: int, size: int) -> int:
        at += self._start
        return int.from_bytes(self._data[at : at + size], self._order)
