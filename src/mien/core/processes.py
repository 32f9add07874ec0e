"""Processes: who made a draft and whether that process is over, and children that end with their parent."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import threading
from functools import lru_cache
from pathlib import Path

GLANCE = 1.0
"""Seconds between two looks at whether the parent still lives, where its end is not told."""
PR_SET_PDEATHSIG = 1
_UNKNOWN, _ENDED = "00000000", "ffffffff"


def process_mark() -> str:
    """A word for file names that no other process has: machine, number and birth, as ``3f2a9c1e-4711-8d3b01aa``."""
    return _mark(os.getpid())


@lru_cache(4)
def _mark(pid: int) -> str:  # by number: after a fork it is another one
    return f"{_machine()}-{pid}-{_birth(pid)}"


def is_over(mark: str) -> bool:
    """Whether the process of ``mark`` is surely over; False for one of another machine, of which nothing is known.

    A number that was given to a new process meanwhile does not count: births differ.
    """
    machine, number, birth = mark.split("-")
    pid = int(number)
    if machine != _machine():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass  # it is somebody else's, and lives
    return _UNKNOWN not in (birth, now := _birth(pid)) and now != birth


@lru_cache(1)
def _machine() -> str:
    """The machine, or the container: numbers of processes mean something only within it."""
    import platform

    facts = [platform.node()]
    for file in ("/etc/machine-id", "/proc/self/ns/pid"):
        try:
            facts.append(os.readlink(file) if os.path.islink(file) else Path(file).read_text("ascii"))
        except (OSError, ValueError):
            facts.append("")
    return _short("\n".join(facts))


def _birth(pid: int) -> str:
    """When a process began, as eight letters; one value where the system does not say, another for one that ended."""
    try:
        # The name, in brackets, may hold anything; then come the state and, 20th of the rest, ticks since the start.
        rest = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        started = Path("/proc/sys/kernel/random/boot_id").read_text("ascii") + rest[19]
    except (OSError, IndexError):
        return _UNKNOWN
    return _ENDED if rest[0] in "ZX" else _short(started)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def end_with_parent(parents_main_thread: bool = False) -> None:
    """Let this child process end at once when its parent ends, however that ends.

    Args:
        parents_main_thread: it was started by the main thread of its parent; then Linux sees to it as well, which works
            also while this process hangs in a library. (Linux means the thread: one may end before its process.)
    """
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is None:
        return
    number = os.getppid()
    if parents_main_thread and sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    threading.Thread(target=_watch, args=(number, parent.sentinel), name="watches its parent", daemon=True).start()


def _watch(parent: int, sentinel: int) -> None:
    from multiprocessing.connection import wait

    # The sentinel tells at once, but not while a process that was forked from the parent holds its other end.
    while not wait([sentinel], GLANCE) and os.getppid() == parent:
        pass
    os._exit(1)
