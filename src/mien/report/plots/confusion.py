"""What mien named against what people saw, where somebody has labelled stretches of the videos.

labels.csv has the columns ``source`` (file name with or without its suffix, or the folder of results), ``start`` and
``end`` in seconds, ``label``, and, where more than one face is in sight, ``track``. A stretch is one item. mien's
answer is the label that its spans show for most of the stretch; ``unclear`` is an answer too. A stretch without a face
is counted apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace
from mien.core.sheets import read_rows
from mien.core.types import UNCLEAR
from mien.report.plots.analyses import Analysis
from mien.report.plots.matrix import draw_matrix

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("source", "start", "end", "label")


@dataclass(frozen=True)
class Stretch:
    """A labelled piece of a video.

    Attributes:
        analysis: of the source it is in.
        start: seconds.
        end: seconds, > start; equal to it for a still.
        label: what was seen, one of the model's.
        track: whose face; None for the only one in sight.
        line: in labels.csv.
    """

    analysis: Analysis
    start: float
    end: float
    label: str
    track: int | None
    line: int


@dataclass(frozen=True, eq=False)
class Confusion:
    """Labelled stretches by what was seen and what mien answered.

    Attributes:
        labels: of the model: the rows; with ``unclear`` at the end, the columns.
        counts: from seen to answered.
        faceless: stretches in which no face was found; not in ``counts``.
    """

    labels: tuple[str, ...]
    counts: Int64[np.ndarray, "c d"]
    faceless: int

    @property
    def shares(self) -> Float64[np.ndarray, "c d"]:
        """Counts as shares of their row; NaN in a row without items."""
        totals = self.counts.sum(axis=1, keepdims=True)
        shares: Float64[np.ndarray, "c d"] = self.counts / np.where(totals, totals, np.nan)
        return shares


def read_labels(path: Path, analyses: Sequence[Analysis]) -> list[Stretch]:
    """The stretches of a labels.csv.

    Raises:
        DataError: no such file, a column is missing, or a line that cannot be used; it names the line.
    """
    return [_stretch(row, line, path, analyses) for line, row in read_rows(path, COLUMNS, ragged=True)]


def _stretch(row: dict[str, str], line: int, path: Path, analyses: Sequence[Analysis]) -> Stretch:
    where = f"{path}, line {line}"
    try:
        start, end = float(row["start"]), float(row["end"])
        track = int(row["track"]) if row.get("track") else None
    except (TypeError, ValueError) as error:
        raise DataError("seconds in start and end, a number in track", f"{where}: {error}", "correct it") from error
    if not (math.isfinite(end) and 0 <= start <= end):
        raise DataError("0 <= start <= end", f"{where}: {start} to {end}", "correct it")
    labels = LabelSpace("these results", analyses[0].labels)
    try:
        label = labels.labels[labels.index(row["label"])]
    except ConfigError as error:
        raise DataError(error.expected, f"{where}: {error.got}", error.fix) from error
    return Stretch(_analysis(row["source"], analyses, where), start, end, label, track, line)


def _analysis(source: str, analyses: Sequence[Analysis], where: str) -> Analysis:
    for names in (lambda one: {one.name, one.source}, lambda one: {Path(one.source).stem}):
        fitting = [one for one in analyses if source in names(one)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            folders = ", ".join(one.name for one in fitting)
            raise DataError("the name of one source", f"{where}: {source!r} fits {folders}", "name the folder")
    known = ", ".join(one.source for one in analyses[:5])
    raise DataError(f"the name of a source: {known}", f"{where}: {source!r}", "correct it, or plot its results as well")


def confusion(stretches: Sequence[Stretch], labels: tuple[str, ...]) -> Confusion:
    """Count the stretches. Raises DataError for one without a track in which several faces are in sight."""
    counts = np.zeros((len(labels), len(labels) + 1), np.int64)
    faceless = 0
    columns = (*labels, UNCLEAR)
    for stretch in stretches:
        given = answer(stretch)
        if given is None:
            faceless += 1
        else:
            counts[labels.index(stretch.label), columns.index(given)] += 1
    return Confusion(labels, counts, faceless)


def answer(stretch: Stretch) -> str | None:
    """The label shown for most of the stretch, the one shown first of two as long; None where no face was found."""
    shown: dict[str, float] = {}
    tracks = set()
    for span in stretch.analysis.spans:
        seconds = min(span.end, stretch.end) - max(span.start, stretch.start)
        instant = stretch.start == stretch.end or span.start == span.end
        if (seconds >= 0 if instant else seconds > 0) and stretch.track in (None, span.track):
            shown[span.label] = shown.get(span.label, 0.0) + seconds
            tracks.add(span.track)
    if len(tracks) > 1:
        faces = ", ".join(map(str, sorted(tracks)))
        got = f"line {stretch.line}: faces {faces} between {stretch.start} and {stretch.end} s"
        raise DataError("one face in sight, or a track", got, "add the column track and say whose face it is")
    return max(shown, key=lambda label: shown[label]) if shown else None


def draw_confusion(stretches: Sequence[Stretch], labels: tuple[str, ...], width: float) -> Figure:
    """The matrix, at most ``width`` inches wide."""
    found = confusion(stretches, labels)
    total = int(found.counts.sum())
    right = int(np.trace(found.counts))
    note = f"{right} of {total} labelled stretches agree"
    note += f"; {found.faceless} without a face" if found.faceless else ""
    return draw_matrix(found.counts, found.shares, labels, (*labels, UNCLEAR), ("seen", "named by mien"), note, width)
