"""Thousands of damaged inputs: each gives a result or an error that says what to do, soon and in bounded memory.

    python tests/fuzz.py --count 10000 --seed 7 [--only media,weights,tables,runs] [--keep FOLDER]

``--count`` inputs of every kind, in processes of their own, a chunk each; what kills one is laid to the input that it
was at. Prints counts a kind and every fault, and exits with 1 where there is one. An input is made of seed, kind and
number alone: ``--only media --seed 7 --first 123 --count 1`` makes it again. ``test_fuzz.py`` tries 300 in one process.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MIEN_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import numpy as np

from fuzz_kinds import KINDS, kind_in
from mien.core.errors import InputError

MOST_SECONDS, MOST_WAITING, MOST_GROWTH = 10.0, 30.0, 1200 << 20
"""Of one input: seconds of computing, seconds on the clock (other programs want the cores too), bytes."""
CHUNK = 200
LONG_BUSY = 60.0
"""Seconds after which the parent ends a child whom no signal reaches, busy in a library."""


@dataclass(frozen=True)
class Outcome:
    """Of one input: ``result``, ``error`` (in three parts) or ``fault``."""

    kind: str
    number: int
    status: str
    what: str
    detail: str
    seconds: float
    growth: int


class TooLongError(BaseException):
    """Not an Exception: nothing that catches those may take it for its own."""


def attempt(kind: str, seed: int, number: int, folder: Path) -> Outcome:
    """Make an input in ``folder`` / input, where it stays, and read it."""
    place = folder / "input"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    source = kind_in(kind, folder / kind)
    _note(folder, number, "being made")
    what, path, read = source.damage(generator(kind, seed, number), place)
    _note(folder, number, what)
    before, start = _reset_peak(), time.process_time()
    status, detail = tried(lambda: read(path))
    growth = _peak() - before
    if status != "fault" and growth > MOST_GROWTH:
        status, detail = "fault", f"{growth >> 20} MiB"
    return Outcome(kind, number, status, what, detail, time.process_time() - start, growth)


def _note(folder: Path, number: int, what: str) -> None:
    (folder / "now.json").write_text(json.dumps({"number": number, "what": what}))


def generator(kind: str, seed: int, number: int) -> np.random.Generator:
    """All that is random in an input."""
    return np.random.default_rng([seed, zlib.crc32(kind.encode()), number])


def same_inputs(kind: str, seed: int, number: int, folder: Path) -> bool:
    """Whether an input comes out alike twice, from sound files that are made twice; films are made once, as encoders do
    not write the same bytes in every process."""
    found = []
    sound = kind_in(kind, folder / kind)
    for name in ("one", "two"):
        place = folder / name / "input"
        place.mkdir(parents=True)
        made = sound if kind == "media" else kind_in(kind, folder / name / kind)
        made.damage(generator(kind, seed, number), place)
        found.append({path.name: path.read_bytes() for path in place.rglob("*") if path.is_file()})
    return found[0] == found[1]


def tried(read: Callable[[], object]) -> tuple[str, str]:
    """What becomes of a reader, and its answer, error or traceback."""
    clocks = ((signal.SIGPROF, signal.ITIMER_PROF, MOST_SECONDS), (signal.SIGALRM, signal.ITIMER_REAL, MOST_WAITING))
    before = [signal.signal(number, _too_long) for number, _, _ in clocks]
    for _, clock, seconds in clocks:
        signal.setitimer(clock, seconds)
    try:
        return "result", repr(read())[:100]
    except InputError as error:
        parts = (error.expected, error.got, error.fix)
        said = all(isinstance(part, str) and part.strip() for part in parts) and len(str(error)) < 2000
        return ("error", str(error)[:200]) if said else ("fault", f"an error without its three parts: {error!r}"[:2000])
    except (Exception, TooLongError):
        return "fault", traceback.format_exc()
    finally:
        for (number, clock, _), handler in zip(clocks, before, strict=True):
            signal.setitimer(clock, 0)
            signal.signal(number, handler)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TooLongError(f"still busy after {MOST_SECONDS} s of computing or {MOST_WAITING} s")


def _reset_peak() -> int:
    """Bytes resident now; the peak is counted from here on."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _peak()
    return resident()


def resident() -> int:
    """Bytes of memory this process has now; 0 where the system does not tell."""
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    return next(int(line.split()[1]) << 10 for line in status.read_text().splitlines() if line.startswith(name))


def child(kind: str, seed: int, first: int, last: int, folder: Path) -> None:
    """Inputs ``first`` to ``last``, an outcome a line."""
    faulthandler.enable()
    with (folder / "outcomes.jsonl").open("a") as file:
        for number in range(first, last):
            faulthandler.dump_traceback_later(LONG_BUSY - 5)
            outcome = attempt(kind, seed, number, folder)
            faulthandler.cancel_dump_traceback_later()
            file.write(json.dumps(asdict(outcome)) + "\n")
            file.flush()


def chunk(kind: str, seed: int, first: int, last: int, folder: Path) -> Iterator[Outcome]:
    """As :func:`child`, in as many processes as die of it."""
    while first < last:
        shutil.rmtree(folder / "input", ignore_errors=True)
        for name in ("outcomes.jsonl", "now.json"):
            (folder / name).unlink(missing_ok=True)
        parts = ["--child", "--only", kind, "--seed", seed, "--first", first, "--count", last - first]
        command = [sys.executable, __file__, *map(str, parts), "--work", str(folder)]
        with (folder / "stderr").open("w") as errors:
            process = subprocess.Popen(command, stderr=errors, stdout=errors)
            code = _watched(process, folder)
        lines = (folder / "outcomes.jsonl").read_text().splitlines() if (folder / "outcomes.jsonl").exists() else []
        outcomes = [Outcome(**json.loads(line)) for line in lines]
        yield from outcomes
        first += len(outcomes)
        if code != 0 or not outcomes:
            now = json.loads((folder / "now.json").read_text()) if (folder / "now.json").exists() else {}
            end = (folder / "stderr").read_text(errors="replace")[-3000:]
            yield Outcome(kind, first, "fault", now.get("what", "?"), f"the process ended with {code}\n{end}", 0.0, 0)
            first += 1


def _watched(process: subprocess.Popen[bytes], folder: Path) -> int:
    """Its exit status; None of its inputs may take very long."""
    while True:
        try:
            return process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            now = folder / "now.json"
            if now.exists() and time.time() - now.stat().st_mtime > LONG_BUSY:
                process.kill()
                process.wait()
                return 124


def main() -> int:
    """The long run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="inputs of every kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--only", default=",".join(KINDS), help=f"kinds, with commas: {', '.join(KINDS)}")
    parser.add_argument("--keep", type=Path, help="folder for inputs that make faults")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.only, given.seed, given.first, given.first + given.count, given.work)
        return 0
    faults = 0
    for kind in given.only.split(","):
        with tempfile.TemporaryDirectory() as work:
            faults += _kind(kind, given, Path(work))
    return 1 if faults else 0


def _kind(kind: str, given: argparse.Namespace, work: Path) -> int:
    counts: Counter[str] = Counter()
    slowest = largest = 0.0
    start = time.monotonic()
    last = given.first + given.count
    for first in range(given.first, last, CHUNK):
        for outcome in chunk(kind, given.seed, first, min(first + CHUNK, last), work):
            counts[outcome.status] += 1
            slowest, largest = max(slowest, outcome.seconds), max(largest, outcome.growth / 2**20)
            if outcome.status == "fault":
                _tell(outcome, given, work)
    took = time.monotonic() - start
    figures = ", ".join(f"{counts[name]} {name}s" for name in ("result", "error", "fault"))
    print(f"{kind}: {figures}; slowest {slowest:.1f} s, most memory {largest:.0f} MiB, {took:.0f} s", flush=True)
    return counts["fault"]


def _tell(outcome: Outcome, given: argparse.Namespace, work: Path) -> None:
    name = f"{outcome.kind}-{given.seed}-{outcome.number}"
    print(f"FAULT {name} ({outcome.what}):\n{outcome.detail}", flush=True)
    if given.keep is not None:
        again = work / "again"
        shutil.rmtree(again, ignore_errors=True)
        (again / "input").mkdir(parents=True)
        rng = generator(outcome.kind, given.seed, outcome.number)
        kind_in(outcome.kind, work / outcome.kind).damage(rng, again / "input")
        shutil.copytree(again / "input", given.keep / name, dirs_exist_ok=True)


if __name__ == "__main__":
    sys.exit(main())
