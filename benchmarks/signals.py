"""What action units, pose, gaze and closed eyes cost the network, on every engine.

    python benchmarks/signals.py [--models s2d-small ...] [--runs 9]

CPU time of a batch of single crops on one thread, all variants in turn: with the signals, with them switched off
(`--signals expression`), and by the same weights without their heads, which is what is compared with.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rounds import in_turn, ratios, spread, use_threads

from mien.core.signals import EXPRESSION
from mien.engines.crops import sample_clips
from mien.engines.export import export
from mien.engines.opening import open_model
from mien.models.find import find_weights
from mien.models.weights import Recognizer, load_weights, save_weights
from mien.models.zoo import load_model

NAMES = ("s2d-small", "s2d-tiny")
ENGINES = ("torch", "onnx", "openvino")
MOST = 1.15
CROPS = 16


def without_heads(weights: Path, folder: Path) -> Path:
    """The same weights that say the expression alone."""
    network, record = load_weights(weights)
    bare = Recognizer(network.net, network.landmarks, network.preprocessing)
    path = folder / f"{record.name}.safetensors"
    save_weights(bare.eval(), replace(record, signals=(), heads={}), path, torch.float16)
    return path


def variants(weights: Path, engine: str, folder: Path) -> dict[str, Callable[[], object]]:
    """What answers one batch, by what it says."""
    bare = without_heads(weights, folder / "bare")
    with_, without = weights, bare
    if engine != "torch":
        with_, without = (export(load_model(one), engine, folder / one.parent.name).path for one in (weights, bare))
    models = {
        "without": open_model(without, engine),
        "off": open_model(weights, engine, signals=(EXPRESSION,)),
        "with": open_model(with_, engine),
    }
    batch = sample_clips(CROPS, 1, models["with"].record.preprocessing.crop_size)
    return {name: lambda of=model: of.outputs(batch) for name, model in models.items()}


def rows_of(name: str, runs: int, engines: Sequence[str]) -> list[str]:
    """A row an engine."""
    rows = []
    for engine in engines:
        with tempfile.TemporaryDirectory() as folder:
            flows = variants(find_weights(name), engine, Path(folder))
            for flow in flows.values():
                flow()  # warm
            seconds = in_turn(flows, runs, time.process_time)
        cost, off = (spread(ratios(seconds[way], seconds["without"])) for way in ("with", "off"))
        took = 1000 * statistics.median(seconds["without"]) / CROPS
        rows.append(f"  {name}, {engine}: signals {cost} (target {MOST}), off {off}; without {took:.1f} ms a crop")
    return rows


def measure(runs: int = 9, quick: bool = False) -> list[str]:
    """The rows of the table."""
    use_threads(1)
    torch.set_num_threads(1)
    return [row for name in NAMES for row in rows_of(name, runs, ENGINES[:1] if quick else ENGINES)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=NAMES, help="names from `mien models`, or weights files")
    parser.add_argument("--runs", type=int, default=9)
    given = parser.parse_args()
    use_threads(1)
    torch.set_num_threads(1)
    print("\n".join(row for name in given.models for row in rows_of(name, given.runs, ENGINES)))
