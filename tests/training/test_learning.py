"""Learning is shown, not claimed: what the order of frames tells, the video model learns and the image model cannot.

As in the paper's title: an image model first learns from single pictures, then becomes a video model whose frozen image
part is helped by temporal adapters. The pictures are stripes, which a small network tells apart after a few steps.
"""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from mien.core.labels import LabelSpace
from mien.data.manifest import Manifest, Row
from mien.models.landmarks import MobileFaceNet
from mien.models.record import Preprocessing
from mien.models.s2d import S2D, to_video
from mien.models.weights import Recognizer
from mien.models.zoo import make_config
from mien.training.labelled import LabelledTask
from mien.training.loop import FitPlan, fit
from mien.training.recipe import ClipRecipe

SIDE = 48
PLAN = FitPlan(batch=16, lr=2e-3, epochs=4, precision="fp32", ema=0.0, accelerator="cpu")
STILLS = {"lying": (True,), "standing": (False,)}
CLIPS = {"rising": (True, False), "falling": (False, True)}
"""Whether the stripes of each frame lie; both kinds of clip show the same frames."""


class Blank(MobileFaceNet):
    """Says nothing, quickly: these tests are about time, not about landmarks."""

    def landmark_map(self, images: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(images), 128, 14, 14)


def stripes(lying: bool, rng: np.random.Generator) -> np.ndarray:
    """Stripes under noise of nearly their strength."""
    bright = np.arange(SIDE) // 6 % 2 == 0
    noise = rng.integers(0, 100, (SIDE, SIDE, 3))
    return (noise + 120 * (bright[:, None, None] if lying else bright[None, :, None])).astype(np.uint8)


def drawn(folder: Path, kinds: dict[str, tuple[bool, ...]], train: int, test: int) -> Manifest:
    """Items of every kind in turn, no two with the same noise."""
    rng = np.random.default_rng(train)
    rows = []
    for number in range(train + test):
        label, shown = list(kinds.items())[number % len(kinds)]
        name = f"{number:03d}"
        (folder / name).mkdir(parents=True)
        for frame, lying in enumerate(shown):
            cv2.imwrite(str(folder / name / f"{frame}.png"), stripes(lying, rng))
        rows.append(Row(name, name, "frames", label, "train" if number < train else "test"))
    return Manifest("stripes", LabelSpace("stripes", tuple(kinds)), tuple(rows), folder, SIDE)


def learn(s2d: S2D, data: Manifest, plan: FitPlan, recipe: ClipRecipe, out: Path) -> float:
    """Test accuracy after the last epoch: nothing is chosen on these items."""
    recognizer = Recognizer(s2d, Blank().eval(), Preprocessing(crop_size=SIDE, input_size=SIDE))
    task = LabelledTask(data.select("train"), data.select("test"), recognizer, recipe, seed=0)
    figures: list[float] = []
    fit(task, plan, out, report=lambda line: figures.append(line["war"]) if "war" in line else None)
    return figures[-1]


def test_order_is_learnt_by_the_video_model_alone(tmp_path: Path) -> None:
    torch.manual_seed(0)
    image = S2D(make_config("s2d-micro", classes=2, dropout=0.0))
    assert learn(image, drawn(tmp_path / "stills", STILLS, 64, 32), PLAN, ClipRecipe(), tmp_path / "stage1") > 0.9
    clips, plan = drawn(tmp_path / "clips", CLIPS, 96, 64), replace(PLAN, lr=3e-3, epochs=6)
    recipe, video = ClipRecipe(frames=2), to_video(image, 2)
    for model in (video, image):
        torch.manual_seed(1)
        model.head = torch.nn.Linear(64, 2)
    # Chance is 0.5, and 0.7 more than three standard deviations of it; other seeds give 0.5 and 1.0, too.
    assert learn(image, clips, plan, recipe, tmp_path / "image") < 0.7
    assert learn(video, clips, plan, replace(recipe, temporal=True, learn="stage2"), tmp_path / "video") > 0.9
