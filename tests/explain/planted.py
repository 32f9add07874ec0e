"""A model whose answer can only come from the mouth, and faces at known places.

The pictures are 6 x 6 tiles of lying or standing stripes. In one class the four tiles of the mouth lie, in the other
they stand; every other tile falls by the toss of a coin. So no tile outside the mouth, nor their number, tells the
class.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from mien.core.labels import LabelSpace
from mien.core.types import Face, FaceClip
from mien.faces.align import points_in_box
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D, S2DConfig
from mien.models.weights import Recognizer
from mien.models.zoo import LoadedModel

SIDE, TILE, GRID = 24, 4, 6
MOUTH = np.zeros((GRID, GRID), np.bool_)
MOUTH[4:6, 2:4] = True
LABELS = LabelSpace("mouths", ("lying", "standing"))


def picture(standing: np.ndarray) -> np.ndarray:
    """A crop of the tiles, uint8 (3, 24, 24)."""
    stripes = np.tile(np.array([0, 0, 255, 255], np.uint8), (SIDE, GRID))
    pixels = np.where(np.kron(standing, np.ones((TILE, TILE), np.bool_)), stripes, stripes.T)
    return np.broadcast_to(pixels, (3, SIDE, SIDE)).copy()


def tiles(mouth: int | None, rng: np.random.Generator) -> np.ndarray:
    """Which tiles stand: the mouth as its class says (None: half of it), every other by the toss of a coin."""
    standing = rng.random((GRID, GRID)) < 0.5
    standing[MOUTH] = (False, True, False, True) if mouth is None else bool(mouth)
    return standing


def clip(mouths: list[int | None], seed: int = 0, repeats: int = 1) -> FaceClip:
    """A clip with such a mouth in every frame, the same tiles around it, each frame ``repeats`` times."""
    frames = [picture(tiles(mouth, np.random.default_rng(seed))) for mouth in mouths for _ in range(repeats)]
    count = len(frames)
    return FaceClip(
        track=1,
        images=np.stack(frames),
        times=np.arange(count) * 0.04,
        indices=tuple(range(count)),
        valid=np.arange(count) % repeats == 0,
        start=0.0,
        end=count * 0.04,
    )


def model_of(s2d: S2D, landmarks: torch.nn.Module | None = None, labels: LabelSpace = LABELS) -> LoadedModel:
    pixels = Preprocessing(SIDE, SIDE, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    network = Recognizer(s2d, landmarks, pixels).eval().requires_grad_(False)  # type: ignore[arg-type]
    return LoadedModel(network, ModelRecord("planted", labels, pixels, {}, frames=4, threshold=0.4))


def learn(steps: int = 150, items: int = 48) -> LoadedModel:
    """Train a plain ViT on the pictures, for seconds."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    config = S2DConfig(input_size=SIDE, patch=TILE, dim=32, depth=1, heads=2, classes=2, prompts=False, dropout=0.0)
    model = model_of(S2D(config))
    network = model.network.train().requires_grad_(True)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        classes = rng.integers(0, 2, items)
        images = np.stack([picture(tiles(int(one), rng)) for one in classes])
        loss = F.cross_entropy(network(torch.from_numpy(images)[:, None]), torch.from_numpy(classes))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    network.eval().requires_grad_(False)
    return model


def face_points() -> np.ndarray:
    """68 points of a frontal face as shares of a crop's side, by arcs and lines: x to the right, y down."""

    def arc(
        centre: tuple[float, float], radii: tuple[float, float], start: float, stop: float, count: int
    ) -> np.ndarray:
        angles = np.radians(np.linspace(start, stop, count))
        return np.array(centre) + np.array(radii) * np.stack([np.cos(angles), np.sin(angles)], axis=1)

    jaw = arc((0.5, 0.45), (0.4, 0.5), 180, 0, 17)
    brows = [arc((x, 0.33), (0.11, 0.04), 180, 360, 5) for x in (0.32, 0.68)]
    bridge = np.stack([np.full(4, 0.5), np.linspace(0.42, 0.6, 4)], axis=1)
    nostrils = arc((0.5, 0.63), (0.08, 0.03), 180, 0, 5)
    eyes = [arc((x, 0.42), (0.07, 0.03), 180, 480, 6) for x in (0.32, 0.68)]
    lips = [arc((0.5, 0.78), (0.15, 0.06), 180, 510, 12), arc((0.5, 0.78), (0.1, 0.02), 180, 495, 8)]
    return np.vstack([jaw, *brows, bridge, nostrils, *eyes, *lips])


class FacesAt:
    """A detector that sees a face wherever the left or right box of a black picture is filled."""

    name = "boxes"
    boxes = ((10, 20, 60, 80), (95, 20, 145, 80))

    def detect(self, image: np.ndarray) -> list[Face]:
        seen = [box for box in self.boxes if image[box[1] + 10 : box[3] - 10, box[0] + 10 : box[2] - 10].mean() > 25]
        return [Face(np.array(box, np.float32), 0.99, points_in_box(np.array(box, np.float32))) for box in seen]


def film(left: list[int | None], right: list[int | None]) -> np.ndarray:
    """A frame an entry: brightness of the noisy faces in the left and right box, None: nobody there."""
    frames = np.zeros((len(left), 96, 160, 3), np.uint8)
    for number, values in enumerate(zip(left, right, strict=True)):
        noise = np.random.default_rng(number).integers(-40, 41, (96, 160, 1))
        for (x0, y0, x1, y1), value in zip(FacesAt.boxes, values, strict=True):
            if value is not None:
                frames[number, y0:y1, x0:x1] = np.clip(value + noise[y0:y1, x0:x1], 0, 255)
    return frames
