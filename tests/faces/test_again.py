"""Stills without a face at the first look: portraits cut tight, tiny ones, the crops of data sets; and real blanks."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

from mien.core.types import Frame
from mien.faces.again import LEAST_SCORE, LEAST_TURNED, LOOKS, TURNED, look_again, whole_picture
from mien.faces.align import align
from mien.faces.detectors import detect_shrunk, make_detector
from mien.faces.settings import FaceSettings
from mien.faces.stream import follow

SETTINGS, CROPS = FaceSettings(), FaceSettings(crops=True)


@pytest.fixture(scope="module")
def mtcnn():
    return make_detector("mtcnn")


def cut(astronaut, share, side):
    """The astronaut's face, ``share`` of its box, in a picture of ``side`` pixels; and the factor from its pixels."""
    x, y, half = 224, 120, round(47 * share)
    square = astronaut[y - half : y + half, x - half : x + half]
    way = cv2.INTER_AREA if side < 2 * half else cv2.INTER_LINEAR
    return cv2.resize(square, (side, side), interpolation=way), np.array([x - half, y - half]), side / (2 * half)


def faces_of(picture, settings=SETTINGS, pictures=1, detector=None):
    ((_, crops),) = follow([Frame(0, 0.0, picture)], settings, 64, detector, pictures)
    return crops


@pytest.mark.parametrize("side", [64, 100, 300])
def test_a_portrait_cut_tight_is_found_where_it_is(astronaut, astronaut_points, mtcnn, side):
    picture, corner, factor = cut(astronaut, 0.7, side)
    assert detect_shrunk(mtcnn, picture, 360) == [], "the first look finds it: cut it tighter"
    (crop,) = faces_of(picture)
    assert np.abs(crop.face.points - (astronaut_points - corner) * factor).max() < 0.09 * side
    assert crop.quality.reason is None
    assert crop.quality.size == pytest.approx(crop.face.size)
    assert crop.face.size == pytest.approx(94 * factor, rel=0.25), "the box may reach over the edge"


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("share", [1.4, 2.4])
def test_a_face_that_lies_is_found_where_it_is_and_its_crop_stands_upright(
    astronaut, astronaut_points, quarters, share
):
    picture, corner, factor = cut(astronaut, share, 150)
    lying = np.ascontiguousarray(np.rot90(picture, -quarters))
    (upright,), (crop,) = faces_of(picture), faces_of(lying)
    expected = (astronaut_points - corner) * factor - 74.5
    for _ in range(quarters):  # clockwise: what pointed up points right
        expected = expected[:, ::-1] * (-1, 1)
    assert np.abs(crop.face.points - 74.5 - expected).max() < 5
    x0, y0, x1, y1 = crop.face.box
    assert (crop.face.points > (x0, y0)).all()
    assert (crop.face.points < (x1, y1)).all()
    assert np.abs(crop.image.astype(int) - upright.image).mean() < 6
    assert crop.quality.reason is None


@pytest.mark.skipif(not os.environ.get("MIEN_YUNET"), reason="MIEN_YUNET does not name YuNet's ONNX file")
def test_yunet_finds_it_too(astronaut):
    for share in (0.6, 0.8, 1.0):
        picture, *_ = cut(astronaut, share, 32)
        assert faces_of(picture, FaceSettings(detector="yunet"))


@pytest.mark.parametrize("name", ["coffee", "chelsea", "brick", "page"])
def test_pictures_without_a_face_have_none(name):
    from skimage import data

    picture = getattr(data, name)()
    picture = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture
    assert faces_of(np.ascontiguousarray(picture[:300, :300])) == []
    assert faces_of(np.ascontiguousarray(picture[100:180, 100:180])) == []


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (5, 4000), (48, 48), (200, 12)])
def test_no_shape_of_a_picture_is_too_much(shape):
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert faces_of(noise) == []
    (crop,) = faces_of(noise, CROPS)
    assert crop.face.box.tolist() == [0, 0, shape[1], shape[0]]


def test_each_look_maps_its_faces_back(make):
    """A detector that finds white squares, in whatever picture it is shown."""

    def detect(image, call):
        if call != wanted:
            return []
        y, x = np.nonzero((image > 230).all(axis=2))
        box = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1], np.float32)
        return [make.face(*(box[:2] + box[2:]) / 2, box[2] - box[0])]

    picture = np.full((100, 120, 3), 90, np.uint8)
    picture[40:70, 80:110] = 255
    for wanted in range(len(LOOKS) + 3 * len(TURNED)):
        detector = make.FakeDetector(detect)
        (found,) = look_again(detector, picture, 360)
        np.testing.assert_allclose(found.box, [80, 40, 110, 70], atol=1.5)
        assert wanted >= len(LOOKS) or len(detector.images) == wanted + 1
    large = cv2.resize(picture, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
    wanted = 0
    (found,) = look_again(make.FakeDetector(detect), large, 200)
    np.testing.assert_allclose(found.box, [640, 320, 880, 560], atol=8)


def test_what_is_found_in_the_border_or_for_little_is_no_face(make):
    blank = np.zeros((100, 100, 3), np.uint8)
    outside = make.FakeDetector(lambda image, call: [make.face(10, 10, 15)])
    assert look_again(outside, blank, 360, upright=True) == []
    doubtful = make.FakeDetector(lambda image, call: [make.face(90, 90, 60, score=LEAST_SCORE - 0.01)])
    assert look_again(doubtful, blank, 360) == []
    lying = make.FakeDetector(
        lambda image, call: [make.face(50, 50, 60, score=LEAST_TURNED - 0.01)] * (call >= len(LOOKS))
    )
    assert look_again(lying, blank, 360) == []


def test_of_two_ways_up_the_surer_one_is_taken(make):
    blank = np.zeros((100, 100, 3), np.uint8)
    for upright, lying, expected in ((0.8, 0.97, 0.97), (0.995, 0.999, 0.995), (0.94, 0.9, 0.94)):
        scores = {0: upright, 3: lying}  # the first look upright; after one quarter's two, the second's first
        detector = make.FakeDetector(
            lambda image, call, scores=scores: [make.face(60, 60, 40, score=scores[call])] if call in scores else []
        )
        (found,) = look_again(detector, blank, 360)
        assert found.score == expected
        assert (found.points[0, 1] > found.points[3, 1]) == (expected == lying), "upside down"


def test_only_pictures_without_a_face_are_looked_at_again_and_films_never(make):
    blank, calls = np.zeros((200, 200, 3), np.uint8), []
    for answer, settings, pictures in (
        ([], SETTINGS, 1),
        ([make.face(100, 100)], SETTINGS, 1),
        ([], SETTINGS, 0),
        ([], CROPS, 0),
        ([], SETTINGS, 50),
        ([], CROPS, 50),
    ):
        detector = make.FakeDetector(lambda image, call, answer=answer: answer)
        faces_of(blank, settings, pictures, detector)
        calls.append(len(detector.images))
    assert calls == [10, 1, 1, 1, 1, 4], "crops stand upright"


def test_a_crop_without_a_found_face_is_the_face_itself(astronaut):
    turned = np.ascontiguousarray(cut(astronaut, 1.0, 48)[0][::-1])
    assert faces_of(turned), "as a picture it is turned back"
    assert faces_of(turned, CROPS, pictures=0) == []
    (crop,) = faces_of(turned, CROPS)
    assert (crop.track, crop.face.score, crop.face.box.tolist()) == (1, 0.0, [0, 0, 48, 48])
    assert crop.quality.reason is None, "48 px are enough"
    aligned = align(turned, whole_picture(turned).points, 48).transpose(1, 2, 0)
    np.testing.assert_allclose(aligned.astype(int), turned.astype(int), atol=1)


def test_a_crop_with_a_face_has_its_points(astronaut, astronaut_points):
    (crop,) = faces_of(astronaut, CROPS)
    assert np.abs(crop.face.points - astronaut_points).max() < 6


def test_crops_in_a_row_each_have_a_face(make):
    chance = np.random.default_rng(3)
    pictures = [cv2.resize(chance.integers(0, 256, (6, 6, 3), dtype=np.uint8), (60, 60)) for _ in range(12)]
    nobody = make.FakeDetector(lambda image, call: [])
    out = follow(make.clip(pictures), CROPS, 48, nobody, len(pictures))
    assert [len(crops) for _, crops in out] == [1] * 12
