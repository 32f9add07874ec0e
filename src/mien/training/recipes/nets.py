"""Other networks than S2D: the whole POSTER++, and points over time."""

from __future__ import annotations

from pathlib import Path

from mien.data.clip_transforms import ClipAugmentation
from mien.training.labelled import LabelledRun
from mien.training.plan import FitPlan
from mien.training.recipe import ClipRecipe

# As published for RAF-DB, but for the rate's course (ours falls as a cosine, theirs by 2 % an epoch), the image
# network's start (theirs has learnt faces' identities; ours random numbers) and the choice of the epoch, which is not
# made on the test split.
POSTER = LabelledRun(
    out=Path("runs/poster"),
    name="poster",
    fit=FitPlan(epochs=200, batch=144, lr=3.5e-5, weight_decay=0.0, ema=0.0, sharpness=0.05, workers=1),
    recipe=ClipRecipe(
        model="poster",
        drop_path=0.25,
        augmentation=ClipAugmentation(flip=0.5, erase=1.0, erase_area=(0.02, 0.1)),
    ),
)
# Place and size of the face in the crop are taken out again: what they change is what the landmark net errs by.
POINTS = LabelledRun(
    out=Path("runs/points"),
    name="points",
    fit=FitPlan(epochs=20, batch=32, lr=3e-3, weight_decay=0.01, workers=1),
    recipe=ClipRecipe(
        model="points", frames=8, temporal=True, augmentation=ClipAugmentation(vary=0.8, hue=0.02, flip=0.5)
    ),
)
