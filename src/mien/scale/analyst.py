"""What the child of an :class:`mien.scale.Analyzer` does: reads a film, and writes the table of its frames."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow

from mien.analysis.expressions import load
from mien.analysis.fitting import demand_fit
from mien.core.child import Answer, Tell
from mien.core.settings import limit_threads
from mien.report.formats.parquet import KEY, as_table
from mien.report.tables import frame_columns, plain
from mien.scale.asked import Asked
from mien.scale.rows import row_of
from mien.scale.stores import write_table

if TYPE_CHECKING:
    from mien.report.result import Result

ROW = b"mien.row"
"""Under which the metadata of a film's frames hold its row, as JSON: what was done is known by it."""


@dataclass(frozen=True)
class Film:
    """A film for the child.

    Attributes:
        id: of its answer.
        uri: under which it is known.
        path: the file of this machine that it is to be read from.
        frames: address for the table of its frames; None for none.
    """

    id: str
    uri: str
    path: str
    frames: str | None = None


def analyst(asked: Asked, threads: int) -> Answer:
    """Role: a :class:`Film` to its row without what the engine knows; None to which engine runs, once it can.

    Args:
        asked: of every film.
        threads: to compute with.
    """
    limit_threads(threads)  # before the model asks
    model = load(asked.model, asked.backend, prior=asked.prior, signals=asked.signals)
    demand_fit(model.record, asked.settings)

    def answer(film: Film | None, _: Tell) -> dict[str, Any]:
        if film is None:
            return dict(model.engine)
        result = model.analyze(film.path, asked.settings)
        row = row_of(result, film.frames)
        if film.frames is not None:
            write_table(film.frames, frames_of(result, film, row))
        return row

    return answer


def frames_of(result: Result, film: Film, row: dict[str, Any]) -> pyarrow.Table:
    """The columns of frames.csv, with the film's id before them; the row and the provenance in the metadata."""
    facts = {**result.provenance, "source": {**result.provenance["source"], "path": film.uri}}
    about = {KEY: json.dumps(plain(facts)).encode(), ROW: json.dumps(plain(row)).encode()}
    table = as_table(frame_columns(result.frames, result.spans, result.labels.labels), about)
    ids = pyarrow.array([film.id] * len(table), pyarrow.string())
    return table.add_column(0, "id", ids)
