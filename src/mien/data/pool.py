"""One function over many items in several processes: the same answers as in one, as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, TypeVar, cast

from mien.core.errors import ConfigError
from mien.core.workers import Lost, portable, spread_tasks

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
        at_once: items a process takes at a time, for work that is quicker than the way there.

    Yields:
        The place of an item and its result, as they are done.

    Raises:
        ConfigError: fewer than one worker; or one whose process ended over an item.
        Exception: what ``work`` raises.
    """
    if workers < 1:
        raise ConfigError("at least 1 worker", str(workers), "use 1, or the number of your CPU cores")
    if workers == 1 or len(items) < 2:
        yield from ((place, work(item)) for place, item in enumerate(items))
        return
    size = max(1, min(at_once, len(items) // (4 * workers)))
    begins = range(0, len(items), size)
    tasks = [(items[begin : begin + size],) for begin in begins]
    with closing(spread_tasks(_start, (work,), _run, tasks, workers)) as answers:
        for number, answer in answers:
            if isinstance(answer, Lost):
                raise ConfigError("processes that live", f"one that ended ({answer.how})", "use fewer workers, or 1")
            if isinstance(answer, Exception):
                raise answer
            yield from enumerate(answer, begins[number])


_work: Callable[[Any], Any] | None = None


def _start(work: Callable[[Any], Any]) -> None:
    global _work
    import cv2

    cv2.setNumThreads(1)  # one core a process
    _work = work


def _run(items: Sequence[Any]) -> list[Any] | Exception:
    try:
        return [cast(Callable[[Any], Any], _work)(item) for item in items]
    except Exception as error:
        return portable(error)
