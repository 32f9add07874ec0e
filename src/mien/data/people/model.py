"""A morphable head: a mesh that can be anyone and show any movement, read from one ``.npz``.

Members, as ICT-FaceKit's light model packed: ``neutral`` (n, 3), ``identity`` (k, n, 3) and ``expression`` (m, n, 3)
differences from it, ``expression_names`` (m) in ARKit's spelling with ``_L`` and ``_R`` for the person's own left and
right, ``triangles`` (f, 3), ``material`` (f) as ``M_Face``. Which vertices are the 68 landmarks (iBUG 300-W) stands in
``landmarks`` (68), or as ``idx_to_landmark_verts`` in a ``vertex_indices.json`` beside the file. x is the person's
left, y up, z forward.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32, Int64

from mien.core.errors import DataError

Vertices = Float32[np.ndarray, "n 3"]
Triangles = Int32[np.ndarray, "f 3"]

LANDMARKS = 68
EYE_DISTANCE = 6.3
"""Centimetres between the centres of the eyes, to which every model is scaled."""
EYES = (slice(36, 42), slice(42, 48))
"""Landmarks of the person's right and left eye: the one on the picture's left comes first."""
SKIN, BACK = ("M_Face",), ("M_BackHead",)
MOUTH, TEETH = ("M_GumsTongue",), ("M_Teeth",)
BALLS = (("M_ScleraRight",), ("M_ScleraLeft",))
LASHES, LID_SHADOW = ("M_EyeLashes",), ("M_EyeOcclusion",)
DRAWN = (SKIN, BACK, MOUTH, TEETH, *BALLS, LASHES, LID_SHADOW)
"""Materials that are drawn; what else a model has (fluid, an inner iris) is left out."""
KEPT = 0.99
"""Share of the identities' variance that is kept: the rest moves a vertex of ICT's face by 0.07 cm, half a pixel."""
FIX = "see docs/rendered-people.md for what the file holds"


@dataclass(frozen=True, eq=False)
class MorphableHead:
    """What can be drawn of a model, in centimetres from the middle between the eyes.

    Attributes:
        neutral: the mean person at rest.
        identity: differences from it, strongest first, to be weighted by standard normal numbers.
        expression: differences, to be weighted by coefficients in [0, 1].
        names: of the expression's movements.
        parts: triangles by material, wound so that they are seen from outside.
        landmarks: vertices of the 68 landmarks.
        skin: how many vertices are skin; they come first.
    """

    neutral: Vertices
    identity: Float32[np.ndarray, "k n 3"]
    expression: Float32[np.ndarray, "m n 3"]
    names: tuple[str, ...]
    parts: dict[str, Triangles]
    landmarks: Int64[np.ndarray, 68]
    skin: int

    def triangles(self, *materials: tuple[str, ...]) -> Triangles:
        """Of all these materials; none for a material that the model lacks."""
        wanted = [self.parts[name] for group in materials for name in group if name in self.parts]
        return np.concatenate(wanted) if wanted else np.zeros((0, 3), np.int32)

    def vertices(self, *materials: tuple[str, ...]) -> Int64[np.ndarray, " v"]:
        """Numbers of the vertices of these materials, sorted; to be asked once, not in every frame."""
        return np.unique(self.triangles(*materials)).astype(np.int64)

    def index(self, name: str) -> int | None:
        """The place of a movement; None where the model does not have it."""
        return self.names.index(name) if name in self.names else None


def load_head(path: Path) -> MorphableHead:
    """Read a model.

    Raises:
        DataError: missing, not such an archive, or members that do not fit each other.
    """
    members = _members(path)
    neutral = np.asarray(members["neutral"], np.float32)
    names = tuple(str(name) for name in members["expression_names"])
    triangles, material = np.asarray(members["triangles"], np.int64), np.asarray(members["material"]).astype(str)
    landmarks = _landmarks(path, members)
    identity, expression = members["identity"], members["expression"]
    n = len(neutral)
    told = {
        "neutral (n, 3)": neutral.ndim == 2 and neutral.shape[1:] == (3,),
        "identity (k, n, 3)": identity.ndim == 3 and identity.shape[1:] == neutral.shape,
        "expression (m, n, 3), m names": expression.shape == (len(names), *neutral.shape) and len(names) > 0,
        "triangles (f, 3) of these vertices": _fit(triangles, n) and triangles.shape[1:] == (3,),
        "a material a triangle, M_Face among them": material.shape == triangles.shape[:1] and SKIN[0] in material,
        "68 landmarks among the vertices": landmarks.shape == (LANDMARKS,) and _fit(landmarks, n),
    }
    wrong = [name for name, well in told.items() if not well]
    if wrong:
        raise DataError("a morphable head", f"{path} without {'; '.join(wrong)}", FIX)
    if not all(np.isfinite(member).all() for member in (neutral, identity, expression)):
        raise DataError("a morphable head of finite numbers", f"{path} with NaN or infinity", FIX)
    return _prepared(neutral, identity, expression, names, triangles, material, landmarks)


def _fit(numbers: Int64[np.ndarray, ...], n: int) -> bool:
    return bool(numbers.size and numbers.min() >= 0 and numbers.max() < n)


def _members(path: Path) -> dict[str, Any]:
    wanted = ("neutral", "identity", "expression", "expression_names", "triangles", "material")
    expected = f"an .npz file with {', '.join(wanted)}"
    if not path.is_file():
        raise DataError(expected, f"no file at {path}", FIX)
    try:
        with np.load(path) as archive:
            there = {name: archive[name] for name in (*wanted, "landmarks") if name in archive.files}
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise DataError(expected, f"{path}: {error}", FIX) from error
    absent = [name for name in wanted if name not in there]
    if absent:
        raise DataError(expected, f"{path} without {', '.join(absent)}", FIX)
    return there


def _landmarks(path: Path, members: dict[str, Any]) -> Int64[np.ndarray, " l"]:
    if "landmarks" in members:
        return np.asarray(members["landmarks"], np.int64)
    beside = path.with_name("vertex_indices.json")
    expected = f"the 68 landmarks' vertices as 'landmarks' in {path.name}, or in {beside.name} beside it"
    try:
        return np.asarray(json.loads(beside.read_text())["idx_to_landmark_verts"], np.int64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(expected, f"{type(error).__name__}: {error}", FIX) from error


def _prepared(
    neutral: Vertices,
    identity: Float32[np.ndarray, "k n 3"],
    expression: Float32[np.ndarray, "m n 3"],
    names: tuple[str, ...],
    triangles: Int64[np.ndarray, "f 3"],
    material: np.ndarray[Any, Any],
    landmarks: Int64[np.ndarray, 68],
) -> MorphableHead:
    """Scaled, centred, and without vertices that are not drawn."""
    drawn = np.isin(material, [name for group in DRAWN for name in group])
    triangles, material = triangles[drawn], material[drawn]
    is_skin = np.isin(material, SKIN + BACK)
    first = np.unique(np.concatenate([triangles[is_skin].ravel(), landmarks]))
    kept = np.concatenate([first, np.setdiff1d(triangles, first)])
    places = np.zeros(len(neutral), np.int64)
    places[kept] = np.arange(len(kept))
    triangles, landmarks = places[triangles], places[landmarks]
    right, left = (neutral[kept][landmarks[eye]].mean(0) for eye in EYES)
    scale = np.float32(EYE_DISTANCE / max(float(np.linalg.norm(left - right)), 1e-6))
    neutral = (neutral[kept] - (left + right) / 2) * scale
    corners = neutral[triangles[material == SKIN[0]]]
    facing = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    if (facing * (corners.mean(1) - neutral.mean(0))).sum() < 0:
        triangles = triangles[:, ::-1]
    parts = {str(name): np.ascontiguousarray(triangles[material == name], np.int32) for name in np.unique(material)}
    power = np.square(identity.astype(np.float32)).sum((1, 2))
    order = np.argsort(-power, kind="stable")
    share = np.cumsum(power[order]) / max(float(power.sum()), 1e-9)
    order = order[: int(np.searchsorted(share, KEPT)) + 1]
    people = np.ascontiguousarray(identity[order][:, kept].astype(np.float32) * scale)
    moves = np.ascontiguousarray(expression[:, kept].astype(np.float32) * scale)
    return MorphableHead(neutral, people, moves, names, parts, landmarks, len(first))
