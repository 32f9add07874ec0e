"""What every format shares: tiers of labelled stretches, where the film is, who it was written by."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64, Int

from mien.core.errors import MissingDependencyError
from mien.core.names import printable
from mien.core.table import FaceTable
from mien.core.types import Span
from mien.core.version import __version__
from mien.report.tables import Column

if TYPE_CHECKING:
    from mien.report.findings import Findings

AUTHOR = f"mien {__version__}"
EXPRESSION = "expression"
USUAL_RATE, MOST = 25.0, 10**13
"""Frames a second where the source does not say; milliseconds after everything."""
ON = 0.5
"""Probability from which a flag is shown."""


@dataclass(frozen=True)
class Format:
    """A way to write a result.

    Attributes:
        write: the result, a folder, and what the files in it are called, to the files.
        timed: it holds nothing but stretches of time.
        packages: what must be installed.
    """

    write: Callable[[Findings, Path, str], list[Path]]
    timed: bool = False
    packages: tuple[str, ...] = ()

    def demand_packages(self) -> None:
        """Raise MissingDependencyError where one is not installed."""
        for name in self.packages:
            if find_spec(name) is None:
                raise MissingDependencyError(name, "no such package", "pip install 'mien[formats]'")


@dataclass(frozen=True)
class Mark:
    """A stretch of time with a text.

    Attributes:
        start: milliseconds on the film's own clock, as players show it.
        end: milliseconds, > start.
        text: a label of the model, or ``unclear``.
    """

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Tier:
    """What one person shows, in order of time, without overlaps.

    Attributes:
        person: number of the track; 0 of what is nobody's.
        signal: what the texts are of.
        marks: may have gaps between them.
        called: the person's name; empty where there is none.
    """

    person: int
    signal: str
    marks: tuple[Mark, ...]
    called: str = ""

    @property
    def name(self) -> str:
        """As programs show it."""
        return f"{self.who} {self.signal}".strip()

    @property
    def who(self) -> str:
        """As programs name the person."""
        return self.called or (person(self.person) if self.person else "")


def person(track: int) -> str:
    """What a person is called who has no name."""
    return f"person {track}"


def tiers(result: Findings) -> list[Tier]:
    """A tier a person, in order of their numbers."""
    tracks = sorted({span.track for span in result.spans})
    names = result.edits.names
    return [Tier(track, EXPRESSION, tuple(_marks(result.spans, track)), names.get(track, "")) for track in tracks]


def all_tiers(result: Findings) -> list[Tier]:
    """Those of :func:`tiers`, behind each what the model says of the person beside the expression, and last what a
    person marked and excluded.
    """
    own = {track: list(found) for track, found in groupby(signal_tiers(result.frames), key=lambda tier: tier.person)}
    found = [
        replace(tier, called=first.called) for first in tiers(result) for tier in (first, *own.get(first.person, []))
    ]
    return [*found, *edit_tiers(result)]


def edit_tiers(result: Findings) -> list[Tier]:
    """What a person marked and excluded, each as a tier of nobody's, where there is any.

    A mark lasts as long as a frame, or until the next; of several at once the texts stand in one.
    """
    edits, frame = result.edits, max(1, milliseconds(1 / (result.source.frame_rate or USUAL_RATE)))
    moments: dict[int, list[str]] = {}
    for one in edits.marks:
        moments.setdefault(milliseconds(one.time), []).append(about(result, one.track, one.text))
    starts = list(moments)
    marks = [
        Mark(start, min(start + frame, after), "; ".join(moments[start])) for start, after in pairwise([*starts, MOST])
    ]
    borders = sorted({milliseconds(time) for one in edits.excluded for time in (one.start, one.end)})
    out = []
    for start, end in pairwise(borders):
        held = [one for one in edits.excluded if milliseconds(one.start) <= start and milliseconds(one.end) >= end]
        if held:
            out.append(Mark(start, end, "; ".join(about(result, one.track, one.reason) for one in held)))
    return [Tier(0, name, tuple(found)) for name, found in (("marks", marks), ("excluded", out)) if found]


def about(result: Findings, track: int | None, text: str) -> str:
    """A person's note on the film, or on somebody in it."""
    return printable(text if track is None else f"{named(result, track)}: {text}")


def named(result: Findings, track: int) -> str:
    """What a person is called."""
    return result.edits.names.get(track) or person(track)


def with_people(columns: dict[str, Column], result: Findings) -> dict[str, Column]:
    """A table's columns with the names of people behind their numbers, where anybody has one."""
    names = result.edits.names
    if not names:
        return columns
    called: list[str | None] = [names.get(track) for track in np.asarray(columns["track"]).tolist()]
    return {"track": columns["track"], "person": called, **columns}


def signal_tiers(table: FaceTable) -> Iterator[Tier]:
    """Of every person: a tier a signal of classes, one a flag while it is on, one a column of a scale, second by
    second, with the mean as its text.
    """
    tracks, times, frames = (table.column(name) for name in ("track", "time", "index"))
    looked = np.diff(np.unique(frames)) if len(np.unique(frames)) > 1 else np.ones(1)
    for track in np.unique(tracks).tolist() if table.signals else ():
        rows = np.flatnonzero(tracks == track)
        apart = np.diff(frames[rows]) > 2 * np.median(looked)  # by number: frames need not come at even times
        for signal in table.signals:
            values = table.signal(signal.name)[rows].astype(np.float64)
            read = np.isfinite(values).all(axis=1)
            if signal.kind == "classes":
                shown = np.where(read, np.nan_to_num(values).argmax(axis=1), -1)
                yield Tier(track, signal.name, tuple(_runs(times[rows], shown, apart, signal.labels)))
                continue
            for name, label, column in zip(signal.columns, signal.labels, values.T, strict=True):
                if signal.kind == "flags":
                    marks = _runs(times[rows], np.where(np.nan_to_num(column) >= ON, 0, -1), apart, (label,))
                else:
                    marks = _means(times[rows[read]], column[read])
                yield Tier(track, name, tuple(marks))


def _runs(
    times: Float64[np.ndarray, " n"],
    shown: Int[np.ndarray, " n"],
    apart: Bool[np.ndarray, " n-1"],
    labels: Sequence[str],
) -> Iterator[Mark]:
    """Where the same class goes on; -1 is none. The last frame before a gap lasts as long as most."""
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    starts = np.flatnonzero(np.r_[True, (np.diff(shown) != 0) | apart])
    for start, after in zip(starts, [*starts[1:], len(times)], strict=True):
        if shown[start] >= 0:
            follows = after < len(times) and not apart[after - 1]
            end = times[after] if follows else times[after - 1] + step
            begin = milliseconds(times[start])
            yield Mark(begin, max(milliseconds(end), begin + 1), printable(labels[shown[start]]))


def _means(times: Float64[np.ndarray, " n"], values: Float64[np.ndarray, " n"]) -> Iterator[Mark]:
    """The mean of every whole second on the film's clock in which the face was read."""
    seconds, of = np.unique(np.floor(times).astype(np.int64), return_inverse=True)
    for second, mean in zip(seconds.tolist(), np.bincount(of, values) / np.bincount(of), strict=True):
        yield Mark(1000 * second, 1000 * (second + 1), f"{mean:.2f}")


def _marks(spans: tuple[Span, ...], track: int) -> Iterator[Mark]:
    last = 0
    for span in sorted((span for span in spans if span.track == track), key=lambda span: span.start):
        start = max(milliseconds(span.start), last)
        last = max(milliseconds(span.end), start + 1)
        yield Mark(start, last, printable(span.label))


def milliseconds(seconds: float) -> int:
    """The nearest one."""
    return round(seconds * 1000)


def film_of(result: Findings) -> Path | None:
    """The film that the times are of, where it is one file and still there."""
    path = Path(result.origin) if isinstance(result.origin, str | Path) else None
    return path if path is not None and path.is_file() else None


def way_to(film: Path, folder: Path) -> str:
    """The path of ``film`` from ``folder``, with ``/``; absolute only from one Windows drive to another."""
    try:
        way = Path(os.path.relpath(film, folder)).as_posix()
    except ValueError:
        return printable(film.absolute().as_posix())
    return printable(way if way.startswith("../") else f"./{way}")
