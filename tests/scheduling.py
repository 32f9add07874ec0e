"""Ordinary scheduling, which the AV1 encoder of FFmpeg takes from whoever runs it as root.

SVT-AV1 puts the thread that opens it under SCHED_FIFO, priority 99, and leaves it there; every process begun later
inherits that. A browser that does stops a machine of two cores for an hour.
"""

from __future__ import annotations

import os


def ordinary() -> None:
    """Put this thread back under SCHED_OTHER, where the system knows it and it is elsewhere."""
    if hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
