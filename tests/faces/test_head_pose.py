"""Planted heads: points of a head in space, turned and projected, give back how it was turned."""

from __future__ import annotations

import numpy as np

from mien.data.people.camera import rotation
from mien.faces.head_pose import HEAD, LOOKS, USED, angles_of, pose_of_points
from mien.faces.mean_face import MEAN_FACE


def projected(head: np.ndarray, turn: tuple[float, float, float], distance: float) -> np.ndarray:
    """68 points as shares of a crop, of which only the used ones are filled."""
    seen = head @ rotation(*turn).astype(float).T
    flat = seen[:, :2] * distance / (distance - seen[:, 2:])
    points = np.zeros((68, 2))
    points[list(USED)] = flat * (1, -1) / 180 + 0.5
    return points


def test_turned_heads_are_told_within_five_degrees() -> None:
    """Other people: a tenth deeper or flatter, every point a millimetre elsewhere, from near and far."""
    rng = np.random.default_rng(0)
    turns = rng.uniform(-45, 45, (200, 3))
    points = []
    for turn in turns:
        head = HEAD * (1, 1, rng.uniform(0.9, 1.1)) + rng.normal(0, 1.0, HEAD.shape)
        points.append(projected(head, tuple(turn), rng.uniform(500, 3000)))
    off = np.abs(pose_of_points(np.array(points)) - turns)
    assert (off.mean(0) < (2, 2, 1.5)).all()
    assert (np.quantile(off, 0.95, axis=0) < 5).all()


def test_the_same_head_is_told_almost_exactly_and_by_the_signs_of_the_signal() -> None:
    for turn in ((30, 0, 0), (0, 20, 0), (0, 0, 25), (-40, 15, -10)):
        np.testing.assert_allclose(pose_of_points(projected(HEAD, turn, 1000)[None])[0], turn, atol=0.5)
    right, up = (projected(HEAD, turn, 1000)[30] for turn in ((30, 0, 0), (0, 20, 0)))
    ahead = projected(HEAD, (0, 0, 0), 1000)
    assert right[0] > ahead[30, 0] + 0.05, "nose to the picture's right"
    assert up[1] < ahead[30, 1] - 0.02, "nose up"
    leaning = projected(HEAD, (0, 0, 25), 1000)
    assert leaning[45, 1] > leaning[36, 1], "clockwise: the eye on the right sinks"


def test_an_ordinary_face_looks_ahead_wherever_it_lies_and_however_large_it_is() -> None:
    ahead = pose_of_points(MEAN_FACE[None])
    np.testing.assert_allclose(ahead, [[0, LOOKS, 0]], atol=1)
    np.testing.assert_allclose(pose_of_points(MEAN_FACE[None] * 0.3 + 0.4), ahead, atol=1e-3)


def test_points_that_span_nothing_have_no_pose() -> None:
    np.testing.assert_array_equal(pose_of_points(np.full((2, 68, 2), 0.5)), np.full((2, 3), np.nan))
    np.testing.assert_array_equal(pose_of_points(np.full((1, 68, 2), np.nan)), np.full((1, 3), np.nan))
    assert pose_of_points(np.zeros((0, 68, 2))).shape == (0, 3)


def test_angles_are_those_that_heads_are_drawn_by() -> None:
    for turn in ((10, -20, 30), (-44, 44, -5)):
        np.testing.assert_allclose(angles_of(rotation(*turn)), turn, atol=1e-3)
