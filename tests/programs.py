"""Programs that a test starts, each in a group of its own, and none of which outlives the test."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

Begin = Callable[[Sequence[str]], "subprocess.Popen[str]"]


@contextmanager
def programs(stderr: int | None = None) -> Iterator[Begin]:
    """A function that starts a program and pipes what it prints; at the end all of their groups are killed.

    Args:
        stderr: ``subprocess.PIPE`` to pipe that, too; None leaves it to the test's own.
    """
    begun: list[subprocess.Popen[str]] = []

    def begin(words: Sequence[str]) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        begun.append(subprocess.Popen(words, stdout=pipe, stderr=stderr, text=True, start_new_session=True))
        return begun[-1]

    yield begin
    for process in begun:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        finally:
            process.communicate()
