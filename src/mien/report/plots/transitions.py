"""What followed what: counts of changes from one expression to the next, and their shares of a row.

A change is two spans of one person that touch. ``unclear`` is a state of its own: going through it is two changes, not
one, because nobody knows what was shown meanwhile. Over a gap, when the person was out of sight, no change is counted,
but the gaps are. Stretches of unclear that touch, for different reasons, are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from mien.core.types import UNCLEAR
from mien.report.plots.analyses import Analysis
from mien.report.plots.matrix import draw_matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOUCHING = 2e-4
"""Seconds: times in result.json are rounded to 0.1 ms."""


@dataclass(frozen=True, eq=False)
class Transitions:
    """Changes of expression.

    Attributes:
        states: those that occur, in the order of the labels, ``unclear`` last.
        counts: from row to column.
        gaps: neighbouring spans of one person with the person out of sight in between; not in ``counts``.
    """

    states: tuple[str, ...]
    counts: Int64[np.ndarray, "s s"]
    gaps: int

    @property
    def shares(self) -> Float64[np.ndarray, "s s"]:
        """Counts as shares of their row; NaN in a row without changes."""
        totals = self.counts.sum(axis=1, keepdims=True)
        shares: Float64[np.ndarray, "s s"] = self.counts / np.where(totals, totals, np.nan)
        return shares


def transitions(analyses: Sequence[Analysis]) -> Transitions:
    """The changes of all persons of all sources together."""
    pairs: list[tuple[str, str]] = []
    gaps = 0
    for analysis in analyses:
        for person in analysis.people:
            spans = sorted((span for span in analysis.spans if span.track == person), key=lambda span: span.start)
            for one, other in pairwise(spans):
                touching = other.start - one.end <= TOUCHING
                gaps += not touching
                if touching and one.label != other.label:
                    pairs.append((one.label, other.label))
    seen = {span.label for analysis in analyses for span in analysis.spans}
    # A film without a face has no change of any: a matrix needs a side all the same.
    states = tuple(state for state in (*analyses[0].labels, UNCLEAR) if state in seen or not seen)
    counts = np.zeros((len(states), len(states)), np.int64)
    for before, after in pairs:
        counts[states.index(before), states.index(after)] += 1
    return Transitions(states, counts, gaps)


def draw_transitions(analyses: Sequence[Analysis], width: float) -> Figure:
    """The matrix, at most ``width`` inches wide: number of changes, coloured by their share of the row."""
    found = transitions(analyses)
    total = int(found.counts.sum())
    gaps = f"; {found.gaps} gap{'s' * (found.gaps != 1)} not counted" if found.gaps else ""
    note = f"{total} change{'s' * (total != 1)}{gaps}"
    return draw_matrix(found.counts, found.shares, found.states, found.states, ("from", "to"), note, width, blank=True)
