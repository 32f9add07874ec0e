"""MediaPipe's points, coefficients and pose of the faces of an archive: what `mien train landmarks` learns from.

    python -m venv mediapipe && mediapipe/bin/pip install mediapipe opencv-python-headless
    mediapipe/bin/python tools/face_points.py ferplus_48.npz --task face_landmarker.task -o points.npz

The archive holds `NAME_images`, uint8 (n, s, s) grey or (n, s, s, 3) RGB. OUT gets, for each of them, `NAME_points`
(n, 68, 2) float32, shares of the picture's sides, `NAME_coefficients` (n, 52) float16 (`coefficient_names`) and
`NAME_pose` (n, 3) float32: yaw (nose to the picture's right), pitch (nose up) and roll (clockwise) in degrees. All are
NaN where no face was found. Every picture is enlarged to 192 pixels with its edge continued by 48 around it, or by 96
where nothing is found so. A run that was stopped goes on where it was.
"""

import argparse
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SIDE, BORDERS = 192, (48, 96)
EVERY = 2000
"""Pictures from one saving to the next."""

MESH: tuple[tuple[int, ...], ...] = (
    # jaw, from the picture's left: from one temple along the mesh's edge to the other
    *((127,), (234, 93), (132, 137), (132, 58), (172,), (136, 150), (149,), (148, 176), (152,)),
    *((377, 400), (378,), (365, 379), (397,), (361, 288), (361, 366), (454, 323), (356,)),
    # brows
    *((70,), (63, 105), (66, 105), (66, 107), (107,)),
    *((336,), (296, 336), (296, 334), (293, 334), (300,)),
    # nose: bridge, then base
    *((168,), (6, 197), (5, 195), (4,)),
    *((64, 167), (97, 167), (2, 164), (326, 393), (294, 393)),
    # eyes: corner, two of the upper lid, corner, two of the lower one
    *((33,), (160,), (158,), (133,), (153,), (144,)),
    *((362,), (385,), (387,), (263,), (373,), (380,)),
    # lips, outside: the upper one with both corners, the lower one
    *((61,), (39, 40), (37,), (0,), (267,), (269, 270), (291,)),
    *((321, 405), (314,), (17,), (84,), (91, 181)),
    # lips, inside: likewise
    *((78,), (81, 82), (13,), (311, 312), (308,), (317, 402), (14,), (87, 178)),
)
"""The mesh's vertices whose mean is each of iBUG's 68 points: the correspondence in common use, and for jaw, brows and
nose the vertices whose mean lies nearest to the exact points of 297 rendered people and to a MobileFaceNet-68's on 379
faces of FERPlus (its own constant shift taken out), the same on both sides. Mean distance from the exact points: 4.2 %
of the distance of the outer eye corners; with the common table 5.5 %."""


def points_of(mesh: np.ndarray) -> np.ndarray:
    """The 68 of the mesh's 478 points."""
    return np.stack([mesh[list(vertices)].mean(0) for vertices in MESH])


def pose_of(matrix: np.ndarray) -> np.ndarray:
    """Yaw, pitch and roll in degrees of a matrix from the head (y up, z out of the face) to the camera."""
    turn = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    yaw = np.arcsin(np.clip(-turn[2, 0], -1, 1))
    return np.degrees([yaw, -np.arctan2(turn[2, 1], turn[2, 2]), -np.arctan2(turn[1, 0], turn[0, 0])])


def enlarged(image: np.ndarray, border: int) -> np.ndarray:
    """RGB, SIDE pixels and a border of its own edge."""
    image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image
    image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE)


class Finder:
    """MediaPipe's face landmarker."""

    def __init__(self, task: Path) -> None:
        try:
            import mediapipe
            from mediapipe.tasks.python import BaseOptions, vision
        except ImportError as error:
            fix = "pip install mediapipe opencv-python-headless, in an environment of its own"
            raise SystemExit(f"{error}: {fix}") from error
        self.mediapipe = mediapipe
        options = vision.FaceLandmarkerOptions(
            BaseOptions(model_asset_path=str(task)),
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        self.landmarker = vision.FaceLandmarker.create_from_options(options)

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, Any, np.ndarray] | None:
        """Points, coefficients with their names, and pose of the face; None: there is none."""
        for border in BORDERS:
            picture = np.ascontiguousarray(enlarged(image, border))
            seen = self.landmarker.detect(self.mediapipe.Image(self.mediapipe.ImageFormat.SRGB, picture))
            if seen.face_landmarks:
                mesh = np.array([(point.x, point.y) for point in seen.face_landmarks[0]])
                places = (mesh * (SIDE + 2 * border) - border) / SIDE
                return points_of(places), seen.face_blendshapes[0], pose_of(seen.facial_transformation_matrixes[0])
        return None

    def close(self) -> None:
        """Let go of the model; at the interpreter's end it would be too late."""
        self.landmarker.close()


def main(archive: Path, task: Path, out: Path, most: int | None) -> None:
    """Fill the file, the shortest array first."""
    finder, given = Finder(task), np.load(archive)
    names = [name.removesuffix("_images") for name in given.files if name.endswith("_images")]
    pictures = {name: given[f"{name}_images"][:most] for name in names}
    kept = empty({name: len(images) for name, images in pictures.items()})
    if out.exists():
        kept |= dict(np.load(out))
    for name in sorted(names, key=lambda name: len(pictures[name])):
        images, first, since = pictures[name], int(kept[f"{name}_done"]), time.monotonic()
        for place in range(first, len(images)):
            found = finder(images[place])
            if found is not None:
                kept[f"{name}_points"][place], coefficients, kept[f"{name}_pose"][place] = found
                kept[f"{name}_coefficients"][place] = [one.score for one in coefficients]
                kept["coefficient_names"] = np.array([one.category_name for one in coefficients])
            done = place + 1
            if done % EVERY == 0 or done == len(images):
                kept[f"{name}_done"] = np.array(done)
                save(kept, out)
                missed = np.isnan(kept[f"{name}_pose"][:done, 0]).mean()
                pace = (time.monotonic() - since) / (done - first)
                print(f"{name}: {done} of {len(images)}, {missed:.1%} without a face, {pace:.4f} s each", flush=True)
    finder.close()


def empty(counts: dict[str, int]) -> dict[str, np.ndarray]:
    """The file's arrays before anything was looked at."""
    arrays: dict[str, np.ndarray] = {}
    for name, count in counts.items():
        arrays[f"{name}_points"] = np.full((count, 68, 2), np.nan, np.float32)
        arrays[f"{name}_coefficients"] = np.full((count, 52), np.nan, np.float16)
        arrays[f"{name}_pose"] = np.full((count, 3), np.nan, np.float32)
        arrays[f"{name}_done"] = np.array(0)
    return arrays


def save(arrays: dict[str, np.ndarray], out: Path) -> None:
    """Whole or not at all."""
    draft = out.with_suffix(".draft.npz")
    np.savez(draft, **arrays)
    draft.replace(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("archive", type=Path)
    parser.add_argument("--task", type=Path, required=True, help="face_landmarker.task")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--most", type=int, help="pictures of each array, for a try")
    given = parser.parse_args()
    main(given.archive, given.task, given.out, given.most)
