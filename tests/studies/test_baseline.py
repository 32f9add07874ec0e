"""The face at rest taken out: by hand, and what the definition promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_results import LABELS, shares, write_result

from mien.analysis.smoothing import SpanRule
from mien.studies.baseline import Resting, baseline_of, baseline_rows, corrected, from_logits, to_logits
from mien.studies.course import course_of
from mien.studies.films import Columns, read_film, read_head

COLUMNS = Columns(tuple(("expression", label) for label in LABELS))
HAPPY = LABELS.index("happiness")
RULE = SpanRule(LABELS, 0.5, 0.1, 1.0)


def courses(tmp_path: Path, **people: np.ndarray):
    return {
        name: course_of(read_film(read_head(write_result(tmp_path / name, rows))), [1]) for name, rows in people.items()
    }


def at_rest(people, stretch=None, columns=COLUMNS):
    gathered = {name: Resting() for name in people}
    for name, course in people.items():
        gathered[name].add(course, columns, stretch)
    return baseline_of(gathered, columns)


def test_the_equation_by_hand(tmp_path: Path) -> None:
    people = courses(tmp_path, ann=shares([0.1] * 10 + [0.6] * 10), bob=shares([0.4] * 20))
    baseline = at_rest(people, (0.0, 1.0))
    b = {name: np.log([0.95 - level, level, 0.05]) for name, level in (("ann", 0.1), ("bob", 0.4))}
    g = (b["ann"] + b["bob"]) / 2
    moved = np.exp(np.log([0.35, 0.6, 0.05]) - b["ann"] + g)
    expected = moved / moved.sum() - np.exp(g) / np.exp(g).sum()
    course = corrected(people["ann"], "ann", baseline, RULE)
    np.testing.assert_allclose(course.corrected[-1], expected, atol=1e-3)
    np.testing.assert_allclose(course.corrected[:10], 0, atol=1e-9)
    assert np.abs(course.corrected).max() <= 1


def test_the_same_step_from_rest_scores_the_same(tmp_path: Path) -> None:
    rest = {"ann": np.array([2.0, 0.0, -1.0]), "bob": np.array([0.5, 1.0, -1.0])}
    step = np.array([-1.0, 1.5, 0.0])
    rows = {name: from_logits(np.repeat([one, one + step], 20, axis=0), COLUMNS) for name, one in rest.items()}
    people = courses(tmp_path, **rows)
    baseline = at_rest(people, (0.0, 2.0))
    scores = [corrected(people[name], name, baseline, RULE).corrected[-1] for name in rest]
    np.testing.assert_allclose(*scores, atol=2e-3)
    plain = [rows[name][-1] - rows[name][0] for name in rest]
    assert np.abs(plain[0] - plain[1]).max() > 0.05, "which the plain difference does not promise"


def test_one_person_alone_has_the_plain_difference(tmp_path: Path) -> None:
    people = courses(tmp_path, ann=shares([0.1] * 10 + [0.6] * 10))
    course = corrected(people["ann"], "ann", at_rest(people, (0.0, 1.0)), RULE)
    np.testing.assert_allclose(course.corrected[-1], [-0.5, 0.5, 0.0], atol=1e-3)


def test_spans_are_cut_again(tmp_path: Path) -> None:
    """A face that rests at a smile is not happy all the time."""
    resting = [0.2] * 5
    others = {f"p{number}": shares([level] * 20) for number, level in enumerate(resting)}
    people = courses(tmp_path, ann=shares([0.6] * 10 + [0.94] * 10), **others)
    course = corrected(people["ann"], "ann", at_rest(people, (0.0, 1.0)), RULE)
    assert set(course.raw.shown.tolist()) == {HAPPY}
    assert course.again.shown.tolist() == [0] * 10 + [HAPPY] * 10


def test_flags_and_scales() -> None:
    columns = Columns(
        (*COLUMNS.names, ("units", "AU12"), ("affect", "valence")), {"expression": "classes", "units": "flags"}
    )
    values = np.array([[0.7, 0.2, 0.1, 0.25, -0.4]])
    logits = to_logits(values, columns)
    assert (logits[0, 3], logits[0, 4]) == (pytest.approx(np.log(1 / 3)), -0.4)
    np.testing.assert_allclose(from_logits(logits, columns), values)


def test_who_was_never_readable_at_rest_has_none(tmp_path: Path) -> None:
    people = courses(tmp_path, ann=shares([0.1] * 10), bob=shares([np.nan] * 10))
    baseline = at_rest(people)
    assert list(baseline.people) == ["ann"]
    rest = {(row[0], row[4]): row[5] for row in baseline_rows(baseline)}
    assert np.isnan(rest["bob", "happiness"])
    assert rest["ann", "happiness"] == pytest.approx(0.1, abs=1e-3)
    assert at_rest({"bob": people["bob"]}) is None


def test_zeros_of_a_rounded_table_stay_finite() -> None:
    logits = to_logits(np.array([[1.0, 0.0, 0.0]]), COLUMNS)
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(from_logits(logits, COLUMNS), [[1, 0, 0]], atol=2e-4)
