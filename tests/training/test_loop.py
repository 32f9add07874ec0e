"""The loop: a killed and resumed run ends in the same weights, to the bit; the rate falls as planned."""

import itertools
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from mien.core.errors import ConfigError
from mien.training.loop import FitPlan, fit, learning_rate

PLAN = FitPlan(epochs=3, batch=8, lr=1e-2, precision="fp32", checkpoint_minutes=0, ema=0.9)


class StopError(Exception):
    pass


class Line:
    """Fit a line through noisy points; dropout and the generator make every step random."""

    def __init__(self, stop_at: int | None = None) -> None:
        torch.manual_seed(123)
        self.module = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))
        self.x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
        self.y = self.x.sum(1, keepdim=True)
        self.items, self.steps, self.stop_at = 50, 0, stop_at

    def start_epoch(self, epoch: int) -> None:
        pass

    def groups(self, weight_decay: float) -> list[dict]:
        first, last = self.module[0], self.module[3]
        return [
            {"params": list(first.parameters()), "weight_decay": weight_decay, "scale": 0.5},
            {"params": list(last.parameters()), "weight_decay": 0.0},
        ]

    def loss(self, rows: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        if self.steps == self.stop_at:
            raise StopError
        self.steps += 1
        noise = 0.1 * torch.randn(len(rows), 4, generator=rng)
        return (self.module(self.x[rows] + noise) - self.y[rows]).square().mean()

    def validate(self, module: nn.Module) -> dict[str, float]:
        module.eval()
        with torch.no_grad():
            return {"score": -(module(self.x) - self.y).square().mean().item()}


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["module"]


@pytest.mark.parametrize("stop_at", [3, 7, 10, 15])
def test_a_stopped_and_resumed_run_ends_in_the_same_weights(tmp_path: Path, stop_at: int) -> None:
    fit(Line(), PLAN, tmp_path / "whole")
    with pytest.raises(StopError):
        fit(Line(stop_at), PLAN, tmp_path / "parts")
    resumed = Line()
    fit(resumed, PLAN, tmp_path / "parts", resume=True)
    assert resumed.steps < 21
    for name in ("checkpoint.pt", "best.pt"):
        whole, parts = weights(tmp_path / "whole" / name), weights(tmp_path / "parts" / name)
        assert all(torch.equal(whole[key], parts[key]) for key in whole)


def test_it_learns_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    lines: list[dict] = []
    path = fit(Line(), FitPlan(epochs=30, batch=8, lr=2e-2, precision="fp32", ema=0.9), tmp_path, report=lines.append)
    scores = [line["score"] for line in lines if "score" in line]
    assert scores[-1] > 0.5 * scores[0]
    assert torch.load(path, weights_only=True)["figures"]["score"] == max(scores)
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert logged == lines


def test_a_finished_run_is_not_overwritten(tmp_path: Path) -> None:
    fit(Line(), PLAN, tmp_path)
    with pytest.raises(ConfigError, match="resume"):
        fit(Line(), PLAN, tmp_path)


def test_learning_rate_warms_up_then_falls_to_its_floor() -> None:
    plan = FitPlan(warmup=0.1, min_lr=0.05)
    rates = [learning_rate(step, 100, plan) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * i for i in range(1, 11)])
    assert max(rates) == pytest.approx(1)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert rates[-1] == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"lr": 0.0}, {"ema": 1.0}, {"warmup": 1.5}])
def test_wrong_plans_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        FitPlan(**wrong)
