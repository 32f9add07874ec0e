"""One function over many items in several processes: the same answers as in one, as they come."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar, cast

from mien.core.errors import ConfigError
from mien.core.processes import end_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")


def spread(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int, at_once: int = 1
) -> Iterator[tuple[int, Result]]:
    """``work`` on every item, in this process or in ``workers`` of them.

    Args:
        work: a function or callable value that can be sent to another process; sent once to each.
        items: what it is called with, one after the other.
        workers: processes; 1 is this one.
        at_once: items a process takes at a time, for work that is quicker than the way there; Ctrl-C waits for them.

    Yields:
        The place of an item and its result, as they are done.

    Raises:
        ConfigError: fewer than one worker.
        Exception: what ``work`` raises; what had been begun by then is finished first.
    """
    if workers < 1:
        raise ConfigError("at least 1 worker", str(workers), "use 1, or the number of your CPU cores")
    size = max(1, min(at_once, len(items) // (4 * workers)))
    if workers == 1 or len(items) < 2:
        yield from ((place, work(item)) for place, item in enumerate(items))
        return
    # Forking a process whose libraries have started threads can hang: start fresh ones.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, fresh, _start, (work,)) as pool:
        begins = range(0, len(items), size)
        futures = {pool.submit(_run, items[begin : begin + size]): begin for begin in begins}
        try:
            for future in as_completed(futures):
                yield from enumerate(future.result(), futures[future])
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_work: Callable[[Any], Any] | None = None


def _start(work: Callable[[Any], Any]) -> None:
    global _work
    import cv2

    # One core a process; and Ctrl-C is for the first process, which lets the others finish what they hold.
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    _work = work


def _run(items: Sequence[Item]) -> list[Any]:
    return [cast(Callable[[Any], Any], _work)(item) for item in items]
