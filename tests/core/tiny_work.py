"""Work for processes of their own that need little to start."""

from __future__ import annotations

import os
import signal
import time

from mien.core.errors import WeightsError


def start(how: str = "") -> None:
    if how == "refuse":
        raise WeightsError("a whole file", "half of one", "load it again")
    if how == "die":
        os._exit(7)


def work(number: int) -> tuple[int, int]:
    """The square and who found it; 13 kills, 1000 and more take half a minute."""
    if number == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    if number >= 1000:
        time.sleep(30)
    return number**2, os.getpid()
