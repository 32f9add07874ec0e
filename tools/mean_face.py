"""Where the 68 points of a face lie on average: prints the table of src/mien/faces/mean_face.py.

    python tools/mean_face.py s2d-small --data ferplus_48.npz

The points that the model's landmark net finds in the training faces of FERPlus that pass the majority rule, their mean
made the same on both sides.
"""

import argparse
from pathlib import Path

import numpy as np

from mien.data.ferplus import read_ferplus
from mien.faces.mean_face import MIRRORED
from mien.models.zoo import load_model

AT_ONCE, FACES = 256, 6000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("--data", type=Path, required=True)
    given = parser.parse_args()
    model = load_model(given.weights)
    images = read_ferplus(given.data, "train").images[:FACES, None].repeat(3, 1)
    parts = [model.points(images[at : at + AT_ONCE]) for at in range(0, len(images), AT_ONCE)]
    mean = np.concatenate(parts).astype(np.float64).mean(0)
    even = (mean + (mean * [-1, 1] + [1, 0])[list(MIRRORED)]) / 2
    print(f"# {len(images)} faces; moved by the mirroring: {np.abs(even - mean).max():.3f} at most")
    for at in range(0, len(even), 6):
        print("    " + " ".join(f"({x:.3f}, {y:.3f})," for x, y in even[at : at + 6]))


if __name__ == "__main__":
    main()
