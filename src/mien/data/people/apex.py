"""What an expression is at its height, whoever shows it: movements, and the shares that raters would give it.

Where it comes from is its style: ``textbook`` (:mod:`mien.data.people.prototypes`) or ``crowd``
(:mod:`mien.data.people.mixtures`). The two mean different things by the same words and are to be kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Float, Float32

from mien.core.labels import LABEL_SPACES
from mien.data.people.regions import ramp

Style = Literal["textbook", "crowd"]
LABELS = LABEL_SPACES["ferplus"]
NEUTRAL = LABELS.index("neutral")

HALF_SEEN = {"happiness": 0.27, "surprise": 0.36, "contempt": 0.42}
"""Strength at which half of the raters are said to name an expression; .45 for the others. A choice, not a
measurement: smiles soonest, negative expressions latest. Rate some of the pictures before you lean on it."""
LATEST, WIDTH, SUREST = 0.45, 0.2, 0.93
"""Half-way strength of the rest; half of the range in which answers turn; largest share of one expression."""


@dataclass(frozen=True, eq=False)
class Apex:
    """An expression at its height.

    Attributes:
        label: its name, for a mixture the one with the greatest share.
        coefficients: of the model's movements, in [0, 1].
        strength: 0 to 1, of the whole.
        style: whose words the label is in.
        votes: shares at the apex where they are known; else they follow from label and strength.
    """

    label: str
    coefficients: Float32[np.ndarray, " m"]
    strength: float
    style: Style
    votes: Float32[np.ndarray, " c"] | None = None

    def shares(self, envelope: Float[np.ndarray, " t"]) -> Float32[np.ndarray, "t c"]:
        """Shares of the labels while the expression is at ``envelope`` (0 to 1) of its height."""
        envelope = np.asarray(envelope, np.float32)
        if self.votes is None:
            return shares_of(self.label, self.strength * envelope)
        rest = np.zeros(len(LABELS), np.float32)
        rest[NEUTRAL] = 1
        seen = ramp(envelope, 0.15, 0.75)[:, None]
        return np.asarray(rest + seen * (self.votes - rest), np.float32)


class Source(Protocol):
    """Where expressions come from."""

    def draw(self, number: int, rng: np.random.Generator) -> Apex:
        """The expression of item ``number`` of a set."""


def shares_of(label: str, strength: Float[np.ndarray, " t"]) -> Float32[np.ndarray, "t c"]:
    """What raters would say of a textbook expression: a weak one is neutral to most. Rows sum to 1."""
    shares = np.full((len(strength), len(LABELS)), (1 - SUREST) / len(LABELS), np.float32)
    half = HALF_SEEN.get(label, LATEST)
    seen = ramp(np.asarray(strength), half - WIDTH, half + WIDTH) if label != "neutral" else np.zeros(len(strength))
    sure = np.float32(SUREST)
    shares[:, NEUTRAL] += sure * (1 - seen)
    shares[:, LABELS.index(label)] += sure * seen
    return np.asarray(shares / shares.sum(1, keepdims=True), np.float32)


def together(one: Float32[np.ndarray, "t c"], other: Float32[np.ndarray, "t c"]) -> Float32[np.ndarray, "t c"]:
    """Shares while two expressions are shown at once: what each adds to neutral, at most 1 in all."""
    shown = one + other
    shown[:, NEUTRAL] = 0
    total = shown.sum(1, keepdims=True)
    shown /= np.maximum(total, 1)
    shown[:, NEUTRAL] = np.maximum(1 - shown.sum(1), 0)  # rounded, all that is shown may be more than 1
    return np.asarray(shown, np.float32)


def of_clip(shares: Float32[np.ndarray, "t c"]) -> Float32[np.ndarray, " c"]:
    """Shares of a whole clip: a rater names what was shown, though most of its frames be neutral.

    Frames are weighted by what they show beside neutral, and a tenth.
    """
    weight = 1.1 - shares[:, NEUTRAL]
    return np.asarray((weight[:, None] * shares).sum(0) / weight.sum(), np.float32)
