"""Where things are kept and which device computes: read from the environment at the moment of use, never cached."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mien.core.errors import ConfigError
from mien.core.forks import forked

SPINS = 1000
"""Rounds of waiting, some 20 us in all, before an idle thread of GNU OpenMP goes to sleep; its own choice: 300,000."""


def cache_dir() -> Path:
    """The only folder mien writes to beside the output folder: ``$MIEN_CACHE``, else ``~/.cache/mien``."""
    given = os.environ.get("MIEN_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mien"


def offline() -> bool:
    """True when ``$MIEN_OFFLINE`` is set (1, true, yes): no download is tried."""
    return os.environ.get("MIEN_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}


def cpu_count() -> int:
    """CPUs this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count() -> int:
    """CPU threads to use: ``$MIEN_THREADS``, else the CPUs this process may run on.

    One in a process that was forked from one that had computed: PyTorch's pool of threads does not come along and would
    be waited for, and such processes come in numbers.
    """
    if forked():
        return 1
    given = os.environ.get("MIEN_THREADS")
    if not given:
        return cpu_count()
    if not given.isdigit() or int(given) < 1:
        raise ConfigError("MIEN_THREADS to be a whole number of at least 1", repr(given), "set it so, or unset it")
    return int(given)


def limit_threads(count: int) -> None:
    """Let this process compute with ``count`` threads from now on: what is loaded later, and PyTorch where it is."""
    os.environ["MIEN_THREADS"] = str(count)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(thread_count())


def calm_openmp() -> None:
    """Call before PyTorch is imported: its threads wait asleep, not busily, unless the environment says how.

    By default each burns a core for milliseconds after every step. Where others need the cores (decoding, faces,
    another worker) a pass of s2d-small took 7 to 10 times as long so, and 4 times the CPU.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
