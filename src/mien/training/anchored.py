"""Labels by an answer that learnt anchors correct (:mod:`mien.models.anchors`; ARBEx, arXiv 2305.01486).

    L = NLL(log out, y) + t (L_apart + L_near),  t = min(1, epoch / 5)

In the place of labels: ``--recipe.terms anchors``. L_near = mean_b min_j ||e - A_yj|| conf(p) / sqrt(D), as in the
paper. L_apart is ours: the mean of max(0, m - ||A_ij - A_ij'||) / sqrt(D) over pairs of a class, since theirs has no
lower bound. Anchors begin, after the first epoch, at the K-means of every class' latest features, where the release has
zeros, of which only the first ever moves; delta is the median distance of features from their anchor, m twice that. A
delta that learns goes to 0 where labels are a matter of chance, and the answer is surer than without anchors.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from scipy.cluster.vq import kmeans2
from torch import Tensor, nn

from mien.models.anchors import ReliabilityBalance
from mien.models.net import Answer
from mien.training.sdl import Anchors, gather_items
from mien.training.terms import Setting, Step, Term, labelled

COUNT = 10
"""Anchors of a class, GReFEL's."""
QUEUE = 64
"""Latest features of a class that they begin among."""
WARMUP = 5
"""Epochs until the correction has its whole weight."""


class AnchoredLabels(Term):
    """The loss, its anchors, and the features that they begin among.

    Attributes:
        balance: what stands in the weights afterwards.
    """

    margin: Float[Tensor, " 1"]

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        classes = len(setting.labels)
        self.balance = ReliabilityBalance(classes, COUNT, setting.dim)
        self.queue = Anchors(classes, setting.dim, QUEUE)
        self.register_buffer("margin", torch.zeros(1))

    def reads_plain(self, epoch: int) -> bool:
        """In the first epoch, whose features are collected."""
        return epoch == 0

    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """0 for a batch that nobody labelled."""
        trust = min(1.0, step.epoch / WARMUP)
        if self.training and step.epoch == 0:
            plain = step.plain()
            self.queue.update(*gather_items(plain.feature.float(), plain.logits.float().softmax(1), step.labels))
        elif self.training and not self.margin:
            self.begin()
        targets, logits, feature = labelled(step.targets, answer.logits, answer.feature)
        if not len(targets):
            return logits.float().sum() + 0 * sum(part.sum() for part in self.balance.parameters())
        with torch.autocast(logits.device.type, enabled=False):
            found = self.balance.correct(feature.float(), logits.float(), trust)
            loss = -(targets.float() * found.out.clamp(min=1e-12).log()).sum(1).mean()
            own = found.distances.amin(2)[torch.arange(len(targets)), targets.argmax(1)]
            near = (own * found.confidence).mean() / math.sqrt(feature.shape[1])
            return loss + trust * (near + apart(self.balance.anchors, self.margin))

    @torch.no_grad()
    def begin(self) -> None:
        """Put every class' anchors at the K-means of its queue, those of a class that was not seen at the mean of all.

        Nothing moves where nothing was seen.
        """
        spreads = []
        seen = [
            rows[:filled].cpu().numpy() for rows, filled in zip(self.queue.features, self.queue.filled, strict=True)
        ]
        if not (every := np.concatenate(seen)).size:
            return
        for place, rows in enumerate(seen):
            if not len(rows):
                self.balance.anchors[place] = torch.from_numpy(every.mean(0))
                continue
            some = rows[np.arange(max(len(rows), COUNT)) % len(rows)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # an empty cluster stays where it began
                points, nearest = kmeans2(some, COUNT, minit="points", seed=place)
            self.balance.anchors[place] = torch.from_numpy(points)
            spreads.append(np.linalg.norm(some - points[nearest], axis=1))
        within = max(float(np.median(np.concatenate(spreads))), 1e-3)
        self.margin.fill_(2 * within)
        self.balance.delta.fill_(within)


def apart(anchors: Float[Tensor, "c k d"], margin: Float[Tensor, " 1"]) -> Float[Tensor, ""]:
    """By how much pairs of a class are nearer than the margin, the mean over pairs / sqrt(D)."""
    count, dim = anchors.shape[1:]
    first, second = torch.triu_indices(count, count, 1)
    far = (anchors[:, first] - anchors[:, second]).square().sum(-1).clamp(min=1e-12).sqrt()
    return (margin - far).relu().mean() / math.sqrt(dim)


def balance_of(terms: nn.ModuleDict) -> ReliabilityBalance | None:
    """What corrects the answers that a learner's terms are about; None: nothing."""
    return next((term.balance for term in terms.values() if isinstance(term, AnchoredLabels)), None)


def trained_balance(terms: nn.ModuleDict, state: Mapping[str, Tensor]) -> ReliabilityBalance | None:
    """A new one, with what a learner's state has of it."""
    for name, term in terms.items():
        if isinstance(term, AnchoredLabels):
            begun = f"terms.{name}.balance."
            balance = ReliabilityBalance(*term.balance.anchors.shape)
            kept = {key.removeprefix(begun): part for key, part in state.items() if key.startswith(begun)}
            balance.load_state_dict(kept)
            return balance
    return None
