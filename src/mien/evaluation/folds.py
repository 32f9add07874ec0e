"""Several reports side by side: the folds of a set with their mean, or repeated runs on one split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from mien.core.errors import DataError
from mien.core.labels import LabelSpace
from mien.evaluation.predictions import PROTOCOLS, Predictions
from mien.evaluation.report import Report, number, write_report


def same_ground(predictions: Sequence[Predictions]) -> None:
    """Raise DataError unless all are of one data set, split and protocol: figures of two must never meet.

    Data that is not named (tables of other software) passes; a protocol that is not stated is one of its own.
    """
    for name in ("dataset", "split", "protocol"):
        values = sorted({getattr(one, name) for one in predictions} - ({""} if name != "protocol" else set()))
        if len(values) > 1:
            fix = "evaluate them apart" if "" not in values else "state the missing one with --protocol"
            raise DataError(f"runs of one {name}", " and ".join(value or "not stated" for value in values), fix)


@dataclass(frozen=True, eq=False)
class Table:
    """Several reports side by side: the folds of a set, or repeated runs on one split.

    Attributes:
        reports: of the same data, split, protocol and labels.
    """

    reports: tuple[Report, ...]

    def __post_init__(self) -> None:
        same_ground([report.predictions for report in self.reports])
        if len({report.labels.labels for report in self.reports}) > 1:
            raise DataError("runs with the same classes", "different ones", "evaluate them one by one")
        folds = [report.predictions.fold for report in self.reports]
        if len(set(folds)) not in (1, len(folds)):
            raise DataError("every fold once, or one fold only", f"folds {folds}", "leave out the repetitions")

    @property
    def folds(self) -> bool:
        """True for a table of different folds, False for repeated runs."""
        return len({report.predictions.fold for report in self.reports}) > 1

    def columns(self) -> dict[str, Float[np.ndarray, " runs"]]:
        """Every figure of every run: the headline figures, then recall by label."""
        shared = [name for name in self.reports[0].figures if all(name in report.figures for report in self.reports)]
        figures = {name: [report.figures[name].value for report in self.reports] for name in shared}
        recall = {f"recall {label}": [report.recall[label] for report in self.reports] for label in self.labels.labels}
        return {name: np.array(values) for name, values in {**figures, **recall}.items()}

    @property
    def labels(self) -> LabelSpace:
        """The classes."""
        return self.reports[0].labels

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON: every run, mean and sample standard deviation of every figure."""
        about, columns = self.reports[0].predictions, self.columns()
        return {
            "dataset": about.dataset,
            "split": about.split,
            "protocol": about.protocol or PROTOCOLS[""],
            "mean": {name: number(_mean(values)) for name, values in columns.items()},
            "std": {name: number(_std(values)) for name, values in columns.items()},
            "runs": [report.to_dict() for report in self.reports],
        }

    def to_markdown(self) -> str:
        """One row a run, then mean and standard deviation; figures in percent."""
        about, columns = self.reports[0].predictions, self.columns()
        what = f"{len(self.reports)} {'folds' if self.folds else 'runs'}"
        titles = [name.removeprefix("recall ") if " " in name else name.upper() for name in columns]
        heads = [(r.predictions.model, str(r.predictions.fold or "-"), str(r.items)) for r in self.reports]
        rows = [
            f"{what} of {about.dataset} {about.split}, protocol {PROTOCOLS.get(about.protocol, about.protocol)}. "
            "In percent; the columns after ECE are recalls.",
            "",
            f"| run | fold | items | {' | '.join(titles)} |",
            "|---" * (3 + len(titles)) + "|",
        ]
        for place, head in enumerate(heads):
            rows.append(f"| {' | '.join((*head, *(_cell(values[place]) for values in columns.values())))} |")
        for name, summary in (("mean", _mean), ("standard deviation", _std)):
            rows.append(f"| {name} | | | {' | '.join(_cell(summary(values)) for values in columns.values())} |")
        each = [report.predictions for report in self.reports]
        notes = [f"- {one.model}, fold {one.fold}: {note}" for one in each for note in one.notes]
        return "\n".join([*rows, *([""] * bool(notes)), *notes])

    def save(self, folder: Path) -> None:
        """Write ``report.json`` and ``report.md``; every report goes to a folder of its own, see :meth:`folders`."""
        write_report(self, folder)
        for name, report in zip(self.folders(), self.reports, strict=True):
            report.save(folder / name)

    def folders(self) -> list[str]:
        """Names for the reports' own folders: ``fold1`` ..., or ``run1`` ... for repeated runs."""
        return [f"fold{r.predictions.fold}" if self.folds else f"run{n}" for n, r in enumerate(self.reports, 1)]


def _mean(values: Float[np.ndarray, " runs"]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _std(values: Float[np.ndarray, " runs"]) -> float:
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")


def _cell(value: float) -> str:
    return f"{100 * value:.2f}" if np.isfinite(value) else "-"
