"""What the header of a picture file says before anything is decoded: its format, its size, where its EXIF lies.

A picture of a few kilobytes can ask for gigabytes of pixels, so no file is decoded whose size is not known from here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mien.media import tiff
from mien.media.boxes import Data, InMemory, boxes, find_box
from mien.media.heif import heif_size

Size = tuple[int, int]
"""Width and height, in pixels, as stored."""

JPEG_START, PNG_START, GIF_START = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8"
JP2_START, CODESTREAM_START = b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"
STARTS = (
    *((JPEG_START, "jpeg"), (PNG_START, "png"), (GIF_START, "gif"), (b"BM", "bmp"), (JP2_START, "jp2")),
    *((CODESTREAM_START, "jp2"), *((start, "tiff") for start in (*tiff.STARTS, *tiff.BIG_STARTS))),
)
NETPBM_START = re.compile(rb"P[1-6][\s#]|P7\n")
# A marker of a JPEG. In coded data, FF is followed by 00 (it means itself) or by a restart marker, D0 to D7.
JPEG_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
NO_FRAME = (0xC4, 0xC8, 0xCC)
"""Markers between C0 and CF that begin no frame: tables, a reserved one, settings of arithmetic coding."""
MOST_PARTS = 200_000
"""Segments or chunks read of one file: a hostile one could hold one every few bytes."""
LONGEST_TEXT_HEADER = 1 << 16
"""Bytes of a header in letters, comments and all."""
EXIF_MARK = b"Exif\0\0"


def format_of(head: InMemory) -> str:
    """The format of a picture by its first 16 bytes, such as "jpeg"; "" for none of them."""
    if head[4:8] == b"ftyp":
        return "heif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if NETPBM_START.match(head):
        return "netpbm"
    return next((name for start, name in STARTS if head.startswith(start)), "")


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a picture file before it is decoded.

    Attributes:
        size: width and height, in pixels, that decoding would make room for; None where the header does not say.
        exif: where the TIFF file lies that EXIF is; None without one. Only where the format puts it: behind the picture
            may lie another one, or a film, with words of its own. AVIF and HEIF have none that counts.
        whole: False for a JPEG that ends before its end mark, and a PNG with a chunk that reaches out of the file.
    """

    size: Size | None = None
    exif: int | None = None
    whole: bool = True


def read_header(data: InMemory) -> Header:
    """The header of a picture of any format that mien reads; one without a size for anything else."""
    kind = format_of(data[:16])
    if kind == "jpeg":
        found = scan_jpeg(data)
        return Header(_sensible(found.size), found.exif, found.end is not None)
    if kind not in SIZES:
        return Header()
    # OpenCV makes room for as many bytes as a chunk of a PNG claims, up to 4 GB, before it looks for them.
    whole = kind != "png" or all(chunk.end <= len(data) for chunk in png_chunks(data))
    return Header(_sensible(SIZES[kind](data)), _exif_start(data, kind), whole)


def _sensible(size: Size | None) -> Size | None:
    return size if size is not None and min(size) > 0 else None


def _exif_start(data: InMemory, kind: str) -> int | None:
    if kind == "tiff":
        return 0
    blocks = {"png": (png_chunks, b"eXIf"), "webp": (webp_chunks, b"EXIF")}
    if kind not in blocks:
        return None
    chunks, name = blocks[kind]
    start = next((chunk.start for chunk in chunks(data) if chunk.kind == name), None)
    if start is not None and data.startswith(EXIF_MARK, start):
        start += len(EXIF_MARK)
    return start if start is not None and data[start : start + 4] in tiff.STARTS else None


@dataclass(frozen=True, slots=True)
class JpegScan:
    """What a walk along the markers of a JPEG found.

    Attributes:
        size: width and height of the frame.
        exif: where its EXIF begins.
        end: just behind the end mark; None where the file is cut off before it.
    """

    size: Size | None = None
    exif: int | None = None
    end: int | None = None


def scan_jpeg(data: InMemory) -> JpegScan:
    """Walk to the end mark of the first picture: thumbnails lie inside a segment, other things behind it."""
    size: Size | None = None
    exif, at = None, 2
    for _ in range(MOST_PARTS):
        mark = JPEG_MARKER.search(data, at)
        if mark is None:
            break
        kind, at = data[mark.end() - 1], mark.end()
        if kind == 0xD9:
            return JpegScan(size, exif, at)
        if kind == 0xD8:
            continue
        if 0xC0 <= kind <= 0xCF and kind not in NO_FRAME and size is None:
            size = int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 3 : at + 5], "big")
        if kind == 0xE1 and exif is None and data.startswith(EXIF_MARK, at + 2):
            exif = at + 2 + len(EXIF_MARK)
        at += int.from_bytes(data[at : at + 2], "big")
    return JpegScan(size, exif)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a PNG or WebP: its name, and where its content begins and, by its own word, ends."""

    kind: bytes
    start: int
    end: int


def png_chunks(data: Data) -> Iterator[Chunk]:
    """The chunks of a PNG: length, name, content, checksum."""
    at = len(PNG_START)
    for _ in range(MOST_PARTS):
        head = data[at : at + 8]
        if len(head) < 8:
            return
        length = int.from_bytes(head[:4], "big")
        yield Chunk(bytes(head[4:]), at + 8, at + 8 + length)
        if head[4:] == b"IEND":
            return
        at += 12 + length


def webp_chunks(data: Data, start: int = 12, end: int | None = None) -> Iterator[Chunk]:
    """The chunks of a WebP, or of one of its frames: name, length, content, a byte more where that is odd."""
    end = len(data) if end is None else end
    for _ in range(MOST_PARTS):
        head = data[start : min(start + 8, end)]
        if len(head) < 8:
            return
        length = int.from_bytes(head[4:], "little")
        yield Chunk(bytes(head[:4]), start + 8, start + 8 + length)
        start += 8 + length + length % 2


def is_animated(data: Data) -> bool:
    """Whether a PNG, WebP, GIF, AVIF or HEIF holds pictures that follow each other in time; a torn GIF may."""
    kind = format_of(data[:16])
    if kind == "png":
        return _frames_of_png(data) > 1
    if kind == "webp":
        return data[12:16] == b"VP8X" and bool(data[20:21] and data[20:21][0] & 2)
    if kind == "gif":
        return _frames_of_gif(data) != 1
    return kind == "heif" and _samples(data) > 1


def _frames_of_png(data: Data) -> int:
    for chunk in png_chunks(data):
        if chunk.kind == b"acTL":
            return int.from_bytes(data[chunk.start : chunk.start + 4], "big")
        if chunk.kind == b"IDAT":
            break
    return 0


def _frames_of_gif(data: Data) -> int:
    """Up to 2: one is a picture, any more are a film."""
    frames, at, in_blocks = 0, 13 + _gif_colours(data[10:11]), False
    for _ in range(MOST_PARTS):
        head = data[at : at + 10]
        if not head or frames > 1:
            break
        if in_blocks:  # of up to 255 bytes, until an empty one
            at, in_blocks = at + 1 + head[0], head[0] > 0
            continue
        if head[:1] == b",":
            frames, at = frames + 1, at + 11 + _gif_colours(head[9:])
        elif head[:1] == b"!":
            at += 2
        else:
            break
        in_blocks = True
    return frames


def _gif_colours(flags: InMemory) -> int:
    """Bytes of the table of colours behind a screen's or a picture's ``flags``."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _samples(data: Data) -> int:
    """Pictures of the longest track; a still has no track (its pictures are items)."""
    counts = [0]
    movie = find_box(data, (b"moov",))
    for track in boxes(data, movie.start, movie.end) if movie else ():
        table = find_box(data, (b"mdia", b"minf", b"stbl", b"stsz"), track) if track.kind == b"trak" else None
        counts += [int.from_bytes(data[table.start + 8 : table.start + 12], "big")] if table else []
    return max(counts)


def _png(data: InMemory) -> Size:
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def _gif(data: InMemory) -> Size:
    return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")


def _bmp(data: InMemory) -> Size:
    if data[14:18] == b"\x0c\0\0\0":
        return int.from_bytes(data[18:20], "little"), int.from_bytes(data[20:22], "little")
    height = int.from_bytes(data[22:26], "little", signed=True)
    return int.from_bytes(data[18:22], "little"), abs(height)


def _webp(data: InMemory) -> Size | None:
    kind, at = data[12:16], 20
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[at + 4 : at + 7], "little"), 1 + int.from_bytes(data[at + 7 : at + 10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[at + 1 : at + 5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        sides = (int.from_bytes(data[at + place : at + place + 2], "little") & 0x3FFF for place in (6, 8))
        return next(sides), next(sides)
    return None


def _netpbm(data: InMemory) -> Size | None:
    """Numbers after the letters, with comments among them; P7 names them."""
    text = re.sub(rb"#[^\r\n]*", b"", data[:LONGEST_TEXT_HEADER])
    if text.startswith(b"P7"):
        sides = [re.search(name + rb"\s+(\d{1,10})\s", text) for name in (b"WIDTH", b"HEIGHT")]
        return (int(sides[0][1]), int(sides[1][1])) if sides[0] and sides[1] else None
    plain = re.match(rb"P[1-6]\s+0*(\d{1,10})\s+0*(\d{1,10})\s", text)
    return (int(plain[1]), int(plain[2])) if plain else None


def _jp2(data: InMemory) -> Size | None:
    """By the codestream, which is what decoders believe."""
    start = 0
    if data.startswith(JP2_START):
        stream = find_box(data, (b"jp2c",))
        start = stream.start if stream else len(data)
    if not data.startswith(CODESTREAM_START, start) or int.from_bytes(data[start + 40 : start + 42], "big") > 4:
        return None
    right, bottom, left, top = (int.from_bytes(data[start + at : start + at + 4], "big") for at in (8, 12, 16, 20))
    return right - left, bottom - top


def _tiff(data: InMemory) -> Size | None:
    reader = tiff.TiffReader(data)
    return reader.directory(reader.first).size


SIZES: dict[str, Callable[[InMemory], Size | None]] = {
    "png": _png,
    "gif": _gif,
    "bmp": _bmp,
    "webp": _webp,
    "netpbm": _netpbm,
    "jp2": _jp2,
    "tiff": _tiff,
    "heif": heif_size,
}
"""How to read the size of a picture of each format; a JPEG's comes of :func:`scan_jpeg`."""
