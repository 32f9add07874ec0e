"""Named recipes: a frozen dataclass of every number a run needs. ``mien train NAME`` runs one, any field by flag.

Numbers of the S2D recipes: s2d-spec, "Recipes", after the authors' stage-1 code (MAE-SFER) and their stage-2 code. What
is not stated there and chosen here: AdamW where stage 1 used Adam, stage-1 mixup of strength 0.2 and half-precision
bfloat16 where stage 2 used float16. What they gave here stands in ``recipes/RESULTS.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from mien.core.registry import Registry
from mien.data import clip_transforms, mixing
from mien.data.mixing import Mixing
from mien.training.clip_run import ClipRun
from mien.training.clips import ClipRecipe
from mien.training.distill import LandmarkRun
from mien.training.expression import FerPlusRun
from mien.training.moving import MovingRun
from mien.training.plan import FitPlan
from mien.training.sdl import SdlPlan
from mien.training.smoke import SmokeRun

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


@dataclass(frozen=True)
class RafDb(ClipRun):
    """S2D stage 1 on RAF-DB: the image model."""

    out: Path = Path("runs/rafdb")
    name: str = "s2d-base-rafdb"
    fit: FitPlan = STAGE1_FIT
    recipe: ClipRecipe = STAGE1


@dataclass(frozen=True)
class AffectNet(ClipRun):
    """S2D stage 1 on AffectNet with 7 or 8 classes: the image model that stage 2 starts from."""

    out: Path = Path("runs/affectnet")
    name: str = "s2d-base-affectnet"
    fit: FitPlan = replace(STAGE1_FIT, epochs=60)
    recipe: ClipRecipe = STAGE1


@dataclass(frozen=True)
class FerPlusBase(ClipRun):
    """S2D stage 1 on a prepared FERPlus, as published; `ferplus` is the small model that ships."""

    out: Path = Path("runs/ferplus-base")
    name: str = "s2d-base-ferplus"
    fit: FitPlan = STAGE1_FIT
    recipe: ClipRecipe = STAGE1


@dataclass(frozen=True)
class Dfew(ClipRun):
    """S2D stage 2 on a fold of DFEW; --start with a stage-1 model."""

    out: Path = Path("runs/dfew")
    fold: int = 1
    name: str = "s2d-base-dfew"
    fit: FitPlan = STAGE2_FIT
    recipe: ClipRecipe = STAGE2


@dataclass(frozen=True)
class Ferv39k(ClipRun):
    """S2D stage 2 on FERV39k: no mixing, no dropout, self-distillation on."""

    out: Path = Path("runs/ferv39k")
    name: str = "s2d-base-ferv39k"
    fit: FitPlan = STAGE2_FIT
    recipe: ClipRecipe = replace(STAGE2, dropout=0.0, mixing=mixing.NONE, sdl=SdlPlan(mode="anchors"))


@dataclass(frozen=True)
class Mafw(ClipRun):
    """S2D stage 2 on a fold of MAFW; --start with a stage-1 model."""

    out: Path = Path("runs/mafw")
    fold: int = 1
    name: str = "s2d-base-mafw"
    fit: FitPlan = STAGE2_FIT
    recipe: ClipRecipe = STAGE2


BALANCED = replace(STAGE2_FIT, balanced=True)


@dataclass(frozen=True)
class DfewOversampled(Dfew):
    """As dfew, every class drawn as often: higher UAR, lower WAR."""

    out: Path = Path("runs/dfew-oversampled")
    fit: FitPlan = BALANCED


@dataclass(frozen=True)
class Ferv39kOversampled(Ferv39k):
    """As ferv39k, every class drawn as often: higher UAR, lower WAR."""

    out: Path = Path("runs/ferv39k-oversampled")
    fit: FitPlan = BALANCED


@dataclass(frozen=True)
class MafwOversampled(Mafw):
    """As mafw, every class drawn as often: higher UAR, lower WAR."""

    out: Path = Path("runs/mafw-oversampled")
    fit: FitPlan = BALANCED


@dataclass(frozen=True)
class Images(ClipRun):
    """Fine-tune the shipped image model on your own labelled faces."""

    out: Path = Path("runs/images")
    start: str | None = "s2d-small"
    name: str = "images"
    fit: FitPlan = FitPlan(epochs=10, batch=32, lr=1e-4, workers=1)
    recipe: ClipRecipe = ClipRecipe(
        augmentation=replace(clip_transforms.STAGE1, vary=0.8, hue=0.02), layer_decay=0.6, prompt_rate=0.1
    )


@dataclass(frozen=True)
class Videos(ClipRun):
    """Make a video model of the shipped image model on your own labelled clips; the image part stays as it is."""

    out: Path = Path("runs/videos")
    start: str | None = "s2d-small"
    name: str = "videos"
    fit: FitPlan = FitPlan(epochs=10, batch=16, lr=5e-4, workers=1)
    recipe: ClipRecipe = field(
        default_factory=lambda: ClipRecipe(
            frames=8,
            temporal=True,
            augmentation=replace(clip_transforms.STAGE2, layers=2, crop_scale=(0.6, 1.0)),
            learn="stage2",
            prompt_rate=0.3,
        )
    )


RECIPES: Registry[type[ClipRun | LandmarkRun | FerPlusRun | MovingRun | SmokeRun]] = Registry(
    "recipe",
    {
        "landmarks": LandmarkRun,
        "ferplus": FerPlusRun,
        "ferplus-video": MovingRun,
        "images": Images,
        "videos": Videos,
        "rafdb": RafDb,
        "affectnet7": AffectNet,
        "affectnet8": AffectNet,
        "ferplus-base": FerPlusBase,
        "dfew": Dfew,
        "dfew-oversampled": DfewOversampled,
        "ferv39k": Ferv39k,
        "ferv39k-oversampled": Ferv39kOversampled,
        "mafw": Mafw,
        "mafw-oversampled": MafwOversampled,
        "smoke": SmokeRun,
    },
)
