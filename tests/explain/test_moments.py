from __future__ import annotations

import dataclasses

import numpy as np
from planted import clip

from mien.explain.moments import time_importance
from mien.models.zoo import LoadedModel


def test_the_one_frame_that_differs_counts_most(mouth_model: LoadedModel) -> None:
    for place in (0, 2, 5):
        mouths: list[int | None] = [None] * 6
        mouths[place] = 1
        worth = time_importance(mouth_model, clip(mouths, seed=7), 1)
        assert worth.argmax() == place
        assert worth[place] > 0
        far = [one for one in range(6) if abs(one - place) > 1]
        assert np.abs(worth[far]).max() < 0.01 * worth[place], "swapping like for like changes nothing"


def test_copies_of_a_crop_are_one_moment(mouth_model: LoadedModel) -> None:
    single = time_importance(mouth_model, clip([None, 1, None], seed=7), 1)
    double = time_importance(mouth_model, clip([None, 1, None], seed=7, repeats=2), 1)
    np.testing.assert_allclose(double, np.repeat(single, 2), atol=1e-5)


def test_a_still_has_no_moments_to_compare(mouth_model: LoadedModel) -> None:
    assert np.isnan(time_importance(mouth_model, clip([1], repeats=4), 1)).all()


def test_the_answer_does_not_depend_on_the_batch(mouth_model: LoadedModel, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    looked = dataclasses.replace(clip([0, 1, None, 1, 0], seed=3))
    whole = time_importance(mouth_model, looked, 0)
    monkeypatch.setattr("mien.explain.moments.CLIPS_A_CALL", 3)
    np.testing.assert_allclose(time_importance(mouth_model, looked, 0), whole, atol=1e-6)
