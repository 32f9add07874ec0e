"""Our landmark net: MobileFaceNet-68 distilled from a teacher of the same shape on FERPlus faces.

The student learns the teacher's 68 points and its conv_4 map, the part S2D reads. It sees what S2D's landmark net sees,
ImageNet-normalised frames, while the teacher takes RGB / 255. The teacher's weights are not shipped; the student starts
from random numbers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.settings import thread_count
from mien.data.ferplus import read_ferplus
from mien.data.transforms import Augmentation, augment, warp
from mien.models.landmarks import LANDMARK_SIZE, MobileFaceNet, fold
from mien.models.preprocess import normalise
from mien.models.record import Preprocessing
from mien.models.torch_file import read_torch
from mien.models.weights import write_tensors
from mien.training.loop import FitPlan, Report, fit
from mien.training.start import read_landmark_net
from mien.training.task import Task, device_of

EYE_CORNERS = (36, 45)  # outer corners in iBUG's 68 points: their distance normalises the error (inter-ocular NME)


@dataclass(frozen=True)
class DistillRecipe:
    """What the landmark student is shown.

    Attributes:
        augmentation: changes of the faces; wide, as boxes in video are loose.
        map_weight: weight of the conv_4 loss beside the points' loss.
        validation: number of held-out faces, from the official validation split.
    """

    augmentation: Augmentation = Augmentation(
        rotation=20,
        scale=0.25,
        shift=0.1,
        stretch=0.1,
        flip=0.5,
        brightness=0.15,
        contrast=0.3,
        gamma=0.3,
        noise=0.05,
        blur=0.2,
    )
    map_weight: float = 1.0
    validation: int = 2048


def point_error(ours: Float[Tensor, "n 68 2"], theirs: Float[Tensor, "n 68 2"]) -> Float[Tensor, " n"]:
    """Mean distance of the points over the distance of the outer eye corners (NME) of each face."""
    eyes = (theirs[:, EYE_CORNERS[0]] - theirs[:, EYE_CORNERS[1]]).norm(dim=-1)
    error: Tensor = (ours - theirs).norm(dim=-1).mean(-1) / eyes.clamp(min=0.05)
    return error


class DistillTask(Task):
    """Teacher's points and map as targets for a fresh student.

    Args:
        data: the FERPlus ``.npz``.
        teacher: see :func:`mien.training.start.read_landmark_net`.
        recipe: what the student is shown.
    """

    def __init__(self, data: Path, teacher: MobileFaceNet, recipe: DistillRecipe) -> None:
        self.recipe, self.teacher = recipe, fold(teacher)
        self.plan = Preprocessing(crop_size=48, input_size=LANDMARK_SIZE, colour="grey")
        self.faces = torch.from_numpy(read_ferplus(data, "train", majority_only=False).images)[:, None]
        self.held_out = torch.from_numpy(read_ferplus(data, "valid", majority_only=False).images)[
            : recipe.validation, None
        ]
        self.items = len(self.faces)
        self.module: nn.Module = MobileFaceNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.map_scale = self._measure_map(self.faces[:512])

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Weight decay on matrices only."""
        params = list(self.module.parameters())
        return [
            {"params": [p for p in params if p.ndim >= 2], "weight_decay": weight_decay},
            {"params": [p for p in params if p.ndim < 2], "weight_decay": 0.0},
        ]

    def loss(self, module: nn.Module, batch: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """L1 on the points (in percent of the side) plus the squared error of the map in units of its own spread."""
        grey = augment(self.faces[batch].float() / 255, LANDMARK_SIZE, self.recipe.augmentation, rng)
        faces = grey.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last).to(device_of(module))
        with torch.no_grad():
            points, landmark_map = self.teacher.to(faces.device)(faces)
        ours, our_map = module(normalise(faces, self.plan))
        by_point = F.smooth_l1_loss(ours.float() * 100, points.float() * 100)
        by_map = (((our_map.float() - landmark_map.float()) / self.map_scale.to(faces.device)) ** 2).mean()
        return {"points": by_point, "map": self.recipe.map_weight * by_map}

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Median and mean point error against the teacher, and the share of the map's variance explained."""
        device = device_of(module)
        mean, scale = self.map_mean.to(device), self.map_scale.to(device)
        errors, residual, spread = [], 0.0, 0.0
        for batch in self.held_out.split(256):  # type: ignore[no-untyped-call]
            grey = warp(batch.float() / 255, torch.eye(2, 3).expand(len(batch), 2, 3), LANDMARK_SIZE)
            faces = grey.expand(-1, 3, -1, -1).to(device)
            with torch.no_grad():
                points, landmark_map = self.teacher.to(device)(faces)
                ours, our_map = module(normalise(faces, self.plan))
            errors.append(point_error(ours, points))
            residual += float((((our_map - landmark_map) / scale) ** 2).sum())
            spread += float((((landmark_map - mean) / scale) ** 2).sum())
        error = torch.cat(errors)
        figures = {
            "nme_mean": error.mean().item(),
            "nme_median": error.median().item(),
            "map_r2": 1 - residual / spread,
        }
        return figures | {"score": -figures["nme_mean"]}

    def _measure_map(self, faces: Tensor) -> Float[Tensor, "1 128 1 1"]:
        grey = warp(faces.float() / 255, torch.eye(2, 3).expand(len(faces), 2, 3), LANDMARK_SIZE)
        with torch.no_grad():
            landmark_map = self.teacher.landmark_map(grey.expand(-1, 3, -1, -1))
        self.map_mean = landmark_map.mean((0, 2, 3), keepdim=True)
        scale = landmark_map.std((0, 2, 3), keepdim=True)
        # Channels that hardly vary would otherwise rule the loss.
        return scale.clamp(min=0.1 * scale.median().item())


@dataclass(frozen=True)
class LandmarkRun:
    """Distil the 68-point landmark net from a teacher on FERPlus faces.

    Attributes:
        data: the FERPlus .npz.
        teacher: MobileFaceNet-68 weights (.safetensors).
        out: folder of the run; gets landmarks.safetensors.
        resume: go on from the last checkpoint.
        fit: optimisation.
        recipe: what the student is shown.
    """

    data: Path
    teacher: Path
    out: Path = Path("runs/landmarks")
    resume: bool = False
    fit: FitPlan = FitPlan(epochs=2, batch=32, lr=2e-3, warmup=0.05, weight_decay=0.01, clip=5.0, ema=0.998)
    recipe: DistillRecipe = field(default_factory=DistillRecipe)

    def run(self, report: Report | None = None) -> Path:
        """Train; the path of the student's weights comes back."""
        torch.set_num_threads(thread_count())
        torch.manual_seed(self.fit.seed)
        task = DistillTask(self.data, read_landmark_net(self.teacher), self.recipe)
        best = read_torch(fit(task, self.fit, self.out, self.resume, report))
        path = self.out / "landmarks.safetensors"
        state = {k: v.contiguous() for k, v in best["module"].items() if not k.endswith("num_batches_tracked")}
        write_tensors(state, {"figures": json.dumps(best["figures"])}, path)
        return path
