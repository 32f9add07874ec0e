"""What the loop needs to know of a training problem."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset


class Task(ABC):
    """A training problem: what an item is, what its loss is, which parameters learn. The loop owns all the rest.

    Attributes:
        module: what learns. The loop moves it to its device.
        items: training items.
        labels: class of every item, for balanced sampling; None where there are no classes.
        data: from ``(item, draw)`` to tensors, loaded ahead of the step by ``plan.workers`` processes. ``draw`` is
            another number every time the item comes up: a generator seeded with it makes the item the same for any
            number of workers, devices and restarts. None: a batch is the item numbers alone.
        together: number of each item's group, and how many of one group a batch should have; None: groups are nothing.
        progress: share of the training that is done; the loop sets it before every step.
        idle_parameters: some learning parameters take no part in the loss, as S2D's last prompt norm, which its
            checkpoints carry and nothing reads; several processes must know, or they wait for its gradient.
    """

    module: nn.Module
    items: int
    labels: Tensor | None = None
    data: Dataset[Any] | None = None
    together: tuple[Tensor, int] | None = None
    progress: float = 0.0
    idle_parameters: bool = False

    def start_epoch(self, epoch: int) -> None:  # noqa: B027 - most tasks have nothing to prepare
        """Told before every epoch, from 0; for curricula."""

    @abstractmethod
    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Optimizer groups; ``scale`` in a group multiplies the learning rate. Asked once the module is set up."""

    @abstractmethod
    def loss(self, module: nn.Module, batch: Any, rng: torch.Generator) -> dict[str, Tensor]:
        """Mean losses by name, which add up to what is learned from; the log names each.

        Asked twice about a batch where the plan has ``sharpness``, with the same generators and buffers.

        Args:
            module: call this one: it is ``self.module``, perhaps wrapped so that devices stay in step.
            batch: what ``data`` gave, stacked and moved to the module's device.
            rng: of this device, on the CPU; all that is random is drawn from it or from torch's global one.
        """

    @abstractmethod
    def validate(self, module: nn.Module) -> dict[str, float]:
        """Figures on held-out items; the run keeps the epoch with the highest ``"score"``.

        Every process is asked, and must come to the same figures.

        Args:
            module: ``self.module`` with its averaged weights, in eval mode, computing in float32.
        """

    def pictures(self, batch: Any) -> Tensor | None:
        """What a batch looks like after augmentation, (n, 3, h, w) in [0, 1], for the log; None: nothing to see."""
        return None


def device_of(module: nn.Module) -> torch.device:
    """Where a module computes."""
    return next(module.parameters()).device


def matrices_decay(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Optimizer groups of all parameters: weight decay on those of two dimensions or more only."""
    params = list(module.parameters())
    return [
        {"params": [p for p in params if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in params if p.ndim < 2], "weight_decay": 0.0},
    ]
