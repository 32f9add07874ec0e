"""What a model says beside the expression, on items of which that is known: figures for every signal that both have."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from mien.core.signals import Signal, columns, places
from mien.data.manifest import Manifest
from mien.evaluation import signal_metrics as metrics
from mien.evaluation.metrics import Interval
from mien.evaluation.report import number, write_report
from mien.evaluation.views import FRAMES_A_PASS, Progress, mean_answers
from mien.models.network import said

if TYPE_CHECKING:
    from mien.engines.base import ExportedNetwork
    from mien.models.zoo import LoadedModel

Table = Float64[np.ndarray, "n k"]
DRAWS = 500
THRESHOLD = "_threshold"
"""Ends the name of a record's score that is the threshold of a flag."""


@dataclass(frozen=True, eq=False)
class SignalFigures:
    """One signal on the items of which it is known.

    Attributes:
        signal: which.
        ordered: whether its classes have an order.
        items: how many.
        main: name of the headline figure ...
        value: ... its value over all columns, and its 95 % interval by resampling items.
        columns: figures by name, for every column (of classes for the whole signal, under its name).
    """

    signal: Signal
    ordered: bool
    items: int
    main: str
    value: Interval
    columns: Mapping[str, Mapping[str, float]]

    def scores(self) -> dict[str, float]:
        """Plain figures: ``affect_ccc``, ``affect.valence_ccc``, and on."""
        each = ((name, key, value) for name, found in self.columns.items() for key, value in found.items())
        parts = {f"{name}_{key}": value for name, key, value in each if key != "items"}
        return {f"{self.signal.name}_{self.main}": self.value.value, **parts}


@dataclass(frozen=True, eq=False)
class SignalReport:
    """All signals that a model says and a set knows.

    Attributes:
        model: name of the model.
        dataset: name of the set.
        split: of it.
        found: figures, in the record's order.
        labelled: whether an item has an expression.
        notes: what a reader must know, one sentence each.
    """

    model: str
    dataset: str
    split: str
    found: tuple[SignalFigures, ...]
    labelled: bool = True
    notes: tuple[str, ...] = ()

    def scores(self) -> dict[str, float]:
        """The figures that are numbers, by name."""
        every = {name: value for one in self.found for name, value in one.scores().items()}
        return {name: value for name, value in every.items() if np.isfinite(value)}

    def by_signal(self) -> dict[str, object]:
        """As JSON types."""
        return {
            one.signal.name: {
                "items": one.items,
                one.main: {name: number(value) for name, value in one.value._asdict().items()},
                "columns": {
                    name: {key: number(value) for key, value in found.items()} for name, found in one.columns.items()
                },
            }
            for one in self.found
        }

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        about = {"model": self.model, "dataset": self.dataset, "split": self.split}
        return {**about, "signals": self.by_signal(), "notes": list(self.notes)}

    def table(self) -> str:
        """A line a signal, and a line a column, in Markdown; nothing where no signal was measured."""
        if not self.found:
            return ""
        rows = ["| signal | items | figures |", "|---|---|---|"]
        for one in self.found:
            value, low, high = one.value
            rows.append(f"| {one.signal.name} | {one.items} | {one.main} {value:.3f} ({low:.3f} to {high:.3f}) |")
            for name, found in one.columns.items():
                texts = ", ".join(f"{key} {value:.3f}" for key, value in found.items() if key != "items")
                rows.append(f"| {name} | {found['items']:.0f} | {texts} |")
        return "\n".join(rows)

    def to_markdown(self) -> str:
        """Notes and table for people."""
        head = [f"{self.model} on {self.dataset} {self.split}, what is known beside the expression.", ""]
        return "\n".join([*head, *(f"- {note}" for note in self.notes), *[""] * bool(self.notes), self.table()])

    def save(self, folder: Path) -> None:
        """Write ``report.json`` and ``report.md``."""
        write_report(self, folder)


def shared_signals(model: Sequence[Signal], known: Sequence[Signal]) -> tuple[Signal, ...]:
    """Those that are said and known, whatever their notes are."""
    plain = {dataclasses.replace(one, note="") for one in known}
    return tuple(one for one in model if dataclasses.replace(one, note="", derived_from="") in plain)


def misnamed(model: Sequence[Signal], known: Sequence[Signal]) -> list[str]:
    """A sentence for every signal that model and set mean different things by: it is not measured."""
    shared, by_name = shared_signals(model, known), {one.name: one for one in known}
    return [
        f"{one.name} is not measured: the model says {_meant(one)}; the set knows {_meant(by_name[one.name])}"
        for one in model
        if one not in shared and one.name in by_name
    ]


def _meant(signal: Signal) -> str:
    return f"{signal.kind} {', '.join(signal.labels)} from {signal.low:g} to {signal.high:g}"


def measure_signals(
    model: LoadedModel | ExportedNetwork,
    manifest: Manifest,
    views: int = 2,
    progress: Progress | None = None,
    sweep: bool = False,
) -> SignalReport | None:
    """Figures of every signal that the model says and the set knows; None where there is none.

    Args:
        model: the weights, on any engine.
        manifest: the items: one split of one fold.
        views: see :func:`mien.evaluation.views.predict_clips`.
        progress: likewise.
        sweep: take the thresholds of flags that are best on these very items, as a run does on what it held out, and
            compute no intervals; else those that the record has among its scores, .5 where it has none.

    Raises:
        DataError: no item can be read.
    """
    record = model.record
    shared = shared_signals(record.signals, manifest.signals)
    notes = misnamed(record.signals, manifest.signals)
    split = "+".join(sorted({row.split for row in manifest.rows}))
    labelled = any(row.label for row in manifest.rows)
    if not shared:
        return SignalReport(record.name, manifest.name, split, (), labelled, tuple(notes)) if notes else None
    where = places(manifest.signals)
    known = manifest.beside()[:, [n for one in shared for n in range(*where[one.name].indices(10**6))]]
    rows = [row for row, numbers in zip(manifest.rows, known, strict=True) if not np.isnan(numbers).all()]
    if not rows:
        return None
    wanted = known[~np.isnan(known).all(1)].astype(np.float64)
    ours, failures = mean_answers(
        model, lambda clips: said(model, clips), manifest, rows, views, FRAMES_A_PASS, progress
    )
    kept = [place for place in range(len(rows)) if place not in failures]
    if not kept:
        raise next(iter(failures.values()))
    notes += [f"{len(failures)} items could not be read and are left out"] if failures else []
    beside = ours[:, len(record.labels) :]
    of_record, of_shared = places(record.signals), places(shared)
    flags = columns([one for one in shared if one.kind == "flags"])
    limits = {} if sweep else _thresholds(record.scores, flags)
    found = []
    for one in shared:
        parts = beside[kept][:, of_record[one.name]], wanted[kept][:, of_shared[one.name]]
        there = ~np.isnan(parts[1]).all(1)
        if there.any():
            ordered = record.heads.get(one.name) == "level"
            some = parts[0][there], parts[1][there]
            found.append(figures_of(one, *some, ordered, None, 0) if sweep else figures_of(one, *some, ordered, limits))
    if len(limits) < len(flags) and not sweep:
        notes.append("flags without a threshold from validation are counted from .5 on")
    return SignalReport(record.name, manifest.name, split, tuple(found), labelled, tuple(notes))


def figures_of(
    signal: Signal,
    ours: Table,
    theirs: Table,
    ordered: bool = False,
    thresholds: Mapping[str, float] | None = None,
    draws: int = DRAWS,
) -> SignalFigures:
    """Figures of one signal.

    Args:
        signal: which.
        ours: what is said, in its range.
        theirs: what is known; NaN: nothing.
        ordered: whether the classes are levels.
        thresholds: of flags, by column, .5 for one that lacks; None: the best on these very items.
        draws: for the interval; 0: none is computed.
    """
    if signal.kind == "classes":
        return _classes(signal, ours, theirs, ordered, draws)
    each: dict[str, dict[str, float]] = {}
    main = "ccc" if signal.kind == "scale" else "f1"
    for place, column in enumerate(signal.columns):
        known = ~np.isnan(theirs[:, place])
        if not known.any():
            continue
        pair = ours[known, place], theirs[known, place]
        figures = (
            _scale(*pair)
            if main == "ccc"
            else _flag(*pair, None if thresholds is None else thresholds.get(column, 0.5))
        )
        each[column] = {"items": float(known.sum()), **figures}
    limits = {column: found.get("threshold", 0.5) for column, found in each.items()}

    def mean(items: Int64[np.ndarray, " m"]) -> float:
        parts = []
        for place, column in enumerate(signal.columns):
            some, wanted = ours[items, place], theirs[items, place]
            known = ~np.isnan(wanted)
            if column in each and known.any():
                pair = some[known], wanted[known]
                value = metrics.ccc(*pair) if main == "ccc" else metrics.f1(pair[0], pair[1] >= 0.5, limits[column])
                parts.append(value)
        return _mean(parts)

    return SignalFigures(signal, False, len(ours), main, _interval(mean, len(ours), draws), each)


def _scale(ours: metrics.Numbers, theirs: metrics.Numbers) -> dict[str, float]:
    each = (metrics.ccc, metrics.pcc, metrics.rmse, metrics.sagr)
    return {figure.__name__: figure(ours, theirs) for figure in each}


def _flag(ours: metrics.Numbers, theirs: metrics.Numbers, threshold: float | None) -> dict[str, float]:
    there = theirs >= 0.5
    threshold = metrics.best_threshold(ours, there) if threshold is None else threshold
    found = {"f1": metrics.f1(ours, there, threshold), "threshold": threshold, "auc": metrics.auc(ours, there)}
    return {**found, "ap": metrics.average_precision(ours, there)}


def _classes(signal: Signal, ours: Table, theirs: Table, ordered: bool, draws: int) -> SignalFigures:
    said_, true = ours.argmax(1), theirs.argmax(1)
    found = {"items": float(len(true)), "accuracy": float((said_ == true).mean())}

    def accuracy(items: Int64[np.ndarray, " m"]) -> float:
        return float((said_[items] == true[items]).mean())

    def kappa(items: Int64[np.ndarray, " m"]) -> float:
        return metrics.quadratic_kappa(said_[items], true[items], len(signal.labels))

    if ordered:
        found |= {"mae": float(np.abs(said_ - true).mean()), "kappa": kappa(np.arange(len(true)))}
    main, figure = ("kappa", kappa) if ordered else ("accuracy", accuracy)
    return SignalFigures(signal, ordered, len(true), main, _interval(figure, len(true), draws), {signal.name: found})


def _interval(figure: Callable[[Int64[np.ndarray, " m"]], float], items: int, draws: int) -> Interval:
    rng = np.random.default_rng(0)
    drawn = np.array([figure(rng.integers(items, size=items)) for _ in range(draws)])
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, [0.025, 0.975]).tolist() if len(drawn) else (np.nan, np.nan)
    return Interval(figure(np.arange(items)), low, high)


def _mean(parts: Sequence[float]) -> float:
    there = [part for part in parts if np.isfinite(part)]
    return float(np.mean(there)) if there else float("nan")


def _thresholds(scores: Mapping[str, float], flags: Sequence[str]) -> dict[str, float]:
    """By column, of the scores that a training run wrote: DATA_SPLIT_COLUMN_threshold."""
    found: dict[str, float] = {}
    for column in flags:
        # Of units.AU1 and action_units.AU1, whose names both end so, the shorter one is meant.
        names = [name for name in scores if name.endswith(f"_{column}{THRESHOLD}")]
        if names:
            found[column] = scores[min(names, key=len)]
    return found
