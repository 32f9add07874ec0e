"""The report of a model on labelled items: every figure with its interval, per class, calibrated."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int

from mien.core.errors import DataError
from mien.core.files import whole_file
from mien.core.labels import LabelSpace
from mien.core.version import __version__
from mien.evaluation.calibration import coverage, risk_coverage
from mien.evaluation.metrics import (
    Bins,
    Interval,
    bootstrap,
    calibration_interval,
    confusion,
    macro_f1,
    recalls,
    reliability,
    uar,
    war,
)
from mien.evaluation.predictions import PROTOCOLS, Predictions

CURVE_POINTS = 101
"""Most points of a risk-coverage curve that are kept."""


class Reported(Protocol):
    """What can be written as JSON and Markdown."""

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        ...

    def to_markdown(self) -> str:
        """Tables for people."""
        ...


class Beside(Protocol):
    """Figures of signals, :class:`mien.evaluation.signals.SignalReport`."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know, one sentence each."""
        ...

    def by_signal(self) -> dict[str, object]:
        """Plain values for JSON."""
        ...

    def table(self) -> str:
        """For people."""
        ...


@dataclass(frozen=True, eq=False)
class Calibration:
    """What probabilities are worth, beyond the answer they give.

    Attributes:
        ece: expected calibration error (15 bins) and its 95 % interval.
        bins: items, mean confidence and accuracy by confidence.
        risk: share of wrong answers when only the surest items are answered ...
        covered: ... which are this share of all; rising to 1.
        threshold: confidence from which the model answers in use.
        answered: share of items at or above it.
        precision_answered: accuracy on those; NaN where none is.
    """

    ece: Interval
    bins: Bins
    risk: Float[np.ndarray, " k"]
    covered: Float[np.ndarray, " k"]
    threshold: float
    answered: float
    precision_answered: float


@dataclass(frozen=True, eq=False)
class Report:
    """What a model does on labelled items.

    Attributes:
        predictions: what it was made from: model, data, split, fold, protocol, notes.
        war: accuracy, which is the weighted average recall, and its 95 % interval, as for the next two.
        uar: mean recall of the classes.
        macro_f1: mean F1 of the classes.
        recall: per label; NaN for one without items.
        confusion: true class in the row, predicted in the column.
        calibration: None where the answers alone are known.
        beside: figures of what else the model says and the set knows; None where there is none.
    """

    predictions: Predictions
    war: Interval
    uar: Interval
    macro_f1: Interval
    recall: dict[str, float]
    confusion: Int[np.ndarray, "c c"]
    calibration: Calibration | None
    beside: Beside | None = None

    @property
    def items(self) -> int:
        """How many were measured."""
        return len(self.predictions)

    @property
    def notes(self) -> list[str]:
        """What a reader must know, one sentence each."""
        return [*self.predictions.notes, *(self.beside.notes if self.beside is not None else ())]

    @property
    def labels(self) -> LabelSpace:
        """Names of the rows and columns of the confusion."""
        return self.predictions.labels

    @property
    def figures(self) -> dict[str, Interval]:
        """The headline figures by name."""
        figures = {"uar": self.uar, "war": self.war, "macro_f1": self.macro_f1}
        return figures if self.calibration is None else {**figures, "ece": self.calibration.ece}

    def scores(self) -> dict[str, float]:
        """The figures that a weights record keeps, rounded to four places, named after data, fold and split.

        The bounds of an interval end with ``_low`` and ``_high``; a class without items has no recall here.
        """
        plain: dict[str, float] = {}
        for name in ("war", "uar"):
            figure = self.figures[name]
            plain |= {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}
        if self.calibration is not None:
            plain |= {"ece": self.calibration.ece.value, "answered": self.calibration.answered}
            plain["precision_answered"] = self.calibration.precision_answered
        plain |= {f"recall_{label}": value for label, value in self.recall.items()}
        about = self.predictions
        fold = f"_fold{about.fold}" if about.fold else ""
        prefix = f"{about.dataset}{fold}_{about.split}"
        return {f"{prefix}_{name}": round(value, 4) for name, value in plain.items() if np.isfinite(value)}

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON; None where there is no number."""
        about = self.predictions
        named = {name: getattr(about, name) for name in ("model", "dataset", "split", "fold")}
        body: dict[str, object] = {
            **named,
            "protocol": about.protocol or PROTOCOLS[""],
            "items": self.items,
            **{name: value._asdict() for name, value in self.figures.items()},
            "recall": {label: number(value) for label, value in self.recall.items()},
            "labels": list(self.labels.labels),
            "confusion": self.confusion.tolist(),
            "notes": self.notes,
            "mien": __version__,
        }
        if self.beside is not None:
            body["signals"] = self.beside.by_signal()
        return body if self.calibration is None else body | _calibration_dict(self.calibration)

    def to_markdown(self) -> str:
        """Tables for people."""
        rows = [f"{self.items} items: {self.predictions.title}.", ""]
        rows += [f"- {note}" for note in self.notes] + [""] * bool(self.notes)
        rows += ["| figure | value | 95 % interval |", "|---|---|---|"]
        rows += [
            f"| {title} | {100 * figure.value:.2f} % | {100 * figure.low:.2f} to {100 * figure.high:.2f} |"
            for title, figure in (("WAR", self.war), ("UAR", self.uar), ("macro-F1", self.macro_f1))
        ]
        if (calibration := self.calibration) is not None:
            ece = calibration.ece
            rows.append(f"| ECE | {ece.value:.4f} | {ece.low:.4f} to {ece.high:.4f} |")
            rows.append(f"| answered at the threshold | {100 * calibration.answered:.1f} % | |")
            rows.append(f"| right when answered | {percent(calibration.precision_answered, 2)} | |")
        rows += ["", "| expression | recall | items |", "|---|---|---|"]
        counts = self.confusion.sum(1).tolist()
        rows += [
            f"| {label} | {percent(value)} | {count} |"
            for (label, value), count in zip(self.recall.items(), counts, strict=True)
        ]
        return "\n".join(rows if self.beside is None else [*rows, "", self.beside.table()])

    def save(self, folder: Path) -> None:
        """Write ``report.json``, ``report.md``, ``predictions.csv`` and ``confusion.csv`` (true class in the row)."""
        write_report(self, folder)
        self.predictions.save(folder / "predictions.csv")
        names = self.labels.labels
        with whole_file(folder / "confusion.csv") as draft, draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["true \\ predicted", *names])
            writer.writerows([name, *row] for name, row in zip(names, self.confusion.tolist(), strict=True))


def make_report(predictions: Predictions) -> Report:
    """All figures of predictions against their targets.

    Raises:
        DataError: a target is not known.
    """
    labels, answers, space = predictions.targets, predictions.answers, predictions.labels
    if (labels < 0).any():
        got = f"{int((labels < 0).sum())} of {len(labels)} without"
        raise DataError("the true class of every item", got, "give a file of labels with --predictions")
    matrix = confusion(labels, answers, len(space))

    def with_interval(figure: Callable[[Int[np.ndarray, "c c"]], float]) -> Interval:
        return Interval(figure(matrix), *bootstrap(figure, labels, answers, len(space)))

    return Report(
        predictions=predictions,
        war=with_interval(war),
        uar=with_interval(uar),
        macro_f1=with_interval(macro_f1),
        recall=dict(zip(space.labels, recalls(matrix).tolist(), strict=True)),
        confusion=matrix,
        calibration=None if predictions.certain else _calibration(predictions),
    )


def _calibration(predictions: Predictions) -> Calibration:
    probabilities, labels = predictions.probabilities, predictions.targets
    answered, precision = coverage(predictions.threshold, probabilities, labels)
    covered, risk = risk_coverage(probabilities, labels)
    kept = np.unique(np.linspace(0, len(covered) - 1, CURVE_POINTS).round().astype(int))
    return Calibration(
        ece=calibration_interval(probabilities, labels),
        bins=reliability(probabilities, labels),
        risk=risk[kept],
        covered=covered[kept],
        threshold=predictions.threshold,
        answered=answered,
        precision_answered=precision,
    )


def _calibration_dict(calibration: Calibration) -> dict[str, object]:
    plain = {name: getattr(calibration, name) for name in ("threshold", "answered")}
    bins = {name: [number(value) for value in values.tolist()] for name, values in calibration.bins._asdict().items()}
    curve = {"covered": calibration.covered.tolist(), "risk": calibration.risk.tolist()}
    precision = number(calibration.precision_answered)
    return {**plain, "precision_answered": precision, "reliability": bins, "risk_coverage": curve}


def write_report(report: Reported, folder: Path) -> None:
    """Write ``report.json`` and ``report.md``, each whole or not at all."""
    with whole_file(folder / "report.json") as draft:
        draft.write_text(json.dumps(report.to_dict(), indent=2) + "\n", "utf-8")
    with whole_file(folder / "report.md") as draft:
        draft.write_text(report.to_markdown() + "\n", "utf-8")


def number(value: float) -> float | None:
    """The same for JSON, which has no NaN: None."""
    return value if np.isfinite(value) else None


def percent(value: float, digits: int = 1) -> str:
    """``12.3 %``, or ``none`` for NaN."""
    return f"{100 * value:.{digits}f} %" if np.isfinite(value) else "none"
