"""Still pictures: one file, its pages, or many files in a row as a sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8

from mien.core.errors import SourceError
from mien.media.arrays import DEFAULT_FRAME_RATE, to_rgb
from mien.media.boxes import InMemory
from mien.media.headers import Header, Size, format_of, is_animated, read_header
from mien.media.heif import read_heif
from mien.media.orientation import EXIF_ORIENTATIONS, UPRIGHT, Orientation, from_header
from mien.media.quiet import quiet_opencv
from mien.media.selection import MOST_PIXELS, Selection
from mien.media.source import Shot, Source, SourceInfo
from mien.media.tiff import ORIENTATION, Directory, TiffReader

SWAPS = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}
"""What puts the colours of so many planes into order; five times as fast as NumPy's indexing."""
MOST_BYTES = (1 << 31) - 1
"""Of one picture file: OpenCV counts them in 31 bits."""


@dataclass(frozen=True, slots=True)
class Still:
    """A decoded picture.

    Attributes:
        image: upright RGB.
        rotation: degrees clockwise (0, 90, 180, 270) by which it was turned to stand upright.
        notes: what else the file holds and was not read, one sentence each.
    """

    image: UInt8[np.ndarray, "h w 3"]
    rotation: int = 0
    notes: tuple[str, ...] = ()


def read_image(path: Path, max_pixels: int = MOST_PIXELS) -> UInt8[np.ndarray, "h w 3"]:
    """A picture file as RGB: orientation applied, transparency on white, 16 bits scaled to 8, CMYK converted.

    The orientation is EXIF's, of AVIF and HEIC the container's. Of several pages or pictures the main one is read.

    Args:
        path: the file.
        max_pixels: most of the stored picture; the header says how many, before there is room for one.

    Raises:
        SourceError: the file is missing, cut off, too large, or no picture OpenCV or FFmpeg can read.
    """
    return read_still(path, max_pixels).image


def read_still(path: Path, max_pixels: int = MOST_PIXELS) -> Still:
    """A picture file as :func:`read_image` reads it, and what there is to say of it."""
    return _still(file_bytes(path), path.name, max_pixels)


def _still(data: bytes, name: str, max_pixels: int) -> Still:
    kind = format_of(data[:16])
    if kind == "heif":
        return _heif(data, name, max_pixels)
    if kind == "tiff":
        reader = TiffReader(data)
        pages, _ = reader.pages()
        if not pages:
            raise _undecodable(name, len(data))
        notes = (f"{name} holds {len(pages)} pages; the first was read",) if len(pages) > 1 else ()
        return replace(_page(reader, bytearray(data), pages[0], name, max_pixels), notes=notes)
    notes = (f"{name} is an animation; its first picture was read",) if is_animated(data) else ()
    header = read_header(data)
    if kind == "gif":
        demand_size(header.size, name, len(data), max_pixels)
        return _gif(data, name, max_pixels, notes)
    return _plain(data, header, from_header(data, header), name, max_pixels, notes)


def _page(reader: TiffReader, data: bytearray, page: Directory, name: str, max_pixels: int) -> Still:
    """The picture of one page; ``data`` is changed so that decoders find it."""
    # OpenCV turns pages of a TIFF by itself, whatever it is told, and no other format.
    reader.show(page, data)
    turn = EXIF_ORIENTATIONS.get(page.numbers.get(ORIENTATION, 1), UPRIGHT)
    return _plain(data, read_header(data), turn, name, max_pixels)


def _plain(
    data: InMemory, header: Header, turn: Orientation, name: str, max_pixels: int, notes: tuple[str, ...] = ()
) -> Still:
    """A picture by OpenCV."""
    demand_size(header.size, name, len(data), max_pixels)
    # Some OpenCV versions fill up a JPEG that is cut off in its last scan with grey and call it sound.
    stored = opencv_pixels(data) if header.whole else None
    if stored is None:
        raise _undecodable(name, len(data))
    return Still(turn.upright(to_rgb(stored, name)), 90 * turn.turns, notes)


def _gif(data: bytes, name: str, max_pixels: int, notes: tuple[str, ...]) -> Still:
    """The first picture of a GIF by FFmpeg, as of those that are films; older OpenCVs cannot read it."""
    from mien.media.video import open_video

    with open_video(BytesIO(data), name, Selection(max_pixels=max_pixels)) as source:
        return Still(next(iter(source)).image, notes=notes)


def _heif(data: bytes, name: str, max_pixels: int) -> Still:
    """A picture of an AVIF or HEIC: OpenCV decodes the first kind, FFmpeg both; the container says how it is turned."""
    from mien.media.heic import changes_of, decode_heif, turn_of

    file = read_heif(data)
    demand_size(read_header(data).size, name, len(data), max_pixels)
    stored = opencv_pixels(data) if file.is_av1 else None
    image = to_rgb(decode_heif(file, name, max_pixels) if stored is None else stored, name)
    changes = changes_of(file, file.primary)
    for change in changes:
        image = change.upright(image)
    others = len(file.pictures()) - 1
    notes = (f"{name} holds {others + 1} pictures; the main one was read",) if others > 0 else ()
    return Still(np.ascontiguousarray(image), 90 * turn_of(changes).turns, notes)


def demand_size(size: Size | None, name: str, count: int, max_pixels: int) -> Size:
    """``size`` of a stored picture, as its header of a file of ``count`` bytes says.

    Raises:
        SourceError: it does not say, or says more than ``max_pixels``.
    """
    if size is None:
        raise _undecodable(name, count)
    if size[0] * size[1] > max_pixels:
        expected, got = f"a picture of at most {max_pixels} pixels", f"{name} of {size[0]} x {size[1]}"
        raise SourceError(expected, got, "make it smaller, or allow more pixels")
    return size


def _undecodable(name: str, count: int) -> SourceError:
    fix = "check that it opens in an image viewer; save it again as JPEG or PNG"
    return SourceError("a whole picture file", f"{name} ({count} bytes), which cannot be decoded", fix)


def file_bytes(path: Path) -> bytes:
    """The file's content; read here because OpenCV's own reader fails on names outside ASCII on some systems."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise SourceError("a picture file that can be read", f"{path}: {reason}", "check the path") from error
    if len(data) > MOST_BYTES:
        got = f"{path.name}, which is larger"
        raise SourceError(f"a picture file of at most {MOST_BYTES / 1e9:.1f} GB", got, "split it, or make it smaller")
    return data


def opencv_pixels(data: InMemory) -> Shaped[np.ndarray, "h w c"] | None:
    """The pixels as stored, grey, RGB or RGB and alpha, 16 bits scaled to 8; None where OpenCV fails."""
    pixels = _quiet_decode(data)
    if pixels is None:
        return None
    if pixels.dtype == np.uint16:
        pixels = cv2.convertScaleAbs(pixels, alpha=1 / 257)
    if pixels.ndim == 2:
        return pixels[..., None]
    if pixels.dtype != np.uint8 or pixels.shape[2] not in SWAPS:
        return pixels
    return cv2.cvtColor(pixels, SWAPS[pixels.shape[2]])


def _quiet_decode(data: InMemory) -> Shaped[np.ndarray, "*shape"] | None:
    try:
        with quiet_opencv():
            # UNCHANGED is OpenCV's only mode that keeps transparency; it leaves the orientation to us.
            return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None


def open_image(path: Path, frame_rate: float | None = None, max_pixels: int = MOST_PIXELS) -> Source:
    """One still picture as a source of one frame at 0.0 s, a TIFF of many pages as a sequence of them.

    Args:
        path: the file.
        frame_rate: pages per second, :data:`~mien.media.arrays.DEFAULT_FRAME_RATE` by default.
        max_pixels: see :func:`read_image`.

    Raises:
        SourceError: as :func:`read_image` does.
    """
    data = file_bytes(path)
    if format_of(data[:16]) == "tiff" and len(TiffReader(data).pages()[0]) > 1:
        return _open_pages(data, path.name, frame_rate, max_pixels)
    still = _still(data, path.name, max_pixels)
    height, width = still.image.shape[:2]
    info = SourceInfo(path.name, "image", width, height, frame_count=1, rotation=still.rotation)
    return Source(info, iter([Shot(0.0, lambda: still.image)]), problems=list(still.notes))


def _open_pages(data: bytes, name: str, frame_rate: float | None, max_pixels: int) -> Source:
    """A stack, as fast cameras and microscopes write them: reading its first page alone would lose the others."""
    reader = TiffReader(data)
    pages, whole = reader.pages()
    copy = bytearray(data)

    def read(number: int) -> Still:
        return _page(reader, copy, pages[number], f"page {number + 1} of {name}", max_pixels)

    source = _sequence([partial(read, number) for number in range(len(pages))], name, frame_rate)
    if not whole:
        source.problems.append(f"{name} breaks off after page {len(pages)}")
    return source


def open_sequence(
    paths: Sequence[Path], name: str, frame_rate: float | None = None, max_pixels: int = MOST_PIXELS
) -> Source:
    """Pictures in the given order as the frames of one source.

    A picture that cannot be read is left out and noted in ``problems``; the others keep their index and time. Pictures
    may differ in size. Of a file with several pictures the first is read, which is noted too.

    Args:
        paths: picture files, at least one.
        name: what to call the source.
        frame_rate: pictures per second, :data:`~mien.media.arrays.DEFAULT_FRAME_RATE` by default.
        max_pixels: of each picture; see :func:`read_image`.

    Raises:
        SourceError: no paths, or none of them can be read.
    """
    return _sequence([partial(read_still, path, max_pixels) for path in paths], name, frame_rate)


def _sequence(readers: Sequence[Callable[[], Still]], name: str, frame_rate: float | None) -> Source:
    rate = frame_rate or DEFAULT_FRAME_RATE
    height, width = _first_readable(readers, name).image.shape[:2]
    problems: list[str] = []

    def pixels(read: Callable[[], Still]) -> UInt8[np.ndarray, "h w 3"]:
        still = read()
        problems.extend(still.notes)
        return still.image

    def shots() -> Iterator[Shot]:
        for number, read in enumerate(readers):
            yield Shot(number / rate, partial(pixels, read))

    info = SourceInfo(name, "sequence", width, height, len(readers) / rate, rate, len(readers))
    return Source(info, shots(), problems=problems)


def _first_readable(readers: Sequence[Callable[[], Still]], name: str) -> Still:
    """The first picture that can be read, for the size; raises the first failure when there is none."""
    failure = SourceError("at least one picture", f"none in {name}", "give a folder or a list of picture files")
    for number, read in enumerate(readers):
        try:
            return read()
        except SourceError as error:
            failure = error if number == 0 else failure
    raise failure
