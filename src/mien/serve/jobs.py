"""Jobs from the queue to their end: each in a child that can be killed, each remembered on disk."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from mien.core.child import Child, ChildLostError
from mien.core.errors import ConfigError, InputError
from mien.core.files import whole_file
from mien.serve.metrics import Metrics
from mien.serve.problems import RefusedError, cannot_store, error_parts, not_found
from mien.serve.settings import ServeSettings
from mien.serve.store import Job, Store
from mien.serve.work import Question, analyst, prober

log = logging.getLogger("mien.serve")

MOST_ATTEMPTS = 3
"""Starts of a job; one that takes the whole machine down each time must end at last."""
PROBE_SECONDS = 30.0
"""How long a look into a file may take, the start of its process included."""
CLEAN_EVERY = 60.0
"""Seconds between two looks for jobs whose time is over."""
PATIENCE = 0.2
"""Seconds between two looks of an idle worker at the queue, should a wake-up be missed."""
STUMBLE = 1.0
"""Seconds until a worker goes on after an error that belongs to no job."""
REMOVE_SECONDS = 10.0
"""How long a running job that is deleted may take to let go of its files."""


class Jobs:
    """The queue, its workers, and the folder.

    Args:
        settings: limits and the folder.

    Raises:
        ConfigError: another server has the folder, or it cannot be written to.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self.settings, self.folder = settings, settings.folder
        self.arriving = self.folder / "arriving"
        self._owner = _own(self.folder)
        _empty(self.arriving)
        self.store = Store(self.folder / "jobs.sqlite3")
        self.metrics = Metrics(self.store.counts)
        self._prober = Child(prober, settings)
        self._workers = [Child(analyst, settings) for _ in range(settings.concurrency)]
        self._progress: dict[str, float] = {}
        self._busy: set[str] = set()
        self._reserved, self._recent = 0, 10.0
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._work = threading.Condition()
        self._working = [threading.Thread(target=self._run, args=(one,), daemon=True) for one in self._workers]
        self._threads = [*self._working, threading.Thread(target=self._clean_now_and_then, daemon=True)]

    def start(self) -> None:
        """Take up what an earlier server left, then work."""
        self._recover()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop working; a running job waits again for the next server."""
        self._stopping.set()
        with self._work:
            self._work.notify_all()
        for child in (*self._workers, self._prober):
            child.stop()
        for thread in self._threads:
            thread.join(5)
        self.store.close()
        self._owner.close()

    def living(self) -> int:
        """Workers that can take a job, as many as ``settings.concurrency`` if all is well."""
        return sum(thread.is_alive() for thread in self._working)

    def demand_place(self) -> None:
        """Raises RefusedError (429) when the queue is full. What is asked for may still find it full later."""
        if self._reserved + self.store.counts().get("queued", 0) >= self.settings.queue:
            wait = str(max(1, round(self._recent / self.settings.concurrency)))
            fix = f"come again in about {wait} s"
            raise RefusedError(429, "a place in the queue", "a full queue", fix, {"Retry-After": wait})

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue, held while what arrived is looked at. Raises RefusedError (429) when there is none."""
        with self._lock:
            self.demand_place()
            self._reserved += 1
        try:
            yield
        finally:
            with self._lock:
                self._reserved -= 1

    def probe(self, path: Path, name: str) -> None:
        """Look into a file in a process of its own. Raises RefusedError (422) when the server does not take it."""
        try:
            self._prober.ask((path, name), PROBE_SECONDS, unwanted=self._stopping.is_set)
        except InputError as error:
            raise RefusedError(422, error.expected, error.got, error.fix) from error
        except ChildLostError as error:
            self._note_loss(error, "a look into a file")
            if error.why == "unstarted":
                wait = {"Retry-After": "5"}
                raise RefusedError(503, "a process that looks", "none to be had", "come again later", wait) from error
            fix = "check that it plays; copy or convert it again"
            raise RefusedError(422, "a video or picture file", f"{name}, unreadable ({error.why})", fix) from error

    def add_upload(self, upload: Path, name: str, suffix: str, options: dict[str, Any]) -> Job:
        """A job for an arrived file, which moves into the job's folder."""
        job = secrets.token_hex(16)
        place = self.folder_of(job) / f"upload{suffix}"
        try:
            place.parent.mkdir(parents=True)
            os.replace(upload, place)
            return self._add(Job(job, name, str(place), True, options))
        except BaseException:
            shutil.rmtree(place.parent, ignore_errors=True)
            raise

    def add_path(self, path: Path, name: str, options: dict[str, Any]) -> Job:
        """A job for a file below a root."""
        return self._add(Job(secrets.token_hex(16), name, str(path), False, options))

    def folder_of(self, job: str) -> Path:
        """Where the job's report and files are; ``job`` is an id of the store, never a client's text."""
        return self.folder / "jobs" / job

    def progress(self, job: Job) -> float | None:
        """Share in [0, 1] of the job that is done; None where that is unknown."""
        if job.status == "done":
            return 1.0
        return 0.0 if job.status == "queued" else self._progress.get(job.id)

    def remove(self, job: Job) -> None:
        """Cancel the job if it is not over, wait until its process is gone, and forget it with all its files.

        Raises RefusedError (503) where the process does not go; then the job is forgotten at the next start.
        """
        self.store.cancel(job.id)
        until = time.monotonic() + REMOVE_SECONDS
        while job.id in self._progress_ids() and not self._stopping.is_set():
            if time.monotonic() > until:
                wait = {"Retry-After": "5"}
                raise RefusedError(503, "a job that stops when told to", "one that goes on", "ask again later", wait)
            time.sleep(0.02)
        self._forget(job.id)

    def keep(self, job: Job, name: str, content: bytes) -> None:
        """A file of that name in the folder of a finished job, whole or not at all; it goes with the job.

        Raises RefusedError (404) where the job is deleted meanwhile, OSError where the disk takes nothing more.
        """
        folder = self.folder_of(job.id)
        with whole_file(folder / name) as draft:
            draft.write_bytes(content)
        now = self.store.get(job.id)
        if now is None or now.status != "done":  # its folder may have gone before this file came
            shutil.rmtree(folder, ignore_errors=True)
            raise not_found("job")

    def _progress_ids(self) -> set[str]:
        with self._lock:
            return set(self._busy)

    def _add(self, job: Job) -> Job:
        self.store.add(job)
        with self._work:
            self._work.notify()
        return job

    def _recover(self) -> None:
        for job in self.store.with_status("cancelled"):
            self._forget(job.id)
        for job in self.store.with_status("running"):
            if job.attempts < MOST_ATTEMPTS:
                self.store.requeue(job.id)
            else:
                self._end(job, "failed", error=_lost("the server went down each of the times it was tried"))
        for job in self.store.with_status("done", "failed"):
            _drop_upload(job)  # the server before may have gone down just before it did
        for folder in (self.folder / "jobs").glob("*"):
            if self.store.get(folder.name) is None:
                shutil.rmtree(folder, ignore_errors=True)

    def _run(self, child: Child) -> None:
        """A worker's thread."""
        while not self._stopping.is_set():
            try:
                self._take_one(child)
            except Exception:
                log.exception("a worker stumbled, and goes on")
                self._stopping.wait(STUMBLE)

    def _take_one(self, child: Child) -> None:
        """The next job, or a short wait for one."""
        with self._lock:
            job = self.store.claim()
            if job is not None:
                self._busy.add(job.id)
        if job is None:
            with self._work:
                self._work.wait(PATIENCE)
            return
        try:
            self._do(job, child)
        finally:
            with self._lock:
                self._busy.discard(job.id)
                self._progress.pop(job.id, None)

    def _do(self, job: Job, child: Child) -> None:
        question = Question(Path(job.source), job.name, self.folder_of(job.id), job.options, job.uploaded)
        begun = time.monotonic()
        try:
            self._demand_inside(job)
            question.folder.mkdir(parents=True, exist_ok=True)
            seconds = self.settings.job_minutes * 60
            news = lambda share: self._progress.__setitem__(job.id, share)  # noqa: E731
            result = child.ask(question, seconds, news, lambda: self._unwanted(job.id))
            self._end(job, "done", result=result)
            self._recent = 0.5 * self._recent + 0.5 * (time.monotonic() - begun)
        except InputError as error:
            self._end(job, "failed", error=error_parts(error))
        except ChildLostError as error:
            if self._stopping.is_set():
                self.store.requeue(job.id)
            elif error.why != "unwanted":
                self._note_loss(error, "a job")
                self._end(job, "failed", error=_lost(LOSSES[error.why]))
        except OSError as error:
            self._end(job, "failed", error=error_parts(cannot_store(error)))
        except Exception:
            log.exception("a job failed")
            self._end(job, "failed", error=_lost(LOSSES["fault"]))
        self.metrics.job_seconds.observe(time.monotonic() - begun)

    def _unwanted(self, job: str) -> bool:
        now = self.store.get(job)
        return self._stopping.is_set() or now is None or now.status != "running"

    def _demand_inside(self, job: Job) -> None:
        """A file that has become a link to somewhere else since it was asked for is not followed."""
        path = Path(job.source)
        if not job.uploaded and not inside(path.resolve(), self.settings.roots):
            raise ConfigError("a file below a root of the server", "one that is there no more", "ask for another")

    def _end(self, job: Job, status: Any, error: dict[str, str] | None = None, result: Any = None) -> None:
        if not self.store.finish(job.id, status, error, result):
            return
        self.metrics.finished.labels(status).inc()
        _drop_upload(job)

    def _note_loss(self, error: ChildLostError, during: str) -> None:
        self.metrics.lost.labels(error.why).inc()
        log.error("a worker was lost during %s: %s", during, error)

    def _forget(self, job: str) -> None:
        shutil.rmtree(self.folder_of(job), ignore_errors=True)
        self.store.remove(job)

    def _clean_now_and_then(self) -> None:
        while True:
            try:
                for job in self.store.finished_before(time.time() - self.settings.keep_hours * 3600):
                    self._forget(job.id)
            except Exception:
                log.exception("jobs whose time is over could not be removed; tried again later")
            if self._stopping.wait(CLEAN_EVERY):
                return


LOSSES = {
    "unstarted": "no process to be had for the work",
    "died": "the process that did the work died",
    "late": "the job took longer than a job may, and was stopped",
    "fault": "a fault of mien",
}


def _lost(got: str) -> dict[str, str]:
    return {
        "expected": "a job that comes to its end",
        "got": got,
        "fix": "try a shorter or newly encoded file; the server's log may say more",
    }


def inside(path: Path, roots: tuple[Path, ...]) -> bool:
    """True when ``path``, its links followed, lies below one of ``roots``."""
    return any(path.is_relative_to(root) for root in roots)


def _drop_upload(job: Job) -> None:
    """Remove what was uploaded for the job; kept uploads lie with the results."""
    if job.uploaded:
        try:
            Path(job.source).unlink(missing_ok=True)
        except OSError as error:
            log.error("an upload could not be removed, and will be at the next start: %s", error)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from error


def _unusable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError("a data folder that can be written to", f"{folder}: {error.strerror}", "give another --data")


def _own(folder: Path) -> IO[bytes]:
    """A lock on the folder that ends with this process, however it ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("ab")
    except OSError as error:
        raise _unusable(folder, error) from error
    with contextlib.suppress(ImportError):
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise ConfigError(
                "a data folder of its own for every server", f"{folder}, which another one uses", "give another --data"
            ) from error
    return file
