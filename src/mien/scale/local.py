"""This machine as an engine: threads that wait, each with an analyzer whose child does the work."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Generator

import pyarrow

from mien.scale.analyzer import Analyzer
from mien.scale.engines import Orders
from mien.scale.settings import Crew

_GLANCE = 0.5
"""Seconds after which a wait looks up, so that Ctrl-C is heard."""


def run(todo: pyarrow.Table, orders: Orders, crew: Crew, _: str) -> Generator[pyarrow.Table]:
    """See :data:`mien.scale.engines.Engine`."""
    films = deque(range(len(todo)))
    told: queue.SimpleQueue[pyarrow.Table | Exception | None] = queue.SimpleQueue()
    analyzers: list[Analyzer] = []
    stopped = threading.Event()

    def work() -> None:
        try:
            analyzer = Analyzer(orders.asked, orders.out, orders.care, orders.threads, orders.role)
            analyzers.append(analyzer)
            while not stopped.is_set():
                row = films.popleft()
                told.put(analyzer(todo.slice(row, 1)))
        except IndexError:
            told.put(None)
        except Exception as error:
            told.put(error)

    crowd = min(crew.here(), len(todo))
    threads = [threading.Thread(target=work, daemon=True, name="deals films out") for _ in range(crowd)]
    for thread in threads:
        thread.start()
    try:
        working = len(threads)
        while working:
            try:
                said = told.get(timeout=_GLANCE)
            except queue.Empty:
                continue
            if isinstance(said, Exception):
                raise said
            if said is None:
                working -= 1
            else:
                yield said
    finally:
        stopped.set()
        for analyzer in analyzers:
            analyzer.close()
