"""A face and its mirror show the same: the answers to both are led together, without labels.

The mean over the batch of sum_c (p_c - q_c) (log p_c - log q_c) / 2, half of Jeffreys' divergence of the answer p and
that of the mirrored clip q, for which landmarks are found anew. q has no gradient: clips are mirrored at random anyway,
so that each side learns from the other in turn, and a step takes a pass forward more instead of twice as long.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from mien.models.net import Answer
from mien.training.terms import Setting, Step, Term


class Mirror(Term):
    """Half of Jeffreys' divergence from the answer to the mirrored clip."""

    reads_mirrored = True

    def __init__(self, setting: Setting) -> None:
        super().__init__()

    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """See :class:`Term`; items that nobody labelled count like others."""
        assert step.mirrored is not None
        ours, other = (one.logits.float().log_softmax(1) for one in (answer, step.mirrored()))
        divergence: Tensor = ((ours.exp() - other.exp()) * (ours - other)).sum(1) / 2
        return divergence.mean()
