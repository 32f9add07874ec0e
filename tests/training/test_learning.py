"""Learning is shown, not claimed: what the order of frames tells, the video model learns and the image model cannot.

As in the paper's title: an image model first learns expressions from single drawn faces, then becomes a video model
whose frozen image part is helped by temporal adapters.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mien.data.datasets import find_dataset
from mien.data.manifest import Manifest
from mien.data.synthetic import write_synthetic
from mien.models.landmarks import MobileFaceNet
from mien.models.record import Preprocessing
from mien.models.s2d import S2D, to_video
from mien.models.weights import Recognizer
from mien.models.zoo import make_config
from mien.training.labelled import LabelledTask
from mien.training.loop import FitPlan, fit
from mien.training.recipe import ClipRecipe

FRAMES = 4
PLAN = FitPlan(batch=32, lr=2e-3, epochs=8, precision="fp32", ema=0.0, accelerator="cpu")


class Blank(MobileFaceNet):
    """Says nothing, quickly: these tests are about time, not about landmarks."""

    def landmark_map(self, images: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(images), 128, 14, 14)


def drawn(folder: Path, kind: str, train: int, frames: int) -> Manifest:
    write_synthetic(folder, kind, train, valid=0, test=120, frames=frames)
    return find_dataset("synthetic").read(folder)


def learn(s2d: S2D, data: Manifest, plan: FitPlan, recipe: ClipRecipe, out: Path) -> float:
    """Test accuracy after the last epoch: nothing is chosen on these items."""
    recognizer = Recognizer(s2d, Blank().eval(), Preprocessing(crop_size=48, input_size=48))
    task = LabelledTask(data.select("train"), data.select("test"), recognizer, recipe, seed=0)
    figures: list[float] = []
    fit(task, plan, out, report=lambda line: figures.append(line["war"]) if "war" in line else None)
    return figures[-1]


@pytest.mark.slow
def test_order_is_learnt_by_the_video_model_alone(tmp_path: Path) -> None:
    stills = drawn(tmp_path / "stills", "static", 2000, 1)
    torch.manual_seed(0)
    image = S2D(make_config("s2d-micro", classes=5, dropout=0.0))
    assert learn(image, stills, PLAN, ClipRecipe(), tmp_path / "stage1") > 0.6
    clips = drawn(tmp_path / "clips", "motion", 600, FRAMES)
    plan = replace(PLAN, batch=16, lr=3e-3, epochs=10)
    recipe = ClipRecipe(frames=FRAMES)
    video = to_video(image, FRAMES)
    for model in (video, image):
        torch.manual_seed(1)
        model.head = torch.nn.Linear(64, 4)
    assert learn(image, clips, plan, recipe, tmp_path / "image") < 0.4  # chance is 0.25
    assert learn(video, clips, plan, replace(recipe, temporal=True, learn="stage2"), tmp_path / "video") > 0.6
