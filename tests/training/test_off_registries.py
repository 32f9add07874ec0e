"""Whatever the registries hold: asked for with no weight, or beside, it changes no bit of what was there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_people import CLASSES, as_set, draw_people

from mien.core.labels import LabelSpace
from mien.core.registry import Registry
from mien.core.signals import Signal, places
from mien.core.types import FaceClip
from mien.engines.opening import open_model
from mien.explain.explanation import METHODS, explain_clip
from mien.models.beside import POSES
from mien.models.cnn import CnnConfig
from mien.models.heads import build_heads
from mien.models.landmarks import MobileFaceNet
from mien.models.nets import HEADS, build
from mien.models.network import SIGNALS, said, with_signals
from mien.models.record import ModelRecord, Preprocessing
from mien.models.shape import S2DConfig
from mien.models.weights import Recognizer, read_tensors, save_weights
from mien.models.zoo import load_model
from mien.training.labelled import LabelledRun
from mien.training.loop import FitPlan
from mien.training.recipe import FaceRecipe
from mien.training.terms import TERMS

RECIPE = FaceRecipe(model=S2DConfig(24, 8, 32, 2, 2, CLASSES), frames=1, score="last")
FIT = FitPlan(epochs=1, batch=16, max_steps=2, lr=1e-2, precision="fp32", ema=0.0, accelerator="cpu")
LABELS = LabelSpace("three", ("neutral", "happiness", "anger"))
BESIDE = {
    "scale": Signal("affect", ("valence", "arousal"), "scale", -1.0, 1.0),
    "flags": Signal("units", ("AU4", "AU12"), "flags"),
    "classes": Signal("level", ("low", "middle", "high"), "classes"),
}
NO_OPTION = {
    "CONFIGS": "sizes of one network, of which a weights file holds one",
    "NETS": "a weights file holds one",
    "RECIPES": "a command each",
    "DATASETS": "what is read, not how",
    "LABEL_SPACES": "what is read, not how",
    "READERS": "what is read, not how",
    "DETECTORS": "one of them is asked: tests/faces",
    "LANDMARKS": "none is asked unless named: tests/analysis/test_plugins.py",
    "PARSERS": "none is asked unless named: tests/explain/test_parsed.py",
    "EMBEDDERS": "none is asked unless named: tests/analysis/test_reunion.py, tests/data/test_face_groups.py",
    "ENGINES": "the same rows by each: tests/scale",
    "EXECUTORS": "the same answers by each: tests/analysis",
    "CORRUPTIONS": "changes copies of what is measured: tests/evaluation",
    "FORMATS": "written from a result that stands: tests/report",
}
"""Registries that hold no option of an answer, and why."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, torch.Tensor]]:
    """Weights after two steps on drawn faces by the loss that is named."""
    folder = tmp_path_factory.mktemp("people")
    data = as_set(folder / "set", draw_people(np.full((4, CLASSES), 1 / CLASSES), 12, 24, 3, (1, 1))).root

    def train(*terms: str) -> dict[str, torch.Tensor]:
        out, recipe = folder / "-".join(terms), replace(RECIPE, terms=terms)
        if not out.exists():
            LabelledRun(data=data, out=out, landmarks="s2d-tiny", fit=FIT, recipe=recipe).run()
        return read_tensors(next(out.glob("*.safetensors")))

    return train


def weights(folder: Path, kind: str = "", prompts: bool = False) -> Path:
    """A tiny network that says the expression, and beside it what a head of this kind can say."""
    torch.manual_seed(0)
    config = S2DConfig(32, 8, 32, 2, 2, len(LABELS), prompts=prompts) if not kind else CnnConfig().tiny(len(LABELS))
    pixels = Preprocessing(32, config.input_size)
    net, signals = build(config), tuple(BESIDE[kind_of] for kind_of in (HEADS[kind].says if kind else ()))
    kinds = {signal.name: kind for signal in signals}
    heads = build_heads(kinds, signals, config.dim)
    landmarks = MobileFaceNet() if prompts or any(one.reads_tail for one in heads.values()) else None
    record = ModelRecord("tiny", LABELS, pixels, {}, frames=2, signals=signals, heads=kinds)
    path = folder / f"{kind or 'plain'}.safetensors"
    save_weights(Recognizer(net, landmarks, pixels, heads).eval(), record, path)
    return path


def crops() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (2, 3, 3, 32, 32)).astype(np.uint8)


Trained = Callable[..., dict[str, torch.Tensor]]


def term(name: str, folder: Path, trained: Trained) -> None:
    """A term without weight: what the plain loss learns is learned to the bit, whatever the term learns beside."""
    usual = trained("labels")
    without = trained("labels", f"{name}=0") if name != "labels" else trained("labels=1")
    assert without.keys() >= usual.keys()
    assert all(torch.equal(usual[one], without[one]) for one in usual)
    if name != "labels":
        changed = trained("labels", f"{name}=9")
        assert not all(torch.equal(usual[one], changed[one]) for one in usual)


def head(name: str, folder: Path, trained: Trained) -> None:
    """A head in the weights: the expression is the same with and without it, and unasked it says nothing."""
    path = weights(folder, name)
    whole, alone = load_model(path), open_model(path, signals=("expression",))
    assert whole.record.signals
    assert not alone.record.signals
    np.testing.assert_array_equal(said(whole, crops())[:, : len(LABELS)], said(alone, crops()))


def signal(name: str, folder: Path, trained: Trained) -> None:
    """A signal around a network: the network's own columns stay."""
    network = load_model(weights(folder))
    asked = with_signals(network, (name,))
    np.testing.assert_array_equal(said(asked, crops())[:, : len(LABELS)], said(network, crops()))


def pose(name: str, folder: Path, trained: Trained) -> None:
    """Another way to tell pose: of all columns only pose is another's."""
    network = load_model("s2d-tiny")
    own, asked = said(network, crops()), said(POSES[name](network), crops())
    column = len(network.record.labels) + places(network.record.signals)["pose"].start
    others = [place for place in range(own.shape[1]) if not column <= place < column + 3]
    np.testing.assert_array_equal(asked[:, others], own[:, others])
    assert np.array_equal(asked, own) == (name == "head")


def method(name: str, folder: Path, trained: Trained) -> None:
    """An explanation: afterwards the network answers as before, and nothing listens to it any more."""
    network = load_model(weights(folder, prompts=name == "fovea"), folded=False)
    before = network.logits(crops())
    clip = FaceClip(1, crops()[0], np.arange(3) * 0.04, (0, 1, 2), np.ones(3, bool), 0.0, 0.12)
    explain_clip(network, clip, [METHODS[name]()])
    np.testing.assert_array_equal(network.logits(crops()), before)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.network.modules())


OPTIONS: dict[str, tuple[Registry[Any], Callable[[str, Path, Trained], None]]] = {
    "TERMS": (TERMS, term),
    "HEADS": (HEADS, head),
    "SIGNALS": (SIGNALS, signal),
    "METHODS": (METHODS, method),
    "POSES": (POSES, pose),
}


@pytest.mark.parametrize(("registry", "name"), [(kind, name) for kind, (names, _) in OPTIONS.items() for name in names])
def test_what_was_there_stays(registry: str, name: str, tmp_path: Path, trained: Trained) -> None:
    OPTIONS[registry][1](name, tmp_path, trained)


def test_every_registry_is_walked_or_holds_no_option(root: Path) -> None:
    declared = {
        found
        for path in (root / "src" / "mien").rglob("*.py")
        for found in re.findall(r"^([A-Z_]+): Registry\[", path.read_text(), re.MULTILINE)
    }
    assert declared == OPTIONS.keys() | NO_OPTION.keys()
    assert not OPTIONS.keys() & NO_OPTION.keys()
