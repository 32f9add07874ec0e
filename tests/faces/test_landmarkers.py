"""Landmark nets of a user's: what an ONNX file says becomes 68 points, or is refused in words."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ConfigError, WeightsError
from mien.faces.crop_file import CropInput
from mien.faces.landmark_file import LandmarkFile, peaks
from mien.faces.landmarkers import LANDMARKS, LandmarkSettings
from mien.faces.mean_face import MEAN_FACE
from onnx_toys import conv_file, mean_file

SIDE, CELLS = 64, 16


@pytest.fixture(scope="module")
def heat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """68 maps of 16 x 16: map k shows, blurred, how bright the colour k % 3 is."""
    steps = np.arange(-6, 7)
    bell = np.exp(-(steps[:, None] ** 2 + steps[None] ** 2) / (2 * 4.0**2))
    weight = np.zeros((68, 3, 13, 13))
    weight[np.arange(68), np.arange(68) % 3] = bell
    return conv_file(tmp_path_factory.mktemp("heat") / "heat.onnx", weight, np.zeros(68), SIDE, SIDE // CELLS)


def dots(places: np.ndarray) -> np.ndarray:
    """A black crop with a bright dot of each colour at (x, y) in pixels."""
    crop = np.zeros((3, SIDE, SIDE), np.uint8)
    for channel, (x, y) in enumerate(places):
        crop[channel, y, x] = 255
    return crop


def test_planted_peaks_are_found_within_half_a_cell(heat: Path) -> None:
    rng = np.random.default_rng(0)
    places = rng.integers(10, SIDE - 10, (8, 3, 2))
    find = LandmarkFile(heat, ("size=64", "mean=0", "std=1"))
    points = find(np.stack([dots(one) for one in places]))
    assert points.shape == (8, 68, 2)
    # A map's cell lies on the pixel that its stride begins with.
    truth = (places + 0.5 * SIDE / CELLS) / SIDE
    off = np.abs(points - truth[:, np.arange(68) % 3]) * CELLS
    assert off.max() < 0.5
    assert off.mean() < 0.15, "finer than a cell"
    swapped = LandmarkFile(heat, ("size=64", "mean=0", "std=1", "colours=bgr"))(dots(places[0])[None])
    np.testing.assert_array_equal(swapped[0, :3], points[0, [2, 1, 0]])


def test_a_flat_map_peaks_in_its_middle_and_logits_where_probabilities_do() -> None:
    maps = np.zeros((1, 2, 8, 8))
    maps[0, 1, 2, 5] = 1
    np.testing.assert_allclose(peaks(maps), [[[0.5, 0.5], [5.5 / 8, 2.5 / 8]]])
    np.testing.assert_allclose(peaks(3 * maps - 7), peaks(maps))


def test_points_come_as_shares_or_as_pixels(tmp_path: Path) -> None:
    nothing = np.zeros((136, 3))
    shares = mean_file(tmp_path / "shares.onnx", nothing, MEAN_FACE.ravel(), 32)
    pixels = mean_file(tmp_path / "pixels.onnx", nothing, (MEAN_FACE * 32 - 0.5).ravel(), 32)
    crops = np.zeros((2, 3, 48, 48), np.uint8)
    for path, words in ((shares, ()), (pixels, ("points=pixels",))):
        np.testing.assert_allclose(LandmarkFile(path, ("size=32", *words))(crops), [MEAN_FACE] * 2, atol=1e-5)
    with pytest.raises(WeightsError, match="points=pixels"):
        LandmarkFile(pixels, ("size=32",))(crops)
    again = pickle.loads(pickle.dumps(LandmarkFile(shares, ("size=32",))))
    np.testing.assert_allclose(again(crops), [MEAN_FACE] * 2, atol=1e-5)
    assert again(crops[:0]).shape == (0, 68, 2)


def test_what_is_no_such_network_says_so(tmp_path: Path, heat: Path) -> None:
    with pytest.raises(WeightsError, match="--landmarker-file"):
        LANDMARKS["onnx"]()
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match="landmark net"):
        LandmarkFile(tmp_path / "bad.onnx")
    five = mean_file(tmp_path / "five.onnx", np.zeros((10, 3)), np.zeros(10), 32)
    with pytest.raises(WeightsError, match=r"\(1, 10\)"):
        LandmarkFile(five, ("size=32",))(np.zeros((1, 3, 32, 32), np.uint8))
    unsaid = mean_file(tmp_path / "unsaid.onnx", np.full((136, 3), np.nan), np.zeros(136), 32)
    with pytest.raises(WeightsError, match="NaN"):
        LandmarkFile(unsaid, ("size=32",))(np.zeros((1, 3, 32, 32), np.uint8))


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("sise=32", "size"),
        ("size", "size=VALUE"),
        ("size=big", "number for size"),
        ("size=4", "16 to 2048"),
        ("colours=grey", "colours=rgb"),
        ("mean=1,2", "three"),
        ("std=0", "std"),
        ("points=cells", "points=shares"),
    ],
)
def test_words_that_it_does_not_know_are_refused(heat: Path, word: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        LandmarkFile(heat, (word,))
    with pytest.raises(ConfigError, match="twice"):
        LandmarkFile(heat, ("size=32", "size=32"))


def test_a_crop_is_shown_in_the_size_order_and_scale_that_is_said() -> None:
    crop = np.zeros((3, 20, 20), np.uint8)
    crop[0] = 255
    blob = CropInput(32, "bgr", (0.0, 0.0, 0.5), (1.0, 1.0, 0.25)).blob(crop)
    assert blob.shape == (1, 3, 32, 32)
    assert blob.dtype == np.float32
    np.testing.assert_allclose(blob[0, :, 3, 4], [0, 0, 2])


def test_settings_name_a_net_or_nothing() -> None:
    assert LandmarkSettings().make() is None
    with pytest.raises(ConfigError, match="--landmarker NAME"):
        LandmarkSettings(landmarker_file=Path("net.onnx"))
    with pytest.raises(ConfigError, match="onnx"):
        LandmarkSettings("onx")
