"""Pictures stand upright: all eight EXIF orientations, with OpenCV as the judge; display matrices by hand."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from media_pictures import corners, jpeg, quarters, tiff

from mien import media
from mien.media.orientation import EXIF_ORIENTATIONS, UPRIGHT, Orientation, from_display_matrix, from_exif, from_frame


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_orientations_are_those_of_opencv(value: int, order: str) -> None:
    image = quarters(32, 48)
    data = jpeg(image, value, order)
    judge = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    ours = from_exif(data).upright(image)
    assert ours.shape == judge.shape
    assert corners(ours) == corners(judge)
    assert ours.flags.c_contiguous
    assert from_exif(data).size(48, 32) == (judge.shape[1], judge.shape[0])


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff", b"Exif\0\0II*\0", tiff(9), tiff(6)[:20], jpeg(quarters(8, 8), 1)]
)
def test_missing_cut_or_senseless_exif_means_upright(data: bytes) -> None:
    assert from_exif(data) == UPRIGHT


def matrix(a: float, b: float, c: float, d: float) -> bytes:
    values = [a * 65536, b * 65536, 0, c * 65536, d * 65536, 0, 0, 0, 1 << 30]
    return np.array(values, np.int32).tobytes()


def test_display_matrices() -> None:
    assert from_display_matrix(matrix(1, 0, 0, 1)) == UPRIGHT
    assert from_display_matrix(matrix(0, 1, -1, 0)) == Orientation(1), "x goes down: a quarter turn clockwise"
    assert from_display_matrix(matrix(-1, 0, 0, -1)) == Orientation(2)
    assert from_display_matrix(matrix(0, -1, 1, 0)) == Orientation(3)
    assert from_display_matrix(matrix(-1, 0, 0, 1)) == Orientation(0, mirrored=True)
    assert from_display_matrix(matrix(0.05, 0.99, -0.99, 0.05)) == Orientation(1), "nearly a quarter turn"
    assert from_display_matrix(b"") == UPRIGHT


@pytest.mark.parametrize("orientation", [*EXIF_ORIENTATIONS.values()])
def test_a_display_matrix_moves_pixels_as_its_numbers_say(orientation: Orientation) -> None:
    """The matrix of each orientation, worked out from where it takes three pixels, leads back to it."""
    marked = np.zeros((3, 3, 3), np.uint8)
    marked[1, 1], marked[1, 2], marked[2, 1] = 1, 2, 3
    moved = orientation.upright(marked)[..., 0]
    places = {mark: np.argwhere(moved == mark)[0][::-1] for mark in (1, 2, 3)}
    (a, b), (c, d) = places[2] - places[1], places[3] - places[1]
    assert from_display_matrix(matrix(a, b, c, d)) == orientation


@pytest.mark.parametrize("value", range(1, 9))
def test_frames_with_exif_stand_upright(tmp_path: Path, value: int) -> None:
    """Some cameras' Motion-JPEG: FFmpeg attaches the EXIF under a number that PyAV has no name for."""
    path = tmp_path / "camera.mjpeg"
    path.write_bytes(jpeg(quarters(32, 48), value) * 3)
    with av.open(str(path)) as container:
        assert from_frame(next(container.decode(video=0))) == EXIF_ORIENTATIONS[value]
    with media.open(path) as source:
        frames = list(source)
    assert len(frames) == 3
    assert corners(frames[0].image) == corners(EXIF_ORIENTATIONS[value].upright(quarters(32, 48)))


def test_two_orientations_after_each_other_are_one() -> None:
    image = quarters(32, 48)
    for first, second in product(EXIF_ORIENTATIONS.values(), repeat=2):
        assert corners(first.then(second).upright(image)) == corners(second.upright(first.upright(image)))
