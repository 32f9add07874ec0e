"""How far a landmark net's 68 points lie from a teacher's or from exact ones, by pose and picture size.

    python tools/landmark_error.py NET --data ferplus_48.npz --points points.npz --only valid
    python tools/landmark_error.py NET --people FOLDER
    python tools/landmark_error.py --crops CLIP... -o crops.npz    # faces of videos, an archive as --data takes

NET is `landmarks.safetensors` of a run, or weights of mien. The mean distance of the points over the distance of the
outer eye corners (inter-ocular NME): mean, median and 95th percentile. Points of an archive come from
tools/face_points.py; they are a teacher's, no truth: the figure says how well the net copies it. Smaller pictures are
made of the faces and enlarged again. FOLDER is a set of `mien prepare people`, whose points are exact.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import mien
from mien import media
from mien.data.people.exact import load_exact
from mien.faces import follow
from mien.models.landmarks import LANDMARK_SIZE, MobileFaceNet, fold
from mien.models.preprocess import normalise
from mien.models.record import Preprocessing
from mien.training.landmarks import point_error
from mien.training.pointed import SIDE, grey_faces, rendered_faces
from mien.training.start import load_landmarks

SIZES = (48, 32, 24, 16)
TURNS = ((0, 15), (15, 30), (30, 45), (45, 90))
"""Bounds of how far a head is turned, sideways or up and down, in degrees."""
CROP = 112


def errors(net: MobileFaceNet, images: Tensor, points: Tensor, size: int) -> np.ndarray:
    """The NME of grey faces (n, 1, 48, 48) seen with ``size`` pixels."""
    found = []
    for some, theirs in zip(images.split(256), points.split(256), strict=True):
        grey = some.float() / 255
        if size < SIDE:
            grey = F.interpolate(grey, (size, size), mode="bilinear", antialias=True)
        grey = F.interpolate(grey, (LANDMARK_SIZE, LANDMARK_SIZE), mode="bilinear").expand(-1, 3, -1, -1)
        with torch.inference_mode():
            ours = net(normalise(grey, Preprocessing(SIDE, LANDMARK_SIZE, "grey")))[0]
        found.append(point_error(ours, theirs).numpy())
    return np.concatenate(found)


def table(net: MobileFaceNet, name: str, images: Tensor, points: Tensor, pose: np.ndarray) -> None:
    """Rows by size, then by pose."""
    turned = np.abs(pose[:, :2]).max(1)
    for size in SIZES:
        of_all = errors(net, images, points, size)
        print(row(f"{name}, {size} px", of_all))
        if size == SIZES[0]:
            for low, high in TURNS:
                print(row(f"{name}, turned {low} to {high} degrees", of_all[(turned >= low) & (turned < high)]))


def row(name: str, values: np.ndarray) -> str:
    """One line of the table."""
    if not len(values):
        return f"| {name} | 0 | | | |"
    mean, median, worst = values.mean(), np.median(values), np.percentile(values, 95)
    return f"| {name} | {len(values)} | {mean:.2%} | {median:.2%} | {worst:.2%} |"


def grey_of(images: np.ndarray) -> Tensor:
    """Grey faces of SIDE pixels, of pictures (n, s, s) or (n, s, s, 3)."""
    crops = torch.from_numpy(images if images.ndim == 4 else images[..., None]).permute(0, 3, 1, 2)
    return torch.cat([grey_faces(some.expand(-1, 3, -1, -1)) for some in crops.split(256)])


def measure(given: argparse.Namespace) -> None:
    """Print the table."""
    net = fold(load_landmarks(given.net))
    print("| faces | n | mean | median | 95th percentile |\n|---|---|---|---|---|")
    if given.data:
        archive, looked = np.load(given.data), np.load(given.points)
        names = [name.removesuffix("_images") for name in archive.files if name.endswith("_images")]
        for name in given.only or names:
            points = looked[f"{name}_points"].astype(np.float32)
            there = np.isfinite(points).all((1, 2))
            if there.any():
                images = grey_of(archive[f"{name}_images"][: len(points)][there])
                table(net, name, images, torch.from_numpy(points[there]), looked[f"{name}_pose"][there])
    for folder in given.people:
        faces = rendered_faces((folder,), "test")
        pose = load_exact(folder).pose.reshape(-1, 3).astype(np.float32)
        if len(faces) != len(pose):
            raise SystemExit(f"{folder}: not all persons are held out; draw a set with --test 1")
        table(net, folder.name, faces.images, faces.points, pose)


def write_crops(clips: list[Path], out: Path) -> None:
    """All readable faces of clips, aligned, an array each."""
    arrays = {}
    for clip in clips:
        with media.open(clip) as frames:
            seen = follow(frames, mien.AnalysisSettings().faces, CROP)
            faces = [crop.image for _, crops in seen for crop in crops if crop.quality.reason is None]
        if faces:
            arrays[f"{clip.stem}_images"] = np.stack(faces).transpose(0, 2, 3, 1)
    np.savez_compressed(out, **arrays)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("net", nargs="?", help="landmarks.safetensors, a name from `mien models` or a weights file")
    parser.add_argument("--data", type=Path, help="archive with NAME_images")
    parser.add_argument("--points", type=Path, help="archive with NAME_points and NAME_pose")
    parser.add_argument("--only", nargs="+", help="these arrays of the archive")
    parser.add_argument("--people", type=Path, nargs="+", default=[])
    parser.add_argument("--crops", type=Path, nargs="+", help="clips whose faces are written")
    parser.add_argument("-o", "--out", type=Path)
    arguments = parser.parse_args()
    if arguments.crops:
        write_crops(arguments.crops, arguments.out)
    else:
        measure(arguments)
