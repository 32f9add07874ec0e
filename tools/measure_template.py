"""Where eyes, nose and mouth lie in FERPlus' crops: the figures behind ``mien.faces.align.TEMPLATE``.

    python tools/measure_template.py FERPLUS.npz LANDMARKS.safetensors

Prints the median of the five points over the training split, made symmetric, as shares of the crop's side. The landmark
weights are any MobileFaceNet-68 that takes RGB / 255 (the teacher of ``mien train landmarks``).
"""

import sys
from pathlib import Path

import torch

from mien.data.ferplus import read_ferplus
from mien.data.transforms import warp
from mien.models.landmarks import LANDMARK_SIZE, fold
from mien.training.distill import load_teacher


def five_points(points: torch.Tensor) -> torch.Tensor:
    """Eyes' centres, nose tip and mouth corners, (n, 5, 2), of 68 points in iBUG's order."""
    eyes = [points[:, 36:42].mean(1), points[:, 42:48].mean(1)]
    return torch.stack([*eyes, points[:, 30], points[:, 48], points[:, 54]], dim=1)


def main(data: Path, weights: Path) -> None:
    net = fold(load_teacher(weights))
    images = torch.from_numpy(read_ferplus(data, "train").images)[:, None].float() / 255
    found = []
    with torch.inference_mode():
        for batch in images.split(256):
            same = torch.eye(2, 3).expand(len(batch), 2, 3)
            found.append(net(warp(batch, same, LANDMARK_SIZE).expand(-1, 3, -1, -1))[0])
    middle = five_points(torch.cat(found)).median(0).values
    mirrored = middle[[1, 0, 2, 4, 3]] * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0])
    for name, (x, y) in zip(("eye", "eye", "nose", "mouth", "mouth"), ((middle + mirrored) / 2).tolist(), strict=True):
        print(f"{name:<6} {x:.4f} {y:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
