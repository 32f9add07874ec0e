"""Batches that are stopped or killed, in real processes: what is kept, what is left over, who lives on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest
from brightness import picture

from mien.core.files import demand_writable
from programs import programs

PROGRAM = Path(__file__).with_name("slow_batch.py")
PATIENCE = 60.0


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    """Two that are done at once, and four that take half a minute each."""
    (tmp_path / "in").mkdir()
    names = [*(f"quick{number}" for number in range(2)), *(f"slow{number}" for number in range(4))]
    return [still(tmp_path, name) for name in names]


def still(folder: Path, name: str) -> str:
    path = folder / "in" / f"{name}.png"
    cv2.imwrite(str(path), picture())
    return str(path)


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A batch as a process, in a group of its own; none outlives the test."""
    with programs(subprocess.PIPE) as begin:
        yield lambda sources, workers: begin(
            [sys.executable, str(PROGRAM), *sources, "-o", str(tmp_path / "out"), "--workers", str(workers)]
        )


def until(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def busy(tmp_path: Path, name: str = "slow") -> list[int]:
    """Numbers of the processes that have begun a source."""
    return [int(path.read_text()) for path in (tmp_path / "in").glob(f"{name}*.pid") if path.read_text()]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def finished(tmp_path: Path) -> list[str]:
    return sorted(path.parent.name for path in (tmp_path / "out").glob("*/result.json"))


def hidden(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "out").glob(".*"))


@pytest.mark.parametrize(
    ("number", "everybody", "workers"),
    [(signal.SIGTERM, False, 1), (signal.SIGTERM, False, 2), (signal.SIGINT, False, 2), (signal.SIGINT, True, 2)],
)
def test_a_batch_that_is_told_to_stop_stops_at_once_and_counts_right(
    start: Start, sources: list[str], tmp_path: Path, number: signal.Signals, everybody: bool, workers: int
) -> None:
    batch = start(sources, workers)
    until(lambda: len(busy(tmp_path)) == workers and len(finished(tmp_path)) == 2)
    told = time.monotonic()
    (os.killpg if everybody else os.kill)(batch.pid, number)
    _, err = batch.communicate(timeout=PATIENCE)
    assert time.monotonic() - told < 10, "it waited for films"
    assert batch.returncode == 130
    out = tmp_path / "out"
    assert err == f"mien: stopped: 2 of 6 finished kept in {out}; --skip-existing does only the rest\n"
    assert finished(tmp_path) == ["quick0", "quick1"]
    assert sorted(path.name for path in out.iterdir()) == ["quick0", "quick1"], "nothing half-done is left"
    assert len(busy(tmp_path)) == workers, "films in the queue were begun"
    assert not any(map(runs, busy(tmp_path)))


@pytest.mark.parametrize("workers", [1, 2])
def test_after_a_kill_nobody_works_on_and_the_next_run_clears_up(
    start: Start, sources: list[str], tmp_path: Path, workers: int
) -> None:
    batch = start(sources, workers)
    until(lambda: len(busy(tmp_path)) == workers)
    batch.kill()
    batch.communicate(timeout=PATIENCE)
    until(lambda: not any(map(runs, busy(tmp_path))), 5)
    assert len(hidden(tmp_path)) == workers
    demand_writable(tmp_path / "out", "the results")
    assert hidden(tmp_path) == []
    assert finished(tmp_path) == ["quick0", "quick1"]


def test_a_run_that_starts_meanwhile_leaves_drafts_of_the_living_alone(
    start: Start, sources: list[str], tmp_path: Path
) -> None:
    start(sources[2:], 1)
    until(lambda: busy(tmp_path))
    demand_writable(tmp_path / "out", "the results")
    assert len(hidden(tmp_path)) == 1


def test_a_process_that_dies_of_a_source_costs_that_source_only(start: Start, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    names = ["deadly", *(f"quick{number}" for number in range(3))]
    batch = start([still(tmp_path, name) for name in names], 2)
    _, err = batch.communicate(timeout=PATIENCE)
    assert batch.returncode == 1
    assert finished(tmp_path) == names[1:]
    assert "deadly.png, on which its process ended (SIGSEGV)" in err
    assert "3 of 4 finished, 1 failed" in err
    assert "bug in mien" not in err
    assert hidden(tmp_path) == []
