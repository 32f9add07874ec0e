"""Labelled clips of drawn faces, for tests, demonstrations and ablations without anybody's face.

``static``: the expression is visible in any one frame. A share of the clips can be made ambiguous: a blend of two
expressions, labelled with one of them at random, while the true blend is known (what S2D's self-distillation is for).

``motion``: a smile grows, fades, passes or returns. All four show the same frames in four orders, so whatever averages
over frames answers at chance, and only what sees the order can tell them apart.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from mien.core.errors import ConfigError
from mien.core.files import whole_file
from mien.core.labels import LabelSpace
from mien.data.drawn_face import Expression, Pose, draw_frames, draw_person

Kind = Literal["static", "motion"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#                          smile mouth brows frown lids
SHOWN: dict[str, tuple[float, float, float, float, float]] = {
    "neutral": (0.0, 0.0, 0.0, 0.0, 0.0),
    "happiness": (1.0, 0.35, 0.15, 0.0, -0.1),
    "surprise": (-0.1, 1.0, 1.0, -0.2, 1.0),
    "anger": (-0.45, 0.1, -0.5, 1.0, -0.1),
    "sadness": (-1.0, 0.0, 0.1, -1.0, -0.45),
}
"""Each expression at its strongest, as the fields of :class:`mien.data.drawn_face.Expression`."""
MOTIONS = ("growing", "fading", "passing", "returning")

SPACES: dict[Kind, LabelSpace] = {
    "static": LabelSpace("synthetic-static", tuple(SHOWN)),
    "motion": LabelSpace("synthetic-motion", tuple(f"smile-{motion}" for motion in MOTIONS)),
}
ITEMS, ABOUT = "items.csv", "synthetic.json"
COLUMNS = ("id", "split", "label", "mixture")
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class SyntheticClips:
    """Clips of drawn faces, every one of another person.

    Attributes:
        images: RGB.
        labels: class of each clip, as a data set would give it.
        targets: the truth: the share of each class in what is shown; rows sum to 1.
        space: the classes.
    """

    images: UInt8[np.ndarray, "n t 3 s s"]
    labels: Int64[np.ndarray, " n"]
    targets: Float32[np.ndarray, "n c"]
    space: LabelSpace

    def __len__(self) -> int:
        return len(self.labels)


def make_clips(
    kind: Kind, n: int, frames: int = 8, size: int = 48, seed: int = 0, ambiguous: float = 0.0
) -> SyntheticClips:
    """Draw ``n`` clips; the first of them are the same for any larger ``n``.

    Args:
        kind: ``static`` or ``motion``, see the module.
        n: how many; any run of as many as there are classes has each once, in random order.
        frames: of a clip; at least 4 for ``motion``.
        size: side of the pictures, pixels.
        seed: other seeds give other people.
        ambiguous: share of the clips that blend two expressions; ``static`` only.

    Raises:
        ConfigError: a setting out of range.
    """
    _check(kind, frames, size, ambiguous)
    space = SPACES[kind]
    labels, targets = _labels(n, len(space), seed, ambiguous)
    images = np.empty((n, frames, 3, size, size), np.uint8)
    for i, (label, target) in enumerate(zip(labels, targets, strict=True)):
        rng = np.random.default_rng([seed, 1, i])
        images[i] = (
            draw_motion(int(label), frames, size, rng) if kind == "motion" else draw_static(target, frames, size, rng)
        )
    return SyntheticClips(images, labels, targets, space)


def _check(kind: Kind, frames: int, size: int, ambiguous: float) -> None:
    if kind not in KINDS:
        raise ConfigError(f"one of {', '.join(KINDS)}", repr(kind), "choose one of them")
    least = 4 if kind == "motion" else 1
    if frames < least:
        raise ConfigError(f"at least {least} frames for {kind} clips", str(frames), "ask for more")
    if size < 16:
        raise ConfigError("a side of at least 16 pixels", str(size), "ask for a larger one")
    if not 0 <= ambiguous <= 1 or (ambiguous and kind == "motion"):
        raise ConfigError("an ambiguous share in [0, 1] of static clips", f"{ambiguous} of {kind}", "change it")


def _labels(
    n: int, classes: int, seed: int, ambiguous: float
) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, "n c"]]:
    """Balanced labels and the truth; an ambiguous clip shows 35 to 65 % of another class and is given either label."""
    labels = np.empty(n, np.int64)
    targets = np.zeros((n, classes), np.float32)
    for i in range(n):
        of_run, rng = np.random.default_rng([seed, 2, i // classes]), np.random.default_rng([seed, 3, i])
        order = of_run.permutation(classes)
        one, other = order[i % classes], order[(i + 1) % classes]
        share = rng.uniform(0.35, 0.65) if rng.random() < ambiguous else 1.0
        targets[i, one], targets[i, other] = share, 1 - share
        labels[i] = one if share == 1 or rng.random() < 0.5 else other
    return labels, targets


def draw_static(
    target: Float32[np.ndarray, " c"], frames: int, size: int, rng: np.random.Generator
) -> UInt8[np.ndarray, "t 3 s s"]:
    """One person who shows a blend of the static classes throughout."""
    apex = np.asarray(target, np.float64) @ np.array(list(SHOWN.values()))
    strength = rng.uniform(0.75, 1.0) + rng.normal(0, 0.02, frames)
    return _draw(strength[:, None] * apex, size, rng)


def draw_motion(motion: int, frames: int, size: int, rng: np.random.Generator) -> UInt8[np.ndarray, "t 3 s s"]:
    """One person whose smile changes; another ``motion`` with an equal ``rng`` gives the same frames in its order.

    The frames are painted from the faintest smile to the broadest, with their noise and the way the head moves, and
    then put in order: nothing but the order depends on ``motion``.
    """
    apex = np.array(SHOWN["happiness"]) * rng.uniform(0.8, 1.0)
    strength = np.linspace(rng.uniform(-0.15, 0.1), 1, frames)
    painted = _draw(strength[:, None] * apex, size, rng)
    up, down = np.arange(0, frames, 2), np.arange(1, frames, 2)[::-1]
    passing = np.concatenate([up, down])
    order = (np.arange(frames), np.arange(frames)[::-1], passing, np.concatenate([down, up]))[motion]
    return painted[order]


def _draw(shown: Float64[np.ndarray, "t 5"], size: int, rng: np.random.Generator) -> UInt8[np.ndarray, "t 3 s s"]:
    """A new person with a head that moves a little, habits of their own, and the camera's noise."""
    frames = len(shown)
    person = draw_person(rng)
    habit = rng.normal(0, 1, 5) * np.array([0.08, 0.0, 0.12, 0.08, 0.12])
    sway = np.stack([_sway(frames, rng) for _ in range(4)])
    pose = Pose(
        x=0.5 + rng.uniform(-0.03, 0.03) + 0.012 * sway[0],
        y=0.5 + rng.uniform(-0.03, 0.03) + 0.012 * sway[1],
        turn=rng.normal(0, 0.06) + 0.02 * sway[2],
        size=rng.uniform(0.31, 0.36) * (1 + 0.015 * sway[3]),
    )
    smile, mouth, brows, frown, lids = (shown + habit).T
    images = draw_frames(person, Expression(smile, mouth, brows, frown, lids), pose, size)
    noise = rng.normal(0, rng.uniform(1, 5), images.shape)
    return np.clip(images * rng.uniform(0.85, 1.1) + noise, 0, 255).astype(np.uint8)


def _sway(frames: int, rng: np.random.Generator) -> Float64[np.ndarray, " t"]:
    """A slow movement between about -1 and 1."""
    time = np.linspace(0, 1, frames)
    return np.sin(2 * np.pi * (rng.uniform(0.3, 1.2) * time + rng.random()))


def write_synthetic(
    folder: Path,
    kind: Kind,
    train: int = 100,
    valid: int = 0,
    test: int = 50,
    frames: int = 8,
    size: int = 48,
    seed: int = 0,
    ambiguous: float = 0.0,
) -> None:
    """Write clips as a data set that ``mien prepare synthetic FOLDER`` reads.

    ``items.csv`` lists them; ``frames/ID/000.png`` and on are their pictures. The true blend of ambiguous clips, which
    are found in the training split only, is in the column ``mixture``, which training does not see.
    """
    rows = []
    for place, (split, n) in enumerate(zip(SPLITS, (train, valid, test), strict=True)):
        clips = make_clips(kind, n, frames, size, 3 * seed + place, ambiguous if split == "train" else 0.0)
        for i, images in enumerate(clips.images):
            name = f"{split}-{i:05d}"
            for j, image in enumerate(images):
                with whole_file(folder / "frames" / name / f"{j:03d}.png") as draft:
                    cv2.imwrite(str(draft), np.ascontiguousarray(image[::-1].transpose(1, 2, 0)))
            rows.append(
                (name, split, clips.space.labels[clips.labels[i]], " ".join(f"{v:.4f}" for v in clips.targets[i]))
            )
    with whole_file(folder / ITEMS) as draft, draft.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    about = {"kind": kind, "labels": list(SPACES[kind].labels), "frames": frames, "size": size, "seed": seed}
    with whole_file(folder / ABOUT) as draft:
        draft.write_text(json.dumps({**about, "ambiguous": ambiguous}, indent=2) + "\n")
