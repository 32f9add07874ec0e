"""Jobs in SQLite: what was asked, how far it is, what came out. Every change is on disk before it is answered."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from mien.serve.schemas import Status

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    uploaded INTEGER NOT NULL,
    options TEXT NOT NULL,
    status TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    error TEXT,
    result TEXT
);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, number);
"""
COLUMNS = "id, name, source, uploaded, options, status, attempts, created, started, finished, error, result"


@dataclass(frozen=True)
class Job:
    """A row of the table.

    Attributes:
        id: 32 random hexadecimal digits.
        name: what to call it: the client's name for the file, never used as a path.
        source: the file to look at.
        uploaded: it was uploaded, and goes when the job is done.
        options: fields of :class:`mien.serve.schemas.AnalyzeOptions`.
        status: where it stands.
        attempts: how often it was started.
        created: seconds since 1970; so are ``started`` and ``finished``.
        error: ``expected``, ``got`` and ``fix`` where it failed.
        result: fields of :class:`mien.serve.schemas.Summary` where it is done.
    """

    id: str
    name: str
    source: str
    uploaded: bool
    options: dict[str, Any]
    status: Status = "queued"
    attempts: int = 0
    created: float = field(default_factory=time.time)
    started: float | None = None
    finished: float | None = None
    error: dict[str, str] | None = None
    result: dict[str, Any] | None = None


class Store:
    """The table; safe to use from any thread.

    Args:
        path: the database file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # A write-ahead log outlives SIGKILL; FULL makes it outlive a power cut as well.
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def add(self, job: Job) -> None:
        """A new job at the end of the queue."""
        options = json.dumps(job.options)
        values = (job.id, job.name, job.source, job.uploaded, options, job.status, job.created)
        names = "id, name, source, uploaded, options, status, created"
        with self._changes() as database:
            database.execute(f"INSERT INTO jobs ({names}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def get(self, job: str) -> Job | None:
        """The job of that id."""
        return next(iter(self._jobs("WHERE id = ?", job)), None)

    def newest(self, limit: int, offset: int) -> list[Job]:
        """Some jobs, newest first."""
        return self._jobs("ORDER BY number DESC LIMIT ? OFFSET ?", limit, offset)

    def with_status(self, status: Status) -> list[Job]:
        """All jobs that stand there, oldest first."""
        return self._jobs("WHERE status = ? ORDER BY number", status)

    def finished_before(self, moment: float) -> list[Job]:
        """Jobs whose end lies further back."""
        return self._jobs("WHERE finished < ? ORDER BY number", moment)

    def counts(self) -> dict[str, int]:
        """How many jobs there are by status; statuses without a job are left out."""
        with self._lock:
            return dict(self._database.execute("SELECT status, COUNT(*) FROM jobs GROUP BY status"))

    def claim(self) -> Job | None:
        """The oldest waiting job, which now runs; None when none waits."""
        with self._changes() as database:
            row = database.execute("SELECT id FROM jobs WHERE status = 'queued' ORDER BY number LIMIT 1").fetchone()
            if row is None:
                return None
            change = "UPDATE jobs SET status = 'running', started = ?, attempts = attempts + 1 WHERE id = ?"
            database.execute(change, (time.time(), row[0]))
        return self.get(row[0])

    def finish(
        self, job: str, status: Status, error: dict[str, str] | None = None, result: dict[str, Any] | None = None
    ) -> bool:
        """End a running job; False where it runs no more, because it was cancelled meanwhile."""
        values = (status, time.time(), _text(error), _text(result), job)
        change = "UPDATE jobs SET status = ?, finished = ?, error = ?, result = ? WHERE id = ? AND status = 'running'"
        with self._changes() as database:
            return database.execute(change, values).rowcount == 1

    def cancel(self, job: str) -> None:
        """Mark a job for removal, whatever its status."""
        with self._changes() as database:
            database.execute("UPDATE jobs SET status = 'cancelled', finished = ? WHERE id = ?", (time.time(), job))

    def requeue(self, job: str) -> None:
        """Let a running job wait again."""
        with self._changes() as database:
            database.execute("UPDATE jobs SET status = 'queued', started = NULL WHERE id = ?", (job,))

    def remove(self, job: str) -> None:
        """Forget a job."""
        with self._changes() as database:
            database.execute("DELETE FROM jobs WHERE id = ?", (job,))

    @contextmanager
    def _changes(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _jobs(self, rest: str, *values: object) -> list[Job]:
        with self._lock:
            rows = self._database.execute(f"SELECT {COLUMNS} FROM jobs {rest}", values).fetchall()
        return [_job(row) for row in rows]


def _job(row: tuple[Any, ...]) -> Job:
    job, name, source, uploaded, options, status, attempts, created, started, finished, error, result = row
    facts = (status, attempts, created, started, finished)
    parts = (cast("dict[str, str] | None", _value(error)), _value(result))
    return Job(job, name, source, bool(uploaded), json.loads(options), *facts, *parts)


def _text(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)


def _value(text: str | None) -> dict[str, Any] | None:
    return None if text is None else cast("dict[str, Any]", json.loads(text))
