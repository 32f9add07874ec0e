"""What takes the steps: AdamW alone, or Muon for the matrices of transformer blocks and AdamW for all else.

Muon (K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024) takes steps that are as long in
every direction: U V^T of the momentum, by five Newton-Schulz rounds in bfloat16. Times 0.2 sqrt(max(rows, columns))
(Liu et al., arXiv 2502.16982, section 2.2) its entries are as large as AdamW's usually are, so that one rate and one
weight decay serve both. It is PyTorch's own, with its momentum of 0.95; queries, keys and values are one matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from mien.core.errors import ConfigError
from mien.models.vit import Block
from mien.training.plan import FitPlan

BY_MUON = "muon"
"""In a group: whether Muon takes its steps."""


def parted(module: nn.Module, groups: list[dict[str, Any]], plan: FitPlan) -> list[dict[str, Any]]:
    """The groups of a task; for Muon each in two, those of matrices first, with all else that a group says.

    Args:
        module: what learns; blocks are :class:`mien.models.vit.Block`, wherever they stand.
        groups: see :meth:`mien.training.task.Task.groups`.
        plan: which optimizer.

    Raises:
        ConfigError: no matrix of a block learns.
    """
    if plan.optimizer == "adamw":
        return groups
    blocks = [part for part in module.modules() if isinstance(part, Block)]
    inside = {id(p) for block in blocks for p in block.parameters() if p.ndim == 2}
    found = []
    for muon in (True, False):
        for group in groups:
            some = [p for p in group["params"] if (id(p) in inside) == muon]
            found += [{**group, "params": some, BY_MUON: muon}] if some else []
    if not found[0][BY_MUON]:
        raise ConfigError("transformer blocks that learn, for --fit.optimizer muon", "none", "use adamw")
    return found


def make_optimizer(groups: list[dict[str, Any]], plan: FitPlan) -> torch.optim.Optimizer:
    """The plan's optimizer, its groups in the order of :func:`parted`.

    Raises:
        ConfigError: a PyTorch that has no Muon.
    """
    if plan.optimizer == "muon":
        return MuonAdamW(groups, plan)
    return torch.optim.AdamW(groups, lr=plan.peak_lr, betas=(plan.beta1, plan.beta2))


class MuonAdamW(torch.optim.Optimizer):
    """Two optimizers as one: one clipping, one scaler of fp16 and one state in a checkpoint.

    Args:
        groups: of :func:`parted`.
        plan: the numbers of both.
    """

    def __init__(self, groups: list[dict[str, Any]], plan: FitPlan) -> None:
        if not hasattr(torch.optim, "Muon"):
            raise ConfigError("PyTorch 2.9 or later for --fit.optimizer muon", torch.__version__, "use adamw")
        matrices, others = ([g for g in groups if g[BY_MUON] == muon] for muon in (True, False))
        self.parts: dict[bool, torch.optim.Optimizer] = {
            True: torch.optim.Muon(matrices, plan.peak_lr, plan.weight_decay, adjust_lr_fn="match_rms_adamw")
        }
        if others:
            self.parts[False] = torch.optim.AdamW(others, lr=plan.peak_lr, betas=(plan.beta1, plan.beta2))
        super().__init__([group for part in self.parts.values() for group in part.param_groups], {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """A step of both."""
        for muon, part in self.parts.items():
            # Loading a state puts others in their places.
            part.state = self.state
            part.param_groups = [group for group in self.param_groups if group[BY_MUON] == muon]
            part.step()
