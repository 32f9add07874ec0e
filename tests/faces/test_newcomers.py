from __future__ import annotations

import cv2
import numpy as np
import pytest

from mien.faces.newcomers import Newcomers


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
