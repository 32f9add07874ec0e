"""What a model answered on labelled items: the one value that reports, tables and comparisons are made from.

As a file it is a CSV table with one row an item, which other software can write too:

- ``id``: unique, in any order;
- one column for each class, named after it, with its probability in [0, 1]; or, without such columns, ``label``: the
  name of the class that was answered (then nothing is said about calibration);
- ``target``: the name of the true class; may be missing where labels come from a file of their own;
- ``dataset``, ``split``, ``fold``, ``protocol``, ``model``, ``threshold``: the same in every row; may be missing.

A file of labels has the columns ``id`` and ``label``. Nothing here loads torch.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int64

from mien.core.errors import DataError
from mien.core.files import whole_file
from mien.core.labels import LabelSpace, canonical
from mien.core.sheets import escaped, read_rows

ABOUT = ("dataset", "split", "fold", "protocol", "model", "threshold")
RESERVED = ("id", "target", "label", *ABOUT)
ROUNDING = 0.005 + 1e-9
"""What two decimals take from a probability, or add; their sum is off by at most as much a class."""
PROTOCOLS = {
    "clean": "clean: choices were made on held-out training data",
    "official": "official: as published, the best epoch was chosen on the test split",
    "": "not stated",
}


@dataclass(frozen=True, eq=False)
class Predictions:
    """A model's probabilities on items, and what is true of them.

    Attributes:
        ids: the items' names, unique.
        labels: the classes, in the order of the columns.
        probabilities: rows sum to 1; all of a row on one class where only answers are known.
        targets: index of the true class; -1 where it is not known.
        dataset: name of the data set.
        split: of it.
        fold: of it, from 1; 0 without folds.
        protocol: ``clean`` or ``official``, see :data:`PROTOCOLS`; empty when not stated.
        model: name of the model.
        threshold: confidence from which the model answers in use.
        notes: what a reader of the figures must know, one sentence each ("2 clips could not be read").
    """

    ids: tuple[str, ...]
    labels: LabelSpace
    probabilities: Float64[np.ndarray, "n c"]
    targets: Int64[np.ndarray, " n"]
    dataset: str = ""
    split: str = ""
    fold: int = 0
    protocol: str = ""
    model: str = ""
    threshold: float = 0.0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        items, classes = len(self.ids), len(self.labels)
        if self.probabilities.shape != (items, classes) or self.targets.shape != (items,) or not items:
            got = f"{items} ids, {self.probabilities.shape} probabilities, {self.targets.shape} targets"
            raise DataError(f"a row of {classes} probabilities and a target for each of at least one id", got, "fix it")
        twice = sorted(set(_repeated(self.ids)))
        if twice:
            raise DataError("every id once", f"{_some(twice)} more than once", "keep one run (and fold) a file")
        low, sums = self.probabilities.min(1), self.probabilities.sum(1)
        # Written so that NaN fails too.
        wrong = np.flatnonzero(~((low >= 0) & (np.abs(sums - 1) <= ROUNDING * classes)))
        if len(wrong):
            got = f"{self.ids[wrong[0]]}: least {low[wrong[0]]:.4g}, sum {sums[wrong[0]]:.4g}"
            raise DataError("probabilities in [0, 1] that sum to 1", got, "apply the softmax first")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def answers(self) -> Int64[np.ndarray, " n"]:
        """Index of the likeliest class, the first of equals."""
        answers: Int64[np.ndarray, " n"] = self.probabilities.argmax(1).astype(np.int64)
        return answers

    @property
    def certain(self) -> bool:
        """True when every probability is 0 or 1: answers alone, nothing to calibrate."""
        return bool(np.isin(self.probabilities, (0.0, 1.0)).all())

    @property
    def title(self) -> str:
        """Model, data and protocol in a line."""
        fold = f" fold {self.fold}" if self.fold else ""
        data = f"{self.dataset or 'unnamed data'}{fold} {self.split}".rstrip()
        return f"{self.model or 'unnamed model'} on {data}, protocol {PROTOCOLS.get(self.protocol, self.protocol)}"

    def with_targets(self, names: Mapping[str, str]) -> Predictions:
        """The same with the true classes ``names`` by id.

        Raises:
            DataError: other ids, or a class that the predictions do not know.
        """
        same_ids(self.ids, names, "the predictions", "the labels")
        return dataclasses.replace(self, targets=_indices([names[item] for item in self.ids], self.labels))

    def save(self, path: Path) -> None:
        """Write the table, whole or not at all; :func:`load_predictions` reads it back to the last digit."""
        about = [escaped(str(getattr(self, name))) for name in ABOUT]
        names = self.labels.labels
        with whole_file(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "target", "label", *names, *ABOUT])
            for item, target, answer, row in zip(
                self.ids, self.targets, self.answers, self.probabilities.tolist(), strict=True
            ):
                writer.writerow([escaped(item), names[target] if target >= 0 else "", names[answer], *row, *about])


def load_predictions(path: Path, classes: Iterable[str] = ()) -> Predictions:
    """Read a table of predictions, see the top of this module.

    Args:
        path: the CSV file.
        classes: names that the file may not mention, of labels for instance; for tables of answers only.

    Raises:
        DataError: missing, or not such a table.
    """
    rows = _rows(path, ("id",))
    columns = [name for name in rows[0] if name not in RESERVED]
    try:
        if columns:
            names = tuple(canonical(name) for name in columns)
            values = np.array([[float(row[name]) for name in columns] for row in rows], np.float64)
        else:
            names, values = _answers(rows, classes)
        space = LabelSpace(path.stem, names)
        about: dict[str, Any] = {name: _constant(rows, name) for name in ABOUT}
        targets = _indices([row.get("target") or "" for row in rows], space)
        fold, threshold = int(about.pop("fold") or 0), float(about.pop("threshold") or 0)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            "a table of predictions (columns id, and label or one for each class)",
            f"{path}: {type(error).__name__}: {error}",
            "see `mien evaluate --help`",
        ) from error
    about["model"] = about["model"] or path.stem
    ids = tuple(row["id"] for row in rows)
    return Predictions(ids, space, values, targets, fold=fold, threshold=threshold, **about)


def load_labels(path: Path) -> dict[str, str]:
    """Name of the true class by id, from a CSV file with the columns ``id`` and ``label``. Raises DataError."""
    rows = _rows(path, ("id", "label"))
    if twice := _repeated([row["id"] for row in rows]):
        raise DataError("every id once", f"{path}: {_some(twice)} more than once", "remove the repetitions")
    return {row["id"]: canonical(row["label"]) for row in rows}


def same_ids(one: Iterable[str], other: Iterable[str], name: str, other_name: str) -> None:
    """Raise DataError unless both have the same ids, in whatever order."""
    left, right = set(one), set(other)
    for where, missing in ((other_name, left - right), (name, right - left)):
        if missing:
            got = f"{len(missing)} that {where} lack, e.g. {_some(sorted(missing))}"
            raise DataError(f"the same ids in {name} and {other_name}", got, "use the same split of the same data")


def _rows(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    expected = f"a CSV file with the columns {', '.join(needed)} and at least one row"
    if not path.is_file():
        raise DataError(expected, f"no file at {path}", "check the path")
    rows = [row for _, row in read_rows(path, needed)]
    if not rows:
        raise DataError(expected, f"{path} without rows", "add them")
    return rows


def _answers(rows: list[dict[str, str]], classes: Iterable[str]) -> tuple[tuple[str, ...], Float[np.ndarray, "n c"]]:
    answers = [canonical(row["label"]) for row in rows]
    targets = (canonical(row["target"]) for row in rows if row.get("target"))
    names = tuple(sorted({*answers, *targets, *classes}))
    return names, np.eye(len(names))[[names.index(answer) for answer in answers]]


def _indices(names: Sequence[str], space: LabelSpace) -> Int64[np.ndarray, " n"]:
    places = {"": -1} | {canonical(name): place for place, name in enumerate(space.labels)}
    strangers = sorted({name for name in names if canonical(name) not in places})
    if strangers:
        raise DataError(f"classes among {', '.join(space.labels)}", _some(strangers), "name the classes alike")
    return np.array([places[canonical(name)] for name in names], np.int64)


def _constant(rows: list[dict[str, str]], column: str) -> str:
    values = sorted({row.get(column) or "" for row in rows})
    if len(values) > 1:
        raise ValueError(f"column {column} holds {_some(values)}, where one value is wanted")
    return values[0]


def _repeated(names: Sequence[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
