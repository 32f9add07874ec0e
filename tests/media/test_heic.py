"""HEIC and AVIF: tiles put together, turned by the container's word alone, hostile ones refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from heif_files import Item, alpha_aux, box, clap, coded, full, grid, heif, imir, irot, ispe, nclx, tiled
from media_pictures import corners, quarters, tiff

from mien import media
from mien.core.errors import SourceError
from mien.core.settings import thread_count
from mien.media.heif import read_heif
from mien.media.stills import read_image, read_still


@pytest.fixture(scope="module")
def piece() -> Item:
    """Quarters of 96 x 128 pixels as one coded item."""
    return coded(quarters(96, 128))


@pytest.fixture(scope="module")
def tiles() -> list[Item]:
    """Quarters of 150 x 230 pixels as a grid of twelve tiles."""
    return tiled(quarters(150, 230), 64)


def turned(items: list[Item], *properties: bytes) -> list[Item]:
    first = Item(items[0].kind, items[0].data, [*items[0].properties, *properties], items[0].references)
    first.inline = items[0].inline
    return [first, *items[1:]]


def save(path: Path, items: list[Item], **options: bytes) -> Path:
    path.write_bytes(heif(items, **options))
    return path


def test_a_photo_is_one_frame(tmp_path: Path, piece: Item) -> None:
    with media.open(save(tmp_path / "photo.heic", [piece])) as source:
        (frame,) = source
    assert (source.info.kind, source.info.width, source.info.height) == ("image", 128, 96)
    assert corners(frame.image) == "RGBW"
    assert source.problems == []


def test_tiles_are_put_together(tmp_path: Path, tiles: list[Item]) -> None:
    image = read_image(save(tmp_path / "IMG_0001.HEIC", tiles))
    assert image.shape == (150, 230, 3)
    assert np.abs(image.astype(int) - quarters(150, 230)).mean() < 3


@pytest.mark.parametrize("kind", ["tiles", "piece"])
@pytest.mark.parametrize(
    ("properties", "seen", "rotation"),
    [
        ((irot(1),), "GWRB", 270),
        ((irot(2),), "WBGR", 180),
        ((irot(3),), "BRWG", 90),
        ((imir(1),), "GRWB", 0),
        ((imir(0),), "BWRG", 180),
        ((irot(1), imir(1)), "WGBR", 90),
        ((imir(1), irot(1)), "RBGW", 270),
    ],
)
def test_it_stands_upright(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str, properties: tuple[bytes, ...], seen: str, rotation: int
) -> None:
    """irot turns to the left; imir swaps left and right (1) or top and bottom (0); in the order they are listed."""
    made = request.getfixturevalue(kind)
    items = turned(made if isinstance(made, list) else [made], *properties)
    still = read_still(save(tmp_path / "turned.heic", items))
    assert corners(still.image) == seen
    assert still.rotation == rotation
    with media.open(tmp_path / "turned.heic") as source:
        assert (source.info.width, source.info.height) == still.image.shape[1::-1]


def test_exif_in_it_turns_nothing(tmp_path: Path, piece: Item) -> None:
    """Phones write the orientation twice; the container has said it already."""
    exif = Item(b"Exif", bytes(4) + b"Exif\0\0" + tiff(6), [], {b"cdsc": [1]})
    assert corners(read_image(save(tmp_path / "a.heic", [piece, exif]))) == "RGBW"
    assert corners(read_image(save(tmp_path / "b.heic", [*turned([piece], irot(3)), exif]))) == "BRWG"


def test_it_is_cropped(tmp_path: Path, tiles: list[Item]) -> None:
    """Width, height, and from the middle to the right and down."""
    part = read_image(save(tmp_path / "whole.heic", tiles))[40:90, 85:185]
    image = read_image(save(tmp_path / "cropped.heic", turned(tiles, clap(100, 50, 20, -10))))
    assert image.tolist() == part.tolist()
    image = read_image(save(tmp_path / "turned.heic", turned(tiles, clap(100, 50, 20, -10), irot(3))))
    assert image.tolist() == np.rot90(part, -1).tolist()
    senseless = read_image(save(tmp_path / "wide.heic", turned(tiles, clap(9999, 0, 0, 0))))
    assert senseless.shape == (150, 230, 3)


def avif(image: np.ndarray, *properties: bytes) -> list[Item]:
    item = coded(image, "libsvtav1")
    item.properties += properties
    return [item]


@pytest.mark.parametrize(("turn", "seen"), [(irot(1), "GWRB"), (irot(3), "BRWG"), (imir(1), "GRWB")])
def test_avif_stands_upright(tmp_path: Path, turn: bytes, seen: str) -> None:
    path = save(tmp_path / "photo.avif", avif(quarters(96, 128), turn), brand=b"avif", brands=b"mif1miaf")
    assert corners(read_image(path)) == seen
    tiles = turned(tiled(quarters(150, 230), 64, codec="libsvtav1"), turn)
    path = save(tmp_path / "tiles.avif", tiles, brand=b"avif", brands=b"mif1miaf")
    assert corners(read_image(path)) == seen


def test_transparency_is_laid_on_white(tmp_path: Path, piece: Item) -> None:
    mask = np.zeros((96, 128, 3), np.uint8)
    mask[:, 64:] = 255
    alpha = coded(mask)
    alpha.properties.append(alpha_aux())
    alpha.references = {b"auxl": [1]}
    still = read_still(save(tmp_path / "cut-out.heic", [piece, alpha]))
    assert corners(still.image) == "WGWW"
    assert still.notes == ()


def test_colours_follow_the_container(tmp_path: Path, piece: Item) -> None:
    """The coded pixels say nothing: full or limited range, and which matrix, stand in the container."""
    shades = {}
    for matrix, whole in ((6, False), (6, True), (1, False)):
        path = save(tmp_path / "colours.heic", turned([piece], nclx(matrix, whole)))
        shades[matrix, whole] = read_image(path)[24, 96].tolist()
    assert shades[6, False][1] >= 250
    assert shades[6, True][1] < 245
    assert shades[1, False] != shades[6, False]
    with pytest.raises(SourceError, match="colours"):
        read_image(save(tmp_path / "new.heic", turned([piece], nclx(15, True))))


def test_ten_bits_and_other_codecs(tmp_path: Path) -> None:
    assert corners(read_image(save(tmp_path / "a.heic", [coded(quarters(96, 128), pix_fmt="yuv444p10le")]))) == "RGBW"
    assert corners(read_image(save(tmp_path / "a.heif", [coded(quarters(96, 128), "libx264")]))) == "RGBW"
    picture = cv2.imencode(".jpg", quarters(96, 128)[..., ::-1])[1].tobytes()
    assert corners(read_image(save(tmp_path / "b.heif", [Item(b"jpeg", picture, [ispe(128, 96)])]))) == "RGBW"


def test_a_codec_that_is_missing_is_named(tmp_path: Path, piece: Item) -> None:
    with pytest.raises(SourceError, match="vvc1"):
        read_image(save(tmp_path / "new.heic", [Item(b"vvc1", piece.data, piece.properties)]))


def test_other_pictures_in_it_are_noted(tmp_path: Path, piece: Item) -> None:
    thumbnail = Item(piece.kind, piece.data, piece.properties, {b"thmb": [1]})
    assert read_still(save(tmp_path / "a.heic", [piece, thumbnail])).notes == ()
    notes = read_still(save(tmp_path / "b.heic", [piece, piece, piece])).notes
    assert notes == ("b.heic holds 3 pictures; the main one was read",)
    with media.open(tmp_path / "b.heic") as source:
        assert source.problems == list(notes)


@pytest.mark.parametrize("kind", ["tiles", "piece"])
def test_a_torn_file_is_refused(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    made = request.getfixturevalue(kind)
    data = heif(made if isinstance(made, list) else [made])
    for end in (12, 40, 200, len(data) // 2, len(data) - 1):
        (tmp_path / "torn.heic").write_bytes(data[:end])
        with pytest.raises(SourceError, match=r"torn\.heic"):
            media.open(tmp_path / "torn.heic")


def test_damaged_pixels_are_refused(tmp_path: Path, piece: Item) -> None:
    data = bytearray(heif([piece]))
    data[-len(piece.data) + 4 : -len(piece.data) + 40] = bytes(36)
    (tmp_path / "damaged.heic").write_bytes(data)
    with pytest.raises(SourceError, match="cannot be decoded"):
        read_image(tmp_path / "damaged.heic")


def test_hostile_grids_are_refused(tmp_path: Path, piece: Item) -> None:
    """More than the picture needs: tiles that lie outside of it, tiles of another size, tiles that are the grid."""
    wide = grid(1, 200, 128, 96, [2] * 200)
    huge = grid(1, 1, 128, 96, [2])
    other = Item(piece.kind, piece.data, [ispe(64, 96), *piece.properties[1:]])
    cases = {
        "outside": [wide, piece],
        "missing": [grid(2, 2, 256, 192, [2, 2, 2]), piece],
        "itself": [grid(1, 1, 128, 96, [1])],
        "size": [grid(1, 2, 128, 96, [2, 2]), other],
        "large": [huge, Item(piece.kind, piece.data, [ispe(30000, 30000), *piece.properties[1:]])],
        "claim": [Item(piece.kind, piece.data, [ispe(16, 16), *piece.properties[1:]])],
        "nothing": [Item(b"hvc1", b"", piece.properties)],
    }
    for name, items in cases.items():
        with pytest.raises(SourceError, match=name):
            read_image(save(tmp_path / f"{name}.heic", items))


def test_many_extents_of_nothing_end() -> None:
    """65,535 extents of each of many items, in no bytes at all."""
    table = b"\0\0\xff\xff" + b"\0\x01\0\0\xff\xff" * 60000
    meta = full(b"meta", 0, 0, full(b"iloc", 0, 0, table))
    assert len(read_heif(box(b"ftyp", b"heic") + meta).extents) == 1


def test_tiles_keep_all_cores_busy(tmp_path: Path, tiles: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their number, the pixels are the same."""
    path = save(tmp_path / "photo.heic", tiles)
    several = read_image(path)
    monkeypatch.setenv("MIEN_THREADS", "1")
    assert thread_count() == 1
    assert (read_image(path) == several).all()
