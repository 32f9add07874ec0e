"""What theory expects: action units of each expression, and where on the face they show.

Action units (AU) are the muscle actions of the Facial Action Coding System (Ekman, Friesen and Hager, FACS, 2002).

- Which AUs make an expression: those that more than 70 % of 230 people used when posing it, after Du, Tao and Martinez,
  "Compound facial expressions of emotion", PNAS 111(15), 2014, table 1, doi 10.1073/pnas.1322355111. Contempt is not in
  that table: the tightened lip corner after Ekman and Friesen, "A new pan-cultural facial expression of emotion",
  Motivation and Emotion 10(2), 1986, doi 10.1007/BF00992253.
- Where an AU shows: our reading of the changes of appearance that the FACS manual lists first for it.

People show expressions in many other ways (Barrett et al., "Emotional expressions reconsidered", Psychological Science
in the Public Interest 20(1), 2019, doi 10.1177/1529100619832930). A map that agrees with this table looks where posed
expressions of this name move the face; it is no proof that the label is right, nor of what the person feels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mien.core.labels import canonical

Region = Literal["brows", "eyes", "nose", "cheeks", "mouth", "chin"]
REGIONS: tuple[Region, ...] = ("brows", "eyes", "nose", "cheeks", "mouth", "chin")

DU_2014 = "Du, Tao and Martinez 2014, doi 10.1073/pnas.1322355111, table 1"
EKMAN_1986 = "Ekman and Friesen 1986, doi 10.1007/BF00992253"


@dataclass(frozen=True)
class ActionUnit:
    """A muscle action.

    Attributes:
        number: in FACS.
        name: in FACS.
        regions: where it shows.
    """

    number: int
    name: str
    regions: tuple[Region, ...]


ACTION_UNITS = {
    unit.number: unit
    for unit in (
        ActionUnit(1, "inner brow raiser", ("brows",)),
        ActionUnit(2, "outer brow raiser", ("brows",)),
        ActionUnit(4, "brow lowerer", ("brows",)),
        ActionUnit(5, "upper lid raiser", ("eyes",)),
        ActionUnit(6, "cheek raiser", ("cheeks", "eyes")),
        ActionUnit(7, "lid tightener", ("eyes",)),
        ActionUnit(9, "nose wrinkler", ("nose",)),
        ActionUnit(10, "upper lip raiser", ("mouth",)),
        ActionUnit(12, "lip corner puller", ("mouth", "cheeks")),
        ActionUnit(14, "dimpler", ("mouth",)),
        ActionUnit(15, "lip corner depressor", ("mouth",)),
        ActionUnit(17, "chin raiser", ("chin",)),
        ActionUnit(18, "lip pucker", ("mouth",)),
        ActionUnit(20, "lip stretcher", ("mouth",)),
        ActionUnit(23, "lip tightener", ("mouth",)),
        ActionUnit(24, "lip pressor", ("mouth",)),
        ActionUnit(25, "lips part", ("mouth",)),
        ActionUnit(26, "jaw drop", ("mouth", "chin")),
        ActionUnit(28, "lip suck", ("mouth",)),
    )
}


@dataclass(frozen=True)
class Expectation:
    """What a source says of an expression.

    Attributes:
        expression: its name.
        units: numbers of the action units that make it.
        source: who says so.
    """

    expression: str
    units: tuple[int, ...]
    source: str

    @property
    def regions(self) -> tuple[Region, ...]:
        """Where its action units show, from brows to chin."""
        shown = {region for unit in self.units for region in ACTION_UNITS[unit].regions}
        return tuple(region for region in REGIONS if region in shown)


EXPECTATIONS = {
    one.expression: one
    for one in (
        Expectation("happiness", (12, 25), DU_2014),
        Expectation("sadness", (4, 15), DU_2014),
        Expectation("fear", (1, 4, 20, 25), DU_2014),
        Expectation("anger", (4, 7, 24), DU_2014),
        Expectation("surprise", (1, 2, 25, 26), DU_2014),
        Expectation("disgust", (9, 10, 17), DU_2014),
        Expectation("contempt", (14,), EKMAN_1986),
    )
}


def expectation(label: str) -> Expectation | None:
    """What theory expects of ``label``; None where it expects nothing (neutral) or the sources do not say."""
    return EXPECTATIONS.get(canonical(label))
