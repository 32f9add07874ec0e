"""How far a sweep is: what a bar shows, and what a line of JSON says once a minute."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyarrow

from mien.scale.rows import STATUSES, WELL

Tell = Callable[["Count"], None]
"""Called after every film."""


@dataclass
class Count:
    """What a run has done so far.

    Attributes:
        films: that it is to do.
        bytes: of them together, as their stores have them.
        before: films that an earlier run had done.
        threads: that a film has.
        by_status: films that are done, by :data:`mien.scale.rows.Status`.
        film_seconds: of film that was read.
        bytes_done: of films that have a row.
        busy_seconds: of all workers together, fetching films included.
    """

    films: int
    bytes: int
    before: int = 0
    threads: int = 1
    by_status: Counter[str] = field(default_factory=Counter)
    film_seconds: float = 0.0
    bytes_done: int = 0
    busy_seconds: float = 0.0
    _began: float = field(default_factory=time.monotonic)

    def add(self, rows: pyarrow.Table) -> None:
        """Take rows in."""
        self.by_status.update(rows["status"].to_pylist())
        self.film_seconds += sum(filter(None, rows["film_seconds"].to_pylist()))
        self.busy_seconds += sum(rows["wall_seconds"].to_pylist())
        self.bytes_done += sum(filter(None, rows["size"].to_pylist()))

    @property
    def done(self) -> int:
        """Films of this run that have a row."""
        return self.by_status.total()

    @property
    def failed(self) -> int:
        """Of them, those without an answer."""
        return self.done - sum(self.by_status[status] for status in WELL)

    def line(self) -> dict[str, Any]:
        """What is said once a minute. ``seconds_left`` goes by bytes; None before the first film is done."""
        passed, busy = time.monotonic() - self._began, self.busy_seconds * self.threads
        share = self.bytes_done / self.bytes if self.bytes else self.done / self.films if self.films else 1.0
        return {
            "films": self.films,
            "before": self.before,
            "done": self.done,
            "failed": self.failed,
            "by_status": {status: self.by_status[status] for status in STATUSES if self.by_status[status]},
            "seconds": round(passed, 1),
            "film_seconds": round(self.film_seconds, 1),
            "film_seconds_a_core_second": round(self.film_seconds / busy, 3) if busy else None,
            "seconds_left": round(passed * (1 - share) / share) if share else None,
        }
