"""S2D as published (arXiv 2312.05447): stage 1 on images, stage 2 on clips.

Numbers: s2d-spec, "Recipes", after the authors' stage-1 code (MAE-SFER) and their stage-2 code. Not stated there but
chosen here: AdamW where stage 1 used Adam, stage-1 mixup of strength 0.2 and half-precision bfloat16 where stage 2
used float16. What they gave here stands in ``recipes/RESULTS.md``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from mien.data import clip_transforms, mixing
from mien.data.mixing import Mixing
from mien.training.labelled import LabelledRun
from mien.training.plan import FitPlan
from mien.training.recipe import ClipRecipe
from mien.training.sdl import SdlSettings

STAGE1_FIT = FitPlan(epochs=120, batch=32, lr=1e-5, weight_decay=1e-4, min_lr=0.01, ema=0.0, workers=2)
STAGE1 = ClipRecipe(
    model="s2d-base",
    dropout=0.5,
    augmentation=clip_transforms.STAGE1,
    mixing=Mixing(mixup=0.2, cutmix=0.0, switch=0.0, smoothing=0.0),
    layer_decay=0.75,
)
# Peak rate 1e-5 x batch / 8, floor 1e-8 x batch / 256: their ratio does not depend on the batch.
STAGE2_FIT = FitPlan(
    epochs=100, batch=32, lr=1e-5, lr_batch=8, min_lr=(1e-8 / 256) / (1e-5 / 8), warmup=0.02, ema=0.0, workers=2
)
STAGE2 = ClipRecipe(
    frames=16, temporal=True, dropout=0.5, augmentation=clip_transforms.STAGE2, mixing=Mixing(), learn="stage2"
)

RAFDB = LabelledRun(out=Path("runs/rafdb"), name="s2d-base-rafdb", fit=STAGE1_FIT, recipe=STAGE1)
AFFECTNET = replace(RAFDB, out=Path("runs/affectnet"), name="s2d-base-affectnet", fit=replace(STAGE1_FIT, epochs=60))
FERPLUS_BASE = replace(RAFDB, out=Path("runs/ferplus-base"), name="s2d-base-ferplus")
DFEW = LabelledRun(out=Path("runs/dfew"), fold=1, name="s2d-base-dfew", fit=STAGE2_FIT, recipe=STAGE2)
MAFW = replace(DFEW, out=Path("runs/mafw"), name="s2d-base-mafw")
FERV39K = replace(
    DFEW,
    out=Path("runs/ferv39k"),
    fold=0,
    name="s2d-base-ferv39k",
    recipe=replace(STAGE2, dropout=0.0, mixing=mixing.NONE, sdl=SdlSettings(mode="anchors")),
)

BALANCED = replace(STAGE2_FIT, balanced=True)
DFEW_OVERSAMPLED = replace(DFEW, out=Path("runs/dfew-oversampled"), fit=BALANCED)
FERV39K_OVERSAMPLED = replace(FERV39K, out=Path("runs/ferv39k-oversampled"), fit=BALANCED)
MAFW_OVERSAMPLED = replace(MAFW, out=Path("runs/mafw-oversampled"), fit=BALANCED)
