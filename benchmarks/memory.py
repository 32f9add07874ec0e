"""P5: the peak memory of ``mien analyze`` must not grow with the video, and little with the faces.

    python benchmarks/memory.py CLIP [--quick]

Analyses, in fresh processes, a clip and the same clip 20 times in a row, and ten places of one picture with one face
and with ten; prints the peaks of resident memory as the operating system accounts them, and their ratios.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import films

TIMES, FACES = 20, 10
MOST_LONGER, MOST_FACES = 1.10, 2.0


def peak_mib(clip: Path, out: Path) -> float:
    """Peak resident memory of one analysis, MiB."""
    command = [sys.executable, "-m", "mien", "analyze", str(clip), "-o", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError(f"analysis of {clip} failed: run `{' '.join(command)}` to see why")
    return usage.ru_maxrss / 1024


def measure(clip: Path, quick: bool = False) -> list[str]:
    """The rows of the table."""
    times = 5 if quick else TIMES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = {
            "short": clip,
            "long": films.longer(clip, times, folder / "long.mp4"),
            "one face": films.crowd(clip, 1, folder / "one.mp4"),
            "ten faces": films.crowd(clip, FACES, folder / "ten.mp4"),
        }
        peak_mib(clip, folder / "first")  # chooses the engine and fills the cache
        peaks = {what: peak_mib(path, folder / what) for what, path in made.items()}
    rows = [f"{clip.name}, once and {times} times in a row; one face and {FACES} in one picture:"]
    rows += [f"  {what:<10} peak {mib:.0f} MiB" for what, mib in peaks.items()]
    longer, more = peaks["long"] / peaks["short"], peaks["ten faces"] / peaks["one face"]
    rows.append(f"P5 {longer:.3f} for {times} times the length (target {MOST_LONGER:.2f} for {TIMES})")
    rows.append(f"P5 {more:.3f} for {FACES} faces instead of one (target {MOST_FACES:.2f})")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--quick", action="store_true", help="5 times the length instead of 20")
    given = parser.parse_args()
    print("\n".join(measure(given.clip, given.quick)))
