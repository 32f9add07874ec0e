from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.faces.mtcnn import Mtcnn
from mien.faces.newcomers import Newcomers, stranger


@pytest.fixture
def room() -> np.ndarray:
    """A grey room with a white door, 360x640."""
    noise = np.random.default_rng(0).normal(0, 20, (24, 40))
    grey = cv2.resize((120 + noise).astype(np.uint8), (640, 360), interpolation=cv2.INTER_CUBIC)
    cv2.rectangle(grey, (400, 60), (520, 359), 240, -1)
    return grey


@pytest.fixture
def head(portrait: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.ascontiguousarray(portrait[20:220, 130:310]), cv2.COLOR_RGB2GRAY)


def with_head(room: np.ndarray, head: np.ndarray, x: int, y: int, width: int = 60) -> np.ndarray:
    picture = room.copy()
    small = cv2.resize(head, (width, round(width * head.shape[0] / head.shape[1])), interpolation=cv2.INTER_AREA)
    picture[y : y + small.shape[0], x : x + width] = small
    return picture


def remembering(grey: np.ndarray, *faces) -> Newcomers:
    newcomers = Newcomers()
    newcomers.searched(grey, faces)
    return newcomers


def test_before_the_first_search_anybody_may_be_there(room) -> None:
    assert Newcomers().possible(room, [])


def test_a_still_room_with_noise_and_another_exposure_needs_no_search(room) -> None:
    noise = np.random.default_rng(1).normal(0, 8, room.shape)
    brighter = np.clip(room + 15 + noise, 0, 255).astype(np.uint8)
    assert not remembering(room).possible(room, [])
    assert not remembering(room).possible(brighter, [])


@pytest.mark.parametrize("width", [60, 150])
@pytest.mark.parametrize("place", [(20, 40), (300, 100), (470, 150)])
def test_a_head_that_appears_is_noticed(room, head, width, place) -> None:
    assert remembering(room).possible(with_head(room, head, *place, width), [])


def test_a_head_that_appears_beside_a_known_one_is_noticed(room, head, make) -> None:
    one, known = with_head(room, head, 60, 60), make.face(90, 95, 40)
    assert remembering(one, known).possible(with_head(one, head, 300, 80), [known])


def test_a_known_head_that_moves_needs_no_search(room, head, make) -> None:
    before, after = with_head(room, head, 60, 60), with_head(room, head, 75, 64)
    newcomers = remembering(before, make.face(90, 95, 40))
    assert not newcomers.possible(after, [make.face(105, 99, 40)])
    assert newcomers.possible(after, []) is False, "where it was in the last search counts as its place, too"


def test_a_camera_that_shakes_a_little_needs_no_search(room, make) -> None:
    shaken = make.warped(room, np.array([[1, 0, 2], [0, 1, 1]], float), 640, 360)
    assert not remembering(room).possible(shaken, [])


def test_a_picture_of_another_size_is_searched(room) -> None:
    assert remembering(room).possible(room[:300], [])


def waved(room: np.ndarray) -> np.ndarray:
    """The room with a hand in it, around x 200, y 260."""
    return cv2.ellipse(room.copy(), (200, 260), (30, 22), 0, 0, 360, 235, -1)


def test_a_hand_that_moved_is_a_part_of_the_picture(room) -> None:
    ((x0, y0, x1, y1),) = remembering(room).parts(waved(room), []) or []
    assert x0 < 170 < 230 < x1
    assert y0 < 238 < 282 < y1
    assert (x1 - x0) * (y1 - y0) < 0.2 * room.size
    assert remembering(room).parts(room, []) == []


def test_changes_far_apart_are_two_parts_and_large_ones_none(room, head) -> None:
    assert len(remembering(room).parts(with_head(waved(room), head, 520, 60), []) or []) == 2
    assert remembering(room).parts(np.ascontiguousarray(room[::-1]), []) is None
    assert Newcomers().parts(room, []) is None, "nothing was searched yet"
    assert remembering(room).parts(room[:300], []) is None


def test_a_part_that_was_looked_at_needs_no_other_look(room, head) -> None:
    newcomers = remembering(room)
    assert newcomers.parts(waved(room), [])
    newcomers.looked(waved(room))
    brighter = np.clip(waved(room).astype(int) + 15, 0, 255).astype(np.uint8)
    assert newcomers.parts(waved(room), []) == newcomers.parts(brighter, []) == []
    assert newcomers.parts(with_head(waved(room), head, 400, 60), []), "who comes in elsewhere is noticed as before"
    assert newcomers.parts(room, []), "and so is the hand when it is gone"


def test_only_who_is_not_known_is_a_stranger(portrait, make) -> None:
    detector = Mtcnn()
    known = detector.detect(portrait)
    alone = np.full((400, 800, 3), 120, np.uint8)
    alone[:, :300] = portrait[:400, 60:360]
    both = alone.copy()
    small = cv2.resize(np.ascontiguousarray(portrait[:240, 100:340]), (180, 180), interpolation=cv2.INTER_AREA)
    both[100:280, 560:740] = small
    known = [make.face(164, 120, known[0].size)]
    assert not stranger(detector, alone, known)
    assert stranger(detector, both, known)
    assert stranger(detector, both, known, (520, 60, 780, 320))
    assert not stranger(detector, both, known, (300, 60, 520, 320))
    assert not stranger(detector, both, known, (40, 0, 320, 320)), "the known one is no stranger there"


def test_a_copy_that_would_not_be_small_is_not_looked_at(make) -> None:
    detector = make.FakeDetector(lambda image, call: [])
    picture = np.zeros((360, 640, 3), np.uint8)
    assert stranger(detector, picture, [make.face(100, 100, 60), make.face(300, 100, 200)])
    assert not stranger(detector, picture, [make.face(300, 100, 200)])
    assert [image.shape for image in detector.images] == [(86, 153, 3)]
