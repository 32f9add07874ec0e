"""Muon for the matrices of blocks, AdamW for all else: the step of each, exact resuming, and where it is quicker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from line_task import Line, StopError
from torch import nn

from mien.core.errors import ConfigError
from mien.models.vit import Block
from mien.training.loop import FitPlan, fit
from mien.training.task import Task, matrices_decay

PLAN = FitPlan(
    epochs=3, batch=8, lr=1e-2, precision="fp32", checkpoint_minutes=0, ema=0.9, optimizer="muon", accelerator="cpu"
)
DIM = 16
LIKE = 0.8


class Tokens(Task):
    """Sequences for a block, which has half the rate, and a head.

    Args:
        stop_at: the step that fails.
    """

    def __init__(self, stop_at: int | None = None) -> None:
        torch.manual_seed(0)
        self.x, self.y = torch.randn(64, 4, DIM), torch.randn(64, 4, DIM)
        self.module = nn.Sequential(Block(DIM, 2), nn.Linear(DIM, DIM))
        self.items, self.steps, self.stop_at = 64, 0, stop_at

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        block, head = (matrices_decay(part, weight_decay) for part in self.module)
        return [{**group, "scale": 0.5} for group in block] + head

    def loss(self, module: nn.Module, batch: Any, rng: torch.Generator) -> dict[str, torch.Tensor]:
        if self.steps == self.stop_at:
            raise StopError
        self.steps += 1
        return {"mse": (module(self.x[batch]) - self.y[batch]).square().mean()}

    def validate(self, module: nn.Module) -> dict[str, float]:
        with torch.no_grad():
            return {"score": -(module(self.x) - self.y).square().mean().item()}


def plan(**changes: Any) -> FitPlan:
    return FitPlan(**{**PLAN.__dict__, **changes})


def test_the_first_step_is_muon_s_in_blocks_and_adamw_s_elsewhere(tmp_path: Path) -> None:
    """Both see the same gradient g = U S V^T. What is no matrix of a block ends alike to the bit; a matrix goes along
    U V^T, the weak directions of g as far as the strong ones, its entries 0.2 of the rate in the mean square.
    """
    once = {"batch": 64, "epochs": 1, "ema": 0.0, "warmup": 0.0, "clip": 1e6, "weight_decay": 0.1}
    before, ours, usual = Tokens(), Tokens(), Tokens()
    before.loss(before.module, torch.arange(64), torch.Generator())["mse"].backward()
    fit(ours, plan(**once), tmp_path / "muon")
    fit(usual, plan(**once, optimizer="adamw"), tmp_path / "adamw")
    others, matrices = dict(usual.module.named_parameters()), 0
    for name, weight in ours.module.named_parameters():
        if not name.startswith("0.") or weight.ndim != 2:
            assert torch.equal(weight, others[name]), name
            continue
        first, rate = before.module.get_parameter(name), PLAN.lr * 0.5
        steps = [(first * (1 - rate * 0.1) - end).detach() / rate for end in (weight, others[name])]
        u, s, v = torch.linalg.svd(first.grad, full_matrices=False)
        like = [torch.cosine_similarity(step.flatten(), (u @ v).flatten(), 0).item() for step in steps]
        print(f"{name}: gradient {s.max() / s.min():.3g} to 1, like U V^T: {like[0]:.3f}, AdamW {like[1]:.3f}")
        assert like[0] > LIKE > like[1], name
        assert steps[0].square().mean().sqrt().item() == pytest.approx(0.2, rel=0.25), name
        matrices += 1
    assert matrices == 4


@pytest.mark.parametrize("stop_at", [5, 16])
def test_a_stopped_and_resumed_run_ends_in_the_same_state(tmp_path: Path, stop_at: int) -> None:
    fit(Tokens(), PLAN, tmp_path / "whole")
    with pytest.raises(StopError):
        fit(Tokens(stop_at=stop_at), PLAN, tmp_path / "parts")
    resumed = Tokens()
    fit(resumed, PLAN, tmp_path / "parts", resume=True)
    assert 0 < resumed.steps < 24
    one, two = (
        torch.load(max((tmp_path / name / "checkpoints").glob("step-*.pt")), weights_only=True)
        for name in ("whole", "parts")
    )
    for part in ("module", "average"):
        assert all(torch.equal(one[part][name], two[part][name]) for name in one[part])
    kept = two["optimizer"]["state"]
    assert kept["0.attn.proj.weight"].keys() == {"momentum_buffer"}
    assert kept["1.weight"].keys() == kept["0.attn.proj.bias"].keys() == {"step", "exp_avg", "exp_avg_sq"}
    for name, moments in one["optimizer"]["state"].items():
        assert all(torch.equal(value, kept[name][moment]) for moment, value in moments.items())


def test_what_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="ddp"):
        plan(devices=2, strategy="fsdp")
    with pytest.raises(ConfigError, match="blocks"):
        fit(Line(), PLAN, tmp_path / "line")
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(ConfigError, match=r"PyTorch 2\.9"):
        fit(Tokens(), PLAN, tmp_path / "old")
