from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.faces.boxes import iou, squared, suppress

corners = arrays(np.float64, st.tuples(st.integers(1, 12), st.just(4)), elements=st.integers(0, 40))


def as_boxes(raw):
    return np.hstack([raw[:, :2], raw[:, :2] + raw[:, 2:] + 1])


def test_iou_of_known_boxes():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], float)
    np.testing.assert_allclose(iou(boxes[:1], boxes), [[1.0, 1 / 3, 0.0]])


def test_empty_boxes_overlap_nothing():
    empty = np.array([[5.0, 5.0, 5.0, 5.0]])
    assert iou(empty, empty)[0, 0] == 0


@given(corners, st.floats(0.1, 0.9), st.integers(0, 2**16))
def test_suppression_keeps_the_best_and_nothing_that_overlaps_it(raw, limit, seed):
    boxes, scores = as_boxes(raw), np.random.default_rng(seed).random(len(raw))
    kept = suppress(boxes, scores, limit, "union")
    assert kept[0] == scores.argmax()
    overlap = iou(boxes[kept], boxes[kept]) - np.eye(len(kept))
    assert overlap.max() <= limit + 1e-9
    for dropped in set(range(len(boxes))) - set(kept):
        rivals = [k for k in kept if scores[k] >= scores[dropped]]
        assert iou(boxes[[dropped]], boxes[rivals]).max() > limit - 1e-9


def test_a_small_box_inside_a_large_one_goes_only_by_the_smaller_ones_area():
    boxes, scores = np.array([[0, 0, 100, 100], [10, 10, 30, 30]], float), np.array([0.9, 0.8])
    assert len(suppress(boxes, scores, 0.7, "union")) == 2
    assert suppress(boxes, scores, 0.7, "smaller").tolist() == [0]


@given(corners)
def test_squares_hold_their_boxes_around_the_same_centre(raw):
    boxes = as_boxes(raw)
    square = squared(boxes)
    sides = square[:, 2:] - square[:, :2]
    np.testing.assert_allclose(sides[:, 0], sides[:, 1])
    np.testing.assert_allclose(square[:, :2] + square[:, 2:], boxes[:, :2] + boxes[:, 2:])
    assert (square[:, :2] <= boxes[:, :2] + 1e-9).all()
    assert (square[:, 2:] >= boxes[:, 2:] - 1e-9).all()
