"""Our landmark net: a MobileFaceNet that learns 68 points from real and rendered faces.

The points of real faces, FERPlus', are those of a teacher that looked at them enlarged (tools/face_points.py); those of
rendered people are exact. The net sees what S2D's landmark net sees, ImageNet-normalised frames, and starts from random
numbers.
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

from mien.core.errors import ConfigError
from mien.core.settings import thread_count
from mien.data.transforms import Augmentation, augment_with_points
from mien.models.landmarks import LANDMARK_SIZE, MobileFaceNet, fold
from mien.models.preprocess import normalise
from mien.models.record import Preprocessing
from mien.models.torch_file import read_torch
from mien.models.weights import write_tensors
from mien.training.loop import FitPlan, Report, fit
from mien.training.pointed import SIDE, PointedFaces, real_faces, rendered_faces
from mien.training.start import load_landmarks
from mien.training.task import Task, device_of, matrices_decay
from mien.training.taught import taught_loss

EYE_CORNERS = (36, 45)  # outer corners in iBUG's 68 points: their distance normalises the error (inter-ocular NME)
AS_THEY_ARE = Augmentation()


@dataclass(frozen=True)
class LandmarkRecipe:
    """What the landmark net is shown.

    Attributes:
        augmentation: changes of the faces; wide, as boxes in video are loose.
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
        blur=0.3,
        blur_passes=6,
        dark=0.15,
        erase=0.3,
        erase_area=0.2,
    )


def point_error(ours: Float[Tensor, "n 68 2"], theirs: Float[Tensor, "n 68 2"]) -> Float[Tensor, " n"]:
    """Mean distance of the points over the distance of the outer eye corners (NME) of each face."""
    eyes = (theirs[:, EYE_CORNERS[0]] - theirs[:, EYE_CORNERS[1]]).norm(dim=-1)
    error: Tensor = (ours - theirs).norm(dim=-1).mean(-1) / eyes.clamp(min=0.05)
    return error


class LandmarkTask(Task):
    """Points of grey faces as targets for a fresh net.

    Args:
        faces: to learn from.
        held_out: by name, what is measured after every epoch; the score is the mean over them.
        recipe: what the net is shown.
        teachers: a tough and a tolerant one (:mod:`mien.training.taught`); None: the points alone.
    """

    def __init__(
        self,
        faces: PointedFaces,
        held_out: dict[str, PointedFaces],
        recipe: LandmarkRecipe,
        teachers: tuple[MobileFaceNet, MobileFaceNet] | None = None,
    ) -> None:
        self.faces, self.held_out, self.recipe = faces, held_out, recipe
        self.teachers = [fold(teacher).requires_grad_(False) for teacher in teachers or ()]
        self.plan = Preprocessing(crop_size=SIDE, input_size=LANDMARK_SIZE, colour="grey")
        self.items = len(faces)
        net = MobileFaceNet()
        spread, mean = torch.std_mean(faces.points.flatten(1), 0)
        with torch.no_grad():  # begins with the mean face
            net.output_layer.bn.weight.copy_(spread)
            net.output_layer.bn.bias.copy_(mean)
        self.module: nn.Module = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """Weight decay on matrices only."""
        return matrices_decay(self.module, weight_decay)

    def loss(self, module: nn.Module, batch: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """L1 on the points in percent of the side, smooth below one percent; with teachers, their three parts."""
        images, points = self.faces.images[batch].float() / 255, self.faces.points[batch]
        grey, points = augment_with_points(images, points, LANDMARK_SIZE, self.recipe.augmentation, rng)
        ours = self._points(module, grey)
        if self.teachers:
            with torch.no_grad():
                said = [self._points(teacher.to(ours.device), grey).float() for teacher in self.teachers]
            return taught_loss(ours.float(), points.to(ours.device), *said)
        return {"points": F.smooth_l1_loss(ours.float() * 100, points.to(ours.device) * 100)}

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Mean and median point error on every held-out set."""
        figures: dict[str, float] = {}
        for name, faces in self.held_out.items():
            errors = self._errors(module, faces)
            figures |= {f"{name}_nme": errors.mean().item(), f"{name}_nme_median": errors.median().item()}
        return figures | {"score": -sum(figures[f"{name}_nme"] for name in self.held_out) / len(self.held_out)}

    def _errors(self, module: nn.Module, faces: PointedFaces) -> Float[Tensor, " n"]:
        errors = []
        still = torch.Generator()
        for first in range(0, len(faces), 256):
            part = slice(first, first + 256)
            images, points = faces.images[part].float() / 255, faces.points[part]
            grey, points = augment_with_points(images, points, LANDMARK_SIZE, AS_THEY_ARE, still)
            with torch.no_grad():
                errors.append(point_error(self._points(module, grey).float().cpu(), points))
        return torch.cat(errors)

    def _points(self, module: nn.Module, grey: Float[Tensor, "n 1 112 112"]) -> Float[Tensor, "n 68 2"]:
        faces = normalise(grey.to(device_of(module)).expand(-1, 3, -1, -1), self.plan)
        points: Tensor = module(faces.contiguous(memory_format=torch.channels_last))[0]
        return points


@dataclass(frozen=True)
class LandmarkRun:
    """Train the 68-point landmark net on FERPlus faces with a teacher's points, and on rendered people.

    Attributes:
        data: the FERPlus .npz.
        points: the teacher's points of its faces (.npz, tools/face_points.py).
        people: folders of `mien prepare people`; their test persons are held out.
        tough: landmarks.safetensors of a landmark run, or weights of mien, whose errors are small: a teacher beside the
            points (Fard and Mahoor, arXiv 2111.07047); with ``tolerant``, whose errors are larger, or neither.
        tolerant: see ``tough``.
        out: folder of the run; gets landmarks.safetensors.
        resume: go on from the last checkpoint.
        fit: optimisation.
        recipe: what the net is shown.
    """

    data: Path
    points: Path
    people: tuple[Path, ...] = ()
    tough: str = ""
    tolerant: str = ""
    out: Path = Path("runs/landmarks")
    resume: bool = False
    # Not bf16: between 1/2 and 1 its numbers lie 0.4 % of the side apart, and points come out in them.
    fit: FitPlan = FitPlan(
        epochs=40, batch=256, lr=3e-3, warmup=0.05, weight_decay=0.01, clip=5.0, ema=0.998, precision="fp32"
    )
    recipe: LandmarkRecipe = field(default_factory=LandmarkRecipe)

    def run(self, report: Report | None = None) -> Path:
        """Train; the path of the net's weights comes back."""
        torch.set_num_threads(thread_count())
        torch.manual_seed(self.fit.seed)
        if bool(self.tough) != bool(self.tolerant):
            raise ConfigError("a tough and a tolerant teacher, or none", "one of them", "name the other, too")
        teachers = (load_landmarks(self.tough), load_landmarks(self.tolerant)) if self.tough else None
        parts = (real_faces(self.data, self.points, "train"), rendered_faces(self.people, "train"))
        faces = PointedFaces(torch.cat([part.images for part in parts]), torch.cat([part.points for part in parts]))
        held_out = {
            "real": real_faces(self.data, self.points, "valid"),
            "rendered": rendered_faces(self.people, "test"),
        }
        judged = {name: part for name, part in held_out.items() if len(part)}
        task = LandmarkTask(faces, judged, self.recipe, teachers)
        best = read_torch(fit(task, self.fit, self.out, self.resume, report))
        path = self.out / "landmarks.safetensors"
        state = {k: v.contiguous() for k, v in best["module"].items() if not k.endswith("num_batches_tracked")}
        write_tensors(state, {"figures": json.dumps(best["figures"])}, path)
        return path
