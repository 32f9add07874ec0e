"""Drawn faces whose movements are known: a set with signals beside the expression, every face another person."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from mien.core.labels import LabelSpace
from mien.core.signals import Signal
from mien.data.drawn_face import Expression, Pose, draw_frames, draw_person
from mien.data.manifest import Manifest, Row
from mien.data.synthetic import SHOWN

SIDE = 32
AFFECT = Signal("affect", ("valence", "arousal"), "scale", -1.0, 1.0)
UNITS = Signal("units", ("AU1", "AU4", "AU12", "AU25"), "flags")
LEVEL = Signal("level", ("down", "even", "up"), "classes")
HAIR = Signal("hair", ("short", "long"), "classes")
SIGNALS = (AFFECT, UNITS, LEVEL, HAIR)
SPACE = LabelSpace("drawn", tuple(SHOWN))


def face(rng: np.random.Generator, label: int) -> tuple[np.ndarray, list[float]]:
    """A picture (3, s, s), and what is true of it, a number a column of SIGNALS."""
    person = draw_person(rng)
    shown = np.array(list(SHOWN.values())[label]) * rng.uniform(0.5, 1) + rng.normal(0, 0.12, 5)
    shown[1] = np.clip(shown[1], 0, 1)
    smile, mouth, brows, frown, _ = shown
    pose = Pose(*(np.array([value]) for value in (0.5, 0.5, rng.normal(0, 0.04), rng.uniform(0.34, 0.38))))
    image = draw_frames(person, Expression(*shown[:, None]), pose, SIDE)[0]
    level = np.eye(3)[int(smile > -0.25) + int(smile > 0.25)]
    units = [float(value) for value in (brows > 0.3, frown > 0.3, smile > 0.3, mouth > 0.15)]
    hair = np.eye(2)[int(person.hair_length > 0)]
    return image, [float(np.clip(smile, -1, 1)), 2 * mouth - 1, *units, *level, *hair]


def drawn(folder: Path, parts: dict[str, int], seed: int = 0, blank: float = 0.0) -> Manifest:
    """So many faces of every split, whose numbers are blank, row by row and signal by signal, with that probability."""
    folder.mkdir(parents=True)
    rows, images, ends = [], [], np.cumsum([0, 2, 4, 3, 2])
    for place, (split, count) in enumerate(parts.items()):
        for number in range(count):
            rng = np.random.default_rng([seed, place, number])
            image, beside = face(rng, number % len(SPACE))
            for first, last in pairwise(ends):
                if split == "train" and rng.random() < blank:
                    beside[first:last] = [float("nan")] * (last - first)
            path = f"faces.npz#images/{len(images)}"
            rows.append(
                Row(
                    f"{split}{number}",
                    path,
                    "array",
                    SPACE.labels[number % len(SPACE)],
                    split,
                    0,
                    "",
                    (),
                    tuple(beside),
                )
            )
            images.append(image.transpose(1, 2, 0))
    np.savez(folder / "faces.npz", images=np.stack(images))
    made = Manifest("drawn", SPACE, tuple(rows), folder, SIDE, signals=SIGNALS)
    made.save(folder)
    return made
