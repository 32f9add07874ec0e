"""Frames seconds apart: slide shows, slow cameras, time lapse, films looked at now and then. Who is there is found."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.core.types import Frame
from mien.faces.detectors import detect_shrunk
from mien.faces.settings import FaceSettings
from mien.faces.stream import detector_of, follow
from mien.media import open as open_source
from mien.media.clock import Thinner

SETTINGS = FaceSettings()


def numbers(out):
    return [[crop.track for crop in crops] for _, crops in out]


def timed(pictures, times):
    return [Frame(i, float(time), picture) for i, (time, picture) in enumerate(zip(times, pictures, strict=True))]


def walls(count):
    """The same wall again and again; its first pixel is the picture's number."""
    wall = cv2.resize(np.random.default_rng(4).integers(0, 255, (6, 16, 3), dtype=np.uint8), (640, 240))
    pictures = [wall.copy() for _ in range(count)]
    for number, picture in enumerate(pictures):
        picture[0, 0] = number
    return pictures


@pytest.fixture(scope="module")
def film(sample_clip):
    """A woman who moves, for 19.6 s at 23.976 frames a second, in every picture."""
    with open_source(sample_clip("WolfgangLanger_Pexels.mp4")) as source:
        return list(source)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.99, 1.0, 1.01, 2.0, 5.0])
def test_a_real_film_shows_its_one_person_at_any_frame_rate(film, rate):
    thinner = Thinner(rate)
    chosen = [frame for frame in film if thinner.wants(frame.time)]
    assert numbers(follow(chosen, SETTINGS, 48)) == [[1]] * len(chosen)


@pytest.mark.parametrize("every", [7, 24, 25, 40, 60, 200])
def test_a_real_film_shows_its_one_person_in_every_nth_frame(film, every):
    chosen = film[::every]
    assert numbers(follow(chosen, SETTINGS, 48)) == [[1]] * len(chosen)


def slides(astronaut):
    """Portraits that sit elsewhere, are mirrored, larger and smaller, between blank ones."""
    blank = [np.full((360, 480, 3), value, np.uint8) for value in (255, 20)]
    shown = []
    for size, x, y, mirrored in ((360, 0, 0, False), (300, 180, 60, True), (240, 10, 100, True), (360, 120, 0, False)):
        picture = blank[len(shown) % 2].copy()
        portrait = cv2.resize(astronaut[:, ::-1] if mirrored else astronaut, (size, size), interpolation=cv2.INTER_AREA)
        picture[y : y + size, x : x + size] = portrait
        shown.append(picture)
    return [shown[0], blank[0], shown[1], shown[2], shown[2], blank[1], blank[0], shown[3], shown[0]]


@pytest.mark.parametrize("seconds", [0.5, 1.0, 10.0])
def test_every_slide_with_a_face_shows_it(astronaut, seconds):
    pictures = slides(astronaut)
    seen = numbers(follow(timed(pictures, np.arange(len(pictures)) * seconds), SETTINGS, 48))
    assert [len(row) for row in seen] == [len(detect_shrunk(detector_of(SETTINGS), one, 360)) for one in pictures]
    assert [len(row) for row in seen] == [1, 0, 1, 1, 1, 0, 0, 1, 1]
    assert seen[3] == seen[4], "the same slide again is the same person"


@pytest.mark.parametrize("seconds", [0.5, 1.0, 10.0])
def test_people_who_jump_between_pictures_of_a_time_lapse_are_all_there(make, seconds):
    chance = np.random.default_rng(4)
    places = [[(x + chance.integers(-60, 60), chance.integers(60, 180)) for x in (120, 330, 540)] for _ in range(20)]
    detector = make.FakeDetector(lambda image, call: [make.face(*place, 70) for place in places[image[0, 0, 0]]])
    frames = timed(walls(20), 100 + np.arange(20) * seconds)
    assert [len(row) for row in numbers(follow(frames, SETTINGS, 24, detector))] == [3] * 20


def test_who_is_there_for_one_slow_frame_is_not_lost(make):
    detector = make.FakeDetector(lambda image, call: [make.face(160, 120, 80)] if image[0, 0, 0] in (2, 5) else [])
    assert numbers(follow(timed(walls(6), np.arange(6.0)), SETTINGS, 24, detector)) == [[], [], [1], [], [], [2]]


@pytest.mark.parametrize("seconds", [0.99, 1.01, 7.0])
def test_one_slow_frame_in_vain_does_not_end_a_person(make, seconds):
    detector = make.FakeDetector(lambda image, call: [] if image[0, 0, 0] == 5 else [make.face(160, 120, 80)])
    seen = numbers(follow(timed(walls(12), np.arange(12) * seconds), SETTINGS, 24, detector))
    assert seen == [[1]] * 5 + [[]] + [[1]] * 6


def test_a_picture_that_stands_still_for_half_a_minute_ends_nobody(film):
    chosen = film[::2][:40]
    times = np.arange(40) / 12 + np.where(np.arange(40) >= 20, 30.0, 0.0)
    seen = list(follow(timed([frame.image for frame in chosen], times), SETTINGS, 48))
    assert numbers(seen) == [[1]] * 40
    assert seen[20][1][0].face.measured, "nothing is carried over half a minute"


def test_slow_frames_are_each_measured(film):
    out = list(follow(film[::5][:20], SETTINGS, 48))
    assert all(crop.face.measured for _, crops in out for crop in crops)


def test_of_slow_frames_not_all_are_searched_while_only_the_known_face_moves(film):
    detector = detector_of(SETTINGS)
    searched = []
    detect = detector.detect
    detector.detect = lambda image: searched.append(1) or detect(image)
    list(follow(film[::12], SETTINGS, 48, detector))
    assert len(searched) <= len(film[::12]) // 2
