"""What people show around an event, bin by bin: each person's mean over its trials, then mean and interval over people.

The interval is Student's: mean -+ t(0.975, n - 1) s / sqrt(n) over the n people with something readable in the bin. It
is right for each bin by itself, not for all together. A person *shows* an expression in a bin when its spans show it
for at least half of the readable time there, over all of its trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float64

from mien.studies.course import Course
from mien.studies.films import EXPRESSION, Columns

SHOWN_SHARE = 0.5
MOST_BINS = 20_000
Cells = Float64[np.ndarray, "b c"]


@dataclass
class PersonCurve:
    """One person's bins, summed over trials.

    Attributes:
        trials: how many there were.
        sums: of the trials' means, raw.
        corrected: likewise of corrected scores; None where nobody knows the rest.
        counts: trials with something readable, a bin each.
        readable: seconds, a bin each.
        shown: seconds in which spans show a label.
    """

    trials: int
    sums: Cells
    corrected: Cells | None
    counts: Float64[np.ndarray, " b"]
    readable: Float64[np.ndarray, " b"]
    shown: Cells

    def mean(self, corrected: bool = False) -> Cells:
        """Mean over the trials; NaN in bins without one."""
        sums = self.corrected if corrected and self.corrected is not None else self.sums
        mean: Cells = sums / np.where(self.counts > 0, self.counts, np.nan)[:, None]
        return mean

    @property
    def shows(self) -> Bool[np.ndarray, "b c"]:
        """Whether the person shows a label in a bin."""
        shows: Bool[np.ndarray, "b c"] = (self.shown >= SHOWN_SHARE * self.readable[:, None]) & (self.shown > 0)
        return shows


Series = tuple[str, str]
"""Condition and trial type."""


@dataclass
class Curves:
    """All people's curves, gathered film by film.

    Attributes:
        columns: of the values.
        edges: of the bins, seconds from the event.
        people: condition and trial type -> person -> bins.
    """

    columns: Columns
    edges: Float64[np.ndarray, " e"]
    people: dict[Series, dict[str, PersonCurve]] = field(default_factory=dict)
    _latest: tuple[Course, Float64[np.ndarray, "n+1 m"]] | None = field(default=None, init=False, repr=False)

    def add(self, series: Series, person: str, course: Course, onset: float) -> None:
        """Take in a trial that begins at ``onset`` seconds of the film."""
        found = course.between(self._sums(course), self.edges + onset)
        width = len(self.columns.names)
        labels = len(self.columns.labels)
        readable, shown_seconds, rest = found[:, 0], found[:, 1 : 1 + labels], found[:, 1 + labels :]
        seen = readable > 1e-9
        means = rest / np.where(seen, readable, 1.0)[:, None] * seen[:, None]
        trial = PersonCurve(
            trials=1,
            sums=means[:, :width],
            corrected=means[:, width:] if course.corrected is not None else None,
            counts=seen.astype(np.float64),
            readable=readable,
            shown=shown_seconds,
        )
        people = self.people.setdefault(series, {})
        people[person] = _sum(people[person], trial) if person in people else trial

    def _sums(self, course: Course) -> Float64[np.ndarray, "n+1 m"]:
        """Of the time, of every label's, of the values and of the corrected ones; made once for all of its trials."""
        if self._latest is None or self._latest[0] is not course:
            shown = (course.raw.shown[:, None] == np.arange(len(self.columns.labels))).astype(np.float64)
            parts = [np.ones((len(course.starts), 1)), shown, course.values]
            parts += [] if course.corrected is None else [course.corrected]
            self._latest = course, course.sums(np.hstack(parts))
        return self._latest[1]

    def series(self) -> list[Series]:
        """Those with at least one person, in the order in which they came."""
        return list(self.people)


def _sum(one: PersonCurve, other: PersonCurve) -> PersonCurve:
    both = None if one.corrected is None or other.corrected is None else one.corrected + other.corrected
    return PersonCurve(
        trials=one.trials + other.trials,
        sums=one.sums + other.sums,
        corrected=both,
        counts=one.counts + other.counts,
        readable=one.readable + other.readable,
        shown=one.shown + other.shown,
    )


@dataclass(frozen=True, eq=False)
class Band:
    """A curve over people.

    Attributes:
        n: people with something readable, a bin and column each.
        mean: over them; NaN of nobody.
        low: lower end of the 95 % interval; NaN below two people.
        high: its upper end.
        showing: share of people who show the label; NaN for signals.
    """

    n: Cells
    mean: Cells
    low: Cells
    high: Cells
    showing: Cells


def band_of(people: Mapping[str, PersonCurve], columns: Columns, corrected: bool = False) -> Band | None:
    """The curve over ``people``; None where corrected scores are asked for and nobody has any."""
    having = [one for one in people.values() if not corrected or one.corrected is not None]
    if not having:
        return None
    n, mean, low, high = mean_interval(np.stack([one.mean(corrected) for one in having]))
    showing = np.full(mean.shape, np.nan)
    seen = np.stack([one.readable > 1e-9 for one in having])
    shows = (np.stack([one.shows for one in having]) & seen[:, :, None]).sum(axis=0)
    showing[:, columns.blocks[EXPRESSION]] = shows / np.where(seen.any(axis=0), seen.sum(axis=0), np.nan)[:, None]
    return Band(n, mean, low, high, showing)


def mean_interval(values: Float64[np.ndarray, "p b c"]) -> tuple[Cells, Cells, Cells, Cells]:
    """Number, mean and Student's 95 % interval over the first axis, NaN left out."""
    from scipy.special import stdtrit

    there = ~np.isnan(values)
    n = there.sum(axis=0).astype(np.float64)
    mean = np.nansum(values, axis=0) / np.where(n > 0, n, np.nan)
    spread = np.nansum((values - mean) ** 2, axis=0) / np.where(n > 1, n - 1, np.nan)
    half = stdtrit(np.maximum(n - 1, 1), 0.975) * np.sqrt(spread / np.where(n > 0, n, np.nan))
    return n, mean, mean - half, mean + half
