"""A head of units that hear of one another: ME-GraphAU (Luo et al., IJCAI 2022, arXiv 2205.01782), its first stage.

It reads patch tokens, not the pooled feature: every unit has a map of its own on them (the paper's AFG), and what it
finds goes to the units whose findings are most alike (FGG). A score is a cosine to the unit's direction. Reference
code: CVI-SZU/ME-GraphAU, whose figures a test holds :class:`UnitGraph` to. Two things differ: the units' maps are one
product, and the scores come as logits, so that any loss and any signal can have them. The paper's loss, which makes
light of easy negatives, is for units that are there or not: at a strength of .5 its best answer is .62.

Neighbours are chosen by a comparison, so two all but equally near ones may change places where arithmetic is rounded.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.signals import Signal
from mien.models.heads import Head

Metric = Literal["dots", "cosine", "l1"]
NEIGHBOURS = 4
"""Of a unit, itself among them; as in the reference code."""
LEAST = 1e-6
"""Cosines are kept so far from 0 and 1: their logits stay numbers."""


class Graph(Head):
    """Scores in [0, 1] of a signal's columns from the patch tokens of every frame, as logits; the mean over frames.

    A scale's numbers are the scores stretched over its range. The width within is half that of the tokens, as with the
    paper's Swin.
    """

    reads_tokens: ClassVar[bool] = True

    def __init__(self, dim: int, signal: Signal) -> None:
        super().__init__(dim, signal)
        width = max(dim // 2, 1)
        self.narrow, self.norm = nn.Linear(dim, width), nn.BatchNorm1d(width)
        self.units = UnitGraph(self.columns, width)
        self.span = (signal.low, signal.high) if signal.kind == "scale" else None

    def forward(self, tokens: Float[Tensor, "b t l d"]) -> Float[Tensor, "b k"]:
        """One row a clip of t frames with l places each."""
        b, t, places, _ = tokens.shape
        x = self.norm(self.narrow(tokens.flatten(0, 2))).relu()
        score: Tensor = self.units(x.view(b * t, places, -1))
        raw = score.logit(LEAST) if self.span is None else self.span[0] + (self.span[1] - self.span[0]) * score
        return raw.view(b, t, -1).mean(1)


class UnitGraph(nn.Module):
    """Tokens to one score a unit (the paper's section 3.1).

    Args:
        units: how many.
        width: of the tokens.
        neighbours: of a unit, itself among them; all where there are no more.
        metric: by which units are alike.
    """

    def __init__(self, units: int, width: int, neighbours: int = NEIGHBOURS, metric: Metric = "dots") -> None:
        super().__init__()
        self.neighbours, self.metric = min(neighbours, units), metric
        self.own, self.own_norm = nn.Linear(width, units * width), nn.BatchNorm1d(units * width)
        self.hears, self.keeps, self.norm = nn.Linear(width, width), nn.Linear(width, width), nn.BatchNorm1d(units)
        self.directions = nn.Parameter(torch.empty(units, width))
        nn.init.xavier_uniform_(self.directions)

    def forward(self, x: Float[Tensor, "n l c"]) -> Float[Tensor, "n k"]:
        """In [0, 1]."""
        unit = found_by(self.own, self.own_norm, x).mean(1)
        heard = joined(unit.detach(), self.neighbours, self.metric) @ self.hears(unit)
        unit = (unit + self.norm(heard + self.keeps(unit))).relu()
        return scores_of(unit, self.directions)


def found_by(own: nn.Linear, norm: nn.BatchNorm1d, x: Float[Tensor, "n l c"]) -> Float[Tensor, "n l k c"]:
    """What every unit's own map finds at every place (AFG)."""
    n, places, width = x.shape
    found: Tensor = norm(own(x.flatten(0, 1))).relu().view(n, places, -1, width)
    return found


def scores_of(unit: Float[Tensor, "n k c"], directions: Float[Tensor, "k c"]) -> Float[Tensor, "n k"]:
    """Cosine of each unit to its own direction, both without what is below 0: in [0, 1]."""
    return (F.normalize(unit, dim=-1) * F.normalize(directions.relu(), dim=-1)).sum(-1)


def joined(units: Float[Tensor, "n k c"], neighbours: int, metric: Metric) -> Float[Tensor, "n k k"]:
    """What a unit takes of each: D^-1/2 A D^-1/2, A being 1 for the so many that are most like it, D its row sums."""
    if metric == "l1":
        alike = -torch.cdist(units, units, 1)
    else:
        units = F.normalize(units, dim=-1) if metric == "cosine" else units
        alike = units @ units.transpose(1, 2)
    near = (alike >= alike.topk(neighbours).values[..., -1:]).to(units.dtype)
    scale = near.sum(-1, keepdim=True).rsqrt()
    return scale * near * scale.transpose(1, 2)
