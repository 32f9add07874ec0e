"""Measuring in rounds: every round runs all variants in turn, so that a machine that drifts slows them alike."""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import cv2

CLOSE = 0.03
"""Rounds that agree to this share are enough."""


def in_turn(
    flows: Mapping[str, Callable[[], object]], runs: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of every flow in every round, by ``clock`` (``time.process_time`` counts the work of all threads).

    Two rounds at least, where ``runs`` allows them, and up to ``runs`` while they disagree.
    """
    seconds: dict[str, list[float]] = {name: [] for name in flows}
    for done in range(runs):
        if done >= 2 and agree(seconds):
            break
        for name, flow in flows.items():
            start = clock()
            flow()
            seconds[name].append(clock() - start)
    return seconds


def agree(seconds: Mapping[str, Sequence[float]]) -> bool:
    """Whether rounds say the same, up to :data:`CLOSE`: of a lone flow its seconds, else its share of the first's."""
    first = next(iter(seconds.values()))
    shares = [first] if len(seconds) == 1 else [ratios(some, first) for some in seconds.values()]
    return all(max(some) <= (1 + CLOSE) * min(some) for some in shares)


def ratios(over: Sequence[float], under: Sequence[float]) -> list[float]:
    """Round by round."""
    return [one / other for one, other in zip(over, under, strict=True)]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median, with the least and the greatest."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def use_threads(count: int) -> None:
    """Threads of the network, of FFmpeg and of OpenCV, from now on; load the model after this."""
    os.environ["MIEN_THREADS"] = str(count)
    cv2.setNumThreads(count)


class Worker:
    """An object in a process of its own: its memory, threads and allocator are no other variant's.

    Args:
        kind: made there as ``kind(*given)``; it and what it answers travel by pickle.
        given: for it.
    """

    def __init__(self, kind: Callable[..., object], *given: object) -> None:
        self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _make, (kind, given))

    def call(self, method: str, *given: object) -> Any:
        """A method of the object there."""
        return self._pool.submit(_call, method, given).result()

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown()


def _make(kind: Callable[..., object], given: tuple[object, ...]) -> None:
    global _made
    _made = kind(*given)


def _call(method: str, given: tuple[object, ...]) -> object:
    return getattr(_made, method)(*given)
