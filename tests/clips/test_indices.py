"""Frame-index maths: the official reader's figures, and what must hold for every number."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.clips.indices import dense_window, evaluation_views, random_window, uniform_sample, unique_views

OFFICIAL = json.loads((Path(__file__).parent / "official_frame_indices.json").read_text())
counts = st.integers(1, 400)
lengths = st.integers(1, 40)
rates = st.integers(1, 8)


@pytest.mark.parametrize("frames", sorted(OFFICIAL["test_views"], key=int))
def test_views_are_those_of_the_official_reader(frames: str) -> None:
    views = evaluation_views(int(frames), OFFICIAL["clip_len"], OFFICIAL["test_num_segment"])
    assert views.tolist() == OFFICIAL["test_views"][frames]


@pytest.mark.parametrize("frames", sorted(OFFICIAL["train_short_clips"], key=int))
def test_short_training_clips_are_those_of_the_official_reader(frames: str) -> None:
    for seed in range(5):
        window = random_window(int(frames), OFFICIAL["clip_len"], 1, np.random.default_rng(seed))
        assert window.tolist() == OFFICIAL["train_short_clips"][frames]


def check(indices: np.ndarray, frames: int, length: int) -> None:
    assert indices.shape == (length,)
    assert indices.min() >= 0
    assert indices.max() < frames
    assert (np.diff(indices) >= 0).all()


@given(counts, lengths, rates, st.integers(0, 2**32))
def test_training_windows(frames: int, length: int, rate: int, seed: int) -> None:
    window = random_window(frames, length, rate, np.random.default_rng(seed))
    check(window, frames, length)
    fits = (length - 1) * rate + 1 <= frames
    steps = np.diff(window)
    if fits:
        assert (steps == rate).all()
    else:
        assert window[0] == 0
        assert set(steps) <= {rate, 0}
        assert window[-1] == (frames - 1) // rate * rate
        assert (np.diff((steps == 0).astype(int)) >= 0).all(), "padding stands at the end only"
    again = random_window(frames, length, rate, np.random.default_rng(seed))
    assert again.tolist() == window.tolist()


def test_every_training_start_is_drawn() -> None:
    rng = np.random.default_rng(0)
    starts = [int(random_window(20, 16, 1, rng)[0]) for _ in range(500)]
    assert np.bincount(starts, minlength=5).min() > 60, "5 starts, 100 draws each expected"


@given(counts, lengths)
def test_uniform_sample(frames: int, length: int) -> None:
    sample = uniform_sample(frames, length)
    check(sample, frames, length)
    if length <= frames:
        assert len(set(sample.tolist())) == length
    mirrored = frames - 1 - sample[::-1]
    assert np.abs(mirrored - sample).max() <= 1, "neither end is favoured"


def test_uniform_sample_by_hand() -> None:
    assert uniform_sample(8, 4).tolist() == [1, 3, 5, 7]
    assert uniform_sample(2, 6).tolist() == [0, 0, 0, 1, 1, 1]
    assert uniform_sample(5, 5).tolist() == [0, 1, 2, 3, 4]


@given(counts, lengths, st.integers(1, 7), rates)
def test_views_spread_over_the_clip(frames: int, length: int, segments: int, rate: int) -> None:
    views = evaluation_views(frames, length, segments, rate)
    for view in views:
        check(view, frames, length)
    assert (np.diff(views[:, 0]) >= 0).all()
    if segments > 1:
        assert views[0, 0] == 0
        assert views[-1, -1] == (frames - 1) // rate * rate


def test_a_single_view_lies_in_the_middle() -> None:
    assert evaluation_views(10, 4, 1).tolist() == [[3, 4, 5, 6]]


def test_views_of_a_short_clip_are_computed_once() -> None:
    unique, place = unique_views(evaluation_views(16, 16, 2))
    assert unique.shape == (1, 16)
    assert place.tolist() == [0, 0]
    assert len(unique_views(evaluation_views(17, 16, 2))[0]) == 2


@given(counts, lengths, st.integers(1, 7))
def test_unique_views_put_back_are_the_views(frames: int, length: int, segments: int) -> None:
    views = evaluation_views(frames, length, segments)
    unique, place = unique_views(views)
    assert unique[place].tolist() == views.tolist()
    assert len({tuple(view) for view in unique.tolist()}) == len(unique)


@pytest.mark.parametrize(
    "call",
    [
        lambda: dense_window(0, 16, 1, 0),
        lambda: dense_window(5, 16, 1, 5),
        lambda: dense_window(5, 16, 0, 0),
        lambda: uniform_sample(5, 0),
        lambda: evaluation_views(5, 16, 0),
    ],
)
def test_numbers_out_of_range_are_refused(call) -> None:
    with pytest.raises(ValueError, match="must"):
        call()
