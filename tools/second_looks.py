"""How many pictures have no face at the first look and after the others, upright and turned; and of what has none?

    python tools/second_looks.py PICTURES --every 8

PICTURES is a folder of pictures that show one face each, upright. A face that is found the wrong way up, by more than
half a right angle, is counted apart. Parts without a face are of scikit-image's pictures: things, textures, a cat.
"""

import argparse
from pathlib import Path

import numpy as np
from skimage import data

from mien.core.types import Face
from mien.faces.again import look_again
from mien.faces.align import crop_turns
from mien.faces.detectors import detect_shrunk, make_detector
from mien.faces.settings import FaceSettings
from mien.media.files import IMAGE_SUFFIXES
from mien.media.stills import read_image

BLANK = (
    *("brick", "checkerboard", "chelsea", "clock", "coffee", "coins", "grass", "gravel", "hubble_deep_field"),
    *("immunohistochemistry", "moon", "page", "retina", "rocket", "text"),
)
PARTS = 48
"""Of each of them, squares of any size and place."""
HEIGHT = FaceSettings().detect_height


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take each so many-th picture")
    parser.add_argument("--detector", default="mtcnn")
    given = parser.parse_args()
    detector = make_detector(given.detector)

    def looks(picture: np.ndarray) -> tuple[list[Face], list[Face]]:
        first = detect_shrunk(detector, picture, HEIGHT)
        return first, first or look_again(detector, picture, HEIGHT)

    paths = sorted(path for path in given.pictures.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)[:: given.every]
    pictures = [read_image(path) for path in paths]
    print(f"{given.detector}, {len(pictures)} pictures\n")
    print("| turned clockwise by | none at the first look | none after the others | wrong way up |\n|---|---|---|---|")
    for degrees in (0, 90, 180, 270):
        found = [looks(np.ascontiguousarray(np.rot90(picture, -degrees // 90))) for picture in pictures]
        leaning = [float(crop_turns(last[0].points[None])[0]) for _, last in found if last]
        wrong = sum(abs((lean - degrees + 180) % 360 - 180) > 45 for lean in leaning)
        print(
            f"| {degrees} | {sum(not first for first, _ in found)} | {len(found) - len(leaning)} | {wrong} |",
            flush=True,
        )
    chance = np.random.default_rng(5)
    parts = [part for name in BLANK for part in _parts(getattr(data, name)(), chance)]
    found = [looks(part) for part in parts]
    taken = [sum(bool(look) for look in which) for which in zip(*found, strict=True)]
    print(
        f"\n{len(parts)} parts without a face: {taken[0]} taken for one at the first look, {taken[1]} after the others"
    )


def _parts(picture: np.ndarray, chance: np.random.Generator) -> list[np.ndarray]:
    picture = picture.astype(np.uint8) * 255 if picture.dtype == bool else picture
    picture = np.repeat(picture[..., None], 3, axis=2) if picture.ndim == 2 else picture[..., :3]
    found = []
    for _ in range(PARTS):
        side = int(chance.integers(40, min(picture.shape[:2]) + 1))
        y, x = (int(chance.integers(0, length - side + 1)) for length in picture.shape[:2])
        found.append(np.ascontiguousarray(picture[y : y + side, x : x + side]))
    return found


if __name__ == "__main__":
    main()
