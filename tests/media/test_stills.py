"""Still pictures of every layout, and sequences of them."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_pictures import corners, jpeg, quarters, tiff

from mien.core.errors import SourceError
from mien.media import stills
from mien.media.headers import read_header
from mien.media.stills import open_image, open_sequence, read_image

# Red, green, blue and white quarters, 16 x 16, in printing colours; OpenCV cannot write such a file.
CMYK_JPEG = base64.b64decode(
    "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwANCQoLCggNCwoLDg4NDxMgFRMSEhMnHB4XIC4pMTAuKS0sMzpKPjM2RjcsLUBXQUZMTlJT"
    "UjI+WmFaUGBKUVJP/8AAFAgAEAAQBEMRAE0RAFkRAEsRAP/EABYAAQEBAAAAAAAAAAAAAAAAAAAIB//EABQQAQAAAAAAAAAAAAAA"
    "AAAAAAD/2gAOBEMATQBZAEsAAD8A05mDMGnJiU6AmJTop1ToP//Z"
)


def save(path: Path, stored: np.ndarray, suffix: str | None = None) -> Path:
    path.write_bytes(cv2.imencode(suffix or path.suffix, stored)[1].tobytes())
    return path


def test_colours_are_rgb_and_names_may_hold_any_character(tmp_path: Path) -> None:
    path = save(tmp_path / "Größe 表情 é.png", quarters(10, 14)[..., ::-1])
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.tolist() == quarters(10, 14).tolist()


def test_grey(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "grey.png", np.arange(12, dtype=np.uint8).reshape(3, 4)))
    assert image.shape == (3, 4, 3)
    assert image[..., 0].tolist() == image[..., 2].tolist() == np.arange(12).reshape(3, 4).tolist()


def test_sixteen_bits_keep_black_white_and_middle(tmp_path: Path) -> None:
    image = read_image(save(tmp_path / "deep.png", np.array([[0, 257 * 100, 65535]], np.uint16)))
    assert image[0, :, 0].tolist() == [0, 100, 255]


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    stored = np.zeros((1, 3, 4), np.uint8)
    stored[0, :, 3] = [0, 255, 51]
    image = read_image(save(tmp_path / "cut-out.png", stored))
    assert image[0, :, 1].tolist() == [255, 0, 204]


def test_deep_transparency_keeps_colours(tmp_path: Path) -> None:
    stored = np.full((2, 2, 4), 65535, np.uint16)
    stored[..., 0] = 0  # no blue
    assert read_image(save(tmp_path / "deep.png", stored))[0, 0].tolist() == [255, 255, 0]


def test_cmyk_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    path.write_bytes(CMYK_JPEG)
    assert corners(read_image(path)) == "RGBW"


def test_exif_turns_jpeg_and_png(tmp_path: Path) -> None:
    wide = quarters(32, 48)
    (tmp_path / "phone.jpg").write_bytes(jpeg(wide, 6))
    data = cv2.imencode(".png", np.dstack([wide[..., ::-1], np.full((32, 48), 255, np.uint8)]))[1].tobytes()
    block = b"eXIf" + tiff(6, ">")
    chunk = struct.pack(">I", len(block) - 4) + block + struct.pack(">I", zlib.crc32(block))
    (tmp_path / "phone.png").write_bytes(data[:33] + chunk + data[33:])
    for name in ("phone.jpg", "phone.png"):
        with open_image(tmp_path / name) as source:
            (frame,) = source
        assert frame.image.shape == (48, 32, 3)
        assert corners(frame.image) == "BRWG"
        assert (source.info.width, source.info.height, source.info.rotation) == (32, 48, 90)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_a_file_cut_off_near_its_end_is_refused(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / f"whole{suffix}", noise)
    read_image(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(SourceError, match="whole picture"):
        read_image(path)


def test_a_cut_off_jpeg_is_known_without_the_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV 4 fills the rest with grey and calls it sound; the thumbnail's end mark must not be taken for the end."""
    thumbnail = cv2.imencode(".jpg", quarters(8, 8))[1].tobytes()
    whole = jpeg(quarters(64, 64), 1)
    whole = whole[:2] + b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + whole[2:]
    assert read_header(whole).whole
    assert read_header(whole + b"trailing bytes of some cameras").whole
    assert not read_header(whole[:-20]).whole
    monkeypatch.setattr(stills, "_quiet_decode", lambda _: quarters(64, 64))
    (tmp_path / "cut.jpg").write_bytes(whole[:-20])
    with pytest.raises(SourceError, match="whole picture"):
        read_image(tmp_path / "cut.jpg")


# What starts a scan, ends a picture and says how it is turned, where none of that belongs to the picture.
BEHIND = b"\0\0\0\x18ftypmp42" + b"\xff\xda\0\x0c" + bytes(40) + b"Exif\0\0" + tiff(3) + b"eXIf" + tiff(8)


@pytest.mark.parametrize("behind", [BEHIND, jpeg(quarters(16, 16), 3), b"\xff\xda", bytes(100), b"\xff\xd8\xff\xda"])
@pytest.mark.parametrize("way", [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1], [cv2.IMWRITE_JPEG_RST_INTERVAL, 1]])
def test_what_lies_behind_a_jpeg_is_no_part_of_it(tmp_path: Path, behind: bytes, way: list[int]) -> None:
    """Motion photos put a film there, stereo and preview formats a second picture."""
    plain = cv2.imencode(".jpg", quarters(32, 48)[..., ::-1], [*way, cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    block = b"Exif\0\0" + tiff(6)
    photo = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + plain[2:]
    for name, data, seen in (("turned.jpg", photo, "BRWG"), ("plain.jpg", plain, "RGBW")):
        (tmp_path / name).write_bytes(data + behind)
        assert corners(read_image(tmp_path / name)) == seen
    (tmp_path / "torn.jpg").write_bytes(photo[:-20])
    with pytest.raises(SourceError, match="whole picture"):
        read_image(tmp_path / "torn.jpg")


def test_what_is_no_picture_is_refused_in_plain_words(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, data in {"empty.jpg": b"", "text.png": b"hello", "start.jpg": b"\xff\xd8\xff"}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SourceError, match=name):
            read_image(tmp_path / name)
    with pytest.raises(SourceError, match="No such file"):
        read_image(tmp_path / "missing.jpg")
    save(tmp_path / "float.tif", np.ones((2, 2), np.float32))
    with pytest.raises(SourceError, match="float32"):
        read_image(tmp_path / "float.tif")
    assert "imdecode" not in capfd.readouterr().err, "OpenCV's own lines stay out of the user's way"


def test_a_sequence_has_its_own_clock(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{number}.png", np.full((4, 6), number, np.uint8)) for number in range(5)]
    with open_sequence(paths, "shots", frame_rate=10) as source:
        frames = list(source)
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 1, 2, 3, 4]
    assert (source.info.kind, source.info.frame_count, source.info.duration) == ("sequence", 5, pytest.approx(0.5))
    assert open_sequence(paths, "shots").info.frame_rate == 25


def test_a_bad_picture_is_left_out_and_the_others_keep_their_places(tmp_path: Path) -> None:
    paths = [save(tmp_path / f"{number}.png", np.full((4, 6), number, np.uint8)) for number in range(4)]
    paths[0].write_bytes(b"torn")
    paths[2].unlink()
    with open_sequence(paths, "shots", frame_rate=1) as source:
        frames = list(source)
    assert [(frame.index, frame.time, int(frame.image[0, 0, 0])) for frame in frames] == [(1, 1.0, 1), (3, 3.0, 3)]
    assert len(source.problems) == 2
    assert "0.png" in source.problems[0]
    assert (source.info.width, source.info.height) == (6, 4)


def test_a_sequence_without_a_readable_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"torn")
    with pytest.raises(SourceError, match=r"a\.png"):
        open_sequence([tmp_path / "a.png", tmp_path / "b.png"], "shots")
    with pytest.raises(SourceError, match="at least one picture"):
        open_sequence([], "shots")
