"""A head of two levels, and SwinFace's loss: closed forms, nothing where they are off, and what they are for."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mien.core.errors import ConfigError
from mien.core.labels import LabelSpace
from mien.core.signals import Signal
from mien.engines.graph import ClipGraph
from mien.models.heads import build_heads, reads_of
from mien.models.net import Answer
from mien.models.nets import build
from mien.models.network import said
from mien.models.record import ModelRecord, Preprocessing
from mien.models.shape import S2DConfig
from mien.models.weights import Recognizer, save_weights
from mien.models.zoo import load_model
from mien.training.heads import SignalLabels, parse_heads
from mien.training.learner import Inputs, Learner
from mien.training.masked import HeadLosses, annealed_error, loss_for, squared_error
from shape_checks import unchecked

STATES = Signal("states", ("excited", "calm"), "flags")
YEARS = Signal("years", ("since",), "scale", 0.0, 20.0)
LABELS = LabelSpace("three", ("neutral", "happiness", "anger"))


def levels(signal: Signal, dim: int) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_heads({signal.name: "levels"}, (signal,), dim)[signal.name]


def test_the_annealed_error_is_its_equation() -> None:
    """In years, as published: sigma 3."""
    said, wanted = torch.tensor([[10.0], [2.0], [7.0]]), torch.tensor([[6.0], [2.5], [float("nan")]])
    for t in (0.0, 0.3, 1.0):
        each = [(1 - t) / 2 * d**2 + t * (1 - math.exp(-(d**2) / 18)) for d in (4.0, 0.5)]
        assert annealed_error(said, wanted, 1.0, 3.0, t).item() == pytest.approx(sum(each) / 2, rel=1e-5)
    off, on = (loss_for("linear", YEARS, wanted, HeadLosses(annealed=sigma)) for sigma in (0.0, 0.3))
    assert torch.equal(off(said, wanted, 0.7), squared_error(said, wanted, 10.0)), "off, it is what it was"
    assert torch.equal(on(said, wanted, 0.7), annealed_error(said, wanted, 10.0, 0.3, 0.7))
    with pytest.raises(ConfigError, match="annealed"):
        HeadLosses(annealed=-1)


def test_gross_errors_of_labels_lose_their_pull() -> None:
    rng = torch.Generator().manual_seed(0)
    x, slope = torch.randn(300, 4, generator=rng), torch.tensor([[0.3], [-0.2], [0.1], [0.0]])
    wanted = x @ slope + 0.02 * torch.randn(300, 1, generator=rng)
    wanted[:60] += 2.0  # a fifth is read off the wrong line
    missed = {}
    for sigma in (0.0, 0.2):
        loss = loss_for("linear", Signal("s", ("a",), "scale", -1.0, 1.0), wanted, HeadLosses(annealed=sigma))
        layer = torch.nn.Linear(4, 1)
        torch.nn.init.zeros_(layer.weight)
        adam = torch.optim.Adam(layer.parameters(), 0.03)
        for step in range(120):
            adam.zero_grad()
            loss(layer(x), wanted, step / 120).backward()
            adam.step()
        missed[sigma] = (layer(x) - x @ slope).abs().mean().item()
    assert missed[0.0] > 0.3
    assert missed[0.2] < 0.05


def test_what_the_last_block_has_lost_is_found_in_the_middle() -> None:
    """One flag stands in the middle block alone, at one of four places, the other in the last."""
    rng = torch.Generator().manual_seed(0)

    def drawn() -> tuple[Answer, Tensor]:
        flags = torch.randint(0, 2, (200, 2), generator=rng)
        middle, last = torch.randn(2, 200, 1, 4, 16, generator=rng)
        middle[:, 0, 1, :8] += 2 * flags[:, :1]
        last[:, 0, 2, :8] += 2 * flags[:, 1:]
        return Answer(torch.zeros(200, 3), last.mean((1, 2)), tokens=last, middle=middle), flags.float()

    (answer, wanted), (others, truth), right = drawn(), drawn(), {}
    for kind in ("levels", "queries"):
        torch.manual_seed(0)
        head = build_heads({"states": kind}, (STATES,), 16)
        adam = torch.optim.Adam(head["states"].parameters(), 1e-2)
        with unchecked():
            for _ in range(90):
                adam.zero_grad()
                F.binary_cross_entropy_with_logits(
                    head["states"](reads_of(answer, head, None)["states"]), wanted
                ).backward()
                adam.step()
            found = head["states"](reads_of(others, head, None)["states"]) > 0
        right[kind] = (found == truth.bool()).float().mean(0).tolist()
    assert min(right["levels"]) >= 0.85
    assert right["queries"][0] <= 0.65


def test_it_learns_with_the_network_and_answers_alike_folded_and_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config, pixels = S2DConfig(28, 14, 32, 3, 2, classes=3, prompts=False, dropout=0.0), Preprocessing(32, 28)
    net = build(config)
    head = levels(STATES, 32)
    term = SignalLabels(STATES, head, loss_for("levels", STATES, torch.zeros(2, 2), HeadLosses()))
    learner = Learner(net, {"head_states": (1.0, term)})
    recognizer = Recognizer(net, None, pixels, {"states": head})
    frames = recognizer.frames_of(torch.rand(4, 1, 3, 32, 32))
    given = Inputs(frames, None)
    known = {"states": torch.eye(2)[[0, 1, 0, 1]]}
    loss = learner(given, frames, torch.eye(3)[[0, 1, 2, 0]], torch.tensor([0, 1, 2, 0]), 0, None, signals=known)
    loss["head_states"].backward()
    middle = net.backbone.blocks[0].mlp.fc2.weight.grad
    assert middle.abs().sum() > 0
    assert all(part.abs().sum() > 0 for part in head.join.weight.grad.split(32, 1)), "both levels are read"
    record = ModelRecord("two", LABELS, pixels, {}, frames=1, signals=(STATES,), heads={"states": "levels"})
    save_weights(recognizer.eval(), record, tmp_path / "two.safetensors")
    clips = np.random.default_rng(0).integers(0, 255, (2, 1, 3, 32, 32)).astype(np.uint8)
    used, written = load_model(tmp_path / "two.safetensors"), load_model(tmp_path / "two.safetensors", folded=False)
    np.testing.assert_allclose(said(used, clips), said(written, clips), atol=1e-5)
    with torch.no_grad():  # what an export writes; that engines take this head, tests/test_registries.py holds
        _, _, exported, _ = ClipGraph(used)(torch.from_numpy(clips))
    np.testing.assert_allclose(exported, said(used, clips)[:, 3:], atol=1e-4)


def test_a_recipe_names_it() -> None:
    (spec,) = parse_heads(("states=levels",), (STATES,))
    assert spec.kind == "levels"
    with pytest.raises(ConfigError, match="a head for"):
        parse_heads(("states=covered",), (STATES,))
