"""Paired tests: numbers one can check by hand, and items that must match."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace
from mien.evaluation.compare import compare, mcnemar, paired_bootstrap
from mien.evaluation.metrics import bootstrap, war
from mien.evaluation.predictions import Predictions

SPACE = LabelSpace("two", ("a", "b"))


def answered(right: np.ndarray, model: str = "m") -> Predictions:
    """Items of class a and b in turn, answered rightly where ``right``."""
    labels = np.arange(len(right)) % 2
    said = np.where(right, labels, 1 - labels)
    ids = tuple(f"i{place}" for place in range(len(right)))
    return Predictions(ids, SPACE, np.eye(2)[said] * 0.8 + 0.1, labels, protocol="clean", model=model)


def shuffled(predictions: Predictions, seed: int = 0) -> Predictions:
    order = np.random.default_rng(seed).permutation(len(predictions))
    return replace(
        predictions,
        ids=tuple(predictions.ids[place] for place in order),
        probabilities=predictions.probabilities[order],
        targets=predictions.targets[order],
    )


def test_mcnemar_by_hand() -> None:
    # Two-sided binomial with 5 tosses: (C(5,0) + C(5,5)) / 32.
    assert mcnemar(5, 0) == (pytest.approx(2 / 32), True)
    # 1 of 8: 2 * (1 + 8) / 256.
    assert mcnemar(1, 7) == (pytest.approx(18 / 256), True)
    assert mcnemar(0, 0) == (1.0, True)
    # (|59 - 37| - 1)^2 / 96 = 4.59375; chi-squared with one degree: p = erfc(sqrt(x / 2)) = 0.03209.
    p, exact = mcnemar(59, 37)
    assert (p, exact) == (pytest.approx(0.03209, abs=5e-5), False)
    assert mcnemar(37, 59) == (p, False)
    assert mcnemar(20, 20)[0] == 1


def test_a_pair_of_models_matched_by_id() -> None:
    rng = np.random.default_rng(0)
    good, bad = rng.random(400) < 0.8, rng.random(400) < 0.6
    found = compare(answered(good, "good"), shuffled(answered(bad, "bad")))
    assert found.only_one == (good & ~bad).sum()
    assert found.only_other == (bad & ~good).sum()
    assert found.war.value == pytest.approx(good.mean() - bad.mean())
    assert 0 < found.war.low < found.war.value < found.war.high
    assert found.p < 0.001
    back = compare(answered(bad), answered(good))
    assert (back.p, back.war.value) == (found.p, pytest.approx(-found.war.value))
    assert "protocol clean" in found.to_markdown()
    assert found.to_dict()["mcnemar"]["only_one_right"] == found.only_one


def test_the_paired_interval_has_the_width_of_discordant_pairs() -> None:
    rng = np.random.default_rng(1)
    one = rng.random(1000) < 0.8
    other = np.where(rng.random(1000) < 0.05, ~one, one)  # the same mistakes but for one in twenty
    labels = np.zeros(1000, int)
    mine, theirs = np.where(one, 0, 1), np.where(other, 0, 1)
    found = paired_bootstrap(war, labels, mine, theirs, 2)
    share, gap = (one != other).mean(), found.value
    assert gap == pytest.approx(one.mean() - other.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt((share - gap**2) / 1000), rel=0.1)
    low, high = bootstrap(war, labels, mine, 2)
    assert found.high - found.low < 0.7 * (high - low)


def test_a_model_against_itself_differs_in_nothing() -> None:
    same = answered(np.arange(30) % 3 > 0)
    found = compare(same, shuffled(same))
    assert (found.p, found.war, found.uar) == (1.0, (0, 0, 0), (0, 0, 0))


def test_classes_in_another_order_are_the_same_classes() -> None:
    one = answered(np.arange(30) % 3 > 0)
    turned = LabelSpace("turned", ("b", "a"))
    other = replace(one, labels=turned, probabilities=one.probabilities[:, ::-1], targets=1 - one.targets)
    assert compare(one, other).only_one == compare(one, other).only_other == 0


def test_a_table_of_answers_may_lack_classes_and_true_classes() -> None:
    one = answered(np.arange(10) > 3)
    always_b = Predictions(one.ids, LabelSpace("p", ("b",)), np.ones((10, 1)), np.full(10, -1), protocol="clean")
    found = compare(one, always_b)
    assert found.war.value == pytest.approx(0.6 - 0.5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"protocol": "official"}, "one protocol"),
        ({"protocol": ""}, "--protocol"),
        ({"ids": tuple(f"j{i}" for i in range(10))}, "the same ids"),
        ({"targets": np.arange(10) % 2 * 0}, "one true class for every item"),
        ({"labels": LabelSpace("x", ("a", "c"))}, "the same classes"),
    ],
)
def test_what_cannot_be_compared_is_refused(change: dict[str, object], said: str) -> None:
    one = answered(np.arange(10) > 3)
    with pytest.raises((DataError, ConfigError), match=said):
        compare(one, replace(one, **change))
