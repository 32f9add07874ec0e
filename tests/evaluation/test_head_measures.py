"""Figures of signals against closed forms, scikit-learn and the stored figures of three public scripts."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, cohen_kappa_score, f1_score, roc_auc_score

from mien.core.signals import Signal
from mien.evaluation.signal_metrics import (
    auc,
    average_precision,
    best_threshold,
    ccc,
    f1,
    pcc,
    quadratic_kappa,
    rmse,
    sagr,
)
from mien.evaluation.signals import figures_of, misnamed, shared_signals

RNG = np.random.default_rng(0)
OFFICIAL = json.loads((Path(__file__).parents[1] / "parity" / "official_ccc.json").read_text())
AFFECT = Signal("affect", ("valence", "arousal"), "scale", -1.0, 1.0)
STATES = Signal("states", ("excited", "calm"), "flags")


def test_ccc_is_the_populations_and_not_the_two_other_ways() -> None:
    ours, theirs = np.array(OFFICIAL["scores"]), np.array(OFFICIAL["labels"])
    assert ccc(ours, theirs) == pytest.approx(OFFICIAL["population"], abs=1e-6)
    cov, spread = np.cov(ours, theirs)[0, 1], (ours.mean() - theirs.mean()) ** 2
    mixed = 2 * cov / (ours.var() + theirs.var() + spread)
    assert mixed == pytest.approx(OFFICIAL["n-1 over n"], abs=1e-6)
    all_less = 2 * cov / (ours.var(ddof=1) + theirs.var(ddof=1) + spread + 1e-5)
    assert all_less == pytest.approx(OFFICIAL["all n-1"], abs=1e-6)
    assert ccc(ours, ours) == pytest.approx(1)
    assert 2 * np.cov(ours, ours)[0, 1] / (2 * ours.var()) == pytest.approx(OFFICIAL["perfect, n-1 over n"])


def test_ccc_knows_shift_scale_and_constants() -> None:
    x = RNG.normal(size=200)
    assert ccc(-x, x) == pytest.approx(-1, abs=0.02)
    assert ccc(x + 1, x) == pytest.approx(2 * x.var() / (2 * x.var() + 1))
    assert ccc(2 * x, x) < pcc(2 * x, x) == pytest.approx(1)
    assert math.isnan(ccc(np.ones(5), np.ones(5)))
    assert ccc(np.ones(5), np.zeros(5)) == 0
    assert math.isnan(pcc(np.ones(5), x[:5]))
    assert rmse(x + 0.5, x) == pytest.approx(0.5)
    assert sagr(np.array([0.1, -2, 0, 1]), np.array([3, 1, 0, 0.2])) == 0.75


def test_flags_agree_with_scikit_learn() -> None:
    there = RNG.random(300) < 0.3
    scores = np.round(np.clip(there * 0.2 + RNG.random(300) * 0.8, 0, 1), 2)  # with equal scores
    assert auc(scores, there) == pytest.approx(roc_auc_score(there, scores))
    assert average_precision(scores, there) == pytest.approx(average_precision_score(there, scores))
    assert f1(scores, there, 0.4) == pytest.approx(f1_score(there, scores >= 0.4))
    best = best_threshold(scores, there)
    assert f1(scores, there, best) == max(f1(scores, there, t / 100) for t in range(1, 100))
    none = np.zeros(300, bool)
    assert math.isnan(auc(scores, none))
    assert math.isnan(average_precision(scores, none))
    assert best_threshold(scores, none) == 0.5


def test_kappa_agrees_with_scikit_learn() -> None:
    true = RNG.integers(0, 4, 200)
    said = np.clip(true + RNG.integers(-1, 2, 200), 0, 3)
    assert quadratic_kappa(said, true, 4) == pytest.approx(cohen_kappa_score(said, true, weights="quadratic"))
    assert quadratic_kappa(true, true, 4) == 1
    assert math.isnan(quadratic_kappa(np.ones(5, int), np.ones(5, int), 4))


def test_what_is_not_known_is_not_counted() -> None:
    wanted = RNG.uniform(-1, 1, (60, 2))
    said = wanted + RNG.normal(0, 0.1, (60, 2))
    said[::2, 1] = 1.0
    wanted[::2, 1] = np.nan
    found = figures_of(AFFECT, said, wanted)
    assert found.columns["affect.valence"]["items"] == 60
    assert found.columns["affect.arousal"]["items"] == 30
    mean = np.mean([ccc(said[:, 0], wanted[:, 0]), ccc(said[1::2, 1], wanted[1::2, 1])])
    assert found.value.value == pytest.approx(mean)
    assert found.value.low < mean < found.value.high
    assert found.scores()["affect.arousal_ccc"] > 0.9
    wanted[:, 1] = np.nan
    assert "affect.arousal" not in figures_of(AFFECT, said, wanted).columns


def test_thresholds_are_those_given_or_half_or_swept() -> None:
    wanted = (RNG.random((200, 2)) < 0.3).astype(float)
    said = 0.1 + 0.2 * wanted + 0.05 * RNG.random((200, 2))  # all below .5, and perfectly apart
    assert figures_of(STATES, said, wanted, thresholds={}).value.value == 0
    given = figures_of(STATES, said, wanted, thresholds={"states.excited": 0.25})
    assert given.columns["states.excited"]["f1"] == 1
    assert given.columns["states.calm"]["f1"] == 0
    assert figures_of(STATES, said, wanted).value.value == 1
    assert figures_of(STATES, said, wanted).columns["states.calm"]["ap"] == pytest.approx(1)


def test_levels_are_measured_by_distance_and_classes_by_answers() -> None:
    levels = Signal("level", ("none", "slight", "broad"), "classes")
    true = np.arange(90) % 3
    near, far = np.eye(3)[np.minimum(true + 1, 2)], np.eye(3)[2 - true]
    truth = np.eye(3)[true]
    assert figures_of(levels, near, truth, ordered=True).columns["level"]["mae"] == pytest.approx(2 / 3)
    one, other = (figures_of(levels, said, truth, ordered=True) for said in (near, far))
    assert one.main == "kappa"
    assert one.value.value > 0.4 > other.value.value
    assert figures_of(levels, near, truth).main == "accuracy"
    assert figures_of(levels, near, truth).value.value == pytest.approx(1 / 3)


def test_signals_are_shared_whatever_is_noted_of_them() -> None:
    noted = Signal("affect", ("valence", "arousal"), "scale", -1.0, 1.0, note="by three raters")
    other = Signal("affect", ("valence", "arousal"), "scale", 0.0, 1.0)
    assert shared_signals((AFFECT, STATES), (noted,)) == (AFFECT,)
    assert shared_signals((AFFECT, STATES), (other,)) == ()


def test_a_signal_that_both_mean_differently_is_named() -> None:
    relabelled = Signal("states", ("bored", "curious"), "flags")
    assert misnamed((AFFECT, relabelled), (AFFECT, STATES)) == [
        "states is not measured: the model says flags bored, curious from 0 to 1; the set knows flags excited, calm "
        "from 0 to 1"
    ]
    assert misnamed((AFFECT, STATES), (AFFECT,)) == []
