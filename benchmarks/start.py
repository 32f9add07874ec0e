"""P4: what `mien analyze` costs from a cold start to its result, on three seconds of video.

    python benchmarks/start.py CLIP [--quick | --long]

Fresh processes, in turn: PyTorch, and the engine that `mien doctor --engines` chooses (made first, outside the
measurement). Prints CPU seconds and peak resident memory as the operating system accounts them, medians and spread, for
the whole of the process: interpreter, imports, weights, decoding, faces, network, tables and timeline. Then the wall
time of loading the weights alone, imports done.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from mien import media
from mien.models.find import DEFAULT
from mien.models.record import shipped_records

SECONDS = 3.0
TARGET_CPU, TARGET_MIB, TARGET_LOAD = 2.5, 350, 1.0
CHOOSE = "import sys, mien; mien.load(sys.argv[1], trial=True)"
LOAD = """
import sys, time, mien
from mien.engines import openvino, opening
if sys.argv[1] == "torch":
    import mien.models.zoo
else:
    openvino.openvino_core()
start = time.perf_counter()
mien.load(sys.argv[2], backend=sys.argv[1])
print(time.perf_counter() - start)
"""


@dataclass(frozen=True)
class Cost:
    """Of one process: CPU seconds, and peak resident memory in MiB."""

    cpu: float
    mib: float


def cut(clip: Path, out: Path) -> None:
    """The first seconds of ``clip``."""
    info = media.probe(clip)
    with media.open(clip) as frames, media.VideoWriter(out, info.width, info.height, info.frame_rate or 25.0) as video:
        for frame in frames:
            if frame.time >= SECONDS:
                break
            video.write(frame.image, frame.time)


def run(*args: str) -> Cost:
    """One command of mien in a process of its own."""
    command = [sys.executable, "-m", "mien", *args]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"run `{' '.join(command)}` to see what fails")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def load_seconds(name: str, backend: str) -> float:
    """Wall time from the weights' name to a model that is ready, in a fresh process whose imports are done."""
    command = [sys.executable, "-c", LOAD, backend, name]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def load_rows(names: list[str], runs: int) -> list[str]:
    """A row a shipped model."""
    rows = []
    for name in names:
        subprocess.run([sys.executable, "-c", CHOOSE, name], check=True)
        texts = []
        for backend in ("torch", "auto"):
            seconds = [load_seconds(name, backend) for _ in range(runs)]
            texts.append(f"{backend} {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")
        rows.append(f"  loading {name}: {', '.join(texts)} (target {TARGET_LOAD:.0f} s)")
    return rows


def measure(clip: Path, runs: int, long: bool = False) -> list[str]:
    """The rows of the table."""
    run("doctor", "--engines")
    costs: dict[str, list[Cost]] = {"torch": [], "auto": []}
    with tempfile.TemporaryDirectory() as folder:
        short = Path(folder) / clip.name
        cut(clip, short)
        for _ in range(runs):
            for backend, some in costs.items():
                some.append(run("analyze", str(short), "-o", f"{folder}/{backend}", "--backend", backend))
        info = media.probe(short)
    rows = [f"{clip.name}: {info.duration:.1f} s of {info.width}x{info.height}, cold start to result, {runs} runs"]
    for backend, some in costs.items():
        cpu, mib = [cost.cpu for cost in some], statistics.median(cost.mib for cost in some)
        spread = f"spread {min(cpu):.2f} to {max(cpu):.2f}"
        rows.append(f"  {backend:<8} {statistics.median(cpu):5.2f} CPU s ({spread})  {mib:4.0f} MiB")
    gains = [old.cpu / new.cpu for old, new in zip(costs["torch"], costs["auto"], strict=True)]
    cpu, mib = (statistics.median(getattr(cost, name) for cost in costs["auto"]) for name in ("cpu", "mib"))
    rows.append(f"  {statistics.median(gains):.2f} times less CPU than PyTorch")
    rows.append(f"P4 {cpu:.2f} CPU s, {mib:.0f} MiB (target {TARGET_CPU} CPU s, {TARGET_MIB} MiB)")
    return [*rows, *load_rows([record.name for record in shipped_records()] if long else [DEFAULT], runs)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--quick", action="store_true", help="two runs instead of three")
    parser.add_argument("--long", action="store_true", help="five runs, and all models that ship")
    given = parser.parse_args()
    print("\n".join(measure(given.clip, 2 if given.quick else 5 if given.long else 3, given.long)))
