"""Films of rendered people in a room, with the exact box of every face: they cross, turn, leave, come in and appear."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from mien.core.types import Frame
from mien.data.people.camera import Views, five_points
from mien.data.people.model import load_head
from mien.data.people.settings import PeopleSettings
from mien.data.people.studio import Studio
from mien.faces.boxes import areas, intersections

WIDTH, HEIGHT, RATE = 640, 360, 25.0
SIDE, LENGTH = 200, 100
"""Pixels of a rendered head's square picture, and frames after which it moves backwards."""
FAR = 0.67
"""Share of their distance from the middle by which the five points err outwards: a square holds the whole head."""
TURNING = 4
"""Who turns his head from side to side."""

Place = Callable[[int], tuple[float, float] | None]
Actor = tuple[int, int, Place]
"""Who, pixels of his square, and where its middle is at a frame."""


@dataclass(frozen=True)
class Cut:
    """A head cut out: RGB with its opacity, uint8, and 68 landmarks, a frame each."""

    pictures: np.ndarray
    marks: np.ndarray


def cut_outs(model: Path, count: int = 6) -> list[Cut]:
    """People of a morphable head, drawn on black and on white so that what is theirs can be told."""
    head = load_head(model)
    studio = Studio(head, PeopleSettings(size=SIDE, frames=LENGTH, rate=RATE, each=1, grey=0.0, covers=False, seed=11))
    five = five_points(head.neutral[head.landmarks, :2] * (1, -1))
    outwards = np.repeat(FAR * (five - five.mean(0))[None], LENGTH, axis=0)
    return [_cut_out(studio, who, outwards) for who in range(count)]


def _cut_out(studio: Studio, who: int, outwards: np.ndarray) -> Cut:
    times, rng = studio.times, np.random.default_rng(who)
    yaw = 75 * np.sin(np.pi * times / 2) if who == TURNING else 8 * np.sin(2.5 * times)
    pose = np.stack([yaw, 4 * np.sin(1.9 * times + 1), 3 * np.sin(1.3 * times)], 1).astype(np.float32)
    person, play = studio.person(who), studio.play(who)
    stage, _ = studio._stage(person, rng)
    stage = replace(stage, views=Views(pose, 120.0, outwards), covers=())
    pictures, marks = [], []
    for k in range(len(times)):
        black, white = (
            studio.pen.draw(
                person,
                play.coefficients[k],
                replace(stage, background=np.full_like(stage.background, ground)),
                k,
                np.random.default_rng(k),
            )
            for ground in (0.0, 1.0)
        )
        seen_through = (white.image.astype(np.float32) - black.image).mean(0)
        opacity = 255 * np.clip(1 - seen_through / max(seen_through.max(), 1), 0, 1)
        pictures.append(np.dstack([*black.image, opacity.astype(np.uint8)]))
        marks.append(black.landmarks)
    return Cut(np.stack(pictures), np.stack(marks))


def stays(x: float, y: float, begin: int = 0, end: int = 10**6) -> Place:
    """In one place but for some swaying."""
    return lambda i: (x + 3 * np.sin(i / 9), y + 2 * np.sin(i / 11)) if begin <= i < end else None


def walks(start: tuple[float, float], goal: tuple[float, float], begin: int, end: int, back: int = 10**6) -> Place:
    """From one place to another between two frames, and the same way back from frame ``back`` on."""

    def place(i: int) -> tuple[float, float] | None:
        share = float(np.clip((i - begin) / (end - begin) if i < back else 1 - (i - back) / (end - begin), 0, 1))
        return start[0] + share * (goal[0] - start[0]), start[1] + share * (goal[1] - start[1])

    return place


SCENES: dict[str, tuple[int, list[Actor]]] = {
    "crossing": (150, [(1, 170, walks((80, 180), (560, 180), 9, 140)), (2, 170, walks((560, 190), (80, 190), 9, 140))]),
    "turning": (150, [(TURNING, 200, stays(320, 180))]),
    "leaving, coming back": (200, [(5, 180, walks((320, 180), (800, 180), 40, 90, 120)), (2, 150, stays(150, 190))]),
    "coming and going": (250, [(2, 160, stays(180, 200)), (1, 150, walks((750, 190), (450, 190), 60, 105, 170))]),
    "out from behind": (220, [(5, 150, walks((330, 180), (470, 170), 70, 130)), (2, 190, stays(320, 185))]),
    "small one appears beside": (250, [(2, 330, stays(260, 180)), (1, 100, stays(420, 140, 90))]),
    "one appears in front": (250, [(2, 150, stays(300, 90)), (1, 110, stays(320, 260, 80))]),
    "dark and blurred": (150, [(3, 170, stays(200, 180)), (0, 150, walks((500, 150), (430, 220), 30, 120))]),
    "coming into an empty room": (200, [(5, 150, walks((700, 180), (420, 180), 40, 160))]),
    "creeping in": (300, [(2, 180, stays(220, 180)), (1, 160, walks((740, 180), (400, 180), 40, 280))]),
    "far ones appear": (250, [(5, 160, stays(200, 180)), (1, 62, stays(430, 120, 70)), (2, 62, stays(520, 250, 140))]),
    "four": (150, [(w, 130, stays(x, y)) for w, x, y in ((0, 90, 110), (1, 250, 240), (2, 420, 110), (5, 540, 230))]),
}  # fmt: skip


def scene(cuts: list[Cut], name: str) -> Iterator[tuple[Frame, dict[int, np.ndarray]]]:
    """Frames, and the box around the landmarks of every actor that is seen, by his place in the scene."""
    count, actors = SCENES[name]
    rng = np.random.default_rng([ord(letter) for letter in name])
    wall = cv2.resize(
        rng.uniform(60, 190, (9, 16, 3)).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC
    )
    for _ in range(6):
        x0, y0, x1, y1 = rng.integers(0, [WIDTH, HEIGHT, WIDTH, HEIGHT]).tolist()
        cv2.rectangle(wall, (x0, y0), (x1, y1), tuple(rng.uniform(40, 220, 3)), 2)
    for i in range(count):
        image, boxes = wall.copy(), {}
        for number, (who, side, place) in enumerate(actors):
            middle = place(i)
            if middle is not None:
                _paste(image, boxes, number, cuts[who], i, side / SIDE, middle)
        noisy = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
        yield Frame(i, i / RATE, noisy), boxes


def _paste(
    image: np.ndarray,
    boxes: dict[int, np.ndarray],
    number: int,
    cut: Cut,
    i: int,
    scale: float,
    middle: tuple[float, float],
) -> None:
    k = i % LENGTH if i // LENGTH % 2 == 0 else LENGTH - 1 - i % LENGTH
    corner = np.array(middle) - scale * SIDE / 2
    motion = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
    head = cv2.warpAffine(cut.pictures[k].astype(np.float32), motion, (WIDTH, HEIGHT))
    image *= 1 - head[..., 3:] / 255
    image += head[..., :3]
    marks = cut.marks[k] * scale + corner
    box = np.concatenate([marks.min(0), marks.max(0)])
    hidden = [other for other, known in boxes.items() if _share(known, box) > 0.3]
    for other in hidden:
        del boxes[other]
    if _share(box, np.array([0, 0, WIDTH, HEIGHT])) > 0.85:
        boxes[number] = box


def _share(box: np.ndarray, other: np.ndarray) -> float:
    return float(intersections(box[None], other[None])[0, 0] / areas(box[None])[0])
