"""What a header says is known, and believed, before anything is decoded."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from heif_files import coded, grid, heif, ispe
from media_pictures import corners, jpeg, quarters

from mien.core.errors import SourceError
from mien.media import stills
from mien.media.headers import read_header, scan_jpeg
from mien.media.stills import open_image, open_sequence, read_image
from mien.media.webp import open_webp

SUFFIXES = (".jpg", ".png", ".bmp", ".webp", ".tif", ".ppm", ".pgm", ".pbm", ".pam", ".jp2", ".avif", ".gif")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_size_is_that_of_the_decoded_picture(suffix: str) -> None:
    for height, width in ((35, 50), (64, 130)):
        image = quarters(height, width)
        data = cv2.imencode(suffix, image[..., 0] if suffix in (".pgm", ".pbm") else image)[1].tobytes()
        assert read_header(data).size == (width, height)
        assert read_header(bytearray(data)).size == (width, height)


def claiming(kind: str) -> bytes:
    """A small file of each format that claims 30,000 x 30,000 pixels."""
    side = 30000
    small = np.zeros((64, 64, 3), np.uint8)
    made = {} if kind in ("heic", "grid") else {kind: cv2.imencode(f".{kind}", small)[1].tobytes()}
    if kind == "tif":
        reader = bytearray(made[kind])
        for tag in (256, 257):
            at = reader.find(struct.pack("<HH", tag, 3))
            reader[at + 2 : at + 12] = struct.pack("<HII", 4, 1, side)
        return bytes(reader)
    if kind == "jp2":
        at = made[kind].find(b"\xff\x4f\xff\x51")
        return made[kind][: at + 8] + struct.pack(">II", side, side) + made[kind][at + 16 :]
    if kind == "jpg":
        at = made[kind].find(b"\xff\xc0")
        return made[kind][: at + 5] + struct.pack(">HH", side, side) + made[kind][at + 9 :]
    if kind == "webp":
        body = b"WEBPVP8X" + struct.pack("<IB3x", 10, 0) + (side - 1).to_bytes(3, "little") * 2 + made[kind][12:]
        return b"RIFF" + struct.pack("<I", len(body)) + body
    if kind == "avif":
        return made[kind].replace(struct.pack(">II", 64, 64), struct.pack(">II", side, side))
    if kind == "heic":
        item = coded(quarters(64, 64))
        item.properties[0] = ispe(side, side)
        return heif([item])
    if kind == "grid":
        return heif([grid(1, 1, side, side, [2]), coded(quarters(64, 64))])
    return {
        "png": made[kind][:16] + struct.pack(">II", side, side) + made[kind][24:],
        "bmp": made[kind][:18] + struct.pack("<ii", side, -side) + made[kind][26:],
        "ppm": b"P6 # large\n%d # wide\n %d\n255\n" % (side, side) + bytes(100),
        "gif": made[kind][:6] + struct.pack("<HH", side, side) + made[kind][10:],
    }[kind]


KINDS = ["png", "jpg", "bmp", "webp", "tif", "ppm", "gif", "jp2", "avif", "heic", "grid"]


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_pixels_are_refused_before_decoding(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"large.{kind}"
    path.write_bytes(claiming(kind))
    monkeypatch.setattr(stills, "_quiet_decode", lambda _: pytest.fail("decoded"))
    with pytest.raises(SourceError, match=r"at most 100000000 pixels.*30000 x 30000"):
        read_image(path)
    with pytest.raises(SourceError, match="large"):
        open_image(path)


def test_the_limit_is_the_callers(tmp_path: Path) -> None:
    paths = [tmp_path / "small.png", tmp_path / "large.png"]
    for path, side in zip(paths, (10, 11), strict=True):
        cv2.imwrite(str(path), np.zeros((side, 10), np.uint8))
    assert read_image(paths[0], 100).shape == (10, 10, 3)
    with pytest.raises(SourceError, match="at most 100 pixels"):
        read_image(paths[1], 100)
    with open_sequence(paths, "both", max_pixels=100) as source:
        assert len(list(source)) == 1
    assert "large.png" in source.problems[0]


def test_a_tile_larger_than_its_page_counts(tmp_path: Path) -> None:
    """A decoder makes room for a whole tile, however little of it is picture."""
    entries = [(256, 3, 8), (257, 3, 8), (322, 4, 30000), (323, 4, 30000)]
    fields = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    (tmp_path / "tile.tif").write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + fields + bytes(4))
    with pytest.raises(SourceError, match="30000 x 30000"):
        read_image(tmp_path / "tile.tif")


def test_frames_of_an_animation_are_bounded_by_its_canvas(tmp_path: Path) -> None:
    frame = bytes(6) + b"\xff\xff\0" * 2 + bytes(4) + b"VP8 " + bytes(4)
    body = b"WEBPVP8X" + struct.pack("<IB3x", 10, 2) + bytes([7, 0, 0, 7, 0, 0])
    body += b"ANMF" + struct.pack("<I", len(frame)) + frame
    (tmp_path / "a.webp").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    with open_webp(tmp_path / "a.webp") as source, pytest.raises(SourceError, match="at least one readable frame"):
        list(source)


@pytest.mark.parametrize("kind", KINDS)
def test_torn_headers_are_read_as_far_as_they_go(kind: str) -> None:
    data = claiming(kind)
    sizes = [read_header(data[:end]).size for end in range(min(len(data), 600))]
    assert sizes[8] is None
    assert all(size is None or max(size) <= 30000 for size in sizes)


def test_a_long_walk_ends() -> None:
    """Endless markers, chunks and pages in a file that is made of nothing else."""
    started = time.process_time()
    assert scan_jpeg(b"\xff\xd8" + b"\xff\xe0\0\0" * 1_000_000).end is None
    assert read_header(b"\x89PNG\r\n\x1a\n" + bytes(11_000_000)).size is None
    assert read_header(b"\0\0\0\x18ftypheic" + bytes(12) + b"\0\0\0\x08free" * 1_000_000).size is None
    assert time.process_time() - started < 20, "a minute of it would be an attack"


def test_a_scan_of_a_large_photo_takes_milliseconds() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1000, 1500, 3), dtype=np.uint8)
    data = jpeg(noise, 1)
    started = time.process_time()
    for _ in range(5):
        assert scan_jpeg(data).end == len(data)
    assert (time.process_time() - started) / 5 < 0.1 * len(data) / 1e6


def test_a_chunk_that_reaches_out_of_its_file_makes_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV reserves what a chunk of a PNG claims, up to 4 GB, before it looks for its bytes."""
    data = bytearray(cv2.imencode(".png", quarters(8, 8))[1].tobytes())
    (tmp_path / "behind.png").write_bytes(data + b"\xff" * 40)
    assert corners(read_image(tmp_path / "behind.png")[..., ::-1]) == "RGBW", (
        "what lies behind the picture does not count"
    )
    data[33:37] = b"\xf0\0\0\0"
    (tmp_path / "claim.png").write_bytes(data)
    monkeypatch.setattr(stills, "_quiet_decode", lambda _: pytest.fail("decoded"))
    with pytest.raises(SourceError, match=r"claim\.png"):
        read_image(tmp_path / "claim.png")
