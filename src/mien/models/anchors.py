"""Answers corrected by learnt anchors, points that stand for a class among the features (ARBEx, arXiv 2305.01486).

    conf(p) = 1 - H(p) / log C;  s_i = sum_j softmax(-||e - A_ij|| / delta);  a = attention of e over the anchors
    c = (conf(s) s + conf(a) a) / (conf(s) + conf(a));  p' = conf(p) p + (1 - conf(p)) c;  out = (1 - t) p + t p'

p are a network's probabilities, e its feature, A_ij anchor j of class i; the softmax is over all anchors. What comes
out is log(out), in the place of logits. GReFEL (arXiv 2410.15927) is the same with ten anchors a class.

Two modes. ``official`` computes what the released code (takihasan/ARBEx) computes, whose attention is between the items
of a batch: an answer depends on who else is asked. ``ours`` attends from each item to the anchors, a_i =
sum_j softmax(q k_ij / sqrt(D)). Not linear in the feature: it comes after the mean over frames.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mien.core import checks
from mien.models.net import Answer

Mode = Literal["ours", "official"]
LEAST = 1e-8
"""Confidence that both corrections have at least: two that know nothing weigh alike."""


class Correction(NamedTuple):
    """What the answer is made of; rows of all but confidence and distances sum to 1.

    Attributes:
        probabilities: before.
        confidence: in them.
        distances: to every anchor, class by class.
        similarities: what distances say.
        attention: what attention says.
        correction: both.
        out: the answer.
    """

    probabilities: Float[Tensor, "b c"]
    confidence: Float[Tensor, " b"]
    distances: Float[Tensor, "b c k"]
    similarities: Float[Tensor, "b c"]
    attention: Float[Tensor, "b c"]
    correction: Float[Tensor, "b c"]
    out: Float[Tensor, "b c"]


class ReliabilityBalance(nn.Module):
    """The correction and its anchors, which begin at 0: let whoever trains put them among the features.

    Args:
        classes: number of classes, at least 2.
        anchors: of a class.
        dim: of a feature.
        mode: see the module.
    """

    delta: Float[Tensor, " 1"]

    def __init__(self, classes: int, anchors: int, dim: int, mode: Mode = "ours") -> None:
        super().__init__()
        checks.demand(classes >= 2, "classes with anchors", "two or more", classes)
        self.anchors = nn.Parameter(torch.zeros(classes, anchors, dim))
        self.register_buffer("delta", torch.ones(1))
        self.attend = BatchAttention(classes, dim) if mode == "official" else AnchorAttention(dim)

    @property
    def count(self) -> int:
        """Anchors of a class."""
        return self.anchors.shape[1]

    def forward(self, feature: Float[Tensor, "b d"], logits: Float[Tensor, "b c"]) -> Float[Tensor, "b c"]:
        """log(out) at t = 1, as in use."""
        return self.correct(feature, logits).out.clamp(min=1e-12).log()

    def correct(self, feature: Float[Tensor, "b d"], logits: Float[Tensor, "b c"], trust: float = 1.0) -> Correction:
        """The answer and all that it is made of; ``trust`` is t."""
        p = logits.softmax(1)
        apart = (feature[:, None, None] - self.anchors).square().sum(-1).clamp(min=LEAST**2).sqrt()
        near = (-apart / self.delta).flatten(1).softmax(1).view(apart.shape).sum(2)
        heard = self.attend(feature, self.anchors)
        by_place, by_attention = confidence(near)[:, None] + LEAST, confidence(heard)[:, None] + LEAST
        both = (by_place * near + by_attention * heard) / (by_place + by_attention)
        sure = confidence(p)
        whole = sure[:, None] * p + (1 - sure[:, None]) * both
        return Correction(p, sure, apart, near, heard, both, (1 - trust) * p + trust * whole)


class AnchorAttention(nn.Module):
    """From a feature to the anchors, an item for itself; what an anchor says is its class.

    Args:
        dim: of both.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(dim, dim), nn.Linear(dim, dim)

    def forward(self, feature: Float[Tensor, "b d"], anchors: Float[Tensor, "c k d"]) -> Float[Tensor, "b c"]:
        """A distribution over classes a row."""
        keys = self.key(anchors.flatten(0, 1))
        weights = (self.query(feature) @ keys.T / math.sqrt(feature.shape[1])).softmax(1)
        shares: Tensor = weights.view(-1, *anchors.shape[:2]).sum(2)
        return shares


class BatchAttention(nn.Module):
    """As released: between the items of a batch, whatever the anchors.

    Args:
        classes: width of the attention.
        dim: of a feature.
    """

    def __init__(self, classes: int, dim: int) -> None:
        super().__init__()
        self.Q, self.K, self.V = (nn.Linear(dim, classes) for _ in range(3))
        self.attn_fn = nn.MultiheadAttention(classes, 1)

    def forward(self, feature: Float[Tensor, "b d"], anchors: Float[Tensor, "c k d"]) -> Float[Tensor, "b c"]:
        """A distribution over classes a row."""
        found: Tensor = self.attn_fn(self.Q(feature), self.K(feature), self.V(feature), need_weights=False)[0]
        return found.softmax(1)


def confidence(p: Float[Tensor, "b c"]) -> Float[Tensor, " b"]:
    """1 - entropy / log C, in [0, 1]."""
    return 1 + (p * p.clamp(min=1e-12).log()).sum(1) / math.log(p.shape[1])


def corrected(balance: ReliabilityBalance | None, answer: Answer) -> Answer:
    """The answer, its logits corrected where there are anchors."""
    return answer if balance is None else answer._replace(logits=balance(answer.feature, answer.logits))
