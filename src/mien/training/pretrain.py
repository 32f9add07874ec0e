"""Masked-autoencoder pre-training on unlabelled face crops: where S2D's stage 1 starts from (He et al., 2111.06377).

The numbers are the paper's for ViT-B: three quarters hidden, AdamW (0.9, 0.95) with weight decay 0.05, rate 1.5e-4 for
a batch of 256, 40 of 300 epochs of warm-up, random resized crops of 0.2 to 1 of the area and mirroring. It used a batch
of 4096 and no clipping of gradients; here gradients are clipped where their norm exceeds 1.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.data import Dataset

from mien.core.errors import DataError
from mien.core.files import whole_file
from mien.core.settings import thread_count
from mien.data.clip_transforms import ClipAugmentation, augment_clip, plain_clip
from mien.data.sampling import item_generator
from mien.faces.mean_face import MEAN_FACE
from mien.faces.regions import region_masks
from mien.models.preprocess import normalise
from mien.models.pretrain import MaskedAutoencoder, MaskedAutoencoderConfig, reconstruction_loss
from mien.models.record import Preprocessing
from mien.models.torch_file import read_torch
from mien.models.weights import write_tensors
from mien.training.finish import demand_same
from mien.training.loop import FitPlan, Report, fit
from mien.training.start import load_trunk
from mien.training.task import Task, device_of
from mien.training.unlabelled import Crops, open_crops

SHARE_HELD_OUT = 0.1
VALIDATION_BATCH = 64
FINE, LEAST_SHARE = 16, 0.25
"""Pixels of a patch where regions are drawn, and how much of one a region must take."""
FIT = FitPlan(
    epochs=300, batch=256, lr=1.5e-4, lr_batch=256, min_lr=0.0, warmup=40 / 300,
    weight_decay=0.05, beta2=0.95, ema=0.0, workers=2,
)  # fmt: skip


@dataclass(frozen=True)
class PretrainRecipe:
    """What the autoencoder is and what it is shown.

    Attributes:
        model: its shape; encoder and patch must be those of the model that will start from it.
        augmentation: changes of the crops.
        held_out: crops that every epoch is judged by, at most a tenth of all.
        masking: which patches are hidden: random, as published; parts: first those of one to three whole regions of
            the face, then random ones (after MARLIN, arXiv 2211.06627). As many either way.
    """

    model: MaskedAutoencoderConfig = MaskedAutoencoderConfig()
    augmentation: ClipAugmentation = ClipAugmentation(crop_scale=(0.2, 1.0), flip=0.5)
    held_out: int = 512
    masking: Literal["random", "parts"] = "random"


class CropItems(Dataset[tuple[Tensor, Tensor]]):
    """From ``(item, draw)`` to an augmented crop, (3, s, s) in [0, 1], and the noise that decides what is hidden, (l,).

    Args:
        crops: where they come from.
        numbers: which of them.
        recipe: how they are changed.
        seed: all that is random depends on it and on ``draw`` alone.
    """

    def __init__(self, crops: Crops, numbers: list[int], recipe: PretrainRecipe, seed: int) -> None:
        self.crops, self.numbers, self.recipe, self.seed = crops, numbers, recipe, seed

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        item, draw = key
        rng = item_generator(self.seed, draw)
        share = torch.rand((), generator=rng, dtype=torch.float64).item()
        crop = torch.from_numpy(self.crops.read(self.numbers[item], share))
        model = self.recipe.model
        image = augment_clip(crop[None], model.input_size, self.recipe.augmentation, rng)[0]
        noise = torch.rand(model.grid**2, generator=rng)
        if self.recipe.masking == "parts":
            noise = noise + parts_first(model.grid, rng)
        return image, noise


@cache
def region_patches(grid: int) -> Bool[Tensor, "r l"]:
    """Which patches each region of an ordinary face takes a quarter of, or more; regions without one are left out."""
    masks = np.stack([mask[0] for mask in region_masks(MEAN_FACE[None], grid * FINE).values()])
    shares = masks.reshape(len(masks), grid, FINE, grid, FINE).mean((2, 4)).reshape(len(masks), -1)
    taken = torch.from_numpy(shares >= LEAST_SHARE)
    return taken[taken.any(1)]


def parts_first(grid: int, rng: torch.Generator) -> Float[Tensor, " l"]:
    """What to add to the noise of patches, in [0, 1), so that some regions, one to half of them, are hidden whole.

    Crops are taken to be whole, aligned faces: with ``augmentation.crop-scale`` far below 1 regions lie elsewhere.
    """
    regions = region_patches(grid)
    order = torch.randperm(len(regions), generator=rng)
    count = int(torch.randint(1, max(len(regions) // 2, 1) + 1, (), generator=rng))
    return regions[order[:count]].any(0).float()


class PretrainTask(Task):
    """Crops and the autoencoder that learns from them.

    Args:
        crops: all there are; some are held out.
        recipe: model and augmentation.
        seed: of the split and of everything random about the items; the model's weights come from torch's own numbers.
        start: what the encoder begins as, see :func:`mien.training.start.load_trunk`; None: those numbers.

    Raises:
        DataError: fewer than two crops, or weights of another shape.
    """

    def __init__(self, crops: Crops, recipe: PretrainRecipe, seed: int = 0, start: Path | None = None) -> None:
        if len(crops) < 2:
            raise DataError("two crops or more", str(len(crops)), "add pictures")
        self.recipe, self.crops = recipe, crops
        order = torch.randperm(len(crops), generator=torch.Generator().manual_seed(seed)).tolist()
        count = max(1, min(recipe.held_out, int(SHARE_HELD_OUT * len(crops))))
        self.held_out, train = order[:count], sorted(order[count:])
        self.items = len(train)
        self.data = CropItems(crops, train, recipe, seed)
        self.preprocessing = Preprocessing(input_size=recipe.model.input_size)
        model = MaskedAutoencoder(recipe.model)
        if start is not None:
            load_trunk(model.encoder, recipe.model.grid, start)
        self.module: nn.Module = model

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Weight decay for matrices and the patches' kernel; none for biases, norms and tokens."""
        learning = [p for p in self.module.parameters() if p.requires_grad]
        return [
            {"params": [p for p in learning if p.ndim in (2, 4)], "weight_decay": weight_decay},
            {"params": [p for p in learning if p.ndim not in (2, 4)], "weight_decay": 0.0},
        ]

    def loss(self, module: nn.Module, batch: tuple[Tensor, Tensor], rng: torch.Generator) -> dict[str, Tensor]:
        """See :func:`mien.models.pretrain.reconstruction_loss`."""
        images, noise = batch
        images = normalise(images, self.preprocessing)
        predicted, hidden = module(images, noise)
        return {"reconstruction": reconstruction_loss(predicted, images, hidden, self.recipe.model.patch)}

    def validate(self, module: nn.Module) -> dict[str, float]:
        """The loss on held-out crops, whole, with the same patches hidden each time; its negative is the score."""
        rng, total = torch.Generator().manual_seed(0), 0.0
        for start in range(0, len(self.held_out), VALIDATION_BATCH):
            images = self._whole(self.held_out[start : start + VALIDATION_BATCH])
            noise = torch.rand(len(images), self.recipe.model.grid**2, generator=rng)
            device = device_of(module)
            with torch.no_grad():
                (loss,) = self.loss(module, (images.to(device), noise.to(device)), rng).values()
                total += loss.item() * len(images)
        mean = total / len(self.held_out)
        return {"score": -mean, "loss": mean}

    def _whole(self, numbers: list[int]) -> Float[Tensor, "n 3 s s"]:
        size = self.recipe.model.input_size
        crops = [torch.from_numpy(self.crops.read(number, 0.5))[None] for number in numbers]
        return torch.cat([plain_clip(crop, size) for crop in crops])

    def pictures(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The crops as augmented."""
        return batch[0]


@dataclass(frozen=True)
class PretrainRun:
    """Pre-train a ViT on face crops without labels, as a masked autoencoder.

    Attributes:
        data: a folder of face crops, searched with all folders below; a set made by `mien prepare` (its training
            split); or the FERPlus .npz.
        out: folder of the run; gets encoder.safetensors, which `mien train` takes to start from.
        fold: of a set with folds: its training split, so that no test item of that fold is seen.
        resume: go on from the last checkpoint.
        fit: optimisation.
        recipe: model and augmentation.
        start: a plain ViT's .safetensors (timm names) that the encoder begins as: the first blocks of a deeper one, its
            positions resampled; none: random numbers, as published.
    """

    data: Path
    out: Path = Path("runs/pretrain")
    fold: int = 0
    resume: bool = False
    fit: FitPlan = FIT
    recipe: PretrainRecipe = field(default_factory=PretrainRecipe)
    start: Path | None = None

    def run(self, report: Report | None = None) -> Path:
        """Train; the path of the encoder's weights comes back."""
        torch.set_num_threads(thread_count())
        torch.manual_seed(self.fit.seed)
        crops = open_crops(self.data, self.fold, lambda text: report({"warning": text}) if report else None)
        task = PretrainTask(crops, self.recipe, self.fit.seed, self.start)
        demand_same(self.out / "run.json", self, ("recipe", "fold", "start"))
        with whole_file(self.out / "run.json") as draft:
            draft.write_text(
                json.dumps({"recipe": "pretrain", "fields": dataclasses.asdict(self)}, indent=2, default=str)
            )
        return self.write(fit(task, self.fit, self.out, self.resume, report), len(crops))

    def write(self, best: Path, crops: int) -> Path:
        """Write the encoder of the best epoch with timm's names; how it came about stands in the file's header."""
        state = read_torch(best)
        model = MaskedAutoencoder(self.recipe.model)
        model.load_state_dict(state["module"])
        facts = {
            "method": "masked autoencoder (arXiv 2111.06377)",
            "config": dataclasses.asdict(self.recipe.model),
            "crops": crops,
            "epoch": state["epoch"],
            "figures": state["figures"],
        }
        path = self.out / "encoder.safetensors"
        with whole_file(path) as draft:
            write_tensors(model.encoder_state(), {"pretrain": json.dumps(facts)}, draft)
        return path
