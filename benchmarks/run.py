"""``make bench``: every benchmark on the sample clips, one table.

    python benchmarks/run.py FOLDER [--only NAME ...] [--quick]

FOLDER holds the sample clips. Every script runs in a process of its own, so that none leaves threads or memory behind;
one that fails prints why, the others go on, and the exit code is 1 at the end.
"""

import argparse
import importlib
import inspect
import platform
import subprocess
import sys
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
}
"""Script to the target it measures, in the order of the table."""
CLIPS = {"speed": "WolfgangLanger_Pexels.mp4", "live": "WolfgangLanger_Pexels.mp4"}
USUAL_CLIP = "single_face.mp4"
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


def measure(name: str, folder: Path, quick: bool) -> list[str]:
    """The rows of one script: its ``measure`` gets those of the arguments clip, folder and quick that it takes."""
    wanted = inspect.signature(importlib.import_module(name).measure).parameters
    offered = {
        "clip": folder / CLIPS.get(name, USUAL_CLIP),
        "folder": folder,
        "quick": quick,
        "runs": 2 if quick else 5,
    }
    given = {key: value for key, value in offered.items() if key in wanted}
    rows: list[str] = importlib.import_module(name).measure(**given)
    return rows


def main(folder: Path, only: list[str], quick: bool) -> int:
    """Run the scripts, print the table; the exit code."""
    print(machine(), flush=True)
    failed = []
    for name in only or [name for name in SCRIPTS if (HERE / f"{name}.py").is_file()]:
        print(f"\n{name} {SCRIPTS.get(name, '')}".rstrip(), flush=True)
        command = [sys.executable, __file__, str(folder), "--rows-of", name, *(["--quick"] if quick else [])]
        if subprocess.run(command).returncode:
            failed.append(name)
    if failed:
        print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(SCRIPTS), default=[], help="these scripts instead of all")
    parser.add_argument("--quick", action="store_true", help="less of everything: do they run?")
    parser.add_argument("--rows-of", choices=list(SCRIPTS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rows_of:
        print("\n".join(measure(given.rows_of, given.folder, given.quick)), flush=True)
    else:
        sys.exit(main(given.folder, given.only, given.quick))
