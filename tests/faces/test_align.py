from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import InputError
from mien.faces.align import TEMPLATE, align, frame_to_crop, landmarks_to_frame, moved, points_in_box, similarity


def motion_of(angle, scale, shift):
    c, s = scale * np.cos(np.radians(angle)), scale * np.sin(np.radians(angle))
    return np.array([[c, -s, shift[0]], [s, c, shift[1]]])


@given(st.floats(-180, 180), st.floats(0.05, 20), st.floats(-500, 500), st.floats(-500, 500))
def test_similarity_recovers_any_turn_scale_and_shift(angle, scale, x, y):
    truth = motion_of(angle, scale, (x, y))
    points = TEMPLATE * 100.0
    found = similarity(points, moved(points, truth))
    np.testing.assert_allclose(found, truth, rtol=1e-3, atol=1e-2)


def test_mirrored_points_are_not_reflected_into_place():
    mirrored = TEMPLATE * (-1, 1) + (1, 0)
    motion = similarity(mirrored[[0, 1, 2, 3, 4]], TEMPLATE)
    assert np.linalg.det(motion[:, :2]) > 0


@pytest.mark.parametrize(
    "points", [np.full((5, 2), 7.0), np.full((5, 2), np.nan), np.full((5, 2), np.inf)], ids=["equal", "nan", "infinite"]
)
def test_points_without_direction_are_refused_with_a_way_out(astronaut, points):
    with pytest.raises(InputError, match="box"):
        align(astronaut, points, 64)


def test_the_crop_of_a_crop_is_itself(astronaut):
    picture = np.ascontiguousarray(astronaut[40:152, 170:282])
    crop = align(picture, TEMPLATE * 112 - 0.5, 112)
    np.testing.assert_array_equal(crop, picture.transpose(2, 0, 1))


def test_points_land_on_the_template(astronaut):
    marks = TEMPLATE * 90.0 + (60, 100)
    picture = np.zeros((300, 300, 3), np.uint8)
    for x, y in np.rint(marks).astype(int):
        picture[y - 2 : y + 3, x - 2 : x + 3] = 255
    crop = align(picture, np.rint(marks), 180)[0]
    _, _, _, centres = cv2.connectedComponentsWithStats((crop > 127).astype(np.uint8))
    expected = TEMPLATE * 180 - 0.5
    for place in expected:
        assert np.linalg.norm(centres[1:] - place, axis=1).min() < 1.5


@pytest.mark.parametrize(("angle", "scale"), [(30, 1.0), (-75, 1.4), (180, 0.9), (10, 2.2), (-20, 0.6)])
def test_a_turned_scaled_shifted_face_comes_back_upright_and_the_same(astronaut, astronaut_points, make, angle, scale):
    centre = astronaut_points.mean(axis=0)
    motion = motion_of(angle, scale, (0, 0))
    motion[:, 2] = (400, 380) - motion[:, :2] @ centre
    picture = make.warped(astronaut, motion, 800, 760)
    upright = align(astronaut, astronaut_points, 96).astype(int)
    again = align(picture, moved(astronaut_points, motion), 96).astype(int)
    middle = np.s_[:, 12:84, 12:84]
    assert np.abs(upright - again)[middle].mean() < 4
    turned = align(picture, astronaut_points - centre + (400, 380), 96).astype(int)
    assert np.abs(upright - turned)[middle].mean() > 15, "without the turned points the crop must differ"


def test_fine_texture_turns_grey_when_shrunk_instead_of_aliasing():
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = align(stripes, TEMPLATE * 700 + 33.3, 64)
    assert np.abs(crop.astype(int) - 127).max() <= 12


@pytest.mark.parametrize("size", [32, 57])
def test_size_of_the_crop_does_not_move_its_content(astronaut, astronaut_points, size):
    large = align(astronaut, astronaut_points, 128)[0].astype(np.float32)
    small = align(astronaut, astronaut_points, size)[0].astype(np.float32)
    shrunk = cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)
    (x, y), _ = cv2.phaseCorrelate(shrunk, small)
    assert np.hypot(x, y) < 0.12, "a wrong pixel convention moves it by a third of a pixel or more"


def test_beyond_the_edge_the_edge_goes_on():
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[:, :, 0] = np.arange(100) * 2
    crop = align(picture, TEMPLATE * 80 + (60, 10), 80)
    assert (crop[0, :, 60:] == 198).all()
    assert align(picture, TEMPLATE * 50 + (900, 900), 20).shape == (3, 20, 20), "wholly outside is still a crop"


def test_landmarks_go_back_to_the_frame(astronaut_points):
    inside = moved(astronaut_points, frame_to_crop(astronaut_points, 112))
    np.testing.assert_allclose(landmarks_to_frame(inside, astronaut_points, 112), astronaut_points, atol=1e-2)
    corner = landmarks_to_frame(np.array([[-0.5, -0.5]]), astronaut_points, 112)
    assert (corner < astronaut_points.min(axis=0)).all()


def test_points_of_a_box_lie_in_it_symmetric_and_upright():
    points = points_in_box(np.array([100.0, 50.0, 140.0, 110.0]))
    left_eye, right_eye, nose, left_mouth, right_mouth = points
    assert left_eye[0] < nose[0] == 120 < right_eye[0]
    assert left_eye[1] == right_eye[1] < nose[1] < left_mouth[1] == right_mouth[1] < 110
