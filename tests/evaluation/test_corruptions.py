"""Spoilt pictures: repeatable, as strong as they say, and only where they should be."""

from __future__ import annotations

import numpy as np
import pytest

from mien.evaluation import corruptions
from mien.evaluation.corruptions import CORRUPTIONS


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """Two frames of smooth colours with a sharp edge."""
    across = np.linspace(40, 200, 48)
    image = np.stack([np.tile(across, (48, 1)), np.tile(across[:, None], (1, 48)), np.full((48, 48), 90.0)])
    image[:, 20:28, 20:28] = 230
    return np.stack([image, image[:, :, ::-1]]).astype(np.uint8)


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_every_one_is_repeatable_changes_the_picture_and_spares_the_original(clip: np.ndarray, name: str) -> None:
    before = clip.copy()
    once, again = CORRUPTIONS[name](clip, 7), CORRUPTIONS[name](clip, 7)
    assert (once.dtype, once.shape) == (np.uint8, clip.shape)
    assert (once == again).all()
    assert (once != clip).any()
    assert (clip == before).all()


@pytest.mark.parametrize(
    ("weak", "strong"),
    [
        ("blur 3 %", "blur 6 %"),
        ("noise 5 %", "noise 15 %"),
        ("JPEG 30", "JPEG 10"),
        ("light 40 %", "light 15 %"),
        ("turned 15 degrees", "turned 30 degrees"),
        ("24 px", "16 px"),
    ],
)
def test_the_stronger_one_changes_more(clip: np.ndarray, weak: str, strong: str) -> None:
    less, more = (np.abs(CORRUPTIONS[name](clip, 1).astype(float) - clip).mean() for name in (weak, strong))
    assert less < more


def test_noise_is_as_strong_as_it_says_and_another_seed_draws_another() -> None:
    grey = np.full((1, 3, 200, 200), 127, np.uint8)
    drawn = corruptions.noise(grey, 0, spread=0.1).astype(float) - 127
    assert drawn.std() == pytest.approx(25.5, rel=0.03)
    assert (corruptions.noise(grey, 1, spread=0.1) != corruptions.noise(grey, 0, spread=0.1)).any()


def test_a_band_hides_its_rows_alone(clip: np.ndarray) -> None:
    hidden = CORRUPTIONS["mouth hidden"](clip, 0)
    rows = np.flatnonzero((hidden != clip).any(axis=(0, 1, 3)))
    assert (rows.min(), rows.max()) == (30, 42)
    assert (hidden[:, :, 30:43] == corruptions.GREY).all()


def test_turning_there_and_back_is_the_picture_again(clip: np.ndarray) -> None:
    back = corruptions.turn(corruptions.turn(clip, 0, degrees=10), 1, degrees=10)
    middle = np.s_[:, :, 12:36, 12:36]
    assert np.abs(back[middle].astype(float) - clip[middle]).mean() < 8


def test_light_is_a_share_of_what_it_was(clip: np.ndarray) -> None:
    assert CORRUPTIONS["light 40 %"](clip, 0).mean() == pytest.approx(0.4 * clip.mean(), rel=0.03)
