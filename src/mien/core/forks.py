"""Forks: a child gets every lock of the libraries as it stands, and of their threads none.

A lock that another thread holds at that moment is never let go of in the child, and a library waits for ever for
threads that are not there. So work in libraries is announced (:data:`library_work`), a fork waits until none is going
on, and the child knows what it is (:func:`forked`): it computes with one thread, and its engines are opened anew.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from types import TracebackType

from mien.core.errors import ConfigError

MOST_WAIT = 60.0
"""Seconds that a fork waits for work in libraries to end. A child that came in the middle of it refuses to compute."""
SETTLE = 0.02
"""Seconds after that work in which threads of libraries still hold locks of their own on their way to sleep."""


class LibraryWork:
    """``with library_work:`` around what computes in OpenMP, ONNX Runtime, OpenVINO or OpenCV; may be nested.

    Around late imports too: a module that a fork finds half imported is locked in the child. It costs two microseconds.
    A lock that is only taken inside is free in the child.

    Attributes:
        forked: this process was forked from one in which libraries had computed.

    Raises:
        ConfigError: this process was forked while such work went on, so that it could hang.
    """

    def __init__(self) -> None:
        self.forked = self._torn = self._used = False
        self._begin({})

    def _begin(self, inside: dict[int, int]) -> None:
        self._change = threading.Condition()
        self._inside = inside  # blocks entered, by thread
        self._forks = 0  # that wait
        self._last_end = -SETTLE

    def __enter__(self) -> None:
        thread = threading.get_ident()
        with self._change:
            if thread not in self._inside:  # who is inside goes on: the fork waits for it
                self._change.wait_for(lambda: not self._forks)
                if self._torn:
                    got = f"a fork in the middle of an analysis that took over {MOST_WAIT:g} s"
                    fix = "fork before it, or use multiprocessing.get_context('spawn')"
                    raise ConfigError("a process forked while mien was idle", got, fix)
            self._inside[thread] = self._inside.get(thread, 0) + 1
            self._used = True

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        thread = threading.get_ident()
        with self._change:
            self._inside[thread] -= 1
            if not self._inside[thread]:
                del self._inside[thread]
                self._last_end = time.monotonic()
                if self._forks:
                    self._change.notify_all()

    def before_fork(self) -> None:
        """Wait for the work of other threads, and let none begin."""
        thread = threading.get_ident()
        self._change.acquire()
        self._forks += 1
        self._change.wait_for(lambda: not self._inside.keys() - {thread}, MOST_WAIT)
        if time.monotonic() - self._last_end < SETTLE:
            time.sleep(SETTLE)

    def after_in_parent(self) -> None:
        """Go on."""
        self._forks -= 1
        self._change.notify_all()
        self._change.release()

    def after_in_child(self) -> None:
        """Begin anew, as a process that was forked; for that, PyTorch computes with one thread from now on."""
        torch = sys.modules.get("torch")
        own = threading.get_ident()
        self.forked = self.forked or self._used or torch is not None
        self._torn = self._torn or bool(self._inside.keys() - {own})
        self._begin({thread: count for thread, count in self._inside.items() if thread == own})
        if torch is not None and hasattr(torch, "set_num_threads"):  # it may be half imported
            # OpenMP's threads are gone, but its pool is not: whatever it shares out would be waited for for ever.
            torch.set_num_threads(1)


library_work = LibraryWork()
"""Of this process."""


def forked() -> bool:
    """Whether this process was forked from one in which libraries had computed; it then has one thread to do so."""
    return library_work.forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=library_work.before_fork,
        after_in_parent=library_work.after_in_parent,
        after_in_child=library_work.after_in_child,
    )
