"""Is one model better than the other? Paired tests on the same items: sharper than two intervals side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Int

from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace, canonical
from mien.evaluation.folds import same_ground
from mien.evaluation.metrics import Interval, confusion, uar, war
from mien.evaluation.predictions import PROTOCOLS, Predictions, same_ids
from mien.evaluation.report import write_report

FEW = 25
"""Below so many items that only one of the two gets right, McNemar's test is the exact binomial one."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models on the same items.

    Attributes:
        one: predictions of the first.
        other: of the second, in the same order of items and classes.
        only_one: items that only the first gets right.
        only_other: items that only the second gets right.
        p: of McNemar's test that both are right equally often.
        exact: whether the test was the exact binomial one; else chi-squared with continuity correction.
        war: accuracy of the first minus that of the second, and its 95 % interval (paired bootstrap).
        uar: the same of the mean recall.
    """

    one: Predictions
    other: Predictions
    only_one: int
    only_other: int
    p: float
    exact: bool
    war: Interval
    uar: Interval

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        about = self.one
        return {
            "one": self.one.model,
            "other": self.other.model,
            **{name: getattr(about, name) for name in ("dataset", "split", "fold")},
            "protocol": about.protocol or PROTOCOLS[""],
            "items": len(about),
            "mcnemar": {
                "only_one_right": self.only_one,
                "only_other_right": self.only_other,
                "p": self.p,
                "test": self.test,
            },
            "war_difference": self.war._asdict(),
            "uar_difference": self.uar._asdict(),
        }

    @property
    def test(self) -> str:
        """How ``p`` was found."""
        return "exact binomial" if self.exact else "chi-squared, continuity corrected"

    def save(self, folder: Path) -> None:
        """Write ``report.json`` and ``report.md``."""
        write_report(self, folder)

    def to_markdown(self) -> str:
        """A table for people."""
        rows = [f"{len(self.one)} items. A: {self.one.title}. B: {self.other.title}.", ""]
        rows += ["| figure | A | B | A minus B | 95 % interval |", "|---|---|---|---|---|"]
        for name, figure, gap in (("WAR", war, self.war), ("UAR", uar, self.uar)):
            ours, theirs = (100 * figure(_matrix(side)) for side in (self.one, self.other))
            interval = f"{100 * gap.low:+.2f} to {100 * gap.high:+.2f}"
            rows.append(f"| {name} | {ours:.2f} % | {theirs:.2f} % | {100 * gap.value:+.2f} | {interval} |")
        found = f"only A right: {self.only_one}, only B right: {self.only_other}; p = {self.p:.3g} ({self.test})"
        return "\n".join([*rows, "", f"McNemar's test on accuracy: {found}."])


def compare(one: Predictions, other: Predictions) -> Comparison:
    """Both on the same items, matched by id.

    Raises:
        ConfigError: the classes differ.
        DataError: the items, their true classes, the data or the protocol differ, or no true class is known.
    """
    same_ground([one, other])
    one, other = _paired(one, other)
    right, right_other = (side.answers == side.targets for side in (one, other))
    only_one, only_other = int((right & ~right_other).sum()), int((right_other & ~right).sum())
    p, exact = mcnemar(only_one, only_other)
    gaps = [paired_bootstrap(figure, one.targets, one.answers, other.answers, len(one.labels)) for figure in (war, uar)]
    return Comparison(one, other, only_one, only_other, p, exact, *gaps)


def mcnemar(only_one: int, only_other: int) -> tuple[float, bool]:
    """The two-sided p-value of equal accuracy from the discordant pairs, and whether it is exact (fewer than
    :data:`FEW` of them) or from chi-squared with continuity correction (Edwards 1948).
    """
    from scipy.stats import binomtest, chi2

    pairs = only_one + only_other
    if pairs == 0:
        return 1.0, True
    if pairs < FEW:
        return float(binomtest(only_one, pairs).pvalue), True
    return float(chi2.sf(max(abs(only_one - only_other) - 1, 0) ** 2 / pairs, 1)), False


def paired_bootstrap(
    figure: Callable[[Int[np.ndarray, "c c"]], float],
    labels: Int[np.ndarray, " n"],
    answers: Int[np.ndarray, " n"],
    others: Int[np.ndarray, " n"],
    classes: int,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """A figure's difference between two models, and its 95 % interval by resampling items (percentile)."""
    # Items with the same label and the same two answers are alike: a multinomial draw of their counts, as in bootstrap.
    kinds, counts = np.unique(np.stack([labels, answers, others]), axis=1, return_counts=True)

    places = [kinds[0] * classes + said for said in kinds[1:]]

    def difference(weights: Int[np.ndarray, " kinds"]) -> float:
        cells = (np.bincount(place, weights, classes * classes) for place in places)
        mine, theirs = (figure(cell.reshape(classes, classes)) for cell in cells)
        return mine - theirs

    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(labels), counts / len(labels), size=draws)
    low, high = np.quantile([difference(weights) for weights in drawn], [0.025, 0.975])
    return Interval(difference(counts), float(low), float(high))


def _matrix(side: Predictions) -> Int[np.ndarray, "c c"]:
    return confusion(side.targets, side.answers, len(side.labels))


def _paired(one: Predictions, other: Predictions) -> tuple[Predictions, Predictions]:
    """Both with the first's order of items and classes, and with true classes that agree."""
    one, other = _spread(one, other), _spread(other, one)
    names = [[canonical(name) for name in side.labels.labels] for side in (one, other)]
    if set(names[0]) != set(names[1]):
        got = f"{', '.join(names[0])} and {', '.join(names[1])}"
        raise ConfigError("two models with the same classes", got, "evaluate both on the shared classes with --map")
    same_ids(one.ids, other.ids, one.model, other.model)
    places = {item: place for place, item in enumerate(other.ids)}
    order = np.array([places[item] for item in one.ids])
    columns = np.array([names[1].index(name) for name in names[0]])
    back = np.argsort(columns)
    theirs = other.targets[order]
    theirs = np.where(theirs >= 0, back[theirs], one.targets)
    ours = np.where(one.targets >= 0, one.targets, theirs)
    if (ours != theirs).any() or (ours < 0).any():
        where = one.ids[int(np.flatnonzero((ours != theirs) | (ours < 0))[0])]
        raise DataError("one true class for every item", f"none, or two, for {where}", "use the same labels for both")
    probabilities = other.probabilities[order][:, columns]
    moved = replace(other, ids=one.ids, labels=one.labels, probabilities=probabilities, targets=theirs)
    return replace(one, targets=ours), moved


def _spread(side: Predictions, wider: Predictions) -> Predictions:
    """The same with the classes of ``wider`` too, where it cannot matter that they were not to be had: a table of
    answers knows only the classes that occur in it, and a class that is never true, such as a refusal, misses none."""
    known, there = set(map(canonical, side.labels.labels)), wider.labels.labels
    extra = tuple(name for name in there if canonical(name) not in known)
    if not extra or not (side.certain or not np.isin(wider.targets, [there.index(name) for name in extra]).any()):
        return side
    probabilities = np.hstack([side.probabilities, np.zeros((len(side), len(extra)))])
    return replace(side, labels=LabelSpace(side.labels.name, side.labels.labels + extra), probabilities=probabilities)
