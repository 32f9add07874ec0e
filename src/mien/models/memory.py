"""Freed memory stays with the process, for the next tensor of its size."""

from __future__ import annotations

import ctypes
import platform

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of glibc's malloc.h."""
MOST_KEPT = 256 << 20
LARGEST = 64 << 20


def keep_freed_memory() -> None:
    """Let glibc keep up to 256 MB of freed memory; other systems stay as they are.

    By default it gives the pages of a large tensor back as soon as it is freed, and every pass through a network gets
    them anew, filled with zeros: up to a sixth of a pass. Peak memory is the same.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(TRIM_THRESHOLD, MOST_KEPT)
        libc.mallopt(MMAP_THRESHOLD, LARGEST)
