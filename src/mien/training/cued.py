"""Attention turned to where the action units of an expression show (Belharbi et al., arXiv 2402.00281).

    a = min-max of the network's attention over places;  L = 1 - cos(a, cue)

beside the other terms, at their weight of 9: ``--recipe.terms labels cues=9``. The cue of an item is that of its label
(:mod:`mien.faces.cues`); what has none, neutral and contempt, is left out. Attention is that of the class token in the
last block, the mean over the heads, or of a CNN the mean of its last map's channels, as in the paper.

``cues-wrong`` is the control: the cue of another expression, drawn anew every time. Whatever it gains as well does not
come from knowing where the units are.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from mien.core.errors import ConfigError
from mien.core.labels import canonical
from mien.faces.cues import CODEBOOK, cue_map
from mien.faces.mean_face import MEAN_FACE
from mien.models.net import Answer
from mien.training.terms import Setting, Step, Term

DRAWN = 56
"""Side of a cue in pixels before it is made as small as the attention: 0.3 ms a face; at 224 seven times as much."""


class Cues(Term):
    """1 - cos(attention, cue) by the landmarks of every frame, the mean over the items whose label has a cue.

    Args:
        setting: the labels.

    Raises:
        ConfigError: none of the labels has a cue.
    """

    reads_attention = True
    reads_points = True

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.labels = setting.labels.labels
        self.cued = torch.tensor([canonical(label) in CODEBOOK for label in self.labels])
        if not self.cued.any():
            raise ConfigError("labels with action units for cues", ", ".join(self.labels), "leave cues out")

    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """0 for a batch without such a label."""
        attention, labels = answer.attention, step.labels.cpu()
        if attention is None:
            raise ConfigError("attention for cues", "an answer without", "use a learner that reads it")
        # A label of -1 is none.
        rows = torch.nonzero((labels >= 0) & self.cued[labels])[:, 0]
        if not len(rows):
            return attention.float().sum() * 0
        places = self.points(step, rows, attention.shape[1])
        maps = torch.from_numpy(self._maps(places, self.meant(labels[rows]))).to(attention.device)
        side = attention.shape[-1]
        cues = F.interpolate(maps, (side, side), mode="bilinear", antialias=True, align_corners=False)
        return (1 - cosine(attention[rows].float(), cues)).mean()

    def points(self, step: Step, rows: Int64[Tensor, " n"], frames: int) -> Float[np.ndarray, "n t 68 2"]:
        """Where the landmarks of these items lie."""
        if step.points is None:
            raise ConfigError("landmarks for cues", "a network without a landmark net", "use --recipe.terms cues-mean")
        found: Float[np.ndarray, "n t 68 2"] = step.points.cpu()[rows].double().numpy()
        return found

    def meant(self, labels: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """Whose cue each item is held to."""
        return labels

    def _maps(
        self, places: Float[np.ndarray, "n t 68 2"], labels: Int64[Tensor, " n"]
    ) -> Float32[np.ndarray, "n t s s"]:
        drawn = [
            [cue_map(frame, self.labels[label], DRAWN) for frame in item]
            for item, label in zip(places, labels.tolist(), strict=True)
        ]
        return np.array(drawn, np.float32)


class CuesOfTheMeanFace(Cues):
    """The same by an ordinary face's landmarks, for networks without a landmark net, or poor pictures."""

    reads_points = False

    def points(self, step: Step, rows: Int64[Tensor, " n"], frames: int) -> Float[np.ndarray, "n t 68 2"]:
        """The same everywhere."""
        return np.broadcast_to(MEAN_FACE, (len(rows), frames, *MEAN_FACE.shape))


class WrongCues(Cues):
    """The control: by another expression's units."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        if self.cued.sum() < 2:
            raise ConfigError("two labels with action units for wrong cues", ", ".join(self.labels), "leave it out")

    def meant(self, labels: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """Any other that has a cue, each as likely."""
        known = torch.nonzero(self.cued)[:, 0]
        own = (known[None] == labels[:, None]).nonzero()[:, 1]
        with torch.random.fork_rng(devices=[]):  # the run's own numbers go on as if nothing had been drawn
            others = torch.randint(1, len(known), (len(labels),))
        return known[(own + others) % len(known)]


def cosine(attention: Float[Tensor, "n t g g"], cues: Float[Tensor, "n t g g"]) -> Float[Tensor, "n t"]:
    """cos(a, cue) of each frame, a being the attention from 0 to 1."""
    a = attention.flatten(2)
    low, high = a.amin(2, keepdim=True), a.amax(2, keepdim=True)
    return F.cosine_similarity((a - low) / (high - low).clamp(min=1e-9), cues.flatten(2), dim=2)
