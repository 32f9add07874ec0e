"""A network that looks at brightness, faces at known places, and small videos made of both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mien import media
from mien.core.labels import LabelSpace
from mien.core.types import Face
from mien.faces.align import points_in_box
from mien.models.record import ModelRecord, Preprocessing

HEIGHT, WIDTH = 96, 160
LEFT, RIGHT = (10, 20, 60, 80), (95, 20, 145, 80)
DARK, BRIGHT = 60, 190


class BrightnessNetwork:
    """Sure of neutral for dark faces and of happiness for bright ones; notes how it is called."""

    record = ModelRecord(
        name="brightness",
        labels=LabelSpace("three", ("neutral", "happiness", "sadness")),
        preprocessing=Preprocessing(crop_size=24, input_size=24),
        config={},
        frames=4,
        threshold=0.5,
        sha256="f" * 64,
    )

    def __init__(self) -> None:
        self.batches: list[int] = []

    def logits(self, clips: np.ndarray) -> np.ndarray:
        return np.log(self.probabilities(clips))

    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        self.batches.append(len(clips))
        bright = np.clip((clips.mean(axis=(1, 2, 3, 4)) - DARK) / (BRIGHT - DARK), 0.05, 0.9)
        return np.stack([0.95 - bright, bright, np.full_like(bright, 0.05)], axis=1)


class FacesAt:
    """A detector that sees a face wherever the picture differs from its black ground in the left or right box."""

    name = "boxes"

    def detect(self, image: np.ndarray) -> list[Face]:
        seen = [box for box in (LEFT, RIGHT) if image[box[1] + 10 : box[3] - 10, box[0] + 10 : box[2] - 10].mean() > 25]
        return [Face(np.array(box, np.float32), 0.99, points_in_box(np.array(box, np.float32))) for box in seen]


def picture(*faces: tuple[tuple[int, int, int, int], int], seed: int = 0) -> np.ndarray:
    """A frame with faces: textured rectangles of a mean brightness on a black ground."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    noise = np.random.default_rng(seed).integers(-40, 41, (HEIGHT, WIDTH, 1))
    for (x0, y0, x1, y1), brightness in faces:
        image[y0:y1, x0:x1] = np.clip(brightness + noise[y0:y1, x0:x1], 0, 255)
    return image


def one_face(brightness: Sequence[int | None], box: tuple[int, int, int, int] = LEFT) -> np.ndarray:
    """A frame for every brightness; None: nobody there."""
    return np.stack([picture() if value is None else picture((box, value)) for value in brightness])


def write_video(path: Path, frames: np.ndarray, fps: float = 25.0) -> Path:
    with media.VideoWriter(path, frames.shape[2], frames.shape[1], fps) as writer:
        for number, frame in enumerate(frames):
            writer.write(frame, number / fps)
    return path
