"""Named recipes: a frozen dataclass of every number a run needs. ``mien train NAME`` runs one, any field by flag."""

from __future__ import annotations

from dataclasses import dataclass

from mien.training.distill import DistillRecipe
from mien.training.loop import FitPlan


@dataclass(frozen=True)
class LandmarkRun:
    """Distil the landmark net from a teacher on FERPlus faces.

    Attributes:
        fit: optimisation.
        recipe: what the student is shown.
    """

    fit: FitPlan = FitPlan(epochs=3, batch=32, lr=2e-3, warmup=0.05, weight_decay=0.01, clip=5.0, ema=0.998)
    recipe: DistillRecipe = DistillRecipe()
