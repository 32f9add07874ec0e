"""Does a video model use time? The same clips in order, with their frames shuffled, and with every frame alone.

    python tools/time_used.py runs/moving unseen

What it loses when shuffled came from the order of frames; what it loses when each frame is answered alone, and the
answers averaged, came from seeing them together at all. What is left came from neither: adapters that learned may have
made a better image model. Differences are paired on the clips, see `mien evaluate --compare`.
"""

import argparse
from pathlib import Path

import numpy as np

from mien.data.manifest import Manifest, load_manifest
from mien.data.pixels import frame_count
from mien.evaluation.compare import Comparison, compare
from mien.evaluation.runs import open_run
from mien.evaluation.views import predict_clips
from mien.models.zoo import LoadedModel

SEED = 7


def shuffled(pixels: np.ndarray, item: int) -> np.ndarray:
    """The frames (t, 3, h, w) of a clip in an order of its own."""
    return pixels[np.random.default_rng([SEED, item]).permutation(len(pixels))]


def measure(model: LoadedModel, rows: Manifest) -> dict[str, Comparison]:
    """The clips as they are against both other ways."""
    plain = predict_clips(model, rows)
    frames = max(frame_count(rows, row) for row in rows.rows)
    others = {
        "shuffled": predict_clips(model, rows, change=shuffled),
        "every frame alone": predict_clips(model, rows, views=frames, frames=1),
    }
    return {name: compare(plain, other) for name, other in others.items()}


def main(weights: str, data: Path, split: str, prior: str | None) -> None:
    """Print both comparisons."""
    model = open_run(weights, "cpu", "torch", prior).model
    rows = load_manifest(data).select(split)
    for name, found in measure(model, rows).items():
        print(f"A: in order. B: {name}.\n{found.to_markdown()}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("data", type=Path, help="a prepared set of clips")
    parser.add_argument("--split", default="test")
    parser.add_argument("--prior")
    main(**vars(parser.parse_args()))
