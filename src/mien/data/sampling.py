"""In which order an epoch visits the items, and what is random about each visit."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from mien.core.errors import ConfigError, DataError


def epoch_order(
    labels: Int64[Tensor, " n"] | None,
    items: int,
    balanced: bool,
    rng: torch.Generator,
    together: tuple[Int64[Tensor, " n"], int] | None = None,
) -> Int64[Tensor, " n"]:
    """The items of one epoch.

    Args:
        labels: class of each item; needed where ``balanced``.
        items: how many there are.
        balanced: draw ``items`` of them with replacement, each with weight 1 / (items of its class), so that classes
            come equally often (the oversampled variant of S2D); else every item comes once.
        rng: what draws.
        together: number of each item's group, a person say, and how many of a group follow each other, where it has so
            many: every item still comes once.

    Raises:
        ConfigError: balanced without labels, or balanced and by groups.
        DataError: not one label an item, or an item without a class.
    """
    if together is not None:
        if balanced:
            raise ConfigError("batches by person, or balanced ones", "both", "switch one of them off")
        return _grouped(*together, rng)
    if not balanced:
        return torch.randperm(items, generator=rng)
    if labels is None:
        raise ConfigError("a class for every item", "balanced sampling without labels", "switch balanced off")
    if len(labels) != items or (items and labels.min() < 0):
        raise DataError(f"{items} classes >= 0", f"{len(labels)} labels", "leave out the items without a label")
    weights = 1 / torch.bincount(labels).double()
    return torch.multinomial(weights[labels], items, replacement=True, generator=rng)


def _grouped(groups: Int64[Tensor, " n"], size: int, rng: torch.Generator) -> Int64[Tensor, " n"]:
    order = torch.randperm(len(groups), generator=rng)
    members = (order[groups[order] == one] for one in torch.unique(groups))
    parts = [part for some in members for part in torch.split(some, size)]
    return torch.cat([parts[place] for place in torch.randperm(len(parts), generator=rng).tolist()])


def item_generator(seed: int, draw: int) -> torch.Generator:
    """What is random about one showing of one item: ``draw`` numbers the showings of a run.

    The same for any number of workers and devices, and after a restart.
    """
    rng = np.random.default_rng((seed, draw))
    return torch.Generator().manual_seed(int(rng.integers(2**63)))
