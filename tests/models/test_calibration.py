"""Readings of logits: temperature, bias, and the shares of the classes in training taken out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ConfigError
from mien.core.labels import LabelSpace
from mien.models.calibration import BALANCED, TRAINED, Calibration
from mien.models.record import ModelRecord, Preprocessing, parse_record
from mien.models.shape import S2DConfig

LABELS = LabelSpace("two", ("neutral", "happiness"))
PRIOR = (0.8, 0.2)
RECORD = ModelRecord(
    "toy",
    LABELS,
    Preprocessing(28, 28),
    S2DConfig(28, 14, 8, 1, 2, classes=2).__dict__,
    temperature=2.0,
    threshold=0.7,
    calibrations={BALANCED: Calibration(1.5, 0.6, prior=PRIOR, tau=1.0)},
    prior=BALANCED,
)


def test_all_of_the_prior_taken_out_gives_what_a_balanced_set_would() -> None:
    # By Bayes: a posterior under the shares, divided by them and scaled, is the posterior under equal shares.
    likelihood = np.array([[0.3, 0.6], [0.5, 0.1]])
    posterior = likelihood * PRIOR / (likelihood * PRIOR).sum(1, keepdims=True)
    found = Calibration(prior=PRIOR, tau=1.0).probabilities(np.log(posterior))
    assert found == pytest.approx(likelihood / likelihood.sum(1, keepdims=True))


def test_a_bias_is_added_after_the_temperature() -> None:
    logits = np.array([[1.0, 3.0]])
    given = Calibration(2.0, bias=(0.5, 0.0)).probabilities(logits)
    assert np.log(given[0, 1] / given[0, 0]) == pytest.approx((3 - 1) / 2 - 0.5)


def test_the_record_reads_as_its_file_says_or_as_asked() -> None:
    again = parse_record(RECORD.to_json(), "here", "")
    assert again == replace(RECORD, source="here")
    assert again.calibration == RECORD.calibrations[BALANCED]
    trained = again.read_as(TRAINED)
    assert (trained.calibration.temperature, trained.calibration.threshold, trained.calibration.tau) == (2.0, 0.7, 0)
    assert trained.read_as(None) is trained
    with pytest.raises(ConfigError, match="balanced"):
        again.read_as("balansed")


def test_weights_without_further_readings_say_nothing_of_them() -> None:
    plain = replace(RECORD, calibrations={}, prior=TRAINED)
    assert not {"calibrations", "prior", "bias"} & set(parse_keys(plain.to_json()))
    assert parse_record(plain.to_json(), "", "") == plain


def parse_keys(text: str) -> list[str]:
    import json

    return list(json.loads(text))


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0.0},
        {"threshold": 1.5},
        {"tau": -0.1, "prior": PRIOR},
        {"tau": 0.5},
        {"prior": (0.0, 1.0)},
        {"bias": (float("nan"), 0.0)},
    ],
    ids=str,
)
def test_a_reading_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Calibration(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"bias": (0.0,)},
        {"calibrations": {BALANCED: Calibration(prior=(0.5, 0.3, 0.2), tau=1.0)}},
        {"prior": "other"},
        {"calibrations": {"=x": Calibration()}},
    ],
    ids=str,
)
def test_a_record_with_readings_of_other_classes_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        replace(RECORD, **wrong)  # type: ignore[arg-type]


def test_the_shares_are_named_where_weights_are_listed(tmp_path: Path) -> None:
    from mien.cli.models import _reading

    assert "100 % of the training set's shares taken out (default)" in _reading(RECORD.calibration, True)
