"""What has been done: rows in Parquet files, each film's once, written every minute and for good."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pyarrow
from pyarrow import compute

from mien.core.processes import process_mark
from mien.scale.stores import files_below, join, read_table, remove, write_table

FOLDER = "videos"
MOST_ROWS, MOST_SECONDS = 1000, 60.0
"""A file is written after so many rows, or seconds after its first. What is in none yet, the next run does again after
a kill: at once where frames are kept, which have the row in them."""


def _run_name() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{process_mark()}"


@dataclass
class Ledger:
    """The rows of the sweep in a place; a ``with`` block writes the last of them.

    Args:
        out: the sweep's address.
    """

    out: str
    _run: str = field(default_factory=_run_name)
    _waiting: list[pyarrow.Table] = field(default_factory=list)
    _since: float = 0.0
    _part: int = 0

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add(self, rows: pyarrow.Table) -> None:
        """Take rows in."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= MOST_ROWS or time.monotonic() - self._since > MOST_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        if not self._waiting:
            return
        table = pyarrow.concat_tables(self._waiting, promote_options="permissive")
        self._part += 1
        write_table(join(self.out, FOLDER, f"{self._run}-{self._part:06d}.parquet"), table)
        self._waiting.clear()

    def known(self) -> pyarrow.Table:
        """Id and status of every film that has a row."""
        parts = [read_table(uri, ["id", "status"]) for uri in self.parts()]
        empty = pyarrow.table({name: pyarrow.array([], pyarrow.string()) for name in ("id", "status")})
        return pyarrow.concat_tables(parts) if parts else empty

    def forget(self, ids: pyarrow.Array, statuses: Collection[str]) -> int:
        """Take out the rows of these films with such a status, which then count as not done; returns how many.

        Every file is replaced at once: one who is stopped meanwhile has lost nothing but some of these rows.
        """
        forgotten = 0
        names = pyarrow.array(sorted(statuses), pyarrow.string())
        for uri in self.parts():
            rows = read_table(uri, ["id", "status"])
            away = compute.and_(
                compute.is_in(rows["status"], value_set=names), compute.is_in(rows["id"], value_set=ids)
            )
            count = compute.sum(away).as_py() or 0
            if not count:
                continue
            rest = read_table(uri).filter(compute.invert(away))
            if len(rest):
                write_table(uri, rest)
            else:
                remove(uri)
            forgotten += count
        return forgotten

    def parts(self) -> list[str]:
        """Addresses of the files."""
        return files_below(join(self.out, FOLDER), ".parquet")
