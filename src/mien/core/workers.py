"""Tasks for several processes, one at a time each: one that dies costs its task only, and none outlives the work."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from mien.core.errors import ConfigError, MienError, file_error
from mien.core.processes import end_with_parent

READY = "ready"


@dataclass(frozen=True)
class Lost:
    """Instead of an answer: the process ended; ``how``: ``"SIGSEGV"``, ``"exit code 3"``."""

    how: str


@dataclass(frozen=True)
class _NoStart:
    """What a process says that cannot begin."""

    error: Exception


def spread_tasks(
    start: Callable[..., None], settings: tuple[Any, ...], work: Callable[..., Any], tasks: Sequence[Any], workers: int
) -> Generator[tuple[int, Any]]:
    """``work(*task)`` for every task, in ``workers`` processes.

    Leaving early (Ctrl-C, or closing) ends them at once, and Ctrl-C comes after what was answered by then. They are
    told of no signal themselves, and end when this process does, however it does.

    Args:
        start: called once in each process with ``settings``, before its first task.
        settings: travel by pickle, as tasks and answers do.
        work: answers a task; its errors must be part of the answer.
        tasks: tuples of arguments.
        workers: processes, >= 1.

    Yields:
        The place of a task and its answer, :class:`Lost` where its process died of it; as they come.

    Raises:
        Exception: what ``start`` raised.
        ConfigError: a process ended before it could begin.
    """
    waiting = deque(enumerate(tasks))
    orders = pickle.dumps((start, settings, work))
    crew: list[_Worker] = []
    try:
        crew += [_Worker(orders) for _ in range(min(workers, len(tasks)))]
        while crew:
            for worker in _with_news(crew):
                place, answer = worker.place, worker.listen()
                if isinstance(answer, Lost) or not waiting or not worker.give(*waiting[0]):
                    worker.end()
                    crew.remove(worker)
                    crew += [_Worker(orders)] if waiting else []
                else:
                    waiting.popleft()
                if place is not None:
                    yield place, answer
    except KeyboardInterrupt:
        for worker in crew:
            worker.end()
        for worker in crew:
            if worker.place is not None and not isinstance(answer := worker.listen(), Lost):
                yield worker.place, answer
        raise
    finally:
        for worker in crew:
            worker.end()


class _Worker:
    """A process and the task it has.

    Args:
        orders: a start, its settings and the work, pickled. As bytes: it unpacks them, which may mean to load a model,
            when it already watches its parent and can say what went wrong; and what multiprocessing itself makes of a
            tensor needs open files, of which a fresh process may have too few.

    Attributes:
        place: of its task; None as long as it has none.
    """

    def __init__(self, orders: bytes) -> None:
        # Forking a process whose libraries have started threads can hang: start a fresh one.
        fresh = multiprocessing.get_context("spawn")
        self.connection, theirs = fresh.Pipe()
        by_main = threading.current_thread() is threading.main_thread()
        self._process = fresh.Process(target=_live, args=(theirs, by_main, orders), daemon=True)
        self.place: int | None = None
        try:
            with _signals_kept():
                self._process.start()
        except BrokenPipeError:  # it ended while it was told what to do
            pass
        theirs.close()  # or the end of the process would not end the connection

    def listen(self) -> Any:
        """What it says, waited for: :data:`READY` at first, then an answer after each task."""
        try:
            said = self.connection.recv()
        except (EOFError, OSError):
            said = Lost(self.end())
        if isinstance(said, _NoStart):
            raise said.error
        if isinstance(said, Lost) and self.place is None:
            fix = 'in a program of yours, work below `if __name__ == "__main__":`; or use 1 worker'
            raise ConfigError("processes that can begin", f"one that ended before ({said.how})", fix)
        return said

    def give(self, place: int, task: tuple[Any, ...]) -> bool:
        """Hand it a task; False where it has ended."""
        try:
            self.connection.send(task)
        except OSError:
            return False
        self.place = place
        return True

    def end(self) -> str:
        """Kill it, and say how it ended. What it said before can still be listened to."""
        if self._process.pid is None:
            return "not begun"
        self._process.kill()
        self._process.join()
        code = self._process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _with_news(crew: list[_Worker]) -> list[_Worker]:
    ready = wait([worker.connection for worker in crew])
    return [worker for worker in crew if worker.connection in ready]


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Hold back signals that stop programs: a process begun meanwhile never gets them; this one does, afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it would let them through when a first process starts it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _live(connection: Connection[Any, Any], parents_main_thread: bool, orders: bytes) -> None:
    end_with_parent(parents_main_thread)
    with suppress(EOFError, OSError):  # the other end has gone
        try:
            start, settings, work = pickle.loads(orders)
            start(*settings)
        except Exception as error:
            connection.send(_NoStart(portable(error)))
            return
        connection.send(READY)
        while True:
            task = connection.recv()
            connection.send(work(*task))


def portable(error: Exception) -> Exception:
    """An error that survives the way between processes.

    mien's own stays as it is, what the operating system refused (a full disk) becomes one, others their traceback.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return file_error(error)
    return error if isinstance(error, MienError) else RuntimeError("".join(traceback.format_exception(error)))
