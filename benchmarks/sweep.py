"""Sweeps: what the engines cost beside ``mien analyze --workers 2``, and what a row costs when there are many.

    python benchmarks/sweep.py CLIP [--runs 3] [--rows 100000] [--long]

Needs ``pip install -e '.[scale]'`` and two cores. Films: copies of CLIP; every flow begins cold and loads models anew.
Rows: files that a child answers at once, without looking at them, so that all that is left is the engine.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["PYTHONPATH"] = str(Path(__file__).parent)

import psutil
from rounds import in_turn, ratios, spread
from sweep_role import nothing

HERE = Path(__file__)


def _run(words: list[str]) -> None:
    subprocess.run(words, check=True, capture_output=True)


def _flows(folder: Path, out: Path) -> dict[str, Callable[[], object]]:
    mien = [sys.executable, "-m", "mien"]
    common = ["--backend", "torch"]

    def fresh(words: list[str]) -> Callable[[], object]:
        def flow() -> None:
            shutil.rmtree(out, ignore_errors=True)
            _run(words)

        return flow

    sweep = [*mien, "sweep", str(folder), "-o", str(out), *common, "--workers", "2"]
    return {
        "analyze --workers 2": fresh([*mien, "analyze", str(folder), "-o", str(out), *common, "--workers", "2"]),
        "sweep, local": fresh(sweep),
        "sweep, ray": fresh([*sweep, "--engine", "ray"]),
    }


def _films(clip: Path, runs: int, long: bool) -> list[str]:
    with tempfile.TemporaryDirectory() as name:
        films = Path(name) / "films"
        films.mkdir()
        count = 96 if long else 24
        for number in range(count):
            shutil.copy(clip, films / f"{number}.mp4")
        flows = _flows(films, Path(name) / "out")
        seconds = in_turn(flows, runs)
        first = next(iter(seconds.values()))
        rows = [f"  {count} films of {clip.name}, wall time as a multiple of the first ({min(first):.0f} s):"]
        return rows + [f"    {flow:<20} {spread(ratios(some, first))}" for flow, some in seconds.items()]


def _many(rows: int, engine: str) -> str:
    """A row of the table, from a process of its own: this file with ``--engine``."""
    words = [sys.executable, str(HERE), "--rows", str(rows), "--engine", engine]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.rstrip()


def many(rows: int, engine: str) -> str:
    """How long a row takes on an engine, and the driver's memory after a tenth, a half and all of them."""
    from mien.scale.asked import Asked
    from mien.scale.engines import Orders
    from mien.scale.running import sweep
    from mien.scale.settings import Care, Crew

    with tempfile.TemporaryDirectory() as name:
        films, out = Path(name) / "films", Path(name) / "out"
        films.mkdir()
        for number in range(rows):
            (films / f"{number}.mp4").write_bytes(b"film")
        orders = Orders(Asked("s2d-tiny"), str(out), Care(frame_tables=False), role=nothing)
        began = time.monotonic()
        sweep([str(films)], str(out), plan=True, orders=orders)
        planned = time.monotonic() - began
        memory: dict[int, float] = {}
        began = time.monotonic()
        first = 0.0

        def watch(count) -> None:
            nonlocal first
            first = first or time.monotonic()
            for tenth in (1, 5, 10):
                if tenth not in memory and count.done * 10 >= tenth * count.films:
                    memory[tenth] = psutil.Process().memory_info().rss / 2**20

        count = sweep([], str(out), engine=engine, crew=Crew(workers=2), orders=orders, progress=watch)
        took = time.monotonic() - first
        assert count.by_status == {"no_face": rows}
        told = ", ".join(f"{memory[tenth]:.0f}" for tenth in (1, 5, 10))
        return (
            f"    {engine:<6} {rows} rows: listed in {planned:.1f} s; {1000 * took / rows:.2f} ms a row "
            f"({rows / took:.0f} a second); driver {told} MiB after a tenth, half, all"
        )


def measure(clip: Path, runs: int = 3, long: bool = False, rows: int | None = None) -> list[str]:
    """The rows of the table."""
    number = rows or (100_000 if long else 10_000)
    return [*_films(clip, runs, long), "  nothing to do:", *(_many(number, engine) for engine in ("local", "ray"))]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path, nargs="?")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--engine", choices=["local", "ray"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine:
        print(many(given.rows, given.engine))
    else:
        print("\n".join(measure(given.clip, given.runs, given.long, given.rows)))
