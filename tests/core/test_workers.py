from __future__ import annotations

import errno
import os
import pickle
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import tiny_work

from mien.core.errors import ConfigError, FileError, WeightsError
from mien.core.workers import Lost, portable, spread_tasks


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=":")


def spread(numbers: list[int], workers: int = 2, how: str = "") -> Iterator[tuple[int, object]]:
    tasks = [(number,) for number in numbers]
    return spread_tasks(tiny_work.start, (how,), tiny_work.work, tasks, workers)


def test_every_task_is_answered_once_by_no_more_processes_than_asked_for() -> None:
    answers = dict(spread(list(range(9))))
    assert {place: answer[0] for place, answer in answers.items()} == {n: n**2 for n in range(9)}
    assert len({answer[1] for answer in answers.values()} - {os.getpid()}) <= 2


def test_a_death_costs_its_task_only() -> None:
    answers = dict(spread([1, 13, 2, 13, 3, 4]))
    assert {place for place, answer in answers.items() if answer == Lost("SIGKILL")} == {1, 3}
    assert sorted(answer[0] for answer in answers.values() if not isinstance(answer, Lost)) == [1, 4, 9, 16]


def test_leaving_early_ends_all_at_once() -> None:
    began = time.monotonic()
    with closing(spread([3, 1000, 1001, 1002])) as answers:
        assert next(answers)[0] == 0
    assert time.monotonic() - began < 15


def test_one_that_cannot_begin_says_why() -> None:
    with pytest.raises(WeightsError, match="half of one"):
        list(spread([1, 2], how="refuse"))


def test_one_that_dies_before_it_begins_is_not_started_for_ever() -> None:
    with pytest.raises(ConfigError, match="exit code 7"):
        list(spread([1, 2, 3], how="die"))


def test_a_disk_that_is_full_is_no_bug_of_the_process_that_met_it() -> None:
    told = portable(OSError(errno.ENOSPC, "No space left on device", "out/a.jpg"))
    assert isinstance(told, FileError)
    assert str(pickle.loads(pickle.dumps(told))) == str(told)
    assert "out/a.jpg" in str(told)
    assert "make room" in str(told)
    assert "ZeroDivisionError" in str(portable(ZeroDivisionError("by zero")))
