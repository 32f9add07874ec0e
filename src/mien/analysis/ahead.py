"""Two stages at a time: the earlier one works ahead in a thread, the later one takes what is ready, in order.

Finding faces and asking the network spend their time in libraries that let other threads run meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class _End:
    """The last thing in line: why there are no more items; None where there simply are none."""

    error: Exception | None = None


def work_ahead(items: Iterable[Item], most: int) -> Generator[Item]:
    """``items`` as they are, made by a thread of its own that gets at most ``most`` of them ahead.

    Close it (``contextlib.closing``) where it may be left before its end, an interruption included: closing waits until
    the thread is done with the item in hand, so that what ``items`` read from can be released.

    Args:
        items: consumed in the thread.
        most: items that may wait, >= 1.

    Raises:
        Exception: what ``items`` raised, after everything they gave before it.
    """
    line: SimpleQueue[Item | _End] = SimpleQueue()
    room, stopped = threading.Semaphore(most), threading.Event()

    def work() -> None:
        try:
            for item in items:
                room.acquire()
                if stopped.is_set():
                    return
                line.put(item)
        except Exception as error:  # a thread has nobody to raise to
            line.put(_End(error))
        else:
            line.put(_End())

    thread = threading.Thread(target=work, name="works ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := line.get(), _End):
            room.release()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        room.release()
        thread.join()
