"""This machine as an engine: threads that wait, each with an analyzer whose child does the work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from contextlib import suppress

import pyarrow

from mien.scale.analyzer import Analyzer
from mien.scale.engines import Orders
from mien.scale.settings import Crew

_GLANCE = 0.5
"""Seconds after which a wait looks up, so that Ctrl-C is heard."""


def run(todo: pyarrow.Table, orders: Orders, crew: Crew, _: str) -> Generator[pyarrow.Table]:
    """See :data:`mien.scale.engines.Engine`."""
    films = iter(range(len(todo)))  # that all threads draw from, each number once
    told: queue.Queue[pyarrow.Table | Exception | None] = queue.Queue(2 * crew.here())
    analyzers: list[Analyzer] = []
    stopped = threading.Event()

    def tell(what: pyarrow.Table | Exception | None) -> None:
        while not stopped.is_set():
            with suppress(queue.Full):
                told.put(what, timeout=_GLANCE)
                return

    def work() -> None:
        try:
            analyzer = Analyzer(orders.asked, orders.out, orders.care, orders.threads, orders.role)
            analyzers.append(analyzer)
            for place in films:
                if stopped.is_set():
                    break
                tell(analyzer(todo.slice(place, 1)))
            tell(None)
        except Exception as error:
            tell(error)

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
