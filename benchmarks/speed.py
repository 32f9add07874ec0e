"""Where the time of ``mien analyze`` goes, on a real clip: decoding, faces, network, and the rest.

    python benchmarks/speed.py CLIP [--runs 3]

Every round runs the stages in turn (A B C A B C), so a machine that drifts slows them alike; medians are printed. One
stage's cost is the difference between a flow that ends with it and the flow that ends before it.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import mien
from mien import media
from mien.analysis.reading import read
from mien.analysis.settings import AnalysisSettings
from mien.core.settings import thread_count
from mien.faces import follow


def timed(flow: Callable[[], object]) -> float:
    start = time.perf_counter()
    flow()
    return time.perf_counter() - start


def flows(model: mien.ExpressionModel, clip: Path) -> dict[str, Callable[[], object]]:
    """The same source through more and more of the pipeline."""
    settings = AnalysisSettings()
    crop = model.record.preprocessing.crop_size

    def decode() -> None:
        with media.open(clip) as frames:
            for _ in frames:
                pass

    def faces() -> None:
        with media.open(clip) as frames:
            for _ in follow(frames, settings.faces, crop):
                pass

    def network() -> None:
        with media.open(clip) as frames:
            for _ in read(frames, model._network, settings, settings.batch):
                pass

    return {"decode": decode, "faces": faces, "network": network, "smoothing and result": lambda: model.analyze(clip)}


def measure(clip: Path, runs: int) -> list[str]:
    """The rows of the table."""
    model = mien.load()
    stages = flows(model, clip)
    seconds: dict[str, list[float]] = {name: [] for name in stages}
    for _ in range(runs):
        for name, flow in stages.items():
            seconds[name].append(timed(flow))
    info = media.probe(clip)
    length = info.duration or 0.0
    reach = [statistics.median(values) for values in seconds.values()]
    rows = [f"{clip.name}: {length:.1f} s of {info.width}x{info.height}, {thread_count()} threads, {runs} rounds"]
    for name, now, before in zip(stages, reach, [0.0, *reach], strict=False):
        rows.append(f"  {name:<22} {max(now - before, 0):6.2f} s  {100 * max(now - before, 0) / reach[-1]:5.1f} %")
    whole = [length / value for value in seconds["smoothing and result"]]
    rows.append(f"  {statistics.median(whole):.2f} video s per s (spread {min(whole):.2f} to {max(whole):.2f})")
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    print("\n".join(measure(given.clip, given.runs)))
