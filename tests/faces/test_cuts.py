from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.faces.cuts import CutDetector, correlation


@pytest.fixture(scope="module")
def grey(astronaut):
    return cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)


def pushed(*pictures):
    cuts = CutDetector()
    return [cuts.push(picture) for picture in pictures]


def test_another_picture_is_a_cut_and_the_first_is_none(grey):
    other = np.ascontiguousarray(255 - grey[::-1])
    assert pushed(grey, grey, other, other) == [False, False, True, False]


def test_a_moving_camera_is_no_cut(grey):
    views = [np.ascontiguousarray(grey[x : x + 300, 2 * x : 2 * x + 300]) for x in range(0, 100, 10)]
    assert not any(pushed(*views))


def test_a_flash_and_a_dimmer_are_no_cuts(grey):
    flash = np.clip(grey.astype(int) * 1.3 + 40, 0, 255).astype(np.uint8)
    assert not any(pushed(grey, flash, grey, grey // 3, grey))


def test_noise_on_a_plain_wall_is_no_cut():
    noise = np.random.default_rng(0)
    walls = [(100 + noise.normal(0, 10, (180, 320))).astype(np.uint8) for _ in range(5)]
    assert not any(pushed(*walls))


def test_to_black_is_a_cut(grey):
    assert pushed(grey, np.zeros_like(grey)) == [False, True]


def test_pictures_may_change_their_size(grey):
    assert pushed(grey, cv2.resize(grey, (100, 100))) == [False, False]


def test_correlation_ignores_brightness_and_contrast():
    a = np.random.default_rng(0).random((9, 9)).astype(np.float32)
    assert correlation(a, a * 3 + 7) == pytest.approx(1, abs=1e-5)
    assert correlation(a, -a) == pytest.approx(-1, abs=1e-5)
    assert correlation(a, np.zeros_like(a)) == 0
