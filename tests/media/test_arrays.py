"""Pictures in memory: every way they come in, one way they are read, a clear word where they could mean two."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from media_pictures import quarters
from PIL import Image

from mien import media
from mien.core.errors import ConfigError, SourceError
from mien.media.arrays import Pictures

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
GREY = RGB[..., 0]
SHOWN_GREY = np.dstack([GREY] * 3)
CHANNELS_FIRST = np.moveaxis(RGB, -1, 0)
CLEAR = np.dstack([RGB, np.full((20, 30), 255, np.uint8)])
TENSOR = torch.from_numpy(RGB)


def read(source: Any, **options: Any) -> list[np.ndarray]:
    with media.open(source, **options) as opened:
        assert opened.info.kind == "array"
        return [frame.image for frame in opened]


def assert_reads(source: Any, expected: np.ndarray, count: int = 1, **options: Any) -> None:
    images = read(source, **options)
    assert len(images) == count
    for image in images:
        assert image.dtype == np.uint8
        np.testing.assert_allclose(image.astype(int), expected, atol=1)


@pytest.mark.parametrize(
    ("array", "expected", "count"),
    [
        (RGB, RGB, 1),
        (CHANNELS_FIRST, RGB, 1),
        (CHANNELS_FIRST[None], RGB, 1),
        (np.stack([CHANNELS_FIRST] * 4), RGB, 4),
        (np.stack([RGB] * 3), RGB, 3),
        (CLEAR, RGB, 1),
        (np.stack([np.moveaxis(CLEAR, -1, 0)] * 2), RGB, 2),
        (GREY, SHOWN_GREY, 1),
        (GREY[..., None], SHOWN_GREY, 1),
        (GREY[None], SHOWN_GREY, 1),
        (np.stack([GREY] * 2), SHOWN_GREY, 2),
        (np.stack([GREY] * 5), SHOWN_GREY, 5),
        (np.stack([GREY[..., None]] * 5), SHOWN_GREY, 5),
        (np.stack([GREY[..., None]] * 4), SHOWN_GREY, 4),
        (np.stack([GREY[None]] * 5), SHOWN_GREY, 5),
        (np.dstack([GREY, np.full_like(GREY, 255)]), SHOWN_GREY, 1),
    ],
)
def test_layouts(array: np.ndarray, expected: np.ndarray, count: int) -> None:
    assert_reads(array, expected, count)
    assert_reads(torch.from_numpy(np.ascontiguousarray(array)), expected, count)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (RGB / 255, RGB),
        ((RGB / 255).astype(np.float16), RGB),
        ((RGB / 255).astype(">f4"), RGB),
        (RGB.astype(np.uint16) * 257, RGB),
        ((RGB.astype(np.uint16) * 257).astype(">u2"), RGB),
        (GREY > 100, 255 * (SHOWN_GREY > 100)),
        (np.asfortranarray(RGB), RGB),
        (RGB[::-1, ::-1].copy()[::-1, ::-1], RGB),
        (np.ma.array(RGB), RGB),
        (GREY.copy().view(np.memmap), SHOWN_GREY),
    ],
)
def test_numbers_and_memory_layouts(array: np.ndarray, expected: np.ndarray) -> None:
    array.flags.writeable = False
    assert_reads(array, expected)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.stack([GREY] * 4), "four planes or four pictures"),
        (RGB.astype(float), r"0 to 255 in the array; divide by 255"),
        (RGB / 127.5 - 1, r"-1 to 1"),
        (np.full((9, 9, 3), np.nan), "NaN"),
        (np.full((9, 9, 3), np.inf), "inf"),
        (np.stack([RGB / 255, RGB / 100]), "in picture 1"),
        (RGB.astype(np.int64), "int64"),
        (RGB.astype(np.int8), "int8"),
        (RGB.astype(complex), "complex128"),
        (np.zeros((9, 9), "M8[s]"), "datetime64"),
        (np.array([["a"]]), "<U1"),
        (np.zeros((9, 9), object), "object"),
        (np.ma.masked_greater(RGB, 100), "masked"),
        (np.zeros((1, 2, 3, 20, 30), np.uint8), "one picture or"),
        (np.array(3, np.uint8), "one picture or"),
        (np.zeros((2, 0, 5, 3), np.uint8), "one picture or"),
        (torch.tensor(1), "one picture or"),
        (TENSOR.float(), "0 to 255"),
        (TENSOR.int(), "int32"),
        (torch.zeros(3, 20, 30, device="meta"), "meta"),
        (torch.eye(9).to_sparse(), "dense"),
    ],
)
def test_what_could_mean_two_things_is_refused(array: Any, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        read(array)


@pytest.mark.parametrize(
    "tensor",
    [
        TENSOR,
        TENSOR.permute(2, 0, 1),
        TENSOR.permute(2, 0, 1)[None].to(memory_format=torch.channels_last),
        TENSOR / 255,
        (TENSOR / 255).bfloat16().float(),
        (TENSOR / 255).requires_grad_(),
        torch.nn.Parameter(TENSOR / 255),
    ],
)
def test_tensors(tensor: torch.Tensor) -> None:
    assert_reads(tensor, RGB if tensor.dtype == torch.uint8 or tensor.requires_grad else (tensor * 255).numpy())


def test_half_precision_is_close() -> None:
    for half in ((TENSOR / 255).half(), (TENSOR / 255).bfloat16()):
        np.testing.assert_allclose(read(half)[0].astype(int), RGB, atol=2)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "RGBX"])
def test_images_of_pil_in_colour(mode: str) -> None:
    assert_reads(Image.fromarray(RGB).convert(mode), RGB)


def test_images_of_pil_in_other_modes() -> None:
    assert_reads(Image.fromarray(GREY), SHOWN_GREY)
    assert_reads(Image.fromarray(GREY).convert("LA"), SHOWN_GREY)
    assert_reads(Image.fromarray(GREY.astype(np.uint16) * 257), SHOWN_GREY)
    assert_reads(Image.fromarray(255 * (GREY > 100).astype(np.uint8)).convert("1"), 255 * (SHOWN_GREY > 100))
    palette = Image.fromarray(quarters(20, 30)).convert("P")
    assert_reads(palette, quarters(20, 30))
    palette.info["transparency"] = palette.getpixel((0, 0))
    assert read(palette)[0][0, 0].tolist() == [255, 255, 255], "laid on white"
    with pytest.raises(SourceError, match="int32"):
        read(Image.fromarray(GREY).convert("I"))


def test_an_image_of_pil_stands_as_its_file_does(tmp_path: Path) -> None:
    for value in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = value
        Image.fromarray(quarters(16, 24)).save(tmp_path / "turned.png", exif=exif)
        with media.open(tmp_path / "turned.png") as source:
            (frame,) = source
        assert_reads(Image.open(tmp_path / "turned.png"), frame.image)


def test_the_other_frames_of_an_animation_are_not_lost_without_a_word(tmp_path: Path) -> None:
    first, *others = (Image.fromarray(np.roll(RGB, step, 1)) for step in range(3))
    first.save(tmp_path / "moving.gif", save_all=True, append_images=others)
    with media.open(Image.open(tmp_path / "moving.gif")) as source:
        assert len(list(source)) == 1
    assert "one of its 3 frames" in source.problems[0]


def test_a_torn_image_in_a_list_is_left_out_and_said(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "whole.jpg")
    data = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "torn.jpg").write_bytes(data[: len(data) - 300])
    with media.open([RGB, Image.open(tmp_path / "torn.jpg"), RGB]) as source:
        assert [frame.index for frame in source] == [0, 2]
    assert "picture 1" in source.problems[0]


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: [RGB, CHANNELS_FIRST, TENSOR / 255, Image.fromarray(RGB)], 4),
        (lambda: (RGB, RGB / 255), 2),
        (lambda: [RGB[None]], 1),
        (lambda: (picture for picture in [RGB, TENSOR, RGB / 255]), 3),
        (lambda: map(Image.fromarray, [RGB]), 1),
        (lambda: deque([RGB, RGB]), 2),
        (lambda: Pictures([RGB, RGB]), 2),
    ],
)
def test_lists_and_streams(make: Any, count: int) -> None:
    assert_reads(make(), RGB, count)


def test_pictures_of_a_list_may_differ_in_size() -> None:
    assert [image.shape for image in read([RGB, RGB[:10], GREY])] == [(20, 30, 3), (10, 30, 3), (20, 30, 3)]
    ragged = np.empty(2, object)
    ragged[:] = [RGB, RGB[:10]]
    assert len(read(ragged)) == 2


def test_a_generator_is_read_as_it_comes_and_only_once() -> None:
    made = []

    def camera():
        for number in range(3):
            made.append(number)
            yield np.full((8, 8, 3), number, np.uint8)

    stream = camera()
    with media.open(stream, frame_rate=5) as source:
        assert (source.info.frame_count, source.info.duration) == (None, None)
        for frame in source:
            assert made == list(range(frame.index + 1)), "nothing is made ahead of its time"
            assert frame.time == pytest.approx(frame.index / 5)
    with pytest.raises(SourceError, match="only once"):
        media.open(stream)


@pytest.mark.parametrize("make", [list, iter])
def test_one_wrong_picture_among_many_is_named(make: Any) -> None:
    for wrong in (RGB.astype(float), RGB.astype(int), "b.png", None, np.zeros((4, 20, 30, 3), np.uint8)):
        with pytest.raises(SourceError, match="picture 1"):
            read(make([RGB, wrong]))


def test_blue_green_red() -> None:
    swapped = RGB[..., ::-1]
    assert_reads(swapped, RGB, bgr=True)
    assert_reads(np.moveaxis(swapped, -1, 0), RGB, bgr=True)
    assert_reads(np.dstack([swapped, CLEAR[..., 3]]), RGB, bgr=True)
    assert_reads([swapped, torch.from_numpy(swapped.copy()), Image.fromarray(swapped.copy())], RGB, 3, bgr=True)
    assert_reads(Pictures(swapped, bgr=True), RGB)
    assert_reads(GREY, SHOWN_GREY, bgr=True)


@pytest.mark.parametrize("source", ["a.png", Path("a.png"), ["a.png"], 0])
def test_files_and_cameras_have_no_bgr(source: Any) -> None:
    with pytest.raises(ConfigError, match="leave bgr out"):
        media.open(source, bgr=True)


def test_names_out_of_arrays_and_generators_are_names(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        cv2.imwrite(str(path), RGB[..., ::-1])
    for names in (np.array([str(path) for path in paths]), np.array(paths, object), iter(paths), tmp_path.glob("*")):
        with media.open(names) as source:
            assert (source.info.kind, len(list(source))) == ("sequence", 3)


class Wrong:
    """Stands for what users have in their hands: each of these once gave a bare TypeError, or the wrong picture."""

    class Path:
        def __fspath__(self) -> int:
            return 3

    class Table:
        columns = ("a", "b")

        def __array__(self, *_: object) -> np.ndarray:
            return GREY

    class OnTheGpu:
        def __array__(self, *_: object) -> np.ndarray:
            raise TypeError("implicit conversion is not allowed")


@pytest.mark.parametrize(
    "source",
    [
        *(True, np.bool_(True), None, 1.5, np.float64(0), b"a.mp4", bytearray(b"a"), memoryview(RGB), ""),
        *({"a": RGB}, {1}, [0, 1], [None], [[RGB]], RGB.tolist(), range(3), object(), np.ndarray, print),
        *(Wrong.Path(), Wrong.Table(), Wrong.OnTheGpu(), [Wrong.OnTheGpu()], ["a.png", RGB], [Path("a"), 3], [""]),
        *(-1, -7, 100, 2**31, 10**30, np.int64(-1), "x" * 5000, "a\0b"),
    ],
    ids=lambda source: repr(source).partition(" at 0x")[0][:30],  # the same in every process
)
def test_anything_else_is_the_users_to_mend(source: Any) -> None:
    with pytest.raises(SourceError):
        media.open(source)


def test_an_open_file_and_a_table_get_a_word_on_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    with (tmp_path / "a.mp4").open("rb") as file, pytest.raises(SourceError, match="name of the file"):
        media.open(file)


def test_neither_pil_nor_torch_is_loaded_to_look_at_an_array() -> None:
    program = """if True:
        import sys, numpy as np
        from mien import media
        list(media.open(np.zeros((9, 9, 3), np.uint8)))
        print({"PIL", "torch", "cv2"} & set(sys.modules))"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"
