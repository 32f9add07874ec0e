"""The floor: a plain convolutional network from random numbers, on faces as they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mien.models.cnn import CnnConfig
from mien.training.plan import FitPlan
from mien.training.recipes.shipped import FACES, FERPLUS

CNN = replace(
    FERPLUS,
    out=Path("runs/cnn"),
    name="cnn",
    licence="Apache-2.0 for the weights. Trained on FER2013 images, which carry no redistribution licence (FER+: MIT).",
    fit=FitPlan(epochs=12, batch=64, lr=2e-3, weight_decay=0.01),
    recipe=replace(FACES, model=CnnConfig(classes=8), sizes=(), layer_decay=1.0),
)
