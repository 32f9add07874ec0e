"""The training loop: seeded, resumable to the bit, one process.

A task says what an item is and what its loss is; the loop owns order, rate, averaging, checkpoints and the log.
Everything random is drawn from the run's generator or from torch's global one, and both are in the checkpoint, so a run
killed at any moment and resumed gives the weights of an uninterrupted run.
"""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from mien.core.errors import ConfigError

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class FitPlan:
    """How a task is fitted.

    Attributes:
        epochs: passes over the data.
        batch: items a step.
        lr: peak learning rate of the groups with scale 1.
        min_lr: learning rate at the end, as a share of ``lr``.
        warmup: share of all steps in which the rate rises from 0.
        weight_decay: of AdamW, for parameters with two dimensions or more.
        beta2: of AdamW.
        clip: largest norm of the gradient.
        ema: decay of the averaged weights that are validated and shipped; 0 turns averaging off.
        precision: bf16 computes in bfloat16 and keeps the weights in float32.
        seed: of everything random.
        checkpoint_minutes: how often the state is kept.
    """

    epochs: int = 6
    batch: int = 64
    lr: float = 2.5e-4
    min_lr: float = 0.01
    warmup: float = 0.05
    weight_decay: float = 0.05
    beta2: float = 0.999
    clip: float = 1.0
    ema: float = 0.998
    precision: Literal["fp32", "bf16"] = "bf16"
    seed: int = 0
    checkpoint_minutes: float = 5.0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or self.lr <= 0:
            raise ConfigError(
                "epochs >= 1, batch >= 1, lr > 0", f"{self.epochs}, {self.batch}, {self.lr}", "change them"
            )
        if not 0 <= self.ema < 1 or not 0 <= self.warmup < 1:
            raise ConfigError("ema and warmup in [0, 1)", f"{self.ema}, {self.warmup}", "change them")


class Task(Protocol):
    """What the loop needs to know of a training problem."""

    module: nn.Module
    items: int

    def start_epoch(self, epoch: int) -> None:
        """Told before every epoch, from 0; for curricula."""

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Optimizer groups; ``scale`` in a group multiplies the learning rate."""

    def loss(self, rows: Tensor, rng: torch.Generator) -> Tensor:
        """Mean loss of the items ``rows``."""

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Figures on held-out items; the run keeps the epoch with the highest ``"score"``."""


def fit(task: Task, plan: FitPlan, folder: Path, resume: bool = False, report: Report | None = None) -> Path:
    """Run a task and return the path of its best weights (a ``.pt`` state dict with its figures).

    Args:
        task: the problem.
        plan: how to fit it.
        folder: gets ``plan.json``, ``log.jsonl``, ``checkpoint.pt`` and ``best.pt``.
        resume: go on from ``checkpoint.pt`` where there is one.
        report: called with every line of the log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not resume and (folder / "checkpoint.pt").exists():
        raise ConfigError("a new run folder", f"{folder} with a checkpoint", "add --resume or choose another folder")
    (folder / "plan.json").write_text(json.dumps(asdict(plan), indent=2))
    run = _Run(task, plan, folder, report or (lambda line: None))
    if resume:
        run.load()
    for epoch in range(run.epoch, plan.epochs):
        run.train_epoch(epoch)
        run.validate(epoch)
    return folder / "best.pt"


def learning_rate(step: int, steps: int, plan: FitPlan) -> float:
    """Linear warm-up, then a half cosine down to ``min_lr``; as a share of ``lr``."""
    warm = max(int(plan.warmup * steps), 1)
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(steps - warm, 1)
    return plan.min_lr + (1 - plan.min_lr) * 0.5 * (1 + math.cos(math.pi * done))


class _Run:
    def __init__(self, task: Task, plan: FitPlan, folder: Path, report: Report) -> None:
        self.task, self.plan, self.folder, self.report = task, plan, folder, report
        torch.manual_seed(plan.seed)
        self.rng = torch.Generator().manual_seed(plan.seed)
        groups = task.groups(plan.weight_decay)
        self.scales = [group.pop("scale", 1.0) for group in groups]
        self.optimizer = torch.optim.AdamW(groups, lr=plan.lr, betas=(0.9, plan.beta2))
        self.learning = [p for group in groups for p in group["params"]]
        self.average = copy.deepcopy(task.module).eval().requires_grad_(False) if plan.ema else task.module
        self.epoch = self.step = 0
        self.best = -math.inf
        self.order: Tensor | None = None
        self.steps = math.ceil(task.items / plan.batch)
        self.saved = time.monotonic()

    def train_epoch(self, epoch: int) -> None:
        if self.order is None:
            self.order = torch.randperm(self.task.items, generator=self.rng)
        self.task.start_epoch(epoch)
        self.task.module.train()
        start, total = time.monotonic(), 0.0
        for count, rows in enumerate(self._batches(self.order), 1):
            total += self._train_step(rows, epoch)
            if time.monotonic() - self.saved > 60 * self.plan.checkpoint_minutes:
                self.save(epoch)
            if count % 50 == 0:
                line = {"epoch": epoch, "step": self.step, "of": self.steps, "loss": total / count}
                self._log(line | {"seconds_per_step": (time.monotonic() - start) / count})
        self.order, self.step = None, 0

    def _batches(self, order: Tensor) -> Iterator[Tensor]:
        for i in range(self.step, self.steps):
            yield order[i * self.plan.batch : (i + 1) * self.plan.batch]

    def _train_step(self, rows: Tensor, epoch: int) -> float:
        share = learning_rate(epoch * self.steps + self.step, self.plan.epochs * self.steps, self.plan)
        for group, scale in zip(self.optimizer.param_groups, self.scales, strict=True):
            group["lr"] = self.plan.lr * share * scale
        with torch.autocast("cpu", torch.bfloat16, enabled=self.plan.precision == "bf16"):
            loss = self.task.loss(rows, self.rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.learning, self.plan.clip)
        self.optimizer.step()
        self.step += 1
        if self.plan.ema:
            self._update_average(epoch)
        return loss.item()

    def _update_average(self, epoch: int) -> None:
        # A young average forgets faster, so that the random start does not linger in it.
        done = epoch * self.steps + self.step
        decay = min(self.plan.ema, (1 + done) / (10 + done))
        with torch.no_grad():
            for mean, now in zip(
                self.average.state_dict().values(), self.task.module.state_dict().values(), strict=True
            ):
                if mean.dtype.is_floating_point:
                    mean.lerp_(now, 1 - decay)
                else:
                    mean.copy_(now)

    def validate(self, epoch: int) -> None:
        figures = self.task.validate(self.average)
        if figures["score"] > self.best:
            self.best = figures["score"]
            _write({"module": self.average.state_dict(), "epoch": epoch, "figures": figures}, self.folder / "best.pt")
        self.save(epoch + 1)
        self._log({"epoch": epoch, **figures, "best": self.best})

    def _log(self, line: dict[str, Any]) -> None:
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        self.report(line)

    def save(self, epoch: int) -> None:
        state = {
            "module": self.task.module.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.get_state(),
            "torch_rng": torch.get_rng_state(),
            "order": self.order,
            "epoch": epoch,
            "step": self.step,
            "best": self.best,
        }
        _write(state, self.folder / "checkpoint.pt")
        self.saved = time.monotonic()

    def load(self) -> None:
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        self.task.module.load_state_dict(state["module"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.set_state(state["rng"])
        torch.set_rng_state(state["torch_rng"])
        self.order, self.epoch, self.step, self.best = state["order"], state["epoch"], state["step"], state["best"]


def _write(state: dict[str, Any], path: Path) -> None:
    """Atomic: a kill leaves the old file or the new one, never half of one."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)
