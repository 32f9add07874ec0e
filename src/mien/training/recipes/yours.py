"""The shipped model made yours: on labelled faces, or on labelled clips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mien.data import clip_transforms
from mien.training.labelled import LabelledRun
from mien.training.plan import FitPlan
from mien.training.recipe import ClipRecipe

IMAGES = LabelledRun(
    out=Path("runs/images"),
    start="s2d-small",
    name="images",
    fit=FitPlan(epochs=10, batch=32, lr=1e-4, workers=1),
    recipe=ClipRecipe(
        augmentation=replace(clip_transforms.STAGE1, vary=0.8, hue=0.02), layer_decay=0.6, prompt_rate=0.1
    ),
)
VIDEOS = LabelledRun(
    out=Path("runs/videos"),
    start="s2d-small",
    name="videos",
    fit=FitPlan(epochs=10, batch=16, lr=5e-4, workers=1),
    recipe=ClipRecipe(
        frames=8,
        temporal=True,
        augmentation=replace(clip_transforms.STAGE2, layers=2, crop_scale=(0.6, 1.0)),
        learn="stage2",
        prompt_rate=0.3,
    ),
)
