"""P3: video seconds per second and core of ``mien analyze``, from file to spans, and where the time goes.

    python benchmarks/speed.py CLIP [--long]

The clip is scaled to 720p first. One thread; the work of all threads counts (CPU seconds), so other programs on the
machine disturb little. Every round runs the stages in turn; medians, and spread. A stage's cost is the difference
between a flow that ends with it and the flow that ends before it. The default weights (--long: all that ship) run on
PyTorch and on the engine that `mien analyze` chooses by its trial, and there without ``follow``, which searches for
faces more often, and without ``sparse``, which looks at every frame. Decoding without pixels: what is looked at is
turned into RGB where its faces are sought. The paper's shapes, of random weights, run on PyTorch, with the clips of 16
frames in 2 s that their target was set with.
"""

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rounds import in_turn, ratios, spread, use_threads

import films
import mien
from mien import media
from mien.analysis.reading import read, see
from mien.models.find import DEFAULT
from mien.models.record import shipped_records

HEIGHT, FRAMES = 720, 240
TARGETS = {"s2d-tiny": 8.0, "s2d-small": 5.0, "s2d-base": 1.0}
SETTINGS = mien.AnalysisSettings()
OTHERS = {
    "--no-follow": mien.AnalysisSettings(faces=dataclasses.replace(SETTINGS.faces, follow=False)),
    "--no-sparse": mien.AnalysisSettings(sparse=False),
}
PAPER = mien.AnalysisSettings(window=2.0, step=2.0)


def flows(model: mien.ExpressionModel, clip: Path) -> dict[str, Callable[[], object]]:
    """The same source through more and more of the pipeline."""

    def decode() -> None:
        with opened(clip) as frames:
            for _ in frames:
                pass

    def faces() -> None:
        with opened(clip) as frames:
            for _ in see(frames, model.record, SETTINGS):
                pass

    def network() -> None:
        with opened(clip) as frames:
            for _ in read(frames, model._network, SETTINGS, SETTINGS.batch):
                pass

    return {"decoding": decode, "faces": faces, "network": network, "spans": lambda: model.analyze(clip, SETTINGS)}


def opened(clip: Path) -> media.Source:
    """As analysis opens it."""
    frames = media.open(clip)
    frames.lazy = SETTINGS.sparse
    return frames


def of_the_paper(name: str) -> mien.ExpressionModel:
    """A video model of a named shape with random weights, on PyTorch."""
    import torch

    from mien.core.labels import LabelSpace
    from mien.models.landmarks import MobileFaceNet, fold
    from mien.models.record import ModelRecord, Preprocessing
    from mien.models.s2d import S2D
    from mien.models.weights import Recognizer
    from mien.models.zoo import LoadedModel, make_config

    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = make_config(name, frames=16)
    labels = LabelSpace("seven", tuple(f"label {number}" for number in range(config.classes)))
    record = ModelRecord(name, labels, Preprocessing(), {"frames": 16}, frames=16)
    network = Recognizer(S2D(config), MobileFaceNet(), record.preprocessing).eval().requires_grad_(False)
    network.landmarks = fold(network.landmarks)
    return mien.ExpressionModel(LoadedModel(network, record))


def stages(model: mien.ExpressionModel, clip: Path, seconds: float, runs: int) -> list[str]:
    """Where the time goes."""
    taken = in_turn(flows(model, clip), runs, time.process_time)
    reach = [statistics.median(values) for values in taken.values()]
    rows = []
    for name, now, before in zip(taken, reach, [0.0, *reach], strict=False):
        cost = max(now - before, 0.0)
        rows.append(f"    {name:<10} {1000 * cost / seconds:6.0f} CPU ms per video s  {100 * cost / reach[-1]:5.1f} %")
    return rows


def measure(clip: Path, quick: bool = False, runs: int = 3, long: bool = False) -> list[str]:
    """The rows of the table."""
    use_threads(1)
    names = [record.name for record in shipped_records()] if long else [DEFAULT]
    with tempfile.TemporaryDirectory() as folder:
        film = films.scaled(clip, HEIGHT, FRAMES if long else FRAMES // 2, Path(folder) / "720p.mp4")
        info = media.probe(film)
        length = info.duration or 0.0
        rows = [f"{clip.name}: {length:.1f} s of {info.width}x{info.height}, one thread"]
        results = []
        for name in names:
            found, best = of_shipped(name, film, length, runs)
            rows += found
            results.append(f"{best:.2f} with {name} (target {TARGETS[name]})")
        papers = ("s2d-tiny", "s2d-small", "s2d-base") if long else ("s2d-tiny",)
        for paper in papers:
            model = of_the_paper(paper)
            flow = {paper: partial(model.analyze, film, PAPER)}
            some = speeds(length, in_turn(flow, 1 if quick else runs, time.process_time)[paper])
            row = f"{spread(some)} video s per s (target {TARGETS[paper]} on its best engine)"
            rows.append(f"  {paper}, random weights, torch: {row}")
    rows.append(f"P3 video s per s per core as shipped: {', '.join(results)}")
    return rows


def of_shipped(name: str, film: Path, length: float, runs: int) -> tuple[list[str], float]:
    """The rows of shipped weights, and video seconds per second on the engine that the trial chose."""
    models = {"torch": mien.load(name, backend="torch"), "auto": mien.load(name, trial=True)}
    whole = {f"--backend {backend}": partial(model.analyze, film, SETTINGS) for backend, model in models.items()}
    whole |= {flag: partial(models["auto"].analyze, film, other) for flag, other in OTHERS.items()}
    taken = {flags: speeds(length, some) for flags, some in in_turn(whole, runs, time.process_time).items()}
    rows = [f"  {name} as shipped, {flags}: {spread(some)} video s per s" for flags, some in taken.items()]
    best = taken["--backend auto"]
    rows += [f"    as it is, against {flag}: {spread(ratios(best, taken[flag]))} x" for flag in OTHERS]
    rows += stages(models["auto"], film, length, runs)
    return rows, statistics.median(best)


def speeds(length: float, seconds: list[float]) -> list[float]:
    """Video seconds per second of every round."""
    return [length / value for value in seconds]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--long", action="store_true", help="five rounds of ten seconds, and all models and shapes")
    given = parser.parse_args()
    print("\n".join(measure(given.clip, runs=5 if given.long else 3, long=given.long)))
