"""A process of its own for what touches a stranger's bytes: if it dies or hangs, only its question is lost."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Literal

from mien.core.errors import InputError
from mien.core.processes import end_with_parent

Tell = Callable[[Any], None]
"""Sends news of a question that is still being answered."""
Answer = Callable[[Any, Tell], Any]
"""Answers a question; runs in the child."""
GLANCE = 0.1
"""Seconds between two looks at whether a question is still wanted."""


class ChildLostError(Exception):
    """There is no answer.

    Args:
        why: ``unstarted``: the system gives us no process; ``died``; ``late``: it took too long and was killed;
            ``unwanted``: it was called off and killed; ``fault``: a bug of ours, ``detail`` is the traceback.
        detail: exit code or traceback.
    """

    def __init__(self, why: Literal["unstarted", "died", "late", "unwanted", "fault"], detail: str = "") -> None:
        super().__init__(f"{why} {detail}".strip())
        self.why, self.detail = why, detail


class Child:
    """Answers one question at a time; started by the first, and again by the next after it was lost.

    Args:
        role: makes the answering function; runs in the child and takes its time there (loading a model).
        settings: handed to ``role``; both travel by pickle.
    """

    def __init__(self, role: Callable[..., Answer], *settings: Any) -> None:
        self._role, self._settings = role, settings
        self._lock = threading.Lock()
        self._process: Any = None
        self._connection: Connection[Any, Any] | None = None

    def ask(
        self,
        question: Any,
        seconds: float,
        news: Tell | None = None,
        unwanted: Callable[[], bool] | None = None,
    ) -> Any:
        """The answer, waited for in this thread.

        Args:
            question: anything that can be pickled.
            seconds: how long it may take, the start of the child included.
            news: told what the child tells.
            unwanted: asked now and then; once it says True the child is killed.

        Raises:
            InputError: the child refuses the question; of the kind that it was there.
            ChildLostError: there is no answer, and the child is gone (but for a fault of ours).
        """
        with self._lock:
            try:
                connection = self._alive()
            except OSError as error:
                self._kill()
                raise ChildLostError("unstarted", str(error)) from error
            until = time.monotonic() + seconds
            try:
                connection.send(question)
                while True:
                    kind, content = self._receive(connection, until, unwanted)
                    if kind == "news" and news is not None:
                        news(content)
                    elif kind == "answer":
                        return content
                    elif kind == "refused":
                        raise content
                    elif kind == "fault":
                        raise ChildLostError("fault", content)
            except (EOFError, OSError) as error:
                raise ChildLostError("died", self._kill()) from error
            except (InputError, ChildLostError):
                raise
            except BaseException:
                self._kill()  # it would give its answer to the next question
                raise

    def stop(self) -> None:
        """Kill the process; a question it has is lost."""
        process = self._process
        if process is not None:
            process.kill()
        with self._lock:
            self._kill()

    @property
    def pid(self) -> int | None:
        """Its number while it runs."""
        return self._process.pid if self._process is not None else None

    def _alive(self) -> Connection[Any, Any]:
        if self._connection is None or not self._process.is_alive():
            self._kill()
            fresh = multiprocessing.get_context("spawn")
            ours, theirs = fresh.Pipe()
            by_main = threading.current_thread() is threading.main_thread()
            what = theirs, by_main, self._role, self._settings
            self._process = fresh.Process(target=_live, args=what, daemon=True)
            self._process.start()
            theirs.close()  # or the end of the child would not end the connection
            self._connection = ours
        return self._connection

    def _receive(
        self, connection: Connection[Any, Any], until: float, unwanted: Callable[[], bool] | None
    ) -> tuple[str, Any]:
        while not connection.poll(GLANCE):
            if unwanted is not None and unwanted():
                self._kill()
                raise ChildLostError("unwanted")
            if time.monotonic() > until:
                self._kill()
                raise ChildLostError("late")
        message: tuple[str, Any] = connection.recv()
        return message

    def _kill(self) -> str:
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if connection is not None:
            connection.close()
        if process is None:
            return ""
        process.kill()
        process.join()
        return f"exit code {process.exitcode}"


def _live(
    connection: Connection[Any, Any], by_main: bool, role: Callable[..., Answer], settings: tuple[Any, ...]
) -> None:
    """The child: questions in, answers out, until the parent closes the connection or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent(by_main)
    answer: Answer | None = None
    while True:
        try:
            question = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = answer or role(*settings)
            reply = ("answer", answer(question, lambda news: connection.send(("news", news))))
        except InputError as error:
            reply = ("refused", error)
        except Exception:
            reply = ("fault", traceback.format_exc())
        connection.send(reply)
