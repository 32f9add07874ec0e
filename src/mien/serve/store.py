"""Jobs in SQLite: what was asked, how far it is, what came out; on disk before it is answered, if the disk has room."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from mien.core.errors import ConfigError
from mien.serve.schemas import Status

log = logging.getLogger("mien.serve")

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
CHANGE = "UPDATE jobs SET status = ?, attempts = ?, started = ?, finished = ?, error = ?, result = ? WHERE id = ?"
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

    A change to a job that the disk does not take (it is full) is kept in memory, holds for whoever asks, and is written
    once that is possible, so that work goes on and ends. Only :meth:`add` fails. After a crash before that, the job
    stands as the disk has it.

    Args:
        path: the database file; made if it is not there.

    Raises:
        ConfigError: it cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._unsaved: dict[str, Job | None] = {}
        try:
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            # A write-ahead log outlives SIGKILL; FULL makes it outlive a power cut as well.
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.executescript(SCHEMA)
        except sqlite3.Error as error:
            fix = "make room there, or give another --data"
            raise ConfigError("a database that can be read and written", f"{path}: {error}", fix) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self.save()
            self._database.close()

    @property
    def unsaved(self) -> int:
        """Jobs whose last change is not on disk."""
        return len(self._unsaved)

    def save(self) -> None:
        """Write what is not on disk yet, if the disk takes it now."""
        with self._lock:
            if not self._unsaved:
                return
            try:
                with self._changes() as database:
                    for id, job in self._unsaved.items():
                        if job is None:
                            database.execute("DELETE FROM jobs WHERE id = ?", (id,))
                        else:
                            facts = (job.status, job.attempts, job.started, job.finished)
                            database.execute(CHANGE, (*facts, _text(job.error), _text(job.result), id))
            except sqlite3.Error as error:
                log.error("a change to a job waits for room on the disk: %s", error)
                return
            self._unsaved.clear()

    def add(self, job: Job) -> None:
        """A new job at the end of the queue. Raises sqlite3.Error where the disk does not take it."""
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

    def with_status(self, *statuses: Status) -> list[Job]:
        """All jobs that stand there, oldest first."""
        with self._lock:
            either, ids = (",".join("?" * len(some)) for some in (statuses, self._unsaved))
            rest = f"WHERE status IN ({either}) OR id IN ({ids}) ORDER BY number"
            return [job for job in self._jobs(rest, *statuses, *self._unsaved) if job.status in statuses]

    def finished_before(self, moment: float) -> list[Job]:
        """Jobs whose end lies further back."""
        return self._jobs("WHERE finished < ? ORDER BY number", moment)

    def counts(self) -> dict[str, int]:
        """How many jobs there are by status; statuses without a job are left out."""
        with self._lock:
            if self._unsaved:
                return Counter(job.status for job in self._jobs("ORDER BY number"))
            return dict(self._database.execute("SELECT status, COUNT(*) FROM jobs GROUP BY status"))

    def claim(self) -> Job | None:
        """The oldest waiting job, which now runs; None when none waits."""
        with self._lock:
            self.save()
            job = next(iter(self.with_status("queued")), None)
            if job is None:
                return None
            claimed = replace(job, status="running", started=time.time(), attempts=job.attempts + 1)
            self._set(job.id, claimed)
            return claimed

    def finish(
        self, job: str, status: Status, error: dict[str, str] | None = None, result: dict[str, Any] | None = None
    ) -> bool:
        """End a running job; False where it runs no more, because it was cancelled meanwhile."""
        with self._lock:
            now = self.get(job)
            if now is None or now.status != "running":
                return False
            self._set(job, replace(now, status=status, finished=time.time(), error=error, result=result))
            return True

    def cancel(self, job: str) -> None:
        """Mark a job for removal, whatever its status."""
        with self._lock:
            now = self.get(job)
            if now is not None:
                self._set(job, replace(now, status="cancelled", finished=time.time()))

    def requeue(self, job: str) -> None:
        """Let a running job wait again."""
        with self._lock:
            now = self.get(job)
            if now is not None:
                self._set(job, replace(now, status="queued", started=None))

    def remove(self, job: str) -> None:
        """Forget a job."""
        with self._lock:
            self._set(job, None)

    def _set(self, job: str, now: Job | None) -> None:
        self._unsaved[job] = now
        self.save()

    @contextmanager
    def _changes(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:  # a full disk ends some by itself
                    self._database.execute("ROLLBACK")
                raise

    def _jobs(self, rest: str, *values: object) -> list[Job]:
        with self._lock:
            rows = self._database.execute(f"SELECT {COLUMNS} FROM jobs {rest}", values).fetchall()
            jobs = (self._unsaved.get(row[0], _job(row)) for row in rows)
            return [job for job in jobs if job is not None]


def _job(row: tuple[Any, ...]) -> Job:
    job, name, source, uploaded, options, status, attempts, created, started, finished, error, result = row
    facts = (status, attempts, created, started, finished)
    parts = (cast("dict[str, str] | None", _value(error)), _value(result))
    return Job(job, name, source, bool(uploaded), json.loads(options), *facts, *parts)


def _text(value: dict[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(value)


def _value(text: str | None) -> dict[str, Any] | None:
    return None if text is None else cast("dict[str, Any]", json.loads(text))
