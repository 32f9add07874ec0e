"""Two expressions at once, from the probabilities of single ones: rules without a network and without their labels.

After AVCER (Ryumina et al., arXiv 2403.12687, rule-based decision). The score of a pair (a, b) of C classes is

    s_ab = w_a g(p_a) + w_b g(p_b),

with w = 1 and g(p) = p (``sum``); g(p) = p where p > 1/C, else 0 (``above-chance``, their rule 1); or g(p) = p and
w_a = W_a / (W_a + W_b) with W of :data:`WEIGHTS` (``weighed``, their rule 2). The best score tells *which* pair.

It does not tell *whether* a face is mixed, for a face that is all a and nothing b has as high a sum: what differs from
the paper is that a pair is named only where the lesser of p_a and p_b reaches a threshold and neutral does not lead.
On FERPlus' votes the lesser one finds mixed faces and the sum ranks them last (recipes/RESULTS.md, "Compound").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float64

from mien.core.errors import ConfigError
from mien.core.labels import canonical
from mien.core.types import NEUTRAL

Kind = Literal["sum", "above-chance", "weighed"]
Choice = Literal["seven", "twelve"]
LEAST = 0.25
"""Of the lesser probability of a pair; see recipes/RESULTS.md, "Compound", for what it costs and finds."""

SEVEN = {
    "fearfully surprised": ("fear", "surprise"),
    "happily surprised": ("happiness", "surprise"),
    "sadly surprised": ("sadness", "surprise"),
    "disgustedly surprised": ("disgust", "surprise"),
    "angrily surprised": ("anger", "surprise"),
    "sadly fearful": ("sadness", "fear"),
    "sadly angry": ("sadness", "anger"),
}
"""Pairs of the C-EXPR-DB challenge, which AVCER decides between."""
TWELVE = {
    **SEVEN,
    "happily disgusted": ("happiness", "disgust"),
    "sadly disgusted": ("sadness", "disgust"),
    "fearfully angry": ("fear", "anger"),
    "fearfully disgusted": ("fear", "disgust"),
    "angrily disgusted": ("anger", "disgust"),
}
"""All pairs of two that Du, Tao and Martinez photographed (PNAS 111(15), 2014, doi 10.1073/pnas.1322355111)."""
PAIRS: dict[Choice, dict[str, tuple[str, str]]] = {"seven": SEVEN, "twelve": TWELVE}
WEIGHTS = {"anger": 5, "disgust": 6, "fear": 5, "happiness": 6, "sadness": 4, "surprise": 2}
"""W of rule 2."""


@dataclass(frozen=True)
class CompoundRule:
    """Which pairs, and when one is named.

    Attributes:
        kind: of the score that tells which pair.
        least: of the lesser probability of the pair, in [0, 0.5]; under it none is named.
        pairs: that are considered; those of which the model does not know both are left out.
    """

    kind: Kind = "sum"
    least: float = LEAST
    pairs: Choice = "seven"

    def __post_init__(self) -> None:
        # More than half cannot be reached by the lesser of two.
        for given, known in ((self.kind, get_args(Kind)), (self.pairs, tuple(PAIRS))):
            if given not in known:
                raise ConfigError(f"one of {', '.join(known)} for --compound", repr(given), "choose one of them")
        if not 0 <= self.least <= 0.5:
            raise ConfigError("a --compound-least from 0 to 0.5", str(self.least), "change it")


@dataclass(frozen=True)
class Compound:
    """What a rule says of one face.

    Attributes:
        likeliest: the pair with the best score, such as ``happily surprised``.
        of: its two expressions, as the model calls them.
        score: of the pair, see the module.
        least: the lesser probability of the two.
        name: the pair where it is named, else None.
    """

    likeliest: str
    of: tuple[str, str]
    score: float
    least: float
    name: str | None


def places_of(labels: Sequence[str], choice: Choice = "seven") -> dict[str, tuple[int, int]]:
    """Of every pair whose two expressions are among ``labels`` their places.

    Raises:
        ConfigError: there is none.
    """
    known = {canonical(label): place for place, label in enumerate(labels)}
    found = {name: (known[a], known[b]) for name, (a, b) in PAIRS[choice].items() if a in known and b in known}
    if not found:
        raise ConfigError("a model that knows two expressions of a pair", ", ".join(labels), "leave --compound out")
    return found


def pair_scores(
    probabilities: Float[np.ndarray, "n c"], labels: Sequence[str], kind: Kind = "sum", choice: Choice = "seven"
) -> Float64[np.ndarray, "n k"]:
    """s_ab of every pair of :func:`places_of`, in its order.

    Args:
        probabilities: rows in [0, 1].
        labels: of the columns.
        kind: of the score.
        choice: of the pairs.
    """
    first, second = np.array(list(places_of(labels, choice).values())).T
    p = np.asarray(probabilities, np.float64)
    if kind == "above-chance":
        p = np.where(p > 1 / len(labels), p, 0.0)
    one, other = p[:, first], p[:, second]
    if kind == "weighed":
        w = np.array([WEIGHTS.get(canonical(label), 0) for label in labels], np.float64)
        share = w[first] / (w[first] + w[second])
        one, other = share * one, (1 - share) * other
    scores: Float64[np.ndarray, "n k"] = one + other
    return scores


def lesser(
    probabilities: Float[np.ndarray, "n c"], labels: Sequence[str], choice: Choice = "seven"
) -> Float64[np.ndarray, "n k"]:
    """min(p_a, p_b) of every pair of :func:`places_of`, in its order: how mixed a face is of these two."""
    first, second = np.array(list(places_of(labels, choice).values())).T
    p = np.asarray(probabilities, np.float64)
    least: Float64[np.ndarray, "n k"] = np.minimum(p[:, first], p[:, second])
    return least


def compounds(
    probabilities: Float[np.ndarray, "n c"], labels: Sequence[str], rule: CompoundRule
) -> list[Compound | None]:
    """What ``rule`` says of every row; None for a row with NaN, of which nothing is known.

    Args:
        probabilities: rows that sum to 1.
        labels: of the columns.
        rule: which pairs, and when.

    Raises:
        ConfigError: the labels have no pair.
    """
    pairs = places_of(labels, rule.pairs)
    names = list(pairs)
    best = pair_scores(probabilities, labels, rule.kind, rule.pairs)
    mixed = lesser(probabilities, labels, rule.pairs)
    found: list[Compound | None] = []
    for row, scores, least in zip(probabilities, best, mixed, strict=True):
        if np.isnan(row).any():
            found.append(None)
            continue
        place = int(scores.argmax())
        a, b = (labels[one] for one in pairs[names[place]])
        leads = canonical(labels[int(row.argmax())]) == NEUTRAL
        named = not leads and least[place] >= rule.least
        score, lower = float(scores[place]), float(least[place])
        found.append(Compound(names[place], (a, b), score, lower, names[place] if named else None))
    return found
