"""Each person's face at rest, taken out of what it shows.

A face may look sad, or smile, at rest. On the scale on which a classifier adds things up, the logarithm of the
probabilities p, that is a constant of the person. With b the mean of log p over the person's frames at rest, and g the
mean of b over all people of the study,

    p' = softmax(log p - b + g),    corrected score = p' - softmax(g).

p' are probabilities again: what a person with the rest face common to the study would have been given. The score lies
in [-1, 1] and is 0 at rest; two people whose faces move by the same step from rest get the same score, which the plain
difference p - softmax(b) does not give: a face that rests at 0.4 has less room to go up than one that rests at 0.05.
Moving everybody to an even rest (g = 0) would do so too, but blows up what is next to nothing: 0.001 that becomes 0.01
would count as much as 0.3 that becomes 0.8. Of one person alone g is b, and the score the plain difference. A signal of
flags has sigmoid and logit in the place of softmax and logarithm; a scale is no probability: the score is x - b, in its
own unit.

Centring each person and adding the common mean again is the usual step of multilevel models (Enders and Tofighi,
"Centering predictor variables in cross-sectional multilevel models", Psychological Methods 12, 2007); softmax of
differences of logarithms is the perturbation of compositions (Aitchison, "The statistical analysis of compositional
data", 1982).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64

from mien.analysis.smoothing import SpanRule, TrackReadings, track_spans
from mien.core.softmax import softmax
from mien.studies.course import Course, relabelled
from mien.studies.films import EXPRESSION, Columns
from mien.studies.sheets import Range

FLOOR = 5e-5
"""Probabilities are written with four digits: what is 0 there is half of the last."""
ENOUGH = 1.0
"""Seconds at rest below which a person's rest is said to be doubtful."""

Row = Float64[np.ndarray, " c"]
Rows = Float64[np.ndarray, "n c"]


def to_logits(values: Rows, columns: Columns) -> Rows:
    """``values`` on the scale on which rest is a constant."""
    answer = values.astype(np.float64).copy()
    for signal, place in columns.blocks.items():
        held = np.clip(values[:, place], FLOOR, 1 - FLOOR)
        if columns.kind(signal) == "classes":
            answer[:, place] = np.log(held)
        elif columns.kind(signal) == "flags":
            answer[:, place] = np.log(held) - np.log1p(-held)
    return answer


def from_logits(logits: Rows, columns: Columns) -> Rows:
    """The inverse of :func:`to_logits`; classes sum to 1."""
    answer = logits.copy()
    for signal, place in columns.blocks.items():
        if columns.kind(signal) == "classes":
            answer[:, place] = softmax(logits[:, place])
        elif columns.kind(signal) == "flags":
            answer[:, place] = 1 / (1 + np.exp(-logits[:, place]))
    return answer


@dataclass
class Resting:
    """What is gathered of a person's frames at rest.

    Attributes:
        sums: of the logits times seconds.
        seconds: that were readable.
        frames: that were readable.
        told: whether a stretch was told at all.
    """

    sums: Row | None = None
    seconds: float = 0.0
    frames: int = 0
    told: bool = False

    def add(self, course: Course, columns: Columns, stretch: Range | None) -> None:
        """Take in a course from ``stretch[0]`` to ``stretch[1]`` seconds; all of it where None."""
        start, end = (-np.inf, np.inf) if stretch is None else stretch
        held = np.clip(np.minimum(course.ends, end) - np.maximum(course.starts, start), 0.0, None)
        rows = (held > 0) & course.readable & ~np.isnan(course.values).any(axis=1)
        self.told = True
        if rows.any():
            part = held[rows] @ to_logits(course.values[rows], columns)
            self.sums = part if self.sums is None else self.sums + part
            self.seconds += float(held[rows].sum())
            self.frames += int(rows.sum())

    @property
    def logits(self) -> Row | None:
        """Their mean; None where nothing was readable."""
        return None if self.sums is None else self.sums / self.seconds


@dataclass(frozen=True, eq=False)
class Baseline:
    """The rest of all people.

    Attributes:
        columns: of the values.
        people: person -> b, the mean logits at rest.
        common: g, their mean over people.
        gathered: person -> what it rests on, those too of whom nothing was readable.
    """

    columns: Columns
    people: Mapping[str, Row]
    common: Row
    gathered: Mapping[str, Resting] = field(default_factory=dict)

    def moved(self, person: str, values: Rows) -> Rows:
        """p' of the values of a person whose rest is known."""
        shifted = to_logits(values, self.columns) - self.people[person] + self.common
        return from_logits(shifted, self.columns)

    def rest(self, logits: Row) -> Row:
        """Logits at rest as values."""
        answer: Row = from_logits(logits[None], self.columns)[0]
        return answer


def baseline_of(gathered: Mapping[str, Resting], columns: Columns) -> Baseline | None:
    """The rest of all people of whom something was readable; None where that is nobody."""
    people = {person: logits for person, one in gathered.items() if (logits := one.logits) is not None}
    if not people:
        return None
    return Baseline(columns, people, np.mean(list(people.values()), axis=0), gathered)


def corrected(course: Course, person: str, baseline: Baseline, rule: SpanRule) -> Course:
    """``course`` with corrected scores, and with spans cut from p' by the rule that cut the result's."""
    moved = baseline.moved(person, course.values)
    scores = moved - baseline.rest(baseline.common)
    labels = baseline.columns.labels
    probabilities = np.where(course.readable[:, None], moved[:, baseline.columns.blocks[EXPRESSION]], np.nan)
    reasons = _reasons(course.readable)
    readings = TrackReadings(1, course.starts, course.ends, probabilities, reasons)
    return relabelled(course, scores, track_spans(readings, rule), labels)


def _reasons(readable: Bool[np.ndarray, " n"]) -> list[str | None]:
    return [None if one else "unreadable" for one in readable.tolist()]


def baseline_rows(baseline: Baseline) -> Iterable[tuple[object, ...]]:
    """baseline.csv: person, seconds, frames, signal, label, rest, common_rest; empty where nothing was readable."""
    common = baseline.rest(baseline.common)
    for person, one in baseline.gathered.items():
        logits = baseline.people.get(person)
        rest = np.full(len(common), np.nan) if logits is None else baseline.rest(logits)
        for (signal, label), own, shared in zip(baseline.columns.names, rest, common, strict=True):
            yield person, one.seconds, one.frames, signal, label, float(own), float(shared)
