"""Logit adjustment: labels of a set whose classes are not equally common (Menon et al., arXiv 2007.07314)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from mien.models.net import Answer
from mien.training.terms import Setting, SoftLabels, Step


class AdjustedLabels(SoftLabels):
    """Cross-entropy of logits shifted by the log share of every class (eq. 10).

    What the network learns is then free of the training set's shares: its answers suit classes that are equally likely.
    """

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        counts = setting.counts.float().clamp(min=0.5)
        self.register_buffer("prior", (counts / counts.sum()).log(), persistent=False)

    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """As :class:`SoftLabels`."""
        shifted = answer._replace(logits=answer.logits.float() + self.prior)  # type: ignore[operator]
        return super().forward(shifted, step)
