"""A head whose labels are vectors of texts, so that they can be exchanged when it has learnt (CLIP, arXiv 2103.00020).

    logit_c = s (cos(P f, T_c) - cos(P f, T-_c)),  s = exp(learnt) <= 100

f is the feature, P a linear layer, T_c what label c looks like and T-_c, where there is one, what it does not
(FineCLIPER, arXiv 2407.02157). The design is ours: the trunk is any, and no encoder of texts is needed in use. New
labels are other rows of T (:func:`mien.models.relabel.relabel`), of which nothing has been measured.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.signals import Signal
from mien.models.heads import Linear
from mien.models.texts import Texts, Vocabulary

FIRST_SCALE, MOST_SCALE = 16.0, 100.0


class Text(Linear):
    """Scaled cosines of a projected feature to a vector a label. Not linear: the mean over frames is the feature's.

    Args:
        dim: of the network's feature.
        signal: of kind classes.
        texts: of its vectors, which :meth:`take` or a file's tensors bring; None: every label has an axis of its own.
    """

    vectors: Float[Tensor, "k e"]
    opposite: Float[Tensor, "k e"] | None
    reads_texts: ClassVar[bool] = True

    def __init__(self, dim: int, signal: Signal, texts: Texts | None = None) -> None:
        super().__init__(dim, signal)
        vectors = torch.eye(self.columns) if texts is None else torch.zeros(self.columns, texts.dim)
        self.layer = nn.Linear(dim, vectors.shape[1])
        self.log_scale = nn.Parameter(torch.tensor([math.log(FIRST_SCALE)]))
        self.register_buffer("vectors", vectors)
        self.register_buffer("opposite", torch.zeros_like(vectors) if texts and texts.opposed else None)

    def take(self, words: Vocabulary) -> None:
        """Have these vectors, one a label of the signal, in its order."""
        self.vectors.copy_(torch.from_numpy(words.vectors))
        if self.opposite is not None and words.opposite is not None:
            self.opposite.copy_(torch.from_numpy(words.opposite))

    def forward(self, feature: Float[Tensor, "b d"]) -> Float[Tensor, "b k"]:
        """See :class:`mien.models.heads.Head`."""
        seen = F.normalize(self.layer(feature), dim=1)
        near = seen @ F.normalize(self.vectors, dim=1).T
        if self.opposite is not None:
            near = near - seen @ F.normalize(self.opposite, dim=1).T
        scaled: Tensor = self.log_scale.clamp(max=math.log(MOST_SCALE)).exp() * near
        return scaled
