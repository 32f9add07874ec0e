"""Figures by group: a planted gap is found, none is found where there is none, and people's habits can be taken out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from mien.cli.main import main
from mien.core.errors import DataError
from mien.core.labels import LabelSpace
from mien.evaluation.groups import by_group, centre
from mien.evaluation.predictions import Predictions

SPACE = LabelSpace("three", ("neutral", "happiness", "anger"))


def simulated(share: np.ndarray, targets: np.ndarray, seed: int) -> Predictions:
    """Answers that are right with these probabilities, else the next class."""
    rng = np.random.default_rng(seed)
    answers = np.where(rng.random(len(targets)) < share, targets, (targets + 1) % 3)
    return Predictions(tuple(map(str, range(len(targets)))), SPACE, np.eye(3)[answers], targets)


def test_a_planted_gap_is_found_and_chance_is_not() -> None:
    rng = np.random.default_rng(0)
    groups, targets = rng.integers(3, size=900), rng.integers(3, size=900)
    names = np.array(["old", "young", "middle"])[groups]
    planted = by_group(simulated(np.where(groups == 0, 0.6, 0.8), targets, 1), names.tolist(), "age")
    assert planted.gap > 0.1
    assert planted.p < 0.01
    assert min(planted.groups, key=lambda one: one.war.value).name == "old"
    ps = [by_group(simulated(np.full(900, 0.8), targets, seed), names.tolist(), "age").p for seed in range(4)]
    assert np.mean(np.array(ps) < 0.05) <= 1 / 4
    assert max(ps) > 0.2


def test_a_group_that_shows_harder_expressions_is_not_taken_for_one_that_is_misjudged() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(2, size=800)
    targets = np.where(rng.random(800) < np.where(groups == 0, 0.9, 0.1), 2, 0)
    found = by_group(simulated(np.where(targets == 2, 0.5, 0.95), targets, 2), list(map(str, groups)), "room")
    assert found.gap > 0.25
    assert found.p > 0.05


def test_small_groups_make_no_gap_and_items_without_one_are_left_out() -> None:
    targets = np.arange(40) % 3
    found = by_group(simulated(np.ones(40), targets, 0), ["a"] * 30 + ["b"] * 5 + [""] * 5, "column")
    assert [one.items for one in found.groups] == [30, 5]
    assert np.isnan(found.gap)
    assert "5 items without column" in found.to_markdown()
    assert found.to_dict()["largest_gap"] is None
    with pytest.raises(DataError, match="column"):
        by_group(simulated(np.ones(40), targets, 0), [""] * 40, "column")


def test_habits_of_people_are_taken_out() -> None:
    rng = np.random.default_rng(0)
    targets, people = np.arange(600) % 3, np.arange(600) // 30
    logits = np.eye(3)[targets] + rng.normal(0, 2, (20, 3))[people] + rng.normal(0, 0.3, (600, 3))
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    plain = Predictions(tuple(map(str, range(600))), SPACE, chances, targets)
    found = centre(plain, [str(one) for one in people])
    assert (found.answers == targets).mean() > (plain.answers == targets).mean() + 0.2
    same = centre(plain, [""] * 600)
    np.testing.assert_allclose(same.probabilities, plain.probabilities, atol=1e-9)


def test_the_command_reads_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(3, size=300)
    group = np.array(["indoors", "outdoors"])[rng.integers(2, size=300)]
    simulated(np.where(group == "indoors", 0.95, 0.6), targets, 0).save(tmp_path / "preds.csv")
    with (tmp_path / "where.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "place"), *((str(n), one) for n, one in enumerate(group))])
    words = ["evaluate", str(tmp_path / "preds.csv"), "--by", "place", "--groups", str(tmp_path / "where.csv")]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["p"] < 0.01
    assert told["largest_gap"] > 0.2
    assert main([*words, "-o", str(tmp_path / "out")]) == 0
    assert "Largest gap" in (tmp_path / "out" / "report.md").read_text()
    assert main([*words[:3], "age", *words[4:]]) == 1
    assert main(words[:4]) == 1
    assert main([*words[:2], "--centre", "place", *words[4:]]) == 0
