from __future__ import annotations

import os

import numpy as np
import pytest

from mien.core.errors import ConfigError, SourceError, WeightsError
from mien.core.types import Face
from mien.faces.detectors import DETECTORS, detect_shrunk, make_detector, scaled, shrunk
from mien.faces.settings import FaceSettings


def test_a_misspelt_detector_is_answered_with_the_right_name():
    with pytest.raises(ConfigError, match="mtcnn"):
        make_detector("mtcn")


def test_an_unknown_option_is_the_users_error():
    with pytest.raises(ConfigError, match="nonsense"):
        make_detector("mtcnn", nonsense=1)


def test_all_detectors_are_known():
    assert set(DETECTORS) == {"mtcnn", "yunet", "retinaface", "given"}


def test_yunet_without_its_file_says_where_to_put_it_and_what_needs_none(tmp_path, monkeypatch):
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path))
    monkeypatch.delenv("MIEN_YUNET", raising=False)
    with pytest.raises(WeightsError, match="mtcnn") as caught:
        make_detector("yunet")
    assert str(tmp_path / "yunet_n_dynamic.onnx") in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a network"])
def test_yunet_with_a_torn_file_is_a_weights_error(tmp_path, content):
    torn = tmp_path / "torn.onnx"
    torn.write_bytes(content)
    with pytest.raises(WeightsError, match=r"torn\.onnx"):
        make_detector("yunet", path=torn)


@pytest.mark.skipif(not os.environ.get("MIEN_YUNET"), reason="MIEN_YUNET does not name YuNet's ONNX file")
def test_yunet_finds_the_astronaut(astronaut, astronaut_points):
    detector = make_detector("yunet")
    (found,) = detector.detect(astronaut)
    assert np.abs(found.points - astronaut_points).max() < 8
    assert detector.detect(np.zeros((4, 4, 3), np.uint8)) == []


def test_frames_are_shrunk_for_the_detector_and_faces_come_back_in_their_pixels(make):
    detector = make.FakeDetector(lambda image, call: [make.face(100, 50)])
    (found,) = detect_shrunk(detector, np.zeros((1080, 1920, 3), np.uint8), 360)
    assert detector.images[0].shape == (360, 640, 3)
    np.testing.assert_allclose((found.box[:2] + found.box[2:]) / 2, [301, 151])
    assert found.size == pytest.approx(150)


def test_the_shorter_side_counts_so_portrait_video_keeps_its_pixels():
    small, scale = shrunk(np.zeros((1920, 1080, 3), np.uint8), 360)
    assert small.shape == (640, 360, 3)
    assert scale == pytest.approx(1 / 3)


def test_small_pictures_stay_as_they_are():
    picture = np.zeros((40, 30, 3), np.uint8)
    small, scale = shrunk(picture, 360)
    assert small is picture
    assert scale == 1.0


def test_scaling_there_and_back_changes_nothing(make):
    face = make.face(33, 44)
    back = scaled(scaled(face, 0.37), 1 / 0.37)
    np.testing.assert_allclose(back.box, face.box, atol=1e-3)
    np.testing.assert_allclose(back.points, face.points, atol=1e-3)


def test_what_is_no_face_is_left_out(make):
    nan = make.face(50, 50, points=False)
    flat = Face(np.array([5, 5, 5, 9], np.float32), 1.0, make.face(5, 5).points)
    one = Face(make.face(9, 9).box, 1.0, np.full((5, 2), 3, np.float32))
    good = make.face(50, 50)
    detector = make.FakeDetector(lambda image, call: [nan, flat, one, good])
    assert [f.score for f in detect_shrunk(detector, np.zeros((100, 100, 3), np.uint8), 360)] == [1.0]


@pytest.mark.parametrize("shape", [(10, 10), (10, 10, 4)])
def test_a_grey_or_transparent_picture_is_refused(make, shape):
    with pytest.raises(SourceError, match="RGB"):
        detect_shrunk(make.FakeDetector(lambda image, call: []), np.zeros(shape, np.uint8), 360)


def test_a_picture_without_pixels_has_no_faces(make):
    detector = make.FakeDetector(lambda image, call: [make.face(1, 1)])
    assert detect_shrunk(detector, np.zeros((0, 10, 3), np.uint8), 360) == []


@pytest.mark.parametrize("wrong", [{"detect_every": 0}, {"detect_height": 10}, {"min_size": -1.0}, {"max_yaw": 100.0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        FaceSettings(**wrong)
