"""What the heads for action units, pose, gaze and closed eyes learn from: a teacher's numbers, and exact ones.

Real faces, FERPlus', have those of MediaPipe's face landmarker (tools/face_points.py); rendered people have the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from mien.core.errors import DataError
from mien.core.facial import ACTION_UNITS, FACIAL, SIDES
from mien.core.signals import columns, places, width
from mien.data.archives import read_members
from mien.data.ferplus import SplitName, read_faces
from mien.data.manifest import Split
from mien.data.transforms import is_mirrored, turn_roll
from mien.training.pointed import SIDE, grey_faces, rendered_crops

WHERE = places(FACIAL)
FROM_POINTS = "lips apart"


class Movement(NamedTuple):
    """Which coefficients an action unit is read from.

    Attributes:
        stems: names without side, of which the strongest counts.
        taught: whether the teacher's number says anything; it hardly moves otherwise, and is left out.
        part: the piece of the coefficient that is the unit's, stretched to [0, 1].
        why: what the unit does there.
    """

    stems: tuple[str, ...]
    why: str
    taught: bool = True
    part: tuple[float, float] = (0.0, 1.0)


MOVEMENTS: dict[str, Movement] = {
    "AU1": Movement(("browInnerUp",), "inner ends of the brows up"),
    "AU2": Movement(("browOuterUp",), "outer ends up"),
    "AU4": Movement(("browDown",), "brows down and together"),
    "AU5": Movement(("eyeWide",), "upper lid up"),
    "AU6": Movement(("cheekSquint", "cheekRaiser"), "cheek up, lower lid with it; the teacher's is always 0", False),
    "AU7": Movement(("eyeSquint",), "lids tense"),
    "AU9": Movement(("noseSneer",), "nose wrinkled; the teacher's is always 0", False),
    "AU10": Movement(("mouthUpperUp",), "upper lip up"),
    "AU12": Movement(("mouthSmile",), "lip corners up and back"),
    "AU14": Movement(("mouthDimple",), "lip corners tight"),
    "AU15": Movement(("mouthFrown",), "lip corners down"),
    "AU17": Movement(("mouthShrugLower",), "chin and lower lip up"),
    "AU18": Movement(("mouthPucker",), "lips drawn together; the funnel is AU22"),
    "AU20": Movement(("mouthStretch",), "lip corners out"),
    "AU23": Movement(("mouthRollLower", "mouthRollUpper"), "lips rolled half in show less red", part=(0.0, 0.5)),
    "AU24": Movement(("mouthPress",), "lips pressed on each other"),
    "AU25": Movement((FROM_POINTS,), "the gap of the inner lips, whatever opens it", part=(0.03, 0.18)),
    "AU26": Movement(("jawOpen",), "jaw down; AU27 is its far end"),
    "AU28": Movement(("mouthRollLower", "mouthRollUpper"), "lips rolled over the teeth", part=(0.5, 1.0)),
}
"""By action unit, in ARKit's names. The gap is a share of the distance of the outer eye corners: closed lips have up to
.03 for the teacher and on rendered people alike, jaws opened by .3 have .2."""
TEACHER_POSE = (1 / 0.857, 1 / 0.834, 1.0)
TEACHER_GAZE = (24.0, 10.9)
"""From the teacher's pose and its eyeLook coefficients to degrees, by least squares on 790 rendered people (crops of
112 pixels): it understates turns, and sees where eyes look across (r .73) better than up and down (.44)."""


@dataclass(frozen=True, eq=False)
class FacialFaces:
    """Faces and what is known of them.

    Attributes:
        images: grey.
        values: the columns of :data:`mien.core.facial.FACIAL`; NaN where nothing is known.
    """

    images: UInt8[Tensor, "n 1 48 48"]
    values: Float32[Tensor, "n k"]

    def __len__(self) -> int:
        return len(self.images)


def unit_values(
    coefficients: Float[np.ndarray, "n m"],
    names: Sequence[str],
    points: Float[np.ndarray, "n 68 2"],
    taught: bool,
) -> Float[np.ndarray, "n u"]:
    """Strengths of the action units.

    Args:
        coefficients: in [0, 1].
        names: of their columns, in ARKit's, MediaPipe's or the morphable model's spelling.
        points: in any unit.
        taught: whether they are the teacher's; what that cannot say is NaN, as is what no column says.
    """
    known = {name: coefficients[:, place] for place, name in enumerate(names)}
    known[FROM_POINTS] = _gap(points)
    values = np.full((len(coefficients), len(ACTION_UNITS.labels)), np.nan)
    for place, label in enumerate(ACTION_UNITS.labels):
        unit, _, side = label.partition("_")
        movement = MOVEMENTS[unit]
        stems = [_one(known, stem, side) for stem in movement.stems]
        there = [stem for stem in stems if stem is not None]
        if there and (movement.taught or not taught):
            low, high = movement.part
            values[:, place] = (np.max(there, axis=0) - low) / (high - low)
    return values.clip(0, 1)


def _one(known: dict[str, np.ndarray], stem: str, side: str) -> np.ndarray | None:
    """A movement's coefficient on a side of the face; of both, their mean; None where there is none."""
    if stem in known:
        return known[stem]
    found = [
        next((known[name] for name in (f"{stem}_{one[0].upper()}", f"{stem}{one.capitalize()}") if name in known), None)
        for one in ([side] if side else SIDES)
    ]
    there = [one for one in found if one is not None]
    return np.asarray(np.mean(there, axis=0)) if there else None


def _gap(points: Float[np.ndarray, "n 68 2"]) -> Float[np.ndarray, " n"]:
    eyes = np.linalg.norm(points[:, 36] - points[:, 45], axis=1)
    gap = np.linalg.norm(points[:, 61:64] - points[:, [67, 66, 65]], axis=2).mean(1)
    return np.asarray(gap / np.maximum(eyes, 1e-6))


def taught_faces(data: Path, points: Path, split: SplitName) -> FacialFaces:
    """The faces of a FERPlus split in which the teacher found one, with its numbers.

    Args:
        data: the FERPlus ``.npz``.
        points: what tools/face_points.py made of it.
        split: which.

    Raises:
        DataError: a file that is missing or torn, or one about other faces.
    """
    images = read_faces(data, split)
    members = tuple(f"{split}_{name}" for name in ("points", "coefficients", "pose"))
    expected, fix = (
        f"an .npz file with {', '.join(members)} of {len(images)} faces",
        "make it with tools/face_points.py",
    )
    if not points.is_file():
        raise DataError(expected, f"no file at {points}", fix)
    places_, given, pose, names = read_members(points, (*members, "coefficient_names"), expected, fix)
    if not len(places_) == len(given) == len(pose) == len(images) or given.shape[1] != len(names):
        raise DataError(expected, f"{points}: {places_.shape}, {given.shape}, {pose.shape}", fix)
    found = np.isfinite(pose).all(1)
    if not found.any():
        raise DataError("at least one face that the teacher found", f"{points}: none of {split}", fix)
    words, given = [str(name) for name in names], given[found].astype(np.float64)
    values = np.full((len(given), width(FACIAL)), np.nan)
    values[:, WHERE["action_units"]] = unit_values(given, words, places_[found].astype(np.float64), taught=True)
    values[:, WHERE["pose"]] = pose[found] * TEACHER_POSE
    values[:, WHERE["gaze"]] = _looks(given, words) * TEACHER_GAZE
    values[:, WHERE["eyes_closed"]] = np.stack([given[:, words.index(f"eyeBlink{s.capitalize()}")] for s in SIDES], 1)
    return FacialFaces(torch.from_numpy(images[found])[:, None], _in_range(values))


def _looks(given: Float[np.ndarray, "n m"], names: list[str]) -> Float[np.ndarray, "n 2"]:
    def of(word: str) -> np.ndarray:
        return given[:, names.index(f"eyeLook{word}")]

    across = of("OutLeft") - of("InLeft") + of("InRight") - of("OutRight")
    up = of("UpLeft") + of("UpRight") - of("DownLeft") - of("DownRight")
    return np.stack([across, up], 1) / 2


def exact_faces(folders: Sequence[Path], split: Split) -> FacialFaces:
    """The frames of a split of sets of rendered people, grey and small as a crop in use is, with the truth.

    Args:
        folders: of ``mien prepare people``.
        split: which persons.

    Raises:
        DataError: no such set, or a picture of it cannot be read.
    """
    images, values = [torch.empty(0, 1, SIDE, SIDE, dtype=torch.uint8)], [torch.empty(0, width(FACIAL))]
    for crops, exact, some in rendered_crops(folders, split):
        images.append(grey_faces(crops))
        flat = {
            name: np.concatenate(getattr(exact, name)[some].astype(np.float64))
            for name in ("coefficients", "landmarks", "pose", "gaze", "blink")
        }
        known = np.empty((len(crops), width(FACIAL)))
        known[:, WHERE["action_units"]] = unit_values(flat["coefficients"], exact.names, flat["landmarks"], False)
        known[:, WHERE["pose"]], known[:, WHERE["gaze"]] = flat["pose"], flat["gaze"].mean(1)
        known[:, WHERE["eyes_closed"]] = flat["blink"][:, ::-1]  # right eye first there
        values.append(_in_range(known))
    return FacialFaces(torch.cat(images), torch.cat(values))


def _in_range(values: Float[np.ndarray, "n k"]) -> Float32[Tensor, "n k"]:
    for signal in FACIAL:
        values[:, WHERE[signal.name]] = values[:, WHERE[signal.name]].clip(signal.low, signal.high)
    return torch.from_numpy(values.astype(np.float32))


def _columns_of(*names: str) -> list[int]:
    every = columns(FACIAL)
    return [every.index(name) for name in names]


def _other_side(column: str) -> str:
    for one, other in (SIDES, SIDES[::-1]):
        if column.endswith(one):
            return column.removesuffix(one) + other
    return column


SWAPPED = torch.tensor(_columns_of(*(_other_side(column) for column in columns(FACIAL))))
TURNED = torch.tensor(_columns_of("pose.yaw", "gaze.across"))
ROLL = _columns_of("pose.roll")[0]


def move_values(values: Float32[Tensor, "n k"], maps: Float[Tensor, "n 2 3"]) -> Float32[Tensor, "n k"]:
    """What is known of pictures after :func:`mien.data.transforms.warp`; mirrored, left and right change."""
    mirrored = values[:, SWAPPED]
    mirrored[:, TURNED] *= -1
    moved = torch.where(is_mirrored(maps)[:, None], mirrored, values)
    moved[:, ROLL] = turn_roll(values[:, ROLL], maps)
    return moved
