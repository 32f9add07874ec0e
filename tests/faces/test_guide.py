from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.core.types import Face
from mien.faces.align import moved
from mien.faces.guide import Guide


@pytest.fixture(scope="module")
def grey(astronaut):
    return cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY)


@pytest.fixture(scope="module")
def astronaut_face(astronaut_points):
    return Face(np.array([178, 63, 270, 177], np.float32), 0.99, astronaut_points)


def carried(before, after, faces):
    guide = Guide()
    guide.see(before)
    return guide.carry(after, faces)


@pytest.mark.parametrize(
    ("angle", "scale", "shift"),
    [(0, 1, (0, 0)), (0, 1, (11.5, -7)), (6, 1, (3, 2)), (-3, 1.06, (-8, 5)), (0, 0.93, (0, 9))],
)
def test_a_face_follows_the_pictures_motion(grey, make, astronaut_face, angle, scale, shift):
    motion = cv2.getRotationMatrix2D((224, 120), angle, scale)
    motion[:, 2] += shift
    (found,) = carried(grey, make.warped(grey, motion), [astronaut_face])
    assert not found.measured
    assert found.score == astronaut_face.score
    np.testing.assert_allclose(found.points, moved(astronaut_face.points, motion), atol=0.6)
    assert found.size == pytest.approx(astronaut_face.size * scale, rel=0.01)


@pytest.mark.parametrize("scale", [0.7, 2.2, 5])
def test_small_and_large_faces_are_followed_as_exactly(astronaut, make, astronaut_face, scale):
    """A large face is followed in a smaller picture, and only what is around a face is looked at."""
    motion = cv2.getRotationMatrix2D((224, 120), 4, 1.03)
    motion[:, 2] += (5, -3)
    large, size = np.array([[scale, 0, 0], [0, scale, 0]]), (round(512 * scale), round(300 * scale))
    before, after = (
        cv2.cvtColor(make.warped(astronaut, large @ np.vstack([one, (0, 0, 1)]), *size), cv2.COLOR_RGB2GRAY)
        for one in (np.eye(3)[:2], motion)
    )
    face = Face(astronaut_face.box * np.float32(scale), 0.99, astronaut_face.points * np.float32(scale))
    (found,) = carried(before, after, [face])
    np.testing.assert_allclose(found.points / scale, moved(astronaut_face.points, motion), atol=0.12)


def test_a_moving_mouth_does_not_drag_the_eyes(grey, astronaut_face, astronaut_points):
    after = grey.copy()
    after[140:152, 200:250] = grey[136:148, 200:250]
    (found,) = carried(grey, after, [astronaut_face])
    assert np.abs(found.points[:2] - astronaut_points[:2]).max() < 0.5, "the mouth moved by 4 px"


def test_a_hidden_face_is_not_followed(grey, astronaut_face):
    hidden = grey.copy()
    hidden[50:190, 160:290] = 90
    assert carried(grey, hidden, [astronaut_face]) is None


def test_another_scene_is_not_followed(grey, astronaut_face):
    assert carried(grey, np.ascontiguousarray(255 - grey[::-1]), [astronaut_face]) is None


def test_one_lost_face_of_two_calls_for_a_detection(grey, make, astronaut_face):
    elsewhere = make.face(60, 440, 60)
    after = grey.copy()
    after[400:480, 20:100] = np.random.default_rng(0).integers(0, 256, (80, 80))
    assert carried(grey, after, [astronaut_face, elsewhere]) is None


def test_two_faces_move_each_its_own_way(astronaut, make, astronaut_points):
    head = cv2.cvtColor(astronaut[40:200, 150:300], cv2.COLOR_RGB2GRAY)

    def scene(x, y):
        picture = np.full((400, 600), 120, np.uint8)
        picture[20 : 20 + 160, x : x + 150] = head
        picture[220 : 220 + 160, y : y + 150] = head
        return picture

    def at(x, y):
        points = astronaut_points - (150, 40) + (x, y)
        return Face(np.array([x + 28, y + 23, x + 120, y + 137], np.float32), 1.0, points.astype(np.float32))

    left, right = carried(scene(50, 300), scene(56, 290), [at(50, 20), at(300, 220)])
    np.testing.assert_allclose(left.points, at(56, 20).points, atol=0.6)
    np.testing.assert_allclose(right.points, at(290, 220).points, atol=0.6)


def test_before_any_picture_and_after_a_change_of_size_nothing_is_known(grey, astronaut_face):
    assert Guide().carry(grey, [astronaut_face]) is None
    assert carried(grey, cv2.resize(grey, (200, 200)), [astronaut_face]) is None


def test_no_faces_are_carried_to_no_faces(grey):
    assert carried(grey, grey, []) == []


def test_a_face_without_texture_is_not_followed(make):
    plain = np.full((200, 200), 80, np.uint8)
    assert carried(plain, plain, [make.face(100, 100)]) is None
    assert carried(plain, plain, [make.face(-400, -400)]) is None
