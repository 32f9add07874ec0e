"""Animated pictures are films: every format, its own times, played once."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from heif_files import box, full
from media_pictures import Encode, corners, quarters, tiff

from mien import media
from mien.core.errors import SourceError
from mien.media.files import is_image
from mien.media.headers import webp_chunks
from mien.media.stills import open_sequence

TIMES = [0.0, 0.4, 0.5, 0.7]
FORMATS = {
    "webp": {"codec": "libwebp_anim", "pix_fmt": "bgra"},
    "apng": {"codec": "apng", "pix_fmt": "rgb24"},
    "avif": {"codec": "libsvtav1", "options": {"preset": "10", "crf": "10"}},
    "gif": {"codec": "gif", "pix_fmt": "rgb8"},
}


@pytest.fixture(params=FORMATS)
def animation(request: pytest.FixtureRequest, encode: Encode) -> Path:
    """Four shades at :data:`TIMES`; APNG under the name most have."""
    images = [np.full((64, 96, 3), 60 * number, np.uint8) for number in range(4)]
    path: Path = encode(f"dance.{request.param}", images, TIMES, **FORMATS[request.param])
    return path.rename(path.with_suffix(".png")) if request.param == "apng" else path


def test_an_animation_is_a_film_with_its_own_times(animation: Path) -> None:
    assert not is_image(animation)
    with media.open(animation) as source:
        frames = list(source)
    assert (source.info.kind, source.info.width, source.info.height) == ("video", 96, 64)
    assert [round(frame.time, 2) for frame in frames] == TIMES
    assert [float(frame.image.mean()) for frame in frames] == pytest.approx([0, 60, 120, 180], abs=20)
    assert source.problems == []
    with media.open(animation, frame_rate=2) as source:
        assert [round(frame.time, 2) for frame in source] in ([0, 0.5], [0, 0.4]), "thinned as a video"


def test_an_animation_among_pictures_says_that_there_is_more(animation: Path) -> None:
    if animation.suffix == ".avif":
        pytest.skip("its first picture is an item of its own, read as such")
    with open_sequence([animation], "pictures") as source:
        assert len(list(source)) == 1
    assert source.problems == [f"{animation.name} is an animation; its first picture was read"]


def test_one_picture_is_no_animation(tmp_path: Path, encode: Encode) -> None:
    path = encode("one.apng", [quarters(32, 32)], codec="apng", pix_fmt="rgb24").rename(tmp_path / "one.png")
    assert is_image(path)
    assert media.probe(path).kind == "image"
    for suffix in (".png", ".webp", ".avif"):
        cv2.imwrite(str(tmp_path / f"still{suffix}"), quarters(32, 32))
        assert is_image(tmp_path / f"still{suffix}")


def test_a_gif_of_one_picture_is_a_picture(tmp_path: Path, encode: Encode) -> None:
    path = encode("one.gif", [quarters(320, 200)], codec="gif", pix_fmt="rgb8")
    with media.open(path) as source:
        (frame,) = source
    assert (source.info.kind, source.info.pictures, source.info.duration) == ("image", 1, None)
    assert corners(frame.image) == corners(quarters(320, 200))
    path.with_suffix(".gif.gif").write_bytes(path.read_bytes()[:300])
    assert not is_image(path.with_suffix(".gif.gif")), "torn: FFmpeg says what is left of it"


def test_a_sequence_of_heif_is_a_film(tmp_path: Path, encode: Encode) -> None:
    """As burst and animation modes write it: the same boxes as a video, called a picture."""
    options = {"x265-params": "log-level=none:info=0"}
    images = [np.full((64, 96, 3), 60 * number, np.uint8) for number in range(4)]
    data = encode("burst.mp4", images, TIMES, codec="libx265", options=options).read_bytes()
    first = int.from_bytes(data[:4], "big")
    head = box(b"ftyp", b"msf1", bytes(4), b"hevcmif1".ljust(first - 16, b"\0"))
    assert len(head) == first, "offsets in the file stay right"
    path = tmp_path / "burst.heic"
    path.write_bytes(head + data[first:].replace(b"vide", b"pict"))
    with media.open(path) as source:
        assert [round(frame.time, 2) for frame in source] == TIMES
    assert source.info.kind == "video"


def lossless(image: np.ndarray) -> bytes:
    """The chunk of a lossless WebP."""
    data = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()
    (chunk,) = (one for one in webp_chunks(data) if one.kind == b"VP8L")
    return data[chunk.start - 8 : chunk.end + (chunk.end - chunk.start) % 2]


def webp(*parts: tuple[int, int, np.ndarray, int, int], width: int = 8, height: int = 8) -> bytes:
    """Each part: x, y, BGRA pixels, milliseconds, flags (1: dispose, 2: do not blend)."""
    body = (
        b"WEBPVP8X"
        + struct.pack("<IB3x", 10, 0x12)
        + (width - 1).to_bytes(3, "little")
        + (height - 1).to_bytes(3, "little")
    )
    body += b"ANIM" + struct.pack("<I6x", 6)
    for x, y, pixels, milliseconds, flags in parts:
        numbers = (x // 2, y // 2, pixels.shape[1] - 1, pixels.shape[0] - 1, milliseconds)
        frame = b"".join(one.to_bytes(3, "little") for one in numbers) + bytes([flags]) + lossless(pixels)
        body += b"ANMF" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def plane(height: int, width: int, *colour: int) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8), (height, width, 4)).copy()


def test_frames_of_webp_are_laid_over_each_other(tmp_path: Path) -> None:
    path = tmp_path / "parts.webp"
    path.write_bytes(
        webp(
            (0, 0, plane(8, 8, 0, 0, 200, 255), 100, 0),
            (4, 4, plane(4, 4, 200, 0, 0, 128), 0, 1),
            (0, 0, plane(2, 2, 0, 200, 0, 255), 50, 0),
            (0, 0, plane(2, 2, 0, 0, 0, 0), 50, 2),
        )
    )
    with media.open(path) as source:
        frames = list(source)
    assert [round(frame.time, 3) for frame in frames] == [0, 0.1, 0.2, 0.25], "no time at all is a tenth of a second"
    assert source.info.duration == pytest.approx(0.3)
    seen = [[frame.image[place].tolist() for place in ((0, 0), (0, 6), (6, 6))] for frame in frames]
    red, green, white, mixed = [200, 0, 0], [0, 200, 0], [255, 255, 255], [100, 0, 100]
    assert seen[0] == [red, red, red]
    assert np.abs(np.subtract(seen[1], [red, red, mixed])).max() <= 1, "half transparent"
    assert seen[2] == [green, red, white], "what was disposed of is transparent, which is white paper"
    assert seen[3] == [white, red, white], "laid down without blending"


def test_a_torn_animation_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (8, 8, 4), dtype=np.uint8)
    data = webp(*((0, 0, noise, 100, 0) for _ in range(4)))
    (tmp_path / "torn.webp").write_bytes(data[:-20])
    with media.open(tmp_path / "torn.webp") as source:
        assert len(list(source)) == 3
    assert "is cut off" in source.problems[0]
    assert "1 frames could not be decoded" in source.problems[1]
    (tmp_path / "torn.webp").write_bytes(data[:60])
    with pytest.raises(SourceError, match=r"torn\.webp"), media.open(tmp_path / "torn.webp") as source:
        list(source)


def test_an_animation_stands_upright(tmp_path: Path) -> None:
    """Red, green, blue and white in their places; turned where its EXIF says so."""
    pixels = np.dstack([quarters(8, 8)[..., ::-1], np.full((8, 8), 255, np.uint8)])
    data = webp((0, 0, pixels, 100, 0), (0, 0, pixels, 100, 0))
    block = b"EXIF" + struct.pack("<I", len(tiff(6))) + tiff(6)
    for name, content, seen in (("plain", data, "RGBW"), ("turned", data + block, "BRWG")):
        (tmp_path / f"{name}.webp").write_bytes(content)
        with media.open(tmp_path / f"{name}.webp") as source:
            assert [corners(frame.image) for frame in source] == [seen, seen]


def test_the_helper_of_these_tests_writes_full_boxes() -> None:
    assert full(b"ispe", 1, 2, b"x") == b"\0\0\0\x0dispe\x01\0\0\x02x"
