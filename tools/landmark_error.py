"""How far a model's 68 points lie from its teacher's on the faces of real clips.

    python tools/landmark_error.py TEACHER.safetensors CLIP... [--model s2d-small]

Per clip and over all: mean, median and 95th percentile of the mean distance of the points over the distance of the
outer eye corners (inter-ocular NME), on aligned crops as analysis makes them. The teacher sees them in colour, the
model through its own preprocessing. The teacher's points are no truth: the figure says how well the model copies it.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import mien
from mien import media
from mien.faces import follow
from mien.models.landmarks import LANDMARK_SIZE, fold
from mien.models.zoo import LoadedModel, load_model
from mien.training.distill import point_error
from mien.training.start import read_landmark_net


def crops_of(clip: Path, size: int) -> np.ndarray:
    """All readable faces of a clip, (n, 3, size, size)."""
    with media.open(clip) as frames:
        seen = follow(frames, mien.AnalysisSettings().faces, size)
        faces = [crop.image for _, crops in seen for crop in crops if crop.quality.reason is None]
    return np.stack(faces) if faces else np.empty((0, 3, size, size), np.uint8)


def errors(model: LoadedModel, teacher: torch.nn.Module, crops: np.ndarray) -> np.ndarray:
    """The NME of every crop."""
    found = []
    for some in np.array_split(crops, max(1, len(crops) // 64)):
        faces = torch.from_numpy(some).float() / 255
        faces = F.interpolate(faces, (LANDMARK_SIZE, LANDMARK_SIZE), mode="bilinear", antialias=True)
        with torch.inference_mode():
            found.append(point_error(torch.from_numpy(model.points(some)).float(), teacher(faces)[0]).numpy())
    return np.concatenate(found)


def row(name: str, values: np.ndarray) -> str:
    """One line of the table."""
    mean, median, worst = values.mean(), np.median(values), np.percentile(values, 95)
    return f"| {name} | {len(values)} | {mean:.2%} | {median:.2%} | {worst:.2%} |"


def main(teacher: Path, clips: list[Path], name: str | None) -> None:
    """Print the table."""
    model, reference = load_model(name), fold(read_landmark_net(teacher))
    print("| clip | faces | mean | median | 95th percentile |\n|---|---|---|---|---|")
    every = []
    for clip in clips:
        crops = crops_of(clip, model.record.preprocessing.crop_size)
        if not len(crops):
            print(f"| {clip.name} | 0 | | | |")
            continue
        every.append(errors(model, reference, crops))
        print(row(clip.name, every[-1]), flush=True)
    if every:
        print(row("all", np.concatenate(every)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teacher", type=Path)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--model", help="a name from `mien models` or a weights file")
    given = parser.parse_args()
    main(given.teacher, given.clips, given.model)
