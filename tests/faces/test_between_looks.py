"""Frames between two looks: what lies between is told from both, and looked at where that would be a guess."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from mien.core.types import NO_PIXELS, Frame
from mien.faces.given import GivenBoxes
from mien.faces.settings import FaceSettings
from mien.faces.stream import follow

SETTINGS = FaceSettings()
RATE = 12.5


@pytest.fixture
def wall():
    """A textured picture, brighter on the right, for heads to move on."""
    noise = np.random.default_rng(1).integers(0, 60, (240, 640, 3))
    return (noise + np.linspace(20, 190, 640)[:, None]).astype(np.uint8)


class Film:
    """A head on a wall at a place for every frame; counts whose pixels were asked for, and knows where it stands."""

    name = "film"

    def __init__(self, wall, head, places, make):
        self.wall, self.head, self.places, self.make = wall, head, places, make
        self.made, self.known = [], {}

    def picture(self, index):
        place, image = self.places(index), self.wall.copy()
        if place is not None:
            image[40:200, place : place + 150] = self.head
        self.known[image.tobytes()] = place
        self.made.append(index)
        return image

    def frames(self, count):
        return [Frame(i, i / 25, NO_PIXELS, partial(self.picture, i)) for i in range(count)]

    def detect(self, image):
        place = self.known.get(image.tobytes())
        return [] if place is None else [self.make.face(place + 75, 120, 100.0)]

    def detect_near(self, image, faces):
        return self.detect(image)


@pytest.fixture
def film(wall, astronaut, make):
    return lambda places: Film(wall, astronaut[40:200, 150:300], places, make)


def test_a_face_lies_between_its_places_and_its_frame_is_never_made(film):
    one = film(lambda i: 100 + 4 * i)
    out = list(follow(one.frames(31), SETTINGS, 48, one, look_rate=RATE))
    assert [frame.index for frame, _ in out] == list(range(31))
    assert one.made == list(range(0, 31, 2))
    crops = [crop for _, (crop,) in out]
    assert [crop.looked for crop in crops] == [i % 2 == 0 for i in range(31)]
    assert {crop.track for crop in crops} == {1}
    for before, between, after in zip(crops[0::2], crops[1::2], crops[2::2], strict=False):
        np.testing.assert_allclose(between.face.box, (before.face.box + after.face.box) / 2, atol=1e-3)
        np.testing.assert_allclose(between.face.points, (before.face.points + after.face.points) / 2, atol=1e-3)
        assert not between.face.measured
        assert (between.image == before.image).all()
        assert between.quality.sharpness == before.quality.sharpness
        assert between.quality.size == pytest.approx((before.quality.size + after.quality.size) / 2, abs=0.01)


def test_without_a_rate_every_frame_is_looked_at(film):
    one = film(lambda i: 100 + 4 * i)
    out = list(follow(one.frames(12), SETTINGS, 48, one))
    assert one.made == list(range(12))
    assert all(crop.looked for _, crops in out for crop in crops)


def test_the_last_frames_of_a_film_are_looked_at(film):
    one = film(lambda i: 100 + 4 * i)
    out = list(follow(one.frames(12), SETTINGS, 48, one, look_rate=RATE))
    assert one.made[-2:] == [10, 11], "nothing comes after the last one"
    assert out[-1][1][0].looked


def test_who_jumps_is_looked_at_in_every_frame(film):
    """Between two places that no motion joins there is nothing to tell."""
    one = film(lambda i: 20 if i < 13 else 450)
    out = list(follow(one.frames(24), SETTINGS, 48, one, look_rate=RATE))
    assert {12, 13, 14} <= set(one.made)
    left = [bool(crops) and crops[0].face.box[0] < 200 for _, crops in out]
    assert left[:13] == [True] * 13
    assert not any(left[13:])


def test_a_cut_between_two_looks_is_found_in_its_frame(film, wall, make):
    one = film(lambda i: 100)
    other = Film(np.ascontiguousarray(wall[:, ::-1]), one.head[:, ::-1], lambda i: 400, make)
    frames = one.frames(13) + [Frame(i, i / 25, NO_PIXELS, partial(other.picture, i)) for i in range(13, 26)]

    class Both(Film):
        def detect(self, image):
            return one.detect(image) or other.detect(image)

    both = Both(wall, None, None, make)
    out = list(follow(frames, SETTINGS, 48, both, look_rate=RATE))
    assert [[crop.track for crop in crops] for _, crops in out] == [[1]] * 13 + [[2]] * 13


def test_given_boxes_and_stills_are_all_looked_at(film, tmp_path):
    one = film(lambda i: 100 + i)
    rows = "".join(f"{i},{100 + i},40,{200 + i},200,1\n" for i in range(6))
    (tmp_path / "boxes.csv").write_text(f"frame,x0,y0,x1,y1,track\n{rows}")
    out = list(follow(one.frames(6), SETTINGS, 48, GivenBoxes(tmp_path / "boxes.csv"), look_rate=RATE))
    assert one.made == list(range(6))
    assert all(crop.looked for _, crops in out for crop in crops)
    stills = film(lambda i: 100 + i)
    list(follow(stills.frames(6), SETTINGS, 48, stills, pictures=6, look_rate=RATE))
    assert stills.made == list(range(6))


def test_a_part_of_the_picture_is_followed_alike(film):
    one = film(lambda i: 100 + 4 * i)
    part = FaceSettings(region=(0, 0, 640, 240))
    whole = list(follow(one.frames(20), SETTINGS, 48, one, look_rate=RATE))
    within = list(follow(one.frames(20), part, 48, one, look_rate=RATE))
    for (_, (a,)), (_, (b,)) in zip(whole, within, strict=True):
        np.testing.assert_array_equal(a.face.box, b.face.box)
        assert a.looked == b.looked
