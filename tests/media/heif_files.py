"""HEIF files written box by box: coded pieces from FFmpeg's encoders, what is said of them at one's choice."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field

import av
import numpy as np

CODED = {"libx265": (b"hvc1", b"hvcC"), "libsvtav1": (b"av01", b"av1C"), "libx264": (b"avc1", b"avcC")}
OPTIONS = {
    "libx265": {"crf": "8", "preset": "ultrafast", "x265-params": "log-level=none:info=0:bframes=0:pools=none"},
    "libsvtav1": {"crf": "8", "preset": "10"},
    "libx264": {"crf": "8"},
}


def box(kind: bytes, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return struct.pack(">I", 8 + len(content)) + kind + content


def full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def irot(quarters_left: int) -> bytes:
    return box(b"irot", bytes([quarters_left]))


def imir(axis: int) -> bytes:
    return box(b"imir", bytes([axis]))


def clap(width: int, height: int, right: int, down: int) -> bytes:
    return box(b"clap", struct.pack(">4I4i", width, 1, height, 1, right, 1, down, 1))


def nclx(matrix: int, full_range: bool) -> bytes:
    return box(b"colr", b"nclx", struct.pack(">3HB", 1, 13, matrix, full_range << 7))


def ispe(width: int, height: int) -> bytes:
    return full(b"ispe", 0, 0, struct.pack(">II", width, height))


def alpha_aux() -> bytes:
    return full(b"auxC", 0, 0, b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")


@dataclass
class Item:
    """One item: its kind, bytes and properties; what it refers to, by kind of reference."""

    kind: bytes
    data: bytes
    properties: list[bytes] = field(default_factory=list)
    references: dict[bytes, list[int]] = field(default_factory=dict)
    hidden: bool = False
    inline: bool = False


def coded(image: np.ndarray, codec: str = "libx265", pix_fmt: str = "yuv420p") -> Item:
    """A picture as one coded item."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", "mp4") as container:
        stream = container.add_stream(codec, rate=1, options=OPTIONS[codec])
        stream.height, stream.width = image.shape[:2]
        stream.pix_fmt = pix_fmt
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode(None)])
    buffer.seek(0)
    kind, preparation = CODED[codec]
    with av.open(buffer) as container:
        stream = container.streams.video[0]
        packet = next(container.demux(stream))
        said = [ispe(image.shape[1], image.shape[0]), box(preparation, stream.codec_context.extradata)]
        return Item(kind, bytes(packet), said)


def grid(rows: int, columns: int, width: int, height: int, tiles: list[int], *properties: bytes) -> Item:
    data = struct.pack(">4B2H", 0, 0, rows - 1, columns - 1, width, height)
    return Item(b"grid", data, [ispe(width, height), *properties], {b"dimg": tiles}, inline=True)


def tiled(image: np.ndarray, side: int, *properties: bytes, codec: str = "libx265") -> list[Item]:
    """A picture as phones write it: a grid first, its tiles after it; those over the edge are filled up."""
    height, width = image.shape[:2]
    rows, columns = -(-height // side), -(-width // side)
    filled = np.zeros((rows * side, columns * side, 3), np.uint8)
    filled[:height, :width] = image
    places = [(y * side, x * side) for y in range(rows) for x in range(columns)]
    tiles = [coded(np.ascontiguousarray(filled[y : y + side, x : x + side]), codec) for y, x in places]
    for tile in tiles:
        tile.hidden = True
    return [grid(rows, columns, width, height, list(range(2, 2 + len(tiles))), *properties), *tiles]


def heif(items: list[Item], primary: int = 1, brand: bytes = b"heic", brands: bytes = b"mif1heic") -> bytes:
    """The file; items are numbered from 1."""
    known = list(dict.fromkeys(one for item in items for one in item.properties))
    infe = [
        full(b"infe", 2, item.hidden, struct.pack(">HH", number, 0), item.kind, b"\0")
        for number, item in enumerate(items, 1)
    ]
    links = [
        box(kind, struct.pack(f">HH{len(ones)}H", number, len(ones), *ones))
        for number, item in enumerate(items, 1)
        for kind, ones in item.references.items()
    ]
    ipma = [
        struct.pack(">HB", number, len(item.properties))
        + b"".join(struct.pack(">B", 0x80 | known.index(one) + 1) for one in item.properties)
        for number, item in enumerate(items, 1)
    ]
    inline = b"".join(item.data for item in items if item.inline)

    def meta(start: int) -> bytes:
        """``start``: where the bytes of the items begin."""
        places, inside = [], 0
        for number, item in enumerate(items, 1):
            at = inside if item.inline else start
            places.append(struct.pack(">HHHHII", number, int(item.inline), 0, 1, at, len(item.data)))
            inside, start = (inside + len(item.data), start) if item.inline else (inside, start + len(item.data))
        return full(
            *(b"meta", 0, 0, full(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13))),
            full(b"pitm", 0, 0, struct.pack(">H", primary)),
            full(b"iinf", 0, 0, struct.pack(">H", len(items)), *infe),
            full(b"iref", 0, 0, *links) if links else b"",
            box(b"iprp", box(b"ipco", *known), full(b"ipma", 0, 0, struct.pack(">I", len(items)), *ipma)),
            full(b"iloc", 1, 0, struct.pack(">HH", 0x4400, len(items)), *places),
            box(b"idat", inline) if inline else b"",
        )

    head = box(b"ftyp", brand, bytes(4), brands)
    start = len(head) + len(meta(0)) + 8
    return head + meta(start) + box(b"mdat", *(item.data for item in items if not item.inline))
