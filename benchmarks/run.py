"""``make bench``: every benchmark on the sample clips, one table.

    python benchmarks/run.py FOLDER [--only NAME ...] [--quick | --long]

FOLDER holds the sample clips. As it is, every row of the table in less than 12 minutes on two cores; with --long more
and longer rounds of everything and every size of network, half an hour. Every script runs in a process of its own, so
that none leaves threads or memory behind; one that fails prints why, the others go on, and the exit code is 1 at the
end.
``--only peers`` compares with other packages, ``--only sweep`` engines for many films: the scripts say what they need.
"""

import argparse
import importlib
import inspect
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = {
    "network": "P1",
    "engines": "P2",
    "speed": "P3",
    "start": "P4",
    "memory": "P5",
    "training": "P6",
    "views": "P7",
    "live": "P8",
    "scaling": "",
    "signals": "",
}
"""Script to the target it measures, in the order of the table."""
BY_NAME = ["following", "peers", "sweep"]
"""Scripts that only run when they are named: they compare answers, or need more than mien and its sample clips."""
CLIPS = {"speed": "WolfgangLanger_Pexels.mp4", "live": "WolfgangLanger_Pexels.mp4"}
USUAL_CLIP = "single_face.mp4"
ROUNDS = {"network": 2, "engines": 2, "training": 2, "views": 2, "scaling": 2, "signals": 5}
"""Of the usual table, where a third one would take half a minute and more; of all others three."""
HERE = Path(__file__).parent


def machine() -> str:
    """What ran it: processor, cores, system, Python, commit."""
    names = [line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    processor = f"{len(names)} x {names[0]}" if names else platform.processor() or platform.machine()
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE)
    commit = found.stdout.strip() or "unknown"
    return f"{processor}, {platform.system()}, Python {platform.python_version()}, commit {commit}"


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []


def _cpu_of_children() -> float:
    """Seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(name: str, folder: Path, quick: bool, long: bool) -> list[str]:
    """The rows of one script: its ``measure`` gets those of the arguments below that it takes."""
    wanted = inspect.signature(importlib.import_module(name).measure).parameters
    offered = {
        "clip": folder / CLIPS.get(name, USUAL_CLIP),
        "folder": folder,
        "quick": quick,
        "long": long,
        "runs": 2 if quick else 5 if long else ROUNDS.get(name, 3),
    }
    given = {key: value for key, value in offered.items() if key in wanted}
    rows: list[str] = importlib.import_module(name).measure(**given)
    return rows


def main(folder: Path, only: list[str], how: list[str]) -> int:
    """Run the scripts, print the table; the exit code."""
    print(machine(), flush=True)
    begun = time.monotonic()
    failed = []
    for name in only or [name for name in SCRIPTS if (HERE / f"{name}.py").is_file()]:
        print(f"\n{name} {SCRIPTS.get(name, '')}".rstrip(), flush=True)
        command = [sys.executable, __file__, str(folder), "--rows-of", name, *how]
        start, busy = time.monotonic(), _cpu_of_children()
        if subprocess.run(command).returncode:
            failed.append(name)
        now = time.monotonic()
        took = f"{now - start:.0f} s, {_cpu_of_children() - busy:.0f} of them of CPU"
        print(f"  ({took}; {(now - begun) / 60:.1f} minutes so far)", flush=True)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    scripts = [*SCRIPTS, *BY_NAME]
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=scripts, default=[], help="these scripts instead of all")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="less of everything: do they run?")
    length.add_argument("--long", action="store_true", help="more rounds, longer films, every size")
    parser.add_argument("--rows-of", choices=scripts, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rows_of:
        print("\n".join(measure(given.rows_of, given.folder, given.quick, given.long)), flush=True)
    else:
        how = [f"--{name}" for name in ("quick", "long") if getattr(given, name)]
        sys.exit(main(given.folder, given.only, how))
