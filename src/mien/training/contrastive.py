"""Features of one label drawn together, those of others apart (Khosla et al., arXiv 2004.11362, eq. 2).

CLEF trains so with activities as labels before it ever sees a class ("CLEF", stage 1); here it is a term beside the
others: ``--recipe.terms labels contrastive=0.5``. It needs batches in which labels come twice.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from mien.models.net import Answer
from mien.training.terms import Setting, Step, Term, labelled

TEMPERATURE = 0.1
"""The paper's."""


class Contrastive(Term):
    """:func:`supervised_contrastive` of the features; a clip counts as the label that has most of it."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()

    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """Over a device's own batch; 0 where no label comes twice in it."""
        targets, feature = labelled(step.targets, answer.feature)
        return supervised_contrastive(feature.float(), targets.argmax(1), TEMPERATURE)


def supervised_contrastive(
    feature: Float[Tensor, "n d"], labels: Int64[Tensor, " n"], temperature: float
) -> Float[Tensor, ""]:
    """The mean over items i of -mean_p log (exp(z_i z_p / tau) / sum_{a != i} exp(z_i z_a / tau)), where there is a p.

    z are the features at length 1, p the other items of i's label, a all others.
    """
    z = F.normalize(feature, dim=1)
    own = torch.eye(len(z), dtype=torch.bool, device=z.device)
    alike = (z @ z.T / temperature).masked_fill(own, -torch.inf)
    logs = (alike - alike.logsumexp(1, keepdim=True)).masked_fill(own, 0)
    positive = (labels[:, None] == labels) & ~own
    counts = positive.sum(1)
    paired = counts > 0
    if not paired.any():
        return feature.sum() * 0
    each = (logs * positive)[paired].sum(1) / counts[paired]
    return -each.mean()
