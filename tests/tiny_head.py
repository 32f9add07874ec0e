"""A morphable head small enough for tests: an egg with landmarks, two eyeballs and bumps that move, made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.data.people.settings import PeopleSettings

SMALL = PeopleSettings(size=48, each=2, seed=3)
ROWS, COLUMNS = 48, 72
STEMS = (
    *("browDown", "browInnerUp", "browOuterUp", "cheekSquint", "cheekRaiser", "eyeBlink", "eyeLookDown", "eyeLookIn"),
    *("eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown", "mouthLowerDown", "mouthPress"),
    *("mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer"),
)
MIDDLE = ("jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthFunnel", "mouthLeft", "mouthPucker")
MIDDLE += ("mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper")
NAMES = tuple(sorted([*(f"{stem}_{side}" for stem in STEMS for side in "LR"), *MIDDLE]))
PLACES = {"brow": (3.0, 2.4), "cheek": (3.5, -3.0), "eye": (3.1, 0.3), "mouth": (2.2, -6.8), "nose": (1.2, -3.8)}
UP = (
    "browInnerUp",
    "browOuterUp",
    "mouthSmile",
    "mouthUpperUp",
    "noseSneer",
    "cheekRaiser",
    "cheekSquint",
    "eyeSquint",
)


def layout() -> np.ndarray:
    """Where 68 landmarks lie on a face, x and y in centimetres from between the eyes; the picture's left first."""
    jaw = [(-7 * np.cos(a), -1 - 9.5 * np.sin(a)) for a in np.linspace(0, np.pi, 17)]
    brow = list(zip((5, 4.2, 3.2, 2.2, 1.2), (2.2, 2.6, 2.8, 2.7, 2.5), strict=True))
    brows = [*((-x, y) for x, y in brow), *brow[::-1]]
    nose = [(0, -0.3), (0, -1.3), (0, -2.3), (0, -3.2), *((x, -4.4) for x in (-1.2, -0.6, 0, 0.6, 1.2))]
    eyes = [(middle + x, y) for middle in (-3.15, 3.15)
            for x, y in ((-1.3, 0), (-0.5, 0.45), (0.5, 0.45), (1.3, 0), (0.5, -0.45), (-0.5, -0.45))]  # fmt: skip
    outer = [(-2.5 * np.cos(a), -6.9 + 0.9 * np.sin(a)) for a in np.linspace(0, np.pi, 7)]
    outer += [(2.5 * np.cos(a), -6.9 - 1.0 * np.sin(a)) for a in np.linspace(0, np.pi, 7)[1:-1]]
    inner = [(-2.1, -6.9), (-1, -6.8), (0, -6.8), (1, -6.8), (2.1, -6.9), (1, -7.0), (0, -7.0), (-1, -7.0)]
    return np.array([*jaw, *brows, *nose, *eyes, *outer, *inner], np.float64)


def egg(rows: int, columns: int, radii: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of an ellipsoid, wound to be seen from outside; its first column looks backwards."""
    up, around = np.meshgrid(
        np.linspace(np.pi / 2, -np.pi / 2, rows), np.linspace(-np.pi, np.pi, columns), indexing="ij"
    )
    points = np.stack([np.cos(up) * np.sin(around), np.sin(up), np.cos(up) * np.cos(around)], -1) * radii
    a = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    return points.reshape(-1, 3), np.concatenate(
        [np.stack([a, a + columns, a + 1], 1), np.stack([a + 1, a + columns, a + columns + 1], 1)]
    )


def tiny_head(scale: float = 1.0) -> dict[str, np.ndarray]:
    """The members of a model's file, in ``1 / scale`` centimetres."""
    skull, triangles = egg(ROWS, COLUMNS, (7.8, 11.5, 9.0))
    skull += [0, -2.5, -7.5]
    marks = layout()
    front = np.flatnonzero(skull[:, 2] > -7.5)
    landmarks = np.array([front[np.square(skull[front, :2] - mark).sum(1).argmin()] for mark in marks])
    # Landmarks that fell onto one vertex, and their neighbours, are drawn to where they belong.
    skull[landmarks, :2] = marks
    parts, names = [skull], [np.where(skull[triangles].mean(1)[:, 2] > -8, "M_Face", "M_BackHead")]
    faces, begin = [triangles], len(skull)
    for x, name in ((-3.15, "M_ScleraRight"), (3.15, "M_ScleraLeft")):
        ball, sides = egg(14, 20, (1.2, 1.2, 1.2))
        parts.append(ball + np.array([x, 0, float(skull[landmarks[36:48], 2].mean()) - 0.9]))
        faces.append(sides + begin)
        names.append(np.full(len(sides), name))
        begin += len(ball)
    neutral = np.concatenate(parts)
    rng = np.random.default_rng(5)
    identity = np.stack([0.15 * np.sin(neutral * rng.uniform(0.1, 0.4, 3) + rng.uniform(0, 6, 3)) for _ in range(6)])
    expression = np.stack([_move(name, neutral, len(skull)) for name in NAMES])
    return {
        "neutral": (neutral / scale).astype(np.float32),
        "identity": (identity / scale).astype(np.float16),
        "expression": (expression / scale).astype(np.float16),
        "expression_names": np.array(NAMES),
        "triangles": np.concatenate(faces).astype(np.int32),
        "material": np.concatenate(names),
        "landmarks": landmarks,
    }


def _move(name: str, points: np.ndarray, skin: int) -> np.ndarray:
    stem, _, side = name.partition("_")
    place = next(((x, y) for start, (x, y) in PLACES.items() if stem.startswith(start)), (0.0, -8.5))
    x = {"L": place[0], "R": -place[0]}.get(side, 0.0)
    bump = np.exp(-((points[:, 0] - x) ** 2 + (points[:, 1] - place[1]) ** 2) / 2.5)
    bump[skin:] = 0
    if stem.startswith("eyeLook"):  # the balls are turned when they are painted; lids stay here
        bump[:] = 0
    move = np.zeros_like(points)
    move[:, 1] = bump * (0.8 if stem in UP else -0.8)
    if stem == "jawOpen":
        move[:skin, 1] = -2.5 / (1 + np.exp((points[:skin, 1] + 6.9) * 4))
    return move


def write_head(path: Path, **changes: np.ndarray | None) -> Path:
    """Save it, with some members changed, or left out where they are None."""
    members = {**tiny_head(), **changes}
    np.savez(path, **{name: member for name, member in members.items() if member is not None})
    return path
