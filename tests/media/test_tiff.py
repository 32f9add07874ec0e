"""Pages of TIFF files are the pictures of a sequence."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_pictures import quarters, tiff

from mien import media
from mien.core.errors import SourceError
from mien.media.orientation import EXIF_ORIENTATIONS
from mien.media.stills import open_sequence, read_still
from mien.media.tiff import ORIENTATION, TiffReader


def stack(path: Path, shades: list[int], compression: int = 1) -> Path:
    pages = [np.full((6 + number, 8, 3), shade, np.uint8) for number, shade in enumerate(shades)]
    assert cv2.imwritemulti(str(path), pages, [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    return path


def shades(source: media.Source) -> list[int]:
    return [int(frame.image[0, 0, 0]) for frame in source]


@pytest.mark.parametrize("compression", [1, 5, 8])
def test_every_page_is_read(tmp_path: Path, compression: int) -> None:
    path = stack(tmp_path / "stack.tif", [10, 20, 30], compression)
    with media.open(path, frame_rate=2) as source:
        frames = list(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [10, 20, 30]
    assert [frame.time for frame in frames] == [0, 0.5, 1]
    assert [frame.image.shape[0] for frame in frames] == [6, 7, 8], "each its own size"
    assert (source.info.kind, source.info.frame_count, source.info.name) == ("sequence", 3, "stack.tif")
    assert media.probe(path).frame_rate == 25
    assert source.problems == []


def test_one_page_is_a_still(tmp_path: Path) -> None:
    assert media.probe(stack(tmp_path / "one.tif", [10])).kind == "image"


def fields_of(data: bytearray, page: int) -> int:
    """Where the fields of a page lie."""
    return TiffReader(data).pages()[0][page].at + 2


def mark(data: bytearray, at: int, tag: int, value: int) -> None:
    """Write a field over the first one; fields need not be in order for a reader."""
    data[at : at + 12] = struct.pack("<HHII", tag, 4, 1, value)


def test_smaller_copies_and_masks_are_no_pages(tmp_path: Path) -> None:
    path = stack(tmp_path / "photo.tif", [10, 20, 30, 40])
    data = bytearray(path.read_bytes())
    places = [fields_of(data, page) for page in range(4)]
    for place, kind in zip(places, (1, 0, 4, 2), strict=True):
        at = data.find(struct.pack("<HH", 254, 4), place, place + 12)
        assert at == place, "OpenCV writes the kind of page first"
        mark(data, place, 254, kind)
    path.write_bytes(data)
    with media.open(path) as source:
        assert shades(source) == [20, 40]
    assert int(read_still(path).image[0, 0, 0]) == 20, "the first that is a page"


def test_one_picture_of_many_files_says_that_there_are_more_pages(tmp_path: Path) -> None:
    paths = [stack(tmp_path / "a.tif", [10, 20]), stack(tmp_path / "b.tif", [30])]
    with open_sequence(paths, "both") as source:
        assert shades(source) == [10, 30]
    assert source.problems == ["a.tif holds 2 pages; the first was read"]


def test_a_torn_stack_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    path = stack(tmp_path / "stack.tif", [10, 20, 30])
    data = path.read_bytes()
    path.write_bytes(data[: TiffReader(data).pages()[0][2].at - 4])
    with media.open(path) as source:
        assert shades(source) == [10, 20]
    assert source.problems == ["stack.tif breaks off after page 2"]
    path.write_bytes(data[:100])
    with pytest.raises(SourceError, match=r"stack\.tif"):
        media.open(path)


def test_a_chain_that_bites_its_tail_ends() -> None:
    data = bytearray(tiff(6))
    data[-4:] = struct.pack("<I", 8)
    pages, whole = TiffReader(data).pages()
    assert (len(pages), whole) == (1, False)


def test_numbers_of_either_order_and_of_bigtiff() -> None:
    for order in "<>":
        data = tiff(6, order)
        reader = TiffReader(b"some bytes" + data, 10)
        assert reader.directory(reader.first).numbers[ORIENTATION] == 6
    big = (
        b"II+\0\x08\0\0\0"
        + struct.pack("<Q", 16)
        + struct.pack("<Q", 1)
        + struct.pack("<HHQQ", 274, 3, 1, 8)
        + bytes(8)
    )
    (page,), whole = TiffReader(big).pages()
    assert (page.numbers, whole) == ({ORIENTATION: 8}, True)
    copy = bytearray(big)
    TiffReader(big).show(page, copy)
    upright = TiffReader(copy).directory(16)
    assert upright.numbers == {ORIENTATION: 1}


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("planes", [1, 3])
def test_a_page_is_turned_once(tmp_path: Path, value: int, planes: int) -> None:
    """OpenCV turns TIFF by itself and nothing else; this once came on top of ours."""
    image = quarters(32, 48)
    assert cv2.imwrite(str(tmp_path / "photo.tif"), image[..., ::-1] if planes == 3 else image[..., 0])
    data = (tmp_path / "photo.tif").read_bytes()
    first = TiffReader(data).first
    count = int.from_bytes(data[first : first + 2], "little")
    fields = [data[at : at + 12] for at in range(first + 2, first + 2 + 12 * count, 12)]
    fields = [one for one in fields if one[:2] != struct.pack("<H", ORIENTATION)]
    fields = sorted([*fields, struct.pack("<HHII", ORIENTATION, 3, 1, value)], key=lambda one: one[:2][::-1])
    moved = data[:4] + struct.pack("<I", len(data)) + data[8:] + struct.pack("<H", len(fields)) + b"".join(fields)
    (tmp_path / "photo.tif").write_bytes(moved + bytes(4))
    still = read_still(tmp_path / "photo.tif")
    expected = EXIF_ORIENTATIONS[value].upright(image if planes == 3 else np.dstack([image[..., 0]] * 3))
    assert still.image.tolist() == expected.tolist()
    assert still.rotation == 90 * EXIF_ORIENTATIONS[value].turns
