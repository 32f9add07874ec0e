"""Expressions as textbooks have them: each a set of movements that go together, drawn anew every time.

After the tables of EMFACS (Ekman & Friesen's FACS; AU numbers below are theirs), in a model's blendshapes. They are one
style of labels: posed pictures follow them, faces met in the wild and named by a crowd often do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from mien.data.people.apex import LABELS, Apex
from mien.data.people.units import Names, possible, sides

Generator = np.random.Generator
Moves = Mapping[str, float]


@dataclass(frozen=True)
class Part:
    """Movements that come together.

    Attributes:
        chance: how often they are part of the expression.
        moves: coefficients at strength 1, by name without side.
        why: which action unit, and what it adds.
    """

    chance: float
    moves: Moves
    why: str


@dataclass(frozen=True)
class Prototype:
    """An expression.

    Attributes:
        parts: each drawn by its chance; the first ``core`` always, if fewer than two are drawn.
        mouths: of which one is drawn, in proportion to its chance.
        core: how many parts carry the expression.
        one_sided: chance that only one half of the face shows it.
    """

    parts: tuple[Part, ...]
    mouths: tuple[Part, ...] = ()
    core: int = 2
    one_sided: float = 0.0


PROTOTYPES: dict[str, Prototype] = {
    "happiness": Prototype(
        (
            Part(1.0, {"mouthSmile": 1.0}, "AU12 draws the corners up: no smile without it"),
            Part(0.8, {"cheekSquint": 0.9, "cheekRaiser": 0.5}, "AU6, the felt smile's; absent in polite ones"),
            Part(0.4, {"eyeSquint": 0.5}, "AU7 goes with broad smiles"),
            Part(0.12, {"browInnerUp": 0.3, "browOuterUp": 0.4}, "AU1+2 of a greeting"),
            Part(0.2, {"mouthDimple": 0.5}, "AU14 beside the corners"),
        ),
        (
            Part(0.35, {}, "lips closed"),
            Part(0.35, {"mouthUpperUp": 0.7, "mouthLowerDown": 0.4}, "AU25: teeth shown"),
            Part(0.3, {"jawOpen": 0.25, "mouthUpperUp": 0.5, "mouthLowerDown": 0.5}, "AU26: laughter"),
        ),
        core=1,
        one_sided=0.04,
    ),
    "surprise": Prototype(
        (
            Part(0.95, {"browInnerUp": 0.9, "browOuterUp": 1.0}, "AU1+2 lift the whole brow"),
            Part(0.85, {"eyeWide": 1.0}, "AU5"),
            Part(0.85, {"jawOpen": 0.5}, "AU26: the jaw drops, lips slack"),
            Part(0.25, {"jawOpen": 0.3}, "AU27: wide open"),
            Part(0.25, {"mouthFunnel": 0.5}, "the mouth of an 'oh'"),
            Part(0.12, {"mouthSmile": 0.25}, "a pleasant one"),
        ),
        core=3,
    ),
    "sadness": Prototype(
        (
            Part(0.85, {"browInnerUp": 1.0}, "AU1 lifts the inner ends, which few can do at will"),
            Part(0.85, {"mouthFrown": 1.0}, "AU15 draws the corners down"),
            Part(0.5, {"browDown": 0.35}, "AU4 with AU1: the brows' oblique line"),
            Part(0.55, {"mouthShrugLower": 0.7}, "AU17 pushes the lower lip up"),
            Part(0.3, {"mouthPress": 0.5}, "AU24: held back"),
            Part(0.4, {"eyeLookDown": 0.7, "eyeBlink": 0.3}, "eyes cast down, lids heavy"),
            Part(0.2, {"eyeSquint": 0.6}, "AU7"),
            Part(0.15, {"cheekRaiser": 0.7, "mouthStretch": 0.5, "jawOpen": 0.2, "browDown": 0.4}, "AU6+20: crying"),
        ),
    ),
    "anger": Prototype(
        (
            Part(1.0, {"browDown": 1.0}, "AU4: no anger without lowered brows"),
            Part(0.4, {"eyeWide": 0.7}, "AU5: the stare"),
            Part(0.5, {"eyeSquint": 0.7}, "AU7: lower lids tense"),
            Part(0.35, {"noseSneer": 0.35}, "AU9, less than in disgust"),
            Part(0.15, {"jawForward": 0.6}, "AU29"),
        ),
        (
            Part(0.38, {"mouthPress": 1.0, "mouthRollLower": 0.35, "mouthRollUpper": 0.3}, "AU24: lips pressed"),
            Part(0.17, {"mouthRollLower": 0.6, "mouthRollUpper": 0.6}, "AU23: lips tight"),
            Part(0.1, {"mouthShrugLower": 0.8, "mouthFrown": 0.4}, "AU17"),
            Part(0.07, {"mouthFunnel": 0.6, "mouthLowerDown": 0.5}, "AU22: shouting, lips forward"),
            Part(
                0.18, {"mouthStretch": 0.5, "mouthUpperUp": 0.8, "mouthLowerDown": 0.9, "jawOpen": 0.06}, "teeth bared"
            ),
            Part(0.1, {"mouthUpperUp": 0.7, "mouthLowerDown": 0.8, "jawOpen": 0.5, "mouthStretch": 0.4}, "shouting"),
        ),
        core=1,
    ),
    "disgust": Prototype(
        (
            Part(0.92, {"noseSneer": 1.0}, "AU9 wrinkles the nose"),
            Part(0.65, {"mouthUpperUp": 0.9}, "AU10 lifts the upper lip"),
            Part(0.45, {"mouthShrugUpper": 0.8}, "the upper lip pushed up"),
            Part(0.5, {"cheekRaiser": 0.7}, "cheeks follow the lip"),
            Part(0.6, {"browDown": 0.6}, "AU4 follows AU9"),
            Part(0.5, {"eyeSquint": 0.8}, "AU7: shutting out"),
            Part(0.45, {"mouthFrown": 0.7}, "AU15"),
            Part(0.35, {"mouthShrugLower": 0.7}, "AU17"),
            Part(0.22, {"jawOpen": 0.18, "mouthLowerDown": 0.5}, "AU16+25: as if to spit out"),
            Part(0.12, {"eyeBlink": 0.4}, "turned away"),
        ),
        one_sided=0.06,
    ),
    "fear": Prototype(
        (
            Part(0.95, {"browInnerUp": 1.0}, "AU1"),
            Part(0.9, {"eyeWide": 1.0}, "AU5, with a tense lower lid unlike surprise"),
            Part(0.85, {"mouthStretch": 1.0}, "AU20 draws the corners back: what surprise lacks"),
            Part(0.7, {"browDown": 0.55}, "AU4 with 1+2: brows raised and drawn together, a straight line"),
            Part(0.6, {"browOuterUp": 0.5}, "AU2"),
            Part(0.6, {"jawOpen": 0.22}, "AU25+26"),
            Part(0.3, {"mouthLowerDown": 0.6}, "lower teeth"),
            Part(0.2, {"eyeSquint": 0.4}, "AU7"),
            Part(0.12, {"jawOpen": 0.3}, "a scream"),
        ),
        core=3,
    ),
    "contempt": Prototype(
        (
            Part(0.8, {"mouthDimple": 1.0}, "AU14 tightens one corner"),
            Part(0.5, {"mouthSmile": 0.45}, "AU12 on one side"),
            Part(0.25, {"mouthUpperUp": 0.5}, "AU10 on one side"),
            Part(0.2, {"noseSneer": 0.3}, "a trace of disgust"),
            Part(0.2, {"browOuterUp": 0.6}, "one brow raised"),
            Part(0.3, {"mouthPress": 0.4}, "lips kept shut"),
            Part(0.35, {"eyeSquint": 0.4}, "lids lowered"),
        ),
        core=1,
        one_sided=1.0,
    ),
}
RESTING = ("mouthFrown", "mouthSmile", "browDown", "browInnerUp", "eyeSquint", "eyeWide", "browOuterUp", "mouthPress")
"""What some faces show a little of at rest; to a rater they are neutral all the same."""


@dataclass(frozen=True)
class Textbook:
    """Prototypes as a source: of any run of eight items each label once, in random order.

    Attributes:
        names: the model's movements.
        seed: of the order.
        low, high: range of strengths.
    """

    names: Names
    seed: int
    low: float = 0.1
    high: float = 1.0

    def draw(self, number: int, rng: Generator) -> Apex:
        """The expression of item ``number``."""
        run, place = divmod(number, len(LABELS))
        of_run = np.random.default_rng([self.seed, 4, run])
        order = of_run.permutation(len(LABELS))
        strength = float(rng.uniform(self.low, self.high))
        return prototype(LABELS.labels[order[place]], strength, self.names, rng)


def prototype(label: str, strength: float, names: Names, rng: Generator) -> Apex:
    """One way to show ``label`` at ``strength``; neutral has none and only rests.

    Every part's share varies by a fifth, and the two halves of the face by an eighth.
    """
    coefficients = np.zeros(len(names), np.float32)
    if label == "neutral":
        if rng.random() < 0.35:
            _move(coefficients, {str(rng.choice(RESTING)): rng.uniform(0, 0.2)}, None, names, rng)
        return Apex(label, coefficients, 0.0, "textbook")
    shown = PROTOTYPES[label]
    side = int(rng.integers(2)) if rng.random() < shown.one_sided else None
    parts = [part for part in shown.parts if rng.random() < part.chance]
    if len(parts) < min(2, shown.core + 1) or (shown.parts[0] not in parts[:1] and shown.core == 1):
        parts = [*shown.parts[: shown.core], *(part for part in parts if part not in shown.parts[: shown.core])]
    if shown.mouths:
        chances = np.array([mouth.chance for mouth in shown.mouths])
        parts.append(shown.mouths[int(rng.choice(len(chances), p=chances / chances.sum()))])
    for part in parts:
        much = strength * float(np.clip(rng.normal(1, 0.2), 0.6, 1.4))
        _move(coefficients, {name: much * value for name, value in part.moves.items()}, side, names, rng)
    return Apex(label, possible(coefficients, names), strength, "textbook")


def _move(
    coefficients: Float32[np.ndarray, " m"], moves: Moves, side: int | None, names: Names, rng: Generator
) -> None:
    """Add movements on both sides, or nearly only on the left (0) or right (1)."""
    for stem, value in moves.items():
        middle, *pair = sides(stem, names)
        if middle is not None:
            coefficients[middle] += value
        skew = float(np.clip(rng.normal(0, 0.12), -0.4, 0.4))
        for number, (place, share) in enumerate(zip(pair, (1 + skew, 1 - skew), strict=True)):
            if place is not None:
                coefficients[place] += value * (share if side in (None, number) else float(rng.uniform(0, 0.15)))
