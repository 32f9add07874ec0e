"""What made the weights that ship, and the smallest run there is."""

from __future__ import annotations

from pathlib import Path

from mien.data.transforms import Augmentation
from mien.models.shape import S2DConfig
from mien.training.covered import CoveredRun
from mien.training.labelled import LabelledRun
from mien.training.landmarks import LandmarkRun
from mien.training.plan import FitPlan
from mien.training.recipe import FaceRecipe, MovingRecipe
from mien.training.signals import SignalRun
from mien.training.smoke import SmokeRun

LANDMARKS, SIGNALS, SMOKE, COVERED = LandmarkRun, SignalRun, SmokeRun, CoveredRun

FACES = FaceRecipe(
    model=S2DConfig(98, 14, 384, 8, 6, classes=8, dropout=0.0, drop_path=0.05),
    augmentation=Augmentation(
        rotation=12, scale=0.15, shift=0.06, stretch=0.06, flip=0.5,
        brightness=0.1, contrast=0.25, gamma=0.25, noise=0.02, blur=0.1, erase=0.25, erase_area=0.15,
    ),
    sizes=(70, 70, 70, 84, 98),
    layer_decay=0.6,
    prompt_rate=0.1,
)  # fmt: skip
FERPLUS = LabelledRun(
    out=Path("runs/ferplus"),
    name="s2d-small",
    licence=(
        "Apache-2.0 for the weights. Trained on FER2013 images, which carry no redistribution licence (FER+ labels: "
        "MIT), from DINOv2 ViT-S/14 (Apache-2.0), with landmarks learned from MediaPipe's "
        "(Apache-2.0) and from rendered people: check that this suits your use before a commercial one."
    ),
    recipe=FACES,
)
# Four frames of a clip in use: more of the same 0.4 s cost time only. On four clips 4 and 8 give the same spans, their
# borders 0.06 s apart at most.
FERPLUS_VIDEO = LabelledRun(
    out=Path("runs/moving"),
    start="s2d-small",
    name="s2d-small-video",
    fit=FitPlan(epochs=2, batch=16, lr=5e-4, ema=0.995),
    recipe=MovingRecipe(),
)
