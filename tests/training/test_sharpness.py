"""Sharpness-aware steps: the paper's step, nothing random drawn twice, exact resuming, and what is gained."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from line_task import Line, StopError
from torch import nn

from mien.core.errors import ConfigError
from mien.training.loop import FitPlan, fit
from mien.training.task import Task, matrices_decay

PLAN = FitPlan(epochs=3, batch=8, lr=1e-2, precision="fp32", checkpoint_minutes=0, ema=0.9, accelerator="cpu")
RHO = 0.5
TWO = {"devices": 2, "dropout": 0.0}
A = np.array([[3.0, 1.0, 0.0], [1.0, 2.0, -0.5], [0.0, -0.5, 1.0]])
START = np.array([1.0, -2.0, 0.5])


class Bowl(Task):
    """f(w) = w.Aw/2, with a note of every w that it was asked about."""

    def __init__(self) -> None:
        self.module = nn.Linear(3, 1, bias=False)
        self.module.weight.data = torch.tensor(START[None], dtype=torch.float32)
        self.items, self.asked = 8, []

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        return [{"params": list(self.module.parameters()), "weight_decay": 0.0}]

    def loss(self, module: nn.Module, batch: Any, rng: torch.Generator) -> dict[str, torch.Tensor]:
        w = self.module.weight[0]
        self.asked.append(w.detach().numpy().copy())
        # By way of the module's forward, which is what several devices wrap.
        return {"bowl": module(torch.tensor(A, dtype=torch.float32) @ w).sum() / 2}

    def validate(self, module: nn.Module) -> dict[str, float]:
        return {"score": 0.0}


def by_hand(plan: FitPlan, steps: int) -> list[np.ndarray]:
    """The weights asked about by AdamW (Loshchilov and Hutter, without decay) on gradients A (w + rho Aw / |Aw|)."""
    w, first, second, asked = START.copy(), np.zeros(3), np.zeros(3), []
    for step in range(1, steps + 1):
        slope = A @ w
        high = w + plan.sharpness * slope / np.linalg.norm(slope)
        asked += [w, high]
        g = A @ high
        first = plan.beta1 * first + (1 - plan.beta1) * g
        second = plan.beta2 * second + (1 - plan.beta2) * g**2
        w = w - plan.lr * first / (1 - plan.beta1**step) / (np.sqrt(second / (1 - plan.beta2**step)) + 1e-8)
    return asked


@pytest.mark.parametrize("parts", [1, 2])
def test_the_step_is_the_paper_s(tmp_path: Path, parts: int) -> None:
    task = Bowl()
    plan = FitPlan(
        epochs=6, batch=8, lr=0.3, min_lr=1.0, warmup=0.0, ema=0.0, clip=100.0, sharpness=RHO, accumulate=parts,
        precision="fp32", accelerator="cpu",
    )  # fmt: skip
    fit(task, plan, tmp_path)
    # Every part of a step is asked at the weights, then every one up the slope of them all.
    np.testing.assert_allclose(task.asked[::parts], by_hand(plan, 6), atol=1e-5)
    assert np.linalg.norm(task.asked[parts] - task.asked[0]) == pytest.approx(RHO, rel=1e-5)


class Flat(Bowl):
    def loss(self, module: nn.Module, batch: Any, rng: torch.Generator) -> dict[str, torch.Tensor]:
        self.asked.append(self.module.weight.detach().clone())
        return {"flat": 0 * module(torch.ones(3)).sum()}


def test_without_a_slope_nothing_moves(tmp_path: Path) -> None:
    task = Flat()
    fit(task, dataclasses.replace(PLAN, sharpness=RHO, weight_decay=0.0), tmp_path)
    assert len(task.asked) == 6
    assert all(torch.equal(weight[0], torch.tensor(START, dtype=torch.float32)) for weight in task.asked)


class Noted(Line):
    """With a batch norm; notes the generators and buffers before each pass, and what the dropout hid."""

    def __init__(self, stop_at: int | None = None) -> None:
        super().__init__(stop_at)
        self.module.insert(1, nn.BatchNorm1d(16))
        self.before: list[list[torch.Tensor]] = []
        self.hidden: list[torch.Tensor] = []
        dropout = next(part for part in self.module if isinstance(part, nn.Dropout))
        dropout.register_forward_hook(lambda _, taken, given: self.hidden.append((given == 0) & (taken[0] != 0)))

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        return matrices_decay(self.module, weight_decay)

    def loss(self, module: nn.Module, batch: Any, rng: torch.Generator) -> dict[str, torch.Tensor]:
        buffers = [buffer.clone() for buffer in self.module.buffers()]
        self.before.append([rng.get_state(), torch.get_rng_state(), batch, *buffers])
        return super().loss(module, batch, rng)


def test_both_passes_draw_the_same_and_the_state_goes_on_as_after_one(tmp_path: Path) -> None:
    plain, sharp = Noted(), Noted()
    states = []
    for task, rho in ((plain, 0.0), (sharp, RHO)):
        fit(task, dataclasses.replace(PLAN, sharpness=rho, max_steps=1), tmp_path / str(rho))
        states.append((dict(task.module.named_buffers()), torch.get_rng_state()))
    assert (len(plain.before), len(sharp.before)) == (1, 2)
    assert all(map(torch.equal, *sharp.before))
    # Where the weights differ a unit may be dead in one pass alone; of those alive the same ones are hidden.
    assert sharp.hidden[0].any()
    assert (sharp.hidden[0] == sharp.hidden[1]).float().mean() > 0.8
    (one, one_rng), (two, two_rng) = states
    assert torch.equal(one_rng, two_rng)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert one["1.num_batches_tracked"] == 1
    assert not torch.equal(plain.module[0].weight, sharp.module[0].weight)


def test_off_the_steps_are_adamw_s_to_the_bit(tmp_path: Path) -> None:
    looped, plain = Bowl(), Bowl()
    plan = dataclasses.replace(PLAN, ema=0.0, warmup=0.0, min_lr=1.0, clip=1e6, lr_batch=0)
    fit(looped, plan, tmp_path)
    optimizer = torch.optim.AdamW(plain.groups(0.0), lr=plan.lr, betas=(plan.beta1, plan.beta2))
    for _ in range(3):
        optimizer.zero_grad()
        plain.loss(plain.module, None, torch.Generator())["bowl"].backward()
        optimizer.step()
    assert len(looped.asked) == 3
    assert torch.equal(looped.module.weight, plain.module.weight)


@pytest.mark.parametrize("stop_at", [5, 16])  # in a second pass; in a first one of a later epoch
def test_a_stopped_and_resumed_run_ends_in_the_same_state(tmp_path: Path, stop_at: int) -> None:
    plan, states = dataclasses.replace(PLAN, sharpness=RHO), []
    fit(Noted(), plan, tmp_path / "whole")
    with pytest.raises(StopError):
        fit(Noted(stop_at), plan, tmp_path / "parts")
    resumed = Noted()
    fit(resumed, plan, tmp_path / "parts", resume=True)
    assert 0 < resumed.steps < 42
    for name in ("whole", "parts"):
        last = max((tmp_path / name / "checkpoints").glob("step-*.pt"))
        states.append(torch.load(last, weights_only=True))
    for part in ("module", "average"):
        assert all(torch.equal(states[0][part][name], states[1][part][name]) for name in states[0][part])
    assert all(map(torch.equal, states[0]["generators"][0][:2], states[1]["generators"][0][:2]))


@pytest.mark.slow
def test_two_processes_share_the_step_that_each_looked_up_for_itself(tmp_path: Path) -> None:
    """Of so short a look the direction hardly matters: the weights are those of one process if gradients are shared."""
    plan = dataclasses.replace(PLAN, sharpness=1e-4)
    one = Line(loaded=True, dropout=0.0)
    fit(one, plan, tmp_path / "one")
    program, text = Path(__file__).with_name("line_task.py"), json.dumps(dataclasses.asdict(plan) | TWO)
    subprocess.run([sys.executable, str(program), str(tmp_path / "two"), text], check=True, timeout=120)
    two = torch.load(max((tmp_path / "two" / "checkpoints").glob("step-*.pt")), weights_only=True)["module"]
    for name, tensor in one.module.state_dict().items():
        if not name.endswith("sum"):  # of its own items
            torch.testing.assert_close(two[name], tensor, atol=1e-3, rtol=0)


class Mislabelled(Task):
    """Five clouds of points in 40 dimensions; 30 % of 300 training items are given a label of another cloud.

    Args:
        seed: of clouds, wrong labels and network.
        passes: over the items in an epoch of the loop, which checks and keeps its state after each.
    """

    def __init__(self, seed: int, passes: int = 10) -> None:
        rng = torch.Generator().manual_seed(seed)
        truth = torch.arange(2300) % 5
        self.x = (0.55 * torch.randn(5, 40, generator=rng))[truth] + torch.randn(2300, 40, generator=rng)
        shift = torch.randint(1, 5, (300,), generator=rng) * (torch.rand(300, generator=rng) < 0.3)
        self.given, self.truth = (truth[:300] + shift) % 5, truth
        torch.manual_seed(seed)
        self.module = nn.Sequential(nn.Linear(40, 128), nn.ReLU(), nn.Linear(128, 5))
        self.items = 300 * passes

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        return matrices_decay(self.module, weight_decay)

    def loss(self, module: nn.Module, batch: Any, rng: torch.Generator) -> dict[str, torch.Tensor]:
        items = batch % 300
        return {"ce": nn.functional.cross_entropy(module(self.x[items]), self.given[items])}

    def validate(self, module: nn.Module) -> dict[str, float]:
        return {"score": 0.0, "right": self.right()}

    def right(self) -> float:
        """Share of right answers about 2,000 items that were not learnt from."""
        with torch.no_grad():
            return (self.module(self.x[300:]).argmax(1) == self.truth[300:]).float().mean().item()


def learnt(seed: int, rho: float, epochs: int, folder: Path, passes: int = 10) -> list[float]:
    """Share of right answers after every epoch."""
    task, lines = Mislabelled(seed, passes), []
    plan = FitPlan(epochs, 32, 3e-3, ema=0.0, sharpness=rho, precision="fp32", accelerator="cpu")
    fit(task, plan, folder / f"{seed}-{rho}-{epochs}", report=lines.append)
    return [line["right"] for line in lines if "right" in line]


def test_wrong_labels_are_learnt_less(tmp_path: Path) -> None:
    """After the last epoch, at as many passes through the network (6) and at as many steps (3).

    Who has clean items to choose the epoch by needs none of it: AdamW is far better early on.
    """
    sharp = np.array([learnt(seed, RHO, 3, tmp_path)[-1] for seed in range(3)])
    for epochs in (6, 3):
        plain = np.array([learnt(seed, 0.0, epochs, tmp_path)[-1] for seed in range(3)])
        print(f"sharp, 30 times over the items: {sharp.round(3)}; AdamW, {10 * epochs} times: {plain.round(3)}")
        assert (sharp - plain).mean() > 0.03
        assert (sharp > plain).all()
    chosen = np.array([max(learnt(seed, 0.0, 8, tmp_path, passes=1)) for seed in range(3)])
    print(f"AdamW, best of the first 8 times: {chosen.round(3)}")
    assert (chosen > sharp).all()


@pytest.mark.parametrize("wrong", [{"sharpness": -0.1}, {"sharpness": float("nan")}, {"sharpness": float("inf")}])
def test_wrong_lengths_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="sharpness"):
        FitPlan(**wrong)


def test_split_weights_are_refused() -> None:
    with pytest.raises(ConfigError, match="ddp"):
        FitPlan(sharpness=0.05, devices=2, strategy="fsdp")
