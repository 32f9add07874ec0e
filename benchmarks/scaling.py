"""How the time of an analysis grows: with the length, the faces, the batch, and what more threads save.

    python benchmarks/scaling.py CLIP [--runs 3]

Wall time after loading, as a multiple of the first variant of each kind, from interleaved rounds.
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from rounds import in_turn, ratios, spread, use_threads

import films
import mien


def _rows(title: str, flows: Mapping[str, Callable[[], object]], runs: int) -> list[str]:
    seconds = in_turn(flows, runs)
    first = next(iter(seconds.values()))
    return [f"  {title}:"] + [f"    {name:<12} {spread(ratios(some, first))}" for name, some in seconds.items()]


def _analyses(model: mien.ExpressionModel, clips: Mapping[str, Path]) -> dict[str, Callable[[], object]]:
    return {name: (lambda path=path: model.analyze(path)) for name, path in clips.items()}


def _with_threads(model: mien.ExpressionModel, clip: Path, count: int) -> None:
    import torch

    use_threads(count)
    torch.set_num_threads(count)
    model.analyze(clip)


def measure(clip: Path, runs: int = 3) -> list[str]:
    """The rows of the table."""
    rows = [f"{clip.name}: time as a multiple of the first of each kind, at most {runs} rounds"]
    model, settings = mien.load(trial=True), mien.AnalysisSettings()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lengths = {f"{times} x": films.longer(clip, times, folder / f"{times}.mp4") for times in (1, 2, 4)}
        crowds = {f"{faces} faces": films.crowd(clip, faces, folder / f"f{faces}.mp4") for faces in (1, 2, 5, 10)}
        rows += _rows("length", _analyses(model, lengths), runs)
        rows += _rows("faces in one picture", _analyses(model, crowds), runs)
        batches = {
            f"{batch} windows": lambda batch=batch: model.analyze(clip, replace(settings, batch=batch))
            for batch in (1, 2, 4, 8)
        }
        rows += _rows("batch", batches, runs)
    in_torch = mien.load(backend="torch")
    threads = {f"{count} threads": lambda count=count: _with_threads(in_torch, clip, count) for count in (1, 2)}
    return rows + _rows("threads, in PyTorch", threads, runs)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    print("\n".join(measure(given.clip, given.runs)))
