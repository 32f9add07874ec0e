from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.faces.align import align, moved
from mien.faces.quality import judge, sharpness, yaw
from mien.faces.settings import FaceSettings


@pytest.fixture(scope="module")
def crop(astronaut, astronaut_points):
    return align(astronaut, astronaut_points, 112)


def blurred(crop, sigma):
    return cv2.GaussianBlur(crop.transpose(1, 2, 0), (0, 0), sigma).transpose(2, 0, 1)


def head(angle, depth=0.45):
    """Five points of a head turned by ``angle`` degrees, seen from afar; eyes 60 px apart."""
    turn = np.radians(angle)
    places = np.array([[-30, 0, 0], [30, 0, 0], [0, 35, depth * 60], [-22, 65, 5], [22, 65, 5]], float)
    x = places[:, 0] * np.cos(turn) + places[:, 2] * np.sin(turn)
    return np.stack([x + 200, places[:, 1] + 100], axis=1).astype(np.float32)


def test_a_clear_face_passes(make, crop):
    assert judge(make.face(100, 100, 90), crop, FaceSettings()).reason is None


@pytest.mark.parametrize("sigma", [4.0, 5.0, 8.0])
def test_a_blurred_face_fails(make, crop, sigma):
    quality = judge(make.face(100, 100, 90), blurred(crop, sigma), FaceSettings())
    assert quality.reason == "blurred"
    assert quality.sharpness < sharpness(crop) / 3


def test_grain_does_not_make_a_blurred_face_sharp(crop):
    grain = np.random.default_rng(0).normal(0, 4, crop.shape)
    noisy = np.clip(blurred(crop, 4.0) + grain, 0, 255).astype(np.uint8)
    assert sharpness(noisy) < FaceSettings().min_sharpness


def test_dim_light_is_not_blur(crop):
    dim = (crop * 0.2).astype(np.uint8)
    assert sharpness(dim) == pytest.approx(sharpness(crop), rel=0.15)


@pytest.mark.parametrize("size", [48, 84, 160, 224])
def test_sharpness_means_the_same_at_every_crop_size(astronaut, astronaut_points, crop, size):
    assert sharpness(align(astronaut, astronaut_points, size)) == pytest.approx(sharpness(crop), rel=0.2)


def test_one_colour_has_no_sharpness():
    assert sharpness(np.full((3, 112, 112), 128, np.uint8)) == 0
    dither = np.full((3, 112, 112), 128, np.uint8)
    dither[:, ::3, ::5] += 1
    assert sharpness(dither) == 0


@pytest.mark.parametrize("angle", [-60, -30, 0, 15, 45, 70])
def test_yaw_of_a_turned_head(angle):
    assert yaw(head(angle)) == pytest.approx(angle, abs=1)


@pytest.mark.parametrize("roll", [-80, 25, 170])
def test_yaw_does_not_depend_on_roll_or_size(roll):
    motion = cv2.getRotationMatrix2D((200, 130), roll, 1.7)
    assert yaw(moved(head(35), motion)) == pytest.approx(35, abs=1)


def test_a_profile_is_turned_away(make, crop):
    from dataclasses import replace

    profile = replace(make.face(100, 100, 90), points=head(65))
    assert judge(profile, crop, FaceSettings()).reason == "turned away"
    assert judge(profile, crop, FaceSettings(max_yaw=90.0)).reason is None


def test_eyes_on_one_spot_are_a_profile():
    points = head(0)
    points[1] = points[0]
    assert abs(yaw(points)) == 90


def test_a_small_face_is_too_small_before_all_else(make, crop):
    quality = judge(make.face(10, 10, 12), blurred(crop, 6), FaceSettings())
    assert quality.reason == "too small"
    assert quality.size == pytest.approx(12)
