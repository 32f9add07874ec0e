"""How a task is fitted: every number of the optimisation, and the machines it runs on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mien.core.errors import ConfigError


@dataclass(frozen=True)
class FitPlan:
    """How a task is fitted.

    Attributes:
        epochs: passes over the data.
        batch: items a step, over all devices and accumulated parts together.
        lr: peak learning rate of the groups with scale 1.
        lr_batch: the batch that ``lr`` is meant for: another batch scales it in proportion. 0: never scaled.
        min_lr: learning rate at the end, as a share of ``lr``.
        warmup: share of all steps in which the rate rises from 0.
        optimizer: adamw; or muon for the matrices of transformer blocks, AdamW for all else, at the same rates and
            weight decay, see :mod:`mien.training.optimizers`.
        weight_decay: for parameters with two dimensions or more.
        beta1: of AdamW.
        beta2: of AdamW.
        clip: largest norm of the gradient.
        sharpness: how far up the slope a step takes its gradient (rho of SAM, usually 0.05; each device up the slope of
            its own items), see :mod:`mien.training.sharpness`: a step then takes twice as long. 0: at the weights.
        ema: decay of the averaged weights that are validated and shipped; 0 turns averaging off.
        balanced: draw items with weight 1 / (items of their class), with replacement, instead of each once an epoch.
        accumulate: parts that a step's items are computed in, one after the other, for less memory.
        precision: bf16 and fp16 compute in half precision and keep the weights in float32. A CPU that does not compute
            in bfloat16 (AVX-512) takes float32 for bf16: imitated, it is several times slower.
        seed: of everything random.
        workers: processes that load and augment items ahead of the step; the items are the same for any number.
        accelerator: auto takes the GPUs where there are any.
        devices: how many a machine.
        nodes: machines; start one process a machine, or all of them with torchrun.
        strategy: ddp copies the network to every device, fsdp splits it over them; auto is ddp where there are several.
        max_steps: stop after so many steps in all, validating as at an epoch's end; 0: never.
        checkpoint_minutes: how often the state is kept.
        keep: how many of the last checkpoints stay.
        log_every: steps from one line of the log to the next.
        tensorboard: write figures and one batch of pictures an epoch for TensorBoard too.
    """

    epochs: int = 6
    batch: int = 64
    lr: float = 2.5e-4
    lr_batch: int = 0
    min_lr: float = 0.01
    warmup: float = 0.05
    optimizer: Literal["adamw", "muon"] = "adamw"
    weight_decay: float = 0.05
    beta1: float = 0.9
    beta2: float = 0.999
    clip: float = 1.0
    sharpness: float = 0.0
    ema: float = 0.998
    balanced: bool = False
    accumulate: int = 1
    precision: Literal["fp32", "bf16", "fp16"] = "bf16"
    seed: int = 0
    workers: int = 0
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: Literal["auto", "ddp", "fsdp"] = "auto"
    max_steps: int = 0
    checkpoint_minutes: float = 5.0
    keep: int = 2
    log_every: int = 50
    tensorboard: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "accumulate", "devices", "nodes", "keep", "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} of at least 1", str(getattr(self, name)), "raise it")
        if self.lr <= 0:
            raise ConfigError("lr above 0", str(self.lr), "raise it")
        if not 0 <= self.sharpness < math.inf:
            raise ConfigError("sharpness of 0 or more", str(self.sharpness), "0.05 is usual, 0 turns it off")
        if self.sharpness and self.strategy == "fsdp":
            raise ConfigError("--fit.sharpness with whole weights on a device", "fsdp", "use --fit.strategy ddp")
        if self.optimizer == "muon" and self.strategy == "fsdp":
            raise ConfigError("--fit.optimizer muon with whole matrices on a device", "fsdp", "use --fit.strategy ddp")
        if not 0 <= self.ema < 1 or not 0 <= self.warmup < 1:
            raise ConfigError("ema and warmup in [0, 1)", f"{self.ema}, {self.warmup}", "change them")
        if self.batch % (self.world * self.accumulate):
            got = f"{self.batch} for {self.world} devices x {self.accumulate} parts"
            raise ConfigError("a batch that splits evenly over devices and parts", got, "change batch or accumulate")

    @property
    def world(self) -> int:
        """Devices on all machines together."""
        return self.devices * self.nodes

    @property
    def peak_lr(self) -> float:
        """Learning rate at the end of the warm-up, for this batch."""
        return self.lr * (self.batch / self.lr_batch if self.lr_batch else 1)


def learning_rate(step: int, steps: int, plan: FitPlan) -> float:
    """Linear warm-up, then a half cosine down to ``min_lr``; as a share of the peak."""
    warm = max(int(plan.warmup * steps), 1)
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(steps - warm, 1)
    return plan.min_lr + (1 - plan.min_lr) * 0.5 * (1 + math.cos(math.pi * done))
