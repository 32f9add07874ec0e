"""Which turned faces gates find: `--max-yaw`, by five points, and `--most-yaw`, by the network's pose or 68 points.

    python tools/yaw_gates.py MODEL FOLDER
    mien analyze PICTURES -o out --max-yaw 90
    python tools/yaw_gates.py --answers out PICTURES/labels.csv

FOLDER: a set of `mien prepare people --test 1`, whose truth is exact. Its crops are aligned already, so no detector is
asked: the five points are the exact ones, better than a detector's; the 68 are the landmark net's, as `--pose points`
has them, and again the exact ones. --answers: of pictures whose turn nobody knows but
whose expression (columns file and label), how often the answer is right on what each gate, or it alone, leaves unread;
of each picture the largest face counts.
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from mien.core.facial import POSE
from mien.core.signals import places
from mien.data.manifest import load_manifest
from mien.data.people.exact import EXACT
from mien.data.pixels import read_clip
from mien.faces.head_pose import pose_of_points
from mien.faces.quality import yaw
from mien.models.network import said
from mien.models.zoo import load_model

AT_ONCE = 50
EYES, NOSE, MOUTH = (slice(36, 42), slice(42, 48)), 30, (48, 54)
"""Of the 68 points, what a detector's five stand for."""


def exactly(name: str, folder: Path) -> None:
    """Print both gates on rendered people."""
    rows, exact, model = load_manifest(folder), np.load(folder / EXACT), load_model(name)
    column = len(model.record.labels) + places(model.record.signals)[POSE.name].start
    parts = [rows.rows[first : first + AT_ONCE] for first in range(0, len(rows), AT_ONCE)]
    network, found = [], []
    for part in parts:
        crops = np.stack([read_clip(rows, row) for row in part])
        network.append(said(model, crops)[:, column : column + 3])
        found.append(model.points(crops[:, 0]))
    points = exact["landmarks"][:, 0].astype(float)
    five = np.stack([*(points[:, eye].mean(1) for eye in EYES), *(points[:, one] for one in (NOSE, *MOUTH))], 1)
    poses = exact["pose"][:, 0].astype(float)
    turn = poses[:, 0]
    told = {
        "pose": np.concatenate(network),
        "68 points": pose_of_points(np.concatenate(found)),
        "68 exact points": pose_of_points(points / rows.crop_size + 0.5 / rows.crop_size),
    }
    for name, angles in told.items():
        off = np.abs(angles - poses)[np.abs(turn) <= 45]
        mean, spread = off.mean(0), 1.96 * off.std(0) / len(off) ** 0.5
        print(f"{name}, {len(off)} faces within 45 degrees: error {mean.round(1)} +- {spread.round(1)}")
    print("| gate | degrees | turned | left unread | rightly | mean error |\n|---|---|---|---|---|---|")
    turns = {name: angles[:, 0] for name, angles in told.items()} | {
        "five points": np.array([yaw(one) for one in five])
    }
    for name, said_turn in turns.items():
        for most in (20, 30, 40):
            is_turned, left = np.abs(turn) > most, np.abs(said_turn) > most
            counts = f"{is_turned.sum()} | {left.sum()} | {(is_turned & left).sum()}"
            print(f"| {name} | {most} | {counts} | {np.abs(said_turn - turn).mean():.1f} |")


def answered(out: Path, labels: Path) -> None:
    """Print what both gates leave unread of labelled pictures."""
    five, pose, right = [], [], []
    for line in csv.DictReader(labels.open(newline="")):
        table = out / Path(line["file"]).stem / "frames.csv"
        faces = list(csv.DictReader(table.open(newline=""))) if table.exists() else []
        if not (faces := [face for face in faces if face["pose.yaw"]]):
            continue
        face = max(faces, key=lambda one: float(one["size"]))
        shares = {key[2:]: float(value) for key, value in face.items() if key.startswith("p_")}
        five.append(abs(float(face["yaw"])))
        pose.append(abs(float(face["pose.yaw"])))
        right.append(max(shares, key=shares.__getitem__) == line["label"])
    points, network, known = np.array(five), np.array(pose), np.array(right)
    print(f"{len(known)} pictures, {known.mean():.3f} right\n")
    print(
        "| degrees | points | right | pose | right | points alone | right | pose alone | right |\n" + "|---" * 9 + "|"
    )
    for most in (30, 40, 50, 60):
        left, also = points > most, network > most
        parts = [f"{part.sum()} | {known[part].sum()}" for part in (left, also, left & ~also, also & ~left)]
        print(f"| {most} | {' | '.join(parts)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="weights, or the labels with --answers")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--answers", type=Path)
    given = parser.parse_args()
    if given.answers is not None:
        answered(given.answers, Path(given.model))
    elif given.folder is not None:
        exactly(given.model, given.folder)
    else:
        parser.error("FOLDER, or --answers")


if __name__ == "__main__":
    main()
