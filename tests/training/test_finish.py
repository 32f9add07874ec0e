"""Calibration at a run's end: what the weights file then says is what was measured."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ConfigError
from mien.training.finish import ABSTAIN_PRECISION, calibrate, figures, uncalibrated, write_facts
from mien.training.plan import FitPlan
from mien.training.recipe import ClipRecipe


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_a_bias_is_kept_where_it_helps(shift: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2.5, (3000, 4))
    labels = (logits + rng.gumbel(size=logits.shape) + shift * np.array([1, -1, 0, 0])).argmax(1)
    found = calibrate(2 * logits, labels)
    assert bool(found.reading.bias) is (shift > 0)
    answers = found.reading.probabilities(2 * logits)
    assert figures(answers, labels) == pytest.approx(found.figures)
    sure = answers.max(1) >= found.reading.threshold
    assert (answers.argmax(1) == labels)[sure].mean() == pytest.approx(ABSTAIN_PRECISION, abs=5e-3)


def test_items_that_measure_do_not_calibrate() -> None:
    found = uncalibrated(3 * np.eye(4), np.arange(4))
    assert (found.reading.temperature, found.reading.threshold, found.reading.bias) == (1, 0, ())
    assert found.figures["war"] == 1


@dataclass
class Told:
    """A run as far as its facts go."""

    out: Path
    data: Path = Path("set")
    name: str = "told"
    resume: bool = False
    fold: int = 0
    start: str = ""
    recipe: ClipRecipe = ClipRecipe()
    fit: FitPlan = FitPlan()


def test_a_run_goes_on_by_the_recipe_it_was_begun_with(tmp_path: Path) -> None:
    write_facts(Told(tmp_path), "set")
    before = (tmp_path / "run.json").read_text()
    with pytest.raises(ConfigError, match=r"recipe.terms \['adjusted'\] instead of \['labels'\]"):
        write_facts(Told(tmp_path, resume=True, recipe=ClipRecipe(terms=("adjusted",))), "set")
    assert (tmp_path / "run.json").read_text() == before, "what was begun is still told"
    for other, name in ((Told(tmp_path, resume=True, start="s2d-tiny"), "set"), (Told(tmp_path, resume=True), "else")):
        with pytest.raises(ConfigError, match="instead of"):
            write_facts(other, name)
    write_facts(Told(tmp_path, Path("moved"), resume=True, fit=FitPlan(epochs=9)), "set")
    facts = json.loads(before)
    del facts["fields"]["recipe"]["drop_patches"]  # as a version wrote it that did not have it
    (tmp_path / "run.json").write_text(json.dumps(facts))
    write_facts(Told(tmp_path, resume=True), "set")
    for torn in ("{torn", "[]"):
        (tmp_path / "run.json").write_text(torn)
        with pytest.raises(ConfigError, match="torn"):
            write_facts(Told(tmp_path, resume=True), "set")
    write_facts(Told(tmp_path, recipe=ClipRecipe(terms=("adjusted",))), "set")
