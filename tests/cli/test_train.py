"""``mien train`` and ``mien evaluate``: recipes by name, fields by flag, figures on stdout."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from mien.core.registry import Registry
from mien.models.nets import NetConfig
from mien.training import recipes
from mien.training.labelled import LabelledRun
from mien.training.loop import FitPlan
from mien.training.recipe import FaceRecipe


@dataclass(frozen=True)
class Nap:
    """Sleep on it.

    Attributes:
        out: where dreams go.
        fit: how deeply.
    """

    out: Path = Path("dreams")
    fit: FitPlan = field(default_factory=FitPlan)

    def run(self, report) -> Path:
        report({"epoch": 1, "loss": 0.123456})
        if self.fit.epochs > 9:
            raise KeyboardInterrupt
        return self.out / f"{self.fit.lr}.safetensors"


@pytest.fixture
def nap(monkeypatch) -> None:
    monkeypatch.setattr(recipes, "RECIPES", Registry("recipe", {"nap": Nap}))


def test_the_recipes_are_listed(mien) -> None:
    ran = mien("train", "--help")
    assert ran.code == 0
    for name in recipes.RECIPES:
        assert f"mien train {name}" in ran.out
        assert recipes.ABOUT[name] in ran.out


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_explains_its_fields(mien, name: str) -> None:
    ran = mien("train", name, "--help")
    assert ran.code == 0
    if name != "covered":  # which is fitted in one pass, by no steps
        assert "--fit.lr" in ran.out
        assert "peak learning rate" in ran.out
    assert "--out" in ran.out


def test_a_run_logs_to_stderr_and_names_its_file(mien, nap) -> None:
    ran = mien("train", "nap", "--out", "bed", "--fit.lr", "0.5")
    assert (ran.code, ran.out, ran.err) == (0, "bed/0.5.safetensors\n", "epoch 1  loss 0.1235\n")


@dataclass(frozen=True)
class OwnConfig(NetConfig):
    """A network that mien does not know."""

    network = "own"
    input_size: int = 48
    classes: int = 8
    dim: int = 5


def test_a_recipe_of_faces_takes_a_network_of_ones_own_and_its_fields_are_flags(mien, monkeypatch) -> None:
    own = LabelledRun(recipe=FaceRecipe(model=OwnConfig()))
    monkeypatch.setattr(recipes, "RECIPES", Registry("recipe", {"own": own}))
    monkeypatch.setattr(LabelledRun, "run", lambda self, report: self.recipe.model)
    ran = mien("train", "own", "--recipe.model.dim", "7")
    assert (ran.code, ran.out) == (0, "OwnConfig(input_size=48, classes=8, dim=7)\n"), ran.err


def test_ctrl_c_tells_how_to_go_on(mien, nap) -> None:
    ran = mien("train", "nap", "--fit.epochs", "10")
    assert (ran.code, ran.out) == (130, "")
    assert "kept in dreams; --resume" in ran.err


def test_mistakes(mien, nap) -> None:
    assert "did you mean nap?" in mien("train", "nab").err
    ran = mien("train", "nap", "--fit.epochs", "0")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert mien("train").code == 1


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Eight images of noise, one an expression."""
    rng = np.random.default_rng(0)
    votes = np.hstack([10 * np.eye(8, dtype=np.uint8), np.zeros((8, 2), np.uint8)])
    path = tmp_path / "ferplus.npz"
    np.savez(path, test_images=rng.integers(0, 255, (8, 48, 48)).astype(np.uint8), test_votes=votes)
    return path


def test_figures_of_a_model(mien, faces, tiny) -> None:
    ran = mien("evaluate", tiny, "--data", faces, "--json")
    (figures,) = ran.lines
    assert (ran.code, ran.err) == (0, "")
    assert figures["items"] == 8
    assert figures["war"]["value"] == pytest.approx(np.trace(figures["confusion"]) / 8)
    assert set(figures["recall"]) == set(figures["labels"])
    table = mien("evaluate", tiny, "--data", faces).out
    assert f"| WAR | {100 * figures['war']['value']:.2f} %" in table


def test_figures_are_kept_on_demand(mien, faces, tiny, tmp_path) -> None:
    mine = shutil.copy(tiny, tmp_path / "mine.safetensors")
    mien("evaluate", mine, "--data", faces)
    before = mien("models", mine, "--json").lines[0]["scores"]
    mien("evaluate", mine, "--data", faces, "--keep")
    after = mien("models", mine, "--json").lines[0]["scores"]
    assert "ferplus_test_war" not in before
    assert "ferplus_test_war" in after


def test_data_that_is_not_there(mien, tiny) -> None:
    ran = mien("evaluate", tiny, "--data", "gone.npz")
    assert (ran.code, ran.out) == (1, "")
    assert "no file at gone.npz" in ran.err
