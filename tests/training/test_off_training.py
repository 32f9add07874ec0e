"""Options of a training that are off change nothing, to the bit, however their other fields stand; on, they do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_people import CLASSES, as_set, draw_people

from mien.data.transforms import Augmentation
from mien.models.shape import S2DConfig
from mien.models.weights import read_tensors
from mien.training.identity import IdentitySettings
from mien.training.labelled import LabelledRun
from mien.training.loop import FitPlan
from mien.training.masked import HeadLosses
from mien.training.recipe import FaceRecipe
from mien.training.sdl import SdlSettings

SHAPE = S2DConfig(24, 8, 32, 2, 2, CLASSES)
RECIPE = FaceRecipe(model=SHAPE, frames=1, score="last")
FIT = FitPlan(epochs=1, batch=16, max_steps=3, lr=1e-2, precision="fp32", ema=0.0, accelerator="cpu")
EVERYBODY = np.full((6, CLASSES), 1 / CLASSES)

OPTIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "identity": ({"identity": IdentitySettings(together=4)}, {"identity": IdentitySettings(strength=0.5)}),
    "matching": ({"identity": IdentitySettings(together=3)}, {"identity": IdentitySettings(match="item", together=4)}),
    "self-distillation": (
        {"sdl": SdlSettings(queue=8, top_k=1, start_epoch=0, schedule=((0, 3.0),))},
        {"sdl": SdlSettings("anchors", queue=1, top_k=1, start_epoch=0, schedule=((0, 3.0),))},
    ),
    "heads": ({"head_losses": HeadLosses(mse=3.0, asymmetric=True)}, {}),
    "a teacher": ({"teacher_share": 0.9}, {}),
    "terms": ({"terms": ("labels=1",)}, {"terms": ("labels", "cues-mean=9")}),
    "fusion": ({"model": replace(SHAPE, fusion="mcp")}, {"model": replace(SHAPE, fusion="window")}),
    "prompts": (
        {"model": replace(SHAPE, fusion="none")},
        {"model": replace(SHAPE, fusion="none", squeeze=4)},
    ),
    "dropped patches": ({"drop_patches": 0.0}, {"drop_patches": 0.9}),
    "covers": ({"augmentation": replace(RECIPE.augmentation, cover=0.0)}, {"augmentation": Augmentation(cover=0.9)}),
    "layer scale": ({"layer_scale": False}, {"layer_scale": True}),
    "optimizer": ({"fit": replace(FIT, optimizer="adamw")}, {"fit": replace(FIT, optimizer="muon")}),
    "sharpness": ({"fit": replace(FIT, sharpness=0.0)}, {"fit": replace(FIT, sharpness=0.05)}),
}
"""What is off, with other fields of it changed; and what is on, where this can be seen in three steps."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_set(tmp_path_factory.mktemp("people"), draw_people(EVERYBODY, 12, 24, 3, (0.5, 1.0))).root


def weights_of(data: Path, out: Path, fit: FitPlan = FIT, **changed: Any) -> dict[str, torch.Tensor]:
    run = LabelledRun(data=data, out=out, landmarks="s2d-tiny", fit=fit, recipe=replace(RECIPE, **changed))
    return read_tensors(run.run())


@pytest.fixture(scope="module")
def usual(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, torch.Tensor]]:
    """Weights of a training that says nothing of any option, and of one without prompters."""
    place = tmp_path_factory.mktemp("usual")
    plain = replace(SHAPE, prompts=False)
    return {"": weights_of(data, place / "usual"), "prompts": weights_of(data, place / "plain", model=plain)}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", OPTIONS)
def test_off_is_as_if_it_were_not_there(
    data: Path, usual: dict[str, dict[str, torch.Tensor]], tmp_path: Path, name: str
) -> None:
    before = usual.get(name, usual[""])
    off, on = OPTIONS[name]
    assert same(weights_of(data, tmp_path / "off", **off), before)
    if on:
        assert not same(weights_of(data, tmp_path / "on", **on), before)
