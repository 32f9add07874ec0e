"""The results of a sweep as a few files for analysis: spans, failures, sums; of the films as they are known last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow
from pyarrow import compute

from mien.core.errors import ConfigError
from mien.scale.ledger import Ledger
from mien.scale.listing import URI
from mien.scale.manifest import FIRST, Manifest
from mien.scale.rows import OWN, SPAN, STATUSES, WELL
from mien.scale.stores import files_below, join, read_table, remove, schema_of, write_json, write_table

SPANS, FAILURES, SUMMARY = "spans", "failures.parquet", "summary.json"
_MOST_ROWS = 500_000
"""Of a file of spans."""


@dataclass
class _Totals:
    """What summary.json is made of."""

    by_status: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    film_seconds: float = 0.0
    busy_seconds: float = 0.0
    faces: int = 0
    spans: int = 0

    def add(self, rows: pyarrow.Table) -> None:
        """Take rows in."""
        self.by_status.update(rows["status"].to_pylist())
        self.errors.update(error["expected"] for error in rows["error"].to_pylist() if error)
        self.film_seconds += sum(filter(None, rows["film_seconds"].to_pylist()))
        self.busy_seconds += sum(rows["wall_seconds"].to_pylist())
        self.faces += sum(filter(None, rows["faces"].to_pylist()))
        for track in (track for tracks in rows["tracks"].to_pylist() for track in tracks or ()):
            for part in track["shown"]:
                self.shown[part["name"]] += part["seconds"]


def finish(out: str) -> dict[str, Any]:
    """Write ``spans/``, ``failures.parquet`` and ``summary.json`` anew; returns what the last holds.

    Memory does not grow with the number of films but for their ids. Of a film that changed the newest row is in these
    files, and of the settings the last that were asked; all other rows stay where they are.

    Raises:
        ConfigError: nothing was planned in this place.
    """
    films = Manifest(out).current()
    parts = Ledger(out).parts()
    if not parts:
        raise ConfigError("a sweep with films that were done", f"none at {out}", "run it first")
    schema = pyarrow.unify_schemas([schema_of(uri) for uri in parts], promote_options="permissive").remove_metadata()
    totals = _Totals()
    remove(join(out, SPANS))
    failures: list[pyarrow.Table] = []
    waiting: list[pyarrow.Table] = []
    part = 0
    for rows in _rows(parts, films, schema):
        totals.add(rows)
        failures.append(rows.filter(compute.is_valid(rows["error"])).drop_columns(["spans", "tracks"]))
        spans = _spans(rows)
        totals.spans += len(spans)
        waiting.append(spans)
        if sum(map(len, waiting)) >= _MOST_ROWS:
            part = _write_spans(out, waiting, part)
    _write_spans(out, waiting, part)
    write_table(join(out, FAILURES), pyarrow.concat_tables(failures))
    summary = _summary(out, films, totals)
    write_json(join(out, SUMMARY), summary)
    return summary


def _rows(parts: list[str], films: pyarrow.Table, schema: pyarrow.Schema) -> Iterator[pyarrow.Table]:
    """The rows of ``films``, each once, a file at a time, the newest file first."""
    ids = films["id"].combine_chunks()
    seen: set[str] = set()
    for uri in reversed(parts):
        table = read_table(uri)
        table = table.filter(compute.is_in(table["id"], value_set=ids))
        mine = [one not in seen for one in table["id"].to_pylist()]
        table = table.filter(pyarrow.array(mine, pyarrow.bool_()))
        seen.update(table["id"].to_pylist())  # two sweeps at a time may both have done one
        missing = [name for name in schema.names if name not in table.column_names]
        for name in missing:
            table = table.append_column(name, pyarrow.nulls(len(table), schema.field(name).type))
        yield table.select(schema.names).cast(schema)


def _spans(rows: pyarrow.Table) -> pyarrow.Table:
    """A row a span, with the film's id, address and the user's columns before it."""
    users = [name for name in rows.column_names if name not in {*FIRST.names, *OWN.names}]
    spans = rows["spans"].combine_chunks()
    of = compute.list_parent_indices(spans)
    flat = compute.list_flatten(spans)
    columns = {name: rows[name].combine_chunks().take(of) for name in ("id", URI, *users)}
    own = {SPAN.field(k).name: compute.struct_field(flat, k) for k in range(SPAN.num_fields)}
    return pyarrow.table({**{name: values for name, values in columns.items() if name not in own}, **own})


def _write_spans(out: str, waiting: list[pyarrow.Table], part: int) -> int:
    if waiting:
        write_table(join(out, SPANS, f"part-{part:05d}.parquet"), pyarrow.concat_tables(waiting))
        waiting.clear()
    return part + 1


def _summary(out: str, films: pyarrow.Table, totals: _Totals) -> dict[str, Any]:
    done = totals.by_status.total()
    return {
        "asked": films["asked"][0].as_py(),
        "films": len(films),
        "without_row": len(films) - done,
        "by_status": {status: totals.by_status[status] for status in STATUSES},
        "failed": done - sum(totals.by_status[status] for status in WELL),
        "errors": dict(totals.errors.most_common(20)),
        "film_seconds": round(totals.film_seconds, 1),
        "busy_seconds": round(totals.busy_seconds, 1),
        "faces": totals.faces,
        "spans": totals.spans,
        "shown_seconds": {name: round(seconds, 1) for name, seconds in totals.shown.most_common()},
        "tables_of_frames": len(files_below(join(out, "frames"), ".parquet")),
    }
