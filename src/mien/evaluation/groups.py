"""Is a model right as often about everybody? Figures by group, and the largest gap beside what chance makes of it.

InFER (Sharma et al., arXiv 2408.04763) measures by age, gender and ethnicity; here a group is any column that somebody
knows of the items. Nothing here guesses one from a face.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mien.core.errors import DataError
from mien.core.softmax import softmax
from mien.evaluation.metrics import Interval, bootstrap, confusion, uar, war
from mien.evaluation.predictions import Predictions
from mien.evaluation.report import write_report

LEAST = 10
"""Items of a group that takes part in the gap."""
DRAWS = 1000
NO_GROUP = ""


@dataclass(frozen=True, eq=False)
class Group:
    """The items of one group.

    Attributes:
        name: what the column says.
        items: how many.
        war: accuracy and its 95 % interval.
        uar: mean recall, and its interval.
    """

    name: str
    items: int
    war: Interval
    uar: Interval


@dataclass(frozen=True, eq=False)
class Groups:
    """A model by group.

    Attributes:
        predictions: of all items with a group.
        column: what groups are made of.
        groups: by name.
        gap: largest difference of the accuracy between groups of at least :data:`LEAST` items; NaN with fewer than two.
        p: share of the permutations whose largest gap is as large. Items change groups with items of the same true
            class, so that a group which shows harder expressions is not taken for one that is misjudged. Items of one
            person count as independent, which they are not: with several a person, p is too small.
    """

    predictions: Predictions
    column: str
    groups: tuple[Group, ...]
    gap: float
    p: float

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON; None where there is no number."""
        about = self.predictions
        return {
            **{name: getattr(about, name) for name in ("model", "dataset", "split", "fold")},
            "by": self.column,
            "items": len(about),
            "groups": {
                one.name: {"items": one.items, "war": one.war._asdict(), "uar": one.uar._asdict()}
                for one in self.groups
            },
            "largest_gap": self.gap if np.isfinite(self.gap) else None,
            "p": self.p if np.isfinite(self.p) else None,
            "notes": list(about.notes),
        }

    def to_markdown(self) -> str:
        """A table for people."""
        rows = [f"{len(self.predictions)} items: {self.predictions.title}.", ""]
        rows += [f"- {note}" for note in self.predictions.notes] + [""] * bool(self.predictions.notes)
        rows += [f"| {self.column} | items | WAR | 95 % interval | UAR | 95 % interval |", "|---|---|---|---|---|---|"]
        rows += [
            f"| {one.name} | {one.items} | {100 * one.war.value:.1f} | {_between(one.war)} | {100 * one.uar.value:.1f} "
            f"| {_between(one.uar)} |"
            for one in self.groups
        ]
        if not np.isfinite(self.gap):
            return "\n".join([*rows, "", f"Fewer than two groups have {LEAST} items: no gap is measured."])
        found = f"{100 * self.gap:.1f} points; p = {self.p:.3g} ({DRAWS} permutations within true classes)"
        return "\n".join([*rows, "", f"Largest gap in WAR between groups of at least {LEAST} items: {found}."])

    def save(self, folder: Path) -> None:
        """Write ``report.json`` and ``report.md``."""
        write_report(self, folder)


def _between(figure: Interval) -> str:
    return f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"


def by_group(predictions: Predictions, names: Sequence[str], column: str, seed: int = 0) -> Groups:
    """Figures of every group.

    Args:
        predictions: with the true classes.
        names: group of each item; empty for none, which is left out.
        column: what groups are made of.
        seed: of the permutations.

    Raises:
        DataError: no item has a group, or a true class is not known.
    """
    known = np.array([name != NO_GROUP for name in names])
    if not known.any():
        raise DataError(f"items with {column}", "none", "name another column")
    if (predictions.targets < 0).any():
        raise DataError("the true class of every item", "items without", "give a file of labels with --predictions")
    notes = () if known.all() else (f"{int((~known).sum())} items without {column} are left out",)
    some = _some(predictions, known, notes)
    given, places = np.unique(np.array(names)[known], return_inverse=True)
    right, classes = some.answers == some.targets, len(some.labels)
    groups = []
    for place, name in enumerate(given.tolist()):
        truth, said = some.targets[places == place], some.answers[places == place]
        matrix = confusion(truth, said, classes)
        figures = (Interval(figure(matrix), *bootstrap(figure, truth, said, classes)) for figure in (war, uar))
        groups.append(Group(name, len(truth), *figures))
    counts = np.bincount(places)
    large = counts >= LEAST
    if large.sum() < 2:
        return Groups(some, column, tuple(groups), np.nan, np.nan)
    gap = _gap(right, places, counts, large)
    rng = np.random.default_rng(seed)
    by_class = [np.flatnonzero(some.targets == one) for one in np.unique(some.targets)]
    as_large = 0
    for _ in range(DRAWS):
        moved = places.copy()
        for members in by_class:
            moved[members] = places[rng.permutation(members)]
        as_large += _gap(right, moved, counts, large) >= gap - 1e-12
    return Groups(some, column, tuple(groups), gap, (as_large + 1) / (DRAWS + 1))


def _some(predictions: Predictions, chosen: Bool[np.ndarray, " n"], notes: tuple[str, ...]) -> Predictions:
    return replace(
        predictions,
        ids=tuple(item for item, one in zip(predictions.ids, chosen, strict=True) if one),
        probabilities=predictions.probabilities[chosen],
        targets=predictions.targets[chosen],
        notes=predictions.notes + notes,
    )


def _gap(
    right: Bool[np.ndarray, " n"],
    places: Int64[np.ndarray, " n"],
    counts: Int64[np.ndarray, " g"],
    large: Bool[np.ndarray, " g"],
) -> float:
    shares = np.bincount(places, weights=right, minlength=len(counts))[large] / counts[large]
    return float(shares.max() - shares.min())


def centre(predictions: Predictions, names: Sequence[str]) -> Predictions:
    """Every group's mean logit taken out and the mean over all put in its place: what is left of a person's habits.

    It sees all of a person's items before it answers one, and is fair only where people show a mix of expressions.

    Args:
        predictions: of items, whose logits are the logarithms of the probabilities.
        names: group of each item; an item without one stays.
    """
    logits = np.log(predictions.probabilities.clip(1e-12))
    given, places = np.unique(np.array(names), return_inverse=True)
    sums = np.zeros((len(given), logits.shape[1]))
    np.add.at(sums, places, logits)
    means: Float64[np.ndarray, "g c"] = sums / np.bincount(places)[:, None]
    moved = np.where((np.array(names) == NO_GROUP)[:, None], logits, logits - means[places] + logits.mean(0))
    note = f"the mean of each of {len(given)} groups is taken out"
    return replace(predictions, probabilities=softmax(moved), notes=(*predictions.notes, note))


def read_column(path: Path, column: str, ids: Sequence[str]) -> list[str]:
    """What a table says of each item: empty where it says nothing.

    Args:
        path: CSV with the columns ``id`` and ``column``; an id may stand there several times, with the same value.
        column: its name.
        ids: of the items.

    Raises:
        DataError: no such table or column, or two values for an item.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="surrogateescape") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or ()
            if "id" not in names or column not in names:
                raise DataError(f"the columns id and {column} in {path}", ", ".join(names) or "none", "see --by")
            found: dict[str, str] = {}
            for row in reader:
                item, value = row["id"], (row[column] or "").strip()
                if found.setdefault(item, value) != value:
                    raise DataError(f"one {column} for every id", f"{found[item]} and {value} for {item}", "mend it")
    except (OSError, csv.Error) as error:
        raise DataError("a readable CSV table", f"{path}: {error}", "check the path") from error
    return [found.get(item, NO_GROUP) for item in ids]
