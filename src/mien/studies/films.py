"""Results of ``mien analyze`` read one at a time: a film's frames as arrays, gone before the next is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from mien.core.errors import ConfigError, DataError
from mien.core.names import printable
from mien.core.sheets import read_cells
from mien.core.types import Span
from mien.report.edited import demand_apart, edited_spans
from mien.report.edits import Edits, demand_fit
from mien.report.plots.analyses import FRAMES_FILE, REMEDY
from mien.report.result import RESULT_FILE
from mien.report.tables import SCHEMA, read_json
from mien.studies.reading import read_table

EXPRESSION = "expression"
STEPS_APART = 2.5
"""A frame lasts until the next, but no longer than so many usual steps: nobody was in sight then."""
STILL = 1.0
"""Seconds that a picture counts as, which lasts no time."""


@dataclass(frozen=True)
class Columns:
    """What is told of a face in a frame: the expressions, then other signals.

    Attributes:
        names: signal and label of every column, expressions first.
        kinds: signal -> ``classes`` (sum to 1), ``flags`` (a probability each) or ``scale``.
        notes: signal -> what a reader must know of it.
    """

    names: tuple[tuple[str, str], ...]
    kinds: Mapping[str, str] = field(default_factory=lambda: {EXPRESSION: "classes"})
    notes: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def blocks(self) -> dict[str, slice]:
        """Where each signal's columns are."""
        signals = [signal for signal, _ in self.names]
        firsts = {signal: signals.index(signal) for signal in dict.fromkeys(signals)}
        return {signal: slice(first, first + signals.count(signal)) for signal, first in firsts.items()}

    @property
    def labels(self) -> tuple[str, ...]:
        """The expressions."""
        return tuple(label for signal, label in self.names if signal == EXPRESSION)

    def kind(self, signal: str) -> str:
        """``classes``, ``flags`` or ``scale``; the last where nothing is known."""
        return self.kinds.get(signal, "scale")


@dataclass(frozen=True, eq=False)
class Film:
    """One film's result.

    Attributes:
        name: of the file that was looked at.
        folder: of its result.
        columns: what the values are.
        start: seconds at which the film begins.
        end: seconds at which it ends.
        spans: by start, then track.
        tracks: of every row, whose face.
        times: of every row, seconds; ascending.
        values: of every row, a column each; NaN where the face could not be read.
        shown: of every row, the number of the label that its span shows; -1 where unclear.
        reasons: of every row, why it is unclear; empty otherwise.
        facts: the provenance of the result.
    """

    name: str
    folder: str
    columns: Columns
    start: float
    end: float
    spans: tuple[Span, ...]
    tracks: Int64[np.ndarray, " n"]
    times: Float64[np.ndarray, " n"]
    values: Float64[np.ndarray, "n c"]
    shown: Int64[np.ndarray, " n"]
    reasons: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def moments(self) -> Float64[np.ndarray, " m"]:
        """The times at which there is a face, each once; ascending."""
        return np.unique(self.times)

    @cached_property
    def step(self) -> float:
        """Seconds from one frame that was looked at to the next, usually."""
        moments = self.moments
        return float(np.median(np.diff(moments))) if len(moments) > 1 else STILL

    @cached_property
    def ends(self) -> Float64[np.ndarray, " n"]:
        """When the frame of each row gives way to the next."""
        moments = self.moments
        if not len(moments):
            return np.zeros(0)
        gaps = np.append(np.diff(moments), self.step)
        gaps = np.where(gaps > STEPS_APART * self.step, self.step, gaps)
        ends: Float64[np.ndarray, " n"] = self.times + gaps[np.searchsorted(moments, self.times)]
        return ends


@dataclass(frozen=True)
class Head:
    """What a result says of itself, without its frames.

    Attributes:
        folder: where it is.
        name: of the file that was looked at.
        path: that was given for it; empty where none is known.
        seconds: how long the film is by its header; 0 where nobody knows.
        model: hash of the weights.
        columns: of its table of frames.
        facts: the provenance.
        edits: what a person corrected; None: nothing.
    """

    folder: Path
    name: str
    path: str
    seconds: float
    model: str
    columns: Columns
    facts: Mapping[str, Any] = field(default_factory=dict)
    edits: Edits | None = None


def read_head(folder: Path) -> Head:
    """The head of the result in ``folder``. Raises DataError where there is none of today's schema."""
    content = _content(folder)
    facts, source = content["provenance"], content["source"]
    path = (facts.get("source") or {}).get("path") or ""
    model = (facts.get("model") or {}).get("sha256") or ""
    seconds = float(source.get("duration") or 0.0)
    return Head(
        folder, printable(str(source["name"])), str(path), seconds, str(model), _columns(folder, content), facts
    )


def read_film(head: Head) -> Film:
    """The result that ``head`` belongs to. Raises DataError where its files are missing or torn."""
    folder, content, columns = head.folder, _content(head.folder), head.columns
    try:
        spans = tuple(Span(**span) for span in content["spans"])
        source = content["source"]
        start = float(source.get("start") or 0.0)
        end = start + float(source["duration"] or 0.0)
        numbers = ("track", "time", *(column_name(*name) for name in columns.names))
        table, (labels, reasons) = read_table(folder / FRAMES_FILE, numbers, ("label", "reason"))
        tracks, times, values = table[:, 0].astype(np.int64), table[:, 1], table[:, 2:]
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError("result.json and frames.csv of mien", f"{folder}: {error!r}", REMEDY) from error
    codes = {label: code for code, label in enumerate(columns.labels)}
    shown = np.array([codes.get(label, -1) for label in labels], np.int64)
    if head.edits is not None:
        demand_fit(head.edits, head.name, head.facts, np.unique(tracks).tolist())
        demand_apart(head.edits, tracks, times)
        tracks = np.array([head.edits.merged(track) for track in tracks.tolist()], np.int64)
        spans = tuple(span for span, _ in edited_spans(spans, replace(head.edits, excluded=())))
    film = Film(
        name=head.name,
        folder=printable(folder.resolve().name),
        columns=columns,
        start=start,
        end=end,
        spans=spans,
        tracks=tracks,
        times=times,
        values=values,
        shown=np.where(np.isnan(values[:, : len(codes)]).any(axis=1), -1, shown),
        reasons=tuple(reasons),
        facts=content["provenance"],
    )
    last = float(film.ends.max(initial=start))
    return replace(film, end=max(end, last, max((span.end for span in spans), default=start)))


def demand_alike(heads: Sequence[Head]) -> Columns:
    """The columns that all results have. Raises ConfigError where two differ, or there is none."""
    if not heads:
        raise ConfigError("at least one result", "none", "give films, or folders that `mien analyze -o` wrote")
    first = heads[0]
    for other in heads[1:]:
        if other.columns.names != first.columns.names:
            one, two = (", ".join(label for _, label in head.columns.names) for head in (first, other))
            got = f"{one} in {first.folder.name}; {two} in {other.folder.name}"
            fix = "analyse them all by the same model, with the same --signals"
            raise ConfigError("results that say the same of a face", got, fix)
    return first.columns


def _content(folder: Path) -> dict[str, Any]:
    try:
        content = read_json(folder / RESULT_FILE)
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']}, not {SCHEMA}")
        _ = content["source"]["name"], content["labels"], content["provenance"].get
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError("result.json of mien", f"{folder}: {error!r}", REMEDY) from error
    return content


def _columns(folder: Path, content: Mapping[str, Any]) -> Columns:
    """Expressions and, from the first line of frames.csv, every column called ``signal.label``."""
    try:
        _, header = next(iter(read_cells(folder / FRAMES_FILE)))
        labels = [str(label) for label in content["labels"]]
        told = content.get("signals", [])
        kinds = {str(one["name"]): str(one["kind"]) for one in told} | {EXPRESSION: "classes"}
        notes = {str(one["name"]): str(one["note"]) for one in told if one.get("note")}
    except (StopIteration, KeyError, TypeError) as error:
        raise DataError("frames.csv of mien with its columns", f"{folder}: {error!r}", REMEDY) from error
    expressions = {f"p_{label}" for label in labels}
    others = [tuple(name.split(".", 1)) for name in header if "." in name and name not in expressions]
    others = [pair for pair in others if all(pair)]
    order = list(dict.fromkeys(pair[0] for pair in others))
    others.sort(key=lambda pair: order.index(pair[0]))
    names = (*((EXPRESSION, label) for label in labels), *((pair[0], pair[1]) for pair in others))
    return Columns(names, kinds, notes)


def column_name(signal: str, label: str) -> str:
    """How frames.csv calls a column."""
    return f"p_{label}" if signal == EXPRESSION else f"{signal}.{label}"


def threshold_of(film: Film) -> tuple[float, float, float]:
    """Threshold, shortest span and longest gap by which the spans of a film were cut."""
    facts = film.facts
    settings = facts.get("settings", {})
    threshold = facts.get("model", {}).get("threshold")
    found = (
        threshold if threshold is not None else 0.0,
        settings.get("min_span", 0.1),
        settings.get("faces", {}).get("max_gap", 1.0),
    )
    if not all(isinstance(value, int | float) for value in found):
        raise DataError("numbers in the provenance of a result", json.dumps(found), REMEDY)
    return float(found[0]), float(found[1]), float(found[2])
