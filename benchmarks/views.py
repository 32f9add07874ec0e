"""P7: evaluation with the paper's views (2 segments x 2 crops) against computing every one of them.

    python benchmarks/views.py [--runs 3] [--quick]

`predict_clips` computes equal views once: clips of 16 frames, as DFEW is released, have one distinct view of four,
longer ones have two. Reading included; CPU seconds, both in turn on one thread, on drawn faces with random weights.
"""

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from published import random_weights
from rounds import in_turn, ratios, spread

from mien.clips.indices import evaluation_views
from mien.core.labels import LABEL_SPACES
from mien.data.manifest import Manifest, Row
from mien.data.pixels import read_clip
from mien.engines.crops import sample_clips
from mien.evaluation.views import predict_clips
from mien.models.fast import fold_s2d
from mien.models.find import find_weights
from mien.models.landmarks import fold
from mien.models.memory import keep_freed_memory
from mien.models.packed import pack
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D
from mien.models.weights import Recognizer, load_weights
from mien.models.zoo import LoadedModel, make_config

FRAMES, SIDE, CROPS, SEGMENTS = 16, 224, 2, 2
TARGETS = {16: 4.0, 30: 2.0}
"""Frames a clip, and the ratio wanted."""


def model() -> LoadedModel:
    """s2d-tiny as a video model of 7 classes."""
    torch.set_num_threads(1)
    keep_freed_memory()
    s2d = random_weights(S2D(make_config("s2d-tiny", frames=FRAMES))).eval()
    plan = Preprocessing(crop_size=SIDE, input_size=SIDE)
    landmarks = fold(load_weights(find_weights(None))[0].landmarks)
    config = dataclasses.asdict(s2d.config)
    record = ModelRecord("random", LABEL_SPACES["dfew"], plan, config, frames=FRAMES, protocol="official")
    return LoadedModel(Recognizer(pack(fold_s2d(s2d)), landmarks, plan).eval(), record)


def drawn(folder: Path, clips: int, frames: int) -> Manifest:
    """Clips as folders of frames."""
    rows, space = [], LABEL_SPACES["dfew"]
    for number, clip in enumerate(sample_clips(clips, frames, SIDE)):
        name = f"{frames}-{number}"
        (folder / name).mkdir()
        for place, face in enumerate(clip):
            cv2.imwrite(str(folder / name / f"{place:03}.png"), face.transpose(1, 2, 0))
        rows.append(Row(name, name, "frames", space.labels[number], "test", 1))
    return Manifest("drawn", space, tuple(rows), folder)


def every_view(loaded: LoadedModel, clips: Manifest, frames: int) -> np.ndarray:
    """The mean over all views of every clip, each read and computed."""
    means = []
    for row in clips.rows:
        views = np.repeat(evaluation_views(frames, FRAMES, SEGMENTS), CROPS, axis=0)
        means.append(loaded.probabilities(np.stack([read_clip(clips, row, view) for view in views])).mean(0))
    return np.stack(means)


def measure(runs: int = 3, quick: bool = False) -> list[str]:
    """The rows of the table."""
    loaded, rows = model(), []
    with tempfile.TemporaryDirectory() as folder:
        for frames, target in TARGETS.items():
            clips = drawn(Path(folder), 1 if quick else 2, frames)
            flows = {
                "every view": lambda clips=clips, frames=frames: every_view(loaded, clips, frames),
                "distinct views": lambda clips=clips: predict_clips(loaded, clips, views=SEGMENTS).probabilities,
            }
            every, distinct = (flow() for flow in flows.values())
            seconds = in_turn(flows, runs, time.process_time)
            rows.append(
                f"P7 {spread(ratios(seconds['every view'], seconds['distinct views']))} for clips of {frames} frames "
                f"(target {target}; probabilities differ by {np.abs(every - distinct).max():.0e})"
            )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one clip of each length instead of two")
    given = parser.parse_args()
    print("\n".join(measure(given.runs, given.quick)))
