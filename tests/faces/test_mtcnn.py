from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.core.errors import ConfigError
from mien.core.types import Face
from mien.faces.detectors import detect_shrunk
from mien.faces.mtcnn import MIRROR, Mtcnn


@pytest.fixture(scope="module")
def mtcnn():
    return Mtcnn()


@pytest.fixture(scope="module")
def found(mtcnn, astronaut):
    faces = mtcnn.detect(astronaut)
    assert len(faces) == 1
    return faces[0]


def test_it_finds_the_face_and_its_five_points(found, astronaut_points):
    assert found.score > 0.95
    assert found.measured
    assert np.abs(found.points - astronaut_points).max() < 5
    assert (found.box[:2] < astronaut_points.min(axis=0)).all()
    assert (found.box[2:] > astronaut_points.max(axis=0)).all()


def test_the_same_picture_gives_the_same_numbers(mtcnn, found, astronaut):
    again = mtcnn.detect(astronaut)[0]
    np.testing.assert_array_equal(again.points, found.points)
    np.testing.assert_array_equal(again.box, found.box)


@pytest.mark.parametrize(("shift", "growth"), [(0, 1.0), (6, 1.0), (-6, 1.1), (0, 0.9)])
def test_near_its_place_the_face_is_measured_as_in_the_whole_picture(mtcnn, found, astronaut, shift, growth):
    centre, half = (found.box[:2] + found.box[2:]) / 2 + shift, (found.box[2:] - found.box[:2]) / 2 * growth
    expected = Face(np.concatenate([centre - half, centre + half]).astype(np.float32), 0.9, found.points)
    (again,) = mtcnn.detect_near(astronaut, [expected])
    eyes = np.linalg.norm(found.points[1] - found.points[0])
    assert np.linalg.norm(again.points - found.points, axis=1).mean() < 0.06 * eyes
    assert np.abs(again.box - found.box).max() < 0.1 * found.size
    assert again.measured


def test_near_a_place_without_a_face_there_is_none(mtcnn, astronaut, make):
    assert mtcnn.detect_near(astronaut, []) == []
    assert mtcnn.detect_near(astronaut, [make.face(80, 420, 100), make.face(500, 20, 60)]) == []


def test_a_mirrored_face_has_mirrored_points(mtcnn, found, astronaut):
    mirrored = mtcnn.detect(np.ascontiguousarray(astronaut[:, ::-1]))[0].points[MIRROR]
    back = mirrored * (-1, 1) + (511, 0)
    eyes = np.linalg.norm(found.points[1] - found.points[0])
    assert np.abs(back - found.points).mean() / eyes < 0.03


@pytest.mark.parametrize("factor", [0.4, 3.0])
def test_the_face_is_found_at_other_sizes(mtcnn, astronaut, astronaut_points, factor):
    way = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    picture = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=way)
    faces = detect_shrunk(mtcnn, picture, 360)
    assert len(faces) == 1
    assert np.abs(faces[0].points / factor - astronaut_points).max() < 6


def test_a_face_cut_by_the_edge_does_not_break_it(mtcnn, astronaut):
    for left in (200, 225, 250):
        for found in mtcnn.detect(np.ascontiguousarray(astronaut[:200, left:])):
            assert np.isfinite(found.points).all()


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (5, 400), (19, 19), (20, 20), (13, 2000)])
def test_pictures_too_small_for_a_face_have_none(mtcnn, shape):
    assert mtcnn.detect(np.full((*shape, 3), 90, np.uint8)) == []


def test_noise_and_plain_colour_have_no_face(mtcnn):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    assert mtcnn.detect(noise) == []
    assert mtcnn.detect(np.full((240, 320, 3), 200, np.uint8)) == []


def test_min_face_leaves_small_faces_out(astronaut):
    assert Mtcnn(min_face=200.0).detect(astronaut) == []


@pytest.mark.parametrize("wrong", [{"min_face": 5.0}, {"scale_factor": 1.0}, {"thresholds": (0.5, 0.5, 1.5)}])
def test_numbers_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        Mtcnn(**wrong)


def test_loading_leaves_opencvs_log_level_alone_and_says_nothing(capfd):
    before = cv2.utils.logging.getLogLevel()
    Mtcnn()
    assert cv2.utils.logging.getLogLevel() == before
    assert capfd.readouterr().err == ""
