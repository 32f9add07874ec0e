"""The container of HEIF and AVIF pictures (ISO/IEC 23008-12): which items there are and what is said of them.

A picture is an item: coded pixels in one piece, or a grid of tiles which are items of their own (photos of phones).
How it is cropped, turned and mirrored stands in properties of the item; EXIF repeats it and must be ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mien.media.boxes import Box, Fields, InMemory, boxes, find_box

CODED = frozenset({b"hvc1", b"av01", b"avc1", b"jpeg"})
PICTURES = CODED | {b"grid", b"iden"}
"""Kinds of items that are pictures."""
MOST_TILES = 1 << 16
ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha", b"urn:mpeg:hevc:2015:auxid:1")


@dataclass(frozen=True, slots=True)
class Grid:
    """A picture made of tiles of one size, row by row; the right and the bottom ones may reach over its edge.

    Attributes:
        rows: of tiles.
        columns: of tiles.
        width: pixels of the whole.
        height: pixels of the whole.
        tiles: the items, ``rows * columns`` of them.
    """

    rows: int
    columns: int
    width: int
    height: int
    tiles: tuple[int, ...]


@dataclass
class HeifFile:
    """The items of a file, as far as it can be read: nothing in it is checked but that it can be reached.

    Attributes:
        data: the file.
        primary: the item to show; 0 for none.
        kinds: every item's kind, four letters.
        hidden: items not meant to be shown by themselves.
        extents: where an item's bytes lie: (from which box it counts, offset, length; 0 for all there is).
        properties: an item's properties in the order they apply.
        references: items that an item refers to, by kind of reference and item.
        inline: the box for data beside the descriptions.
    """

    data: InMemory
    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)
    extents: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    properties: dict[int, list[Box]] = field(default_factory=dict)
    references: dict[tuple[bytes, int], tuple[int, ...]] = field(default_factory=dict)
    inline: Box | None = None

    def all_of(self, item: int, kind: bytes) -> list[bytes]:
        """The contents of an item's properties of ``kind``."""
        return [bytes(self.data[box.start : box.end]) for box in self.properties.get(item, ()) if box.kind == kind]

    def first(self, item: int, kind: bytes) -> bytes:
        """The content of an item's first property of ``kind``; empty for none."""
        return next(iter(self.all_of(item, kind)), b"")

    def size(self, item: int) -> tuple[int, int]:
        """Width and height in pixels before cropping and turning; 0 where they are not said."""
        fields = Fields(self.first(item, b"ispe"))
        fields.version()
        return fields.number(4), fields.number(4)

    def content(self, item: int) -> bytes | None:
        """An item's bytes; None where some of them are not in the file."""
        parts, most = [], len(self.data)
        for method, offset, length in self.extents.get(item, ()):
            if method == 1 and self.inline is not None:
                start, end = self.inline.start + offset, self.inline.end
            elif method == 0:
                start, end = offset, len(self.data)
            else:
                return None
            stop = start + length if length else end
            most -= stop - start
            if stop > end or start >= stop or most < 0:
                return None
            parts.append(bytes(self.data[start:stop]))
        return b"".join(parts) or None

    def grid(self, item: int) -> Grid | None:
        """How a grid is put together; None where that makes no sense."""
        fields = Fields(self.content(item) or b"")
        _, flags = fields.number(1), fields.number(1)
        rows, columns = fields.number(1) + 1, fields.number(1) + 1
        width, height = (fields.number(4 if flags & 1 else 2) for _ in range(2))
        tiles = self.references.get((b"dimg", item), ())
        if not width or not height or len(tiles) != rows * columns or len(tiles) > MOST_TILES:
            return None
        return Grid(rows, columns, width, height, tiles)

    def resolved(self, item: int) -> int:
        """The item that holds the pixels, where ``item`` only shows another one in another way."""
        if self.kinds.get(item) != b"iden":
            return item
        shown = self.references.get((b"dimg", item), ())
        return shown[0] if len(shown) == 1 else item

    @property
    def is_av1(self) -> bool:
        """The picture to show is coded as AV1: the file is an AVIF, whatever it is called."""
        item = self.resolved(self.primary)
        tiles = self.references.get((b"dimg", item), ()) if self.kinds.get(item) == b"grid" else ()
        return self.kinds.get(tiles[0] if tiles else item) == b"av01"

    def alpha_of(self, item: int) -> int | None:
        """The item with the transparency of ``item``."""
        for (kind, one), masters in self.references.items():
            if kind == b"auxl" and item in masters and self.first(one, b"auxC")[4:].split(b"\0")[0] in ALPHA:
                return one
        return None

    def pictures(self) -> list[int]:
        """The pictures a viewer would offer: no tiles, thumbnails, depth or transparency of others."""
        parts = {one for (kind, _), ones in self.references.items() if kind == b"dimg" for one in ones}
        helpers = {one for kind, one in self.references if kind in (b"thmb", b"auxl")}
        shown = [one for one, kind in self.kinds.items() if kind in PICTURES and one not in self.hidden]
        return [one for one in shown if one == self.primary or one not in parts | helpers]


def read_heif(data: InMemory) -> HeifFile:
    """The items of ``data``; none where it is no HEIF."""
    file = HeifFile(data)
    meta = find_box(data, (b"meta",))
    inside = {box.kind: box for box in boxes(data, meta.start + 4, meta.end)} if meta else {}
    readers = {b"pitm": _read_primary, b"iinf": _read_kinds, b"iloc": _read_places, b"iref": _read_references}
    for kind, read in readers.items():
        if kind in inside:
            read(file, inside[kind])
    if b"iprp" in inside:
        _read_properties(file, inside[b"iprp"])
    file.inline = inside.get(b"idat")
    return file


def heif_size(data: InMemory) -> tuple[int, int] | None:
    """Width and height in pixels, as stored, of the picture to show; None where they are not said."""
    file = read_heif(data)
    item = file.resolved(file.primary)
    if file.kinds.get(item) != b"grid":
        return file.size(item)
    grid = file.grid(item)
    return (grid.width, grid.height) if grid else None


def _read_primary(file: HeifFile, box: Box) -> None:
    fields = Fields(file.data[box.start : box.end])
    version, _ = fields.version()
    file.primary = fields.number(4 if version else 2)


def _read_kinds(file: HeifFile, box: Box) -> None:
    versioned = 4 + (4 if file.data[box.start : box.start + 1] != b"\0" else 2)
    for entry in boxes(file.data, box.start + versioned, box.end):
        fields = Fields(file.data[entry.start : min(entry.end, entry.start + 12)])
        version, flags = fields.version()
        if entry.kind == b"infe" and version >= 2:
            item = fields.number(4 if version > 2 else 2)
            fields.number(2)
            file.kinds[item] = fields.take(4)
            if flags & 1:
                file.hidden.add(item)


def _read_places(file: HeifFile, box: Box) -> None:
    fields = Fields(file.data[box.start : box.end])
    version, _ = fields.version()
    sizes = fields.number(2)
    offset_size, length_size, base_size = sizes >> 12, sizes >> 8 & 15, sizes >> 4 & 15
    index_size = sizes & 15 if version else 0
    for _ in range(fields.number(4 if version > 1 else 2)):
        if not fields.left:
            return
        item = fields.number(4 if version > 1 else 2)
        method = fields.number(2) & 15 if version else 0
        other_file, base = fields.number(2), fields.number(base_size)
        places = []
        width = index_size + offset_size + length_size
        for _ in range(min(fields.number(2), fields.left // width if width else 1)):
            fields.number(index_size)
            places.append((2 if other_file else method, base + fields.number(offset_size), fields.number(length_size)))
        file.extents[item] = places


def _read_references(file: HeifFile, box: Box) -> None:
    size = 4 if file.data[box.start : box.start + 1] != b"\0" else 2
    for entry in boxes(file.data, box.start + 4, box.end):
        fields = Fields(file.data[entry.start : entry.end])
        key = entry.kind, fields.number(size)
        count = min(fields.number(2), fields.left // size)
        file.references[key] = tuple(fields.number(size) for _ in range(count))


def _read_properties(file: HeifFile, box: Box) -> None:
    container = find_box(file.data, (b"ipco",), box)
    known = list(boxes(file.data, container.start, container.end)) if container else []
    for table in boxes(file.data, box.start, box.end):
        if table.kind != b"ipma":
            continue
        fields = Fields(file.data[table.start : table.end])
        version, flags = fields.version()
        size = 2 if flags & 1 else 1
        for _ in range(fields.number(4)):
            if not fields.left:
                break
            item = fields.number(4 if version else 2)
            places = [fields.number(size) & (0x7FFF if size == 2 else 0x7F) for _ in range(fields.number(1))]
            file.properties.setdefault(item, []).extend(known[one - 1] for one in places if 0 < one <= len(known))
