"""What ``mien analyze`` wrote, read back: the tables of one source or of many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64

from mien.core.errors import ConfigError, DataError
from mien.core.names import printable
from mien.core.sheets import read_rows
from mien.core.signals import Signal, columns, parse_signals
from mien.core.types import Span
from mien.report.result import RESULT_FILE
from mien.report.tables import SCHEMA, read_json

FRAMES_FILE = "frames.csv"
REMEDY = "give a folder that `mien analyze -o` wrote, or analyse the source again"


@dataclass(frozen=True, eq=False)
class Analysis:
    """One source's results.

    Attributes:
        name: of its folder.
        source: name of the file that was looked at.
        labels: of the model, in the order of the probabilities.
        spans: by start, then track.
        duration: seconds; 0 for a still.
        tracks: of every row of frames.csv, the person.
        times: of every row, seconds.
        probabilities: of every row, one a label; NaN where the face could not be read.
        signals: what the model said beside.
        beside: of every row, the columns of the signals; NaN where the face could not be read.
    """

    name: str
    source: str
    labels: tuple[str, ...]
    spans: tuple[Span, ...]
    duration: float
    tracks: Int64[np.ndarray, " n"]
    times: Float64[np.ndarray, " n"]
    probabilities: Float64[np.ndarray, "n c"]
    signals: tuple[Signal, ...] = ()
    beside: Float64[np.ndarray, "n k"] = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def people(self) -> list[int]:
        """Numbers of the persons, in order."""
        return sorted({span.track for span in self.spans})


def find_folders(places: Iterable[Path]) -> list[Path]:
    """The folders with results among ``places`` and directly below them, in order of name, none twice.

    Raises:
        DataError: one of them neither is nor holds such a folder.
    """
    found: dict[Path, None] = {}
    for place in places:
        inside = (
            [place]
            if (place / RESULT_FILE).is_file()
            else sorted(path.parent for path in place.glob(f"*/{RESULT_FILE}"))
        )
        if not inside:
            got = "no result.json in it" if place.is_dir() else "no such folder"
            raise DataError("a folder of results", f"{place}: {got}", REMEDY)
        found.update(dict.fromkeys(inside))
    return list(found)


def read_analyses(places: Sequence[Path]) -> list[Analysis]:
    """The results in ``places``; all must be of the same labels.

    Raises:
        DataError: not folders of results, or torn ones.
        ConfigError: results of models with different labels.
    """
    analyses = [read_analysis(folder) for folder in find_folders(places)]
    first = analyses[0]
    for other in analyses[1:]:
        if other.labels != first.labels:
            got = f"{', '.join(first.labels)} in {first.name}; {', '.join(other.labels)} in {other.name}"
            raise ConfigError("results of the same labels", got, "plot them apart")
    return analyses


def read_analysis(folder: Path) -> Analysis:
    """The result in ``folder``. Raises DataError where its files are missing, torn or of another schema."""
    try:
        content = read_json(folder / RESULT_FILE)
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']}, not {SCHEMA}")
        labels = tuple(content["labels"])
        spans = tuple(Span(**span) for span in content["spans"])
        signals = parse_signals(content.get("signals", []))
        wanted = ("track", "time", *(f"p_{label}" for label in labels), *columns(signals))
        table = _read_frames(folder / FRAMES_FILE, wanted)
        end = max((span.end for span in spans), default=0.0)
        return Analysis(
            name=printable(folder.resolve().name),
            source=content["source"]["name"],
            labels=labels,
            spans=spans,
            duration=max(end, content["source"].get("start", 0.0) + (content["source"]["duration"] or 0.0)),
            tracks=table[:, 0].astype(np.int64),
            times=table[:, 1],
            probabilities=table[:, 2 : 2 + len(labels)],
            signals=signals,
            beside=table[:, 2 + len(labels) :],
        )
    except (OSError, ValueError, KeyError, TypeError, IndexError, ConfigError) as error:
        raise DataError("result.json and frames.csv of mien", f"{folder}: {error!r}", REMEDY) from error


def _read_frames(path: Path, wanted: Sequence[str]) -> Float64[np.ndarray, "n m"]:
    cells = [[row[name] or "nan" for name in wanted] for _, row in read_rows(path, wanted)]
    return np.array(cells, np.float64).reshape(len(cells), len(wanted))
