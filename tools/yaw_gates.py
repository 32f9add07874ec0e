"""Which turned faces two gates find: `--max-yaw`, by five points, and `--most-yaw`, by the network's own pose.

    python tools/yaw_gates.py MODEL FOLDER

FOLDER: a set of `mien prepare people --test 1`, whose truth is exact. Its crops are aligned already, so no detector is
asked: the five points are the exact ones, better than a detector's.
"""

import argparse
from pathlib import Path

import numpy as np

from mien.core.facial import POSE
from mien.core.signals import places
from mien.data.manifest import load_manifest
from mien.data.people.exact import EXACT
from mien.data.pixels import read_clip
from mien.faces.quality import yaw
from mien.models.network import said
from mien.models.zoo import load_model

AT_ONCE = 50
EYES, NOSE, MOUTH = (slice(36, 42), slice(42, 48)), 30, (48, 54)
"""Of the 68 points, what a detector's five stand for."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    rows, exact, model = load_manifest(given.folder), np.load(given.folder / EXACT), load_model(given.model)
    column = len(model.record.labels) + places(model.record.signals)[POSE.name].start
    parts = [rows.rows[first : first + AT_ONCE] for first in range(0, len(rows), AT_ONCE)]
    network = [said(model, np.stack([read_clip(rows, row) for row in part]))[:, column] for part in parts]
    points = exact["landmarks"][:, 0].astype(float)
    five = np.stack([*(points[:, eye].mean(1) for eye in EYES), *(points[:, one] for one in (NOSE, *MOUTH))], 1)
    turn = exact["pose"][:, 0, 0].astype(float)
    print("| gate | degrees | turned | left unread | rightly | mean error |\n|---|---|---|---|---|---|")
    for name, said_turn in (("pose", np.concatenate(network)), ("points", np.array([yaw(one) for one in five]))):
        for most in (20, 30, 40):
            is_turned, left = np.abs(turn) > most, np.abs(said_turn) > most
            counts = f"{is_turned.sum()} | {left.sum()} | {(is_turned & left).sum()}"
            print(f"| {name} | {most} | {counts} | {np.abs(said_turn - turn).mean():.1f} |")


if __name__ == "__main__":
    main()
