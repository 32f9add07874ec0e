"""P5: the peak memory of ``mien analyze`` must not grow with the video.

    python benchmarks/memory.py CLIP [--times 20]

Makes a video that repeats the clip, analyses both in fresh processes, and prints the peaks of resident memory as the
operating system accounts them, with their ratio (target: at most 1.10).
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from mien import media


def repeat(clip: Path, times: int, out: Path) -> None:
    """Write ``clip`` ``times`` times in a row."""
    info = media.probe(clip)
    rate = info.frame_rate or 25.0
    start = 0.0
    with media.VideoWriter(out, info.width, info.height, rate) as video:
        for _ in range(times):
            last = 0.0
            with media.open(clip) as frames:
                for frame in frames:
                    video.write(frame.image, start + frame.time)
                    last = frame.time
            start += last + 1 / rate


def peak_mib(clip: Path, out: Path) -> float:
    """Peak resident memory of one analysis, MiB."""
    command = [sys.executable, "-m", "mien", "analyze", str(clip), "-o", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"analysis of {clip} failed: run `{' '.join(command)}` to see why")
    return usage.ru_maxrss / 1024


def measure(clip: Path, times: int) -> list[str]:
    """The rows of the table."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        longer = out / f"{clip.stem}_{times}x.mp4"
        repeat(clip, times, longer)
        short, long = peak_mib(clip, out / "short"), peak_mib(longer, out / "long")
    ratio = f"P5 {long / short:.3f} (target 1.10)"
    return [f"{clip.name}: peak {short:.0f} MiB, {times} times longer {long:.0f} MiB", f"  {ratio}"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--times", type=int, default=20)
    given = parser.parse_args()
    print("\n".join(measure(given.clip, given.times)))
