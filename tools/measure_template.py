"""Where a detector finds eyes, nose and mouth in FERPlus' crops: the figures behind ``mien.faces.align.TEMPLATE``.

    python tools/measure_template.py FERPLUS.npz [DETECTOR] [FACES]

Aligned crops must look like the crops the model was trained on, so the template is the median of the five points that
the default detector itself finds in them, made symmetric, as shares of the crop's side. Crops are enlarged and their
edges continued, since detectors expect something around a face.
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from mien.data.ferplus import read_ferplus
from mien.faces import make_detector

SCALE, MARGIN = 4, 64


def main(data: Path, name: str = "mtcnn", faces: int = 1000) -> None:
    detector = make_detector(name)
    images = read_ferplus(data, "train").images
    chosen = np.random.default_rng(0).choice(len(images), faces, replace=False)
    found = []
    for image in images[chosen]:
        large = cv2.resize(image, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LINEAR)
        large = cv2.copyMakeBorder(large, *4 * [MARGIN], cv2.BORDER_REPLICATE)
        best = max(detector.detect(cv2.cvtColor(large, cv2.COLOR_GRAY2RGB)), key=lambda face: face.size, default=None)
        if best is not None and best.size > 20 * SCALE:
            # Whole numbers are pixel centres; the crop spans -0.5 to side - 0.5.
            found.append((best.points - MARGIN + 0.5) / (48 * SCALE))
    middle = np.median(found, axis=0)
    mirrored = middle[[1, 0, 2, 4, 3]] * [-1, 1] + [1, 0]
    print(f"{len(found)} of {faces} faces found by {name}; spread {np.std(found, axis=0).mean():.3f}")
    for part, (x, y) in zip(("eye", "eye", "nose", "mouth", "mouth"), (middle + mirrored) / 2, strict=True):
        print(f"{part:<6} {x:.4f} {y:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3], *map(int, sys.argv[3:4]))
