from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from brightness import BRIGHT, DARK, BrightnessNetwork, one_face

from mien.analysis.ahead import work_ahead
from mien.analysis.expressions import ExpressionModel
from mien.analysis.settings import AnalysisSettings


def helpers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "works ahead"]


def wait_for(condition) -> None:
    until = time.monotonic() + 5
    while not condition() and time.monotonic() < until:
        time.sleep(0.001)
    assert condition()


@pytest.mark.parametrize("most", [1, 3, 100])
def test_all_come_in_order(most: int) -> None:
    assert list(work_ahead(range(50), most)) == list(range(50))
    assert list(work_ahead([], most)) == []
    assert helpers() == []


def test_it_works_ahead_but_not_further_than_allowed() -> None:
    made: list[int] = []
    with closing(work_ahead((made.append(number) or number for number in range(100)), 4)) as items:
        assert next(items) == 0
        wait_for(lambda: len(made) == 6)  # one taken, four waiting, one in hand
        time.sleep(0.05)
        assert len(made) == 6


def test_an_error_comes_after_what_came_before_it() -> None:
    def broken() -> Iterator[int]:
        yield from (1, 2)
        raise OSError("the disk is gone")

    items = work_ahead(broken(), 10)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(OSError, match="disk is gone"):
        next(items)
    assert helpers() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_leaving_early_waits_for_the_thread(error: type[BaseException]) -> None:
    busy = threading.Event()

    def slow() -> Iterator[int]:
        for number in range(1000):
            busy.set()
            time.sleep(0.02)
            busy.clear()
            yield number

    def leave() -> None:
        with closing(work_ahead(slow(), 2)) as items:
            next(items)
            raise error

    with pytest.raises(error):
        leave()
    assert helpers() == []
    assert not busy.is_set()


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_THREADS", "2")


def test_the_answer_is_that_of_one_after_the_other(lenient: AnalysisSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    frames, results = one_face([DARK] * 40 + [None] * 7 + [BRIGHT] * 40), []
    for threads in ("1", "2"):
        monkeypatch.setenv("MIEN_THREADS", threads)
        results.append(ExpressionModel(BrightnessNetwork()).analyze(frames, replace(lenient, batch=3)))
    one, two = results
    assert one.spans == two.spans
    for column in ("index", "track", "box", "probabilities"):
        np.testing.assert_array_equal(one.frames.column(column), two.frames.column(column))


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_source_is_closed_when_the_thread_has_let_go_of_it(
    lenient: AnalysisSettings, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    from mien.media.source import Source

    reading: list[int] = []
    close = Source.close
    monkeypatch.setattr(Source, "close", lambda self: (reading.append(len(helpers())), close(self))[1])

    def stop(done: int, total: int | None, seconds: float) -> None:
        raise error

    with pytest.raises(error):
        ExpressionModel(BrightnessNetwork()).analyze(one_face([DARK] * 60), lenient, progress=stop)
    assert reading == [0]


@pytest.mark.usefixtures("two_threads")
def test_an_error_of_the_detector_comes_through(lenient: AnalysisSettings) -> None:
    class Broken:
        name = "broken"

        def detect(self, image: np.ndarray) -> list:
            raise ValueError("no such layer")

    with pytest.raises(ValueError, match="no such layer"):
        ExpressionModel(BrightnessNetwork()).analyze(one_face([DARK] * 5), lenient, detector=Broken())
    assert helpers() == []
