"""Named recipes: a frozen dataclass of every number a run needs. ``mien train NAME`` runs one, any field by flag."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from mien.core.errors import DataError
from mien.core.registry import Registry
from mien.core.settings import thread_count
from mien.data.ferplus import LABELS, read_ferplus
from mien.evaluation.calibration import fit_temperature, softmax, threshold_for
from mien.evaluation.metrics import expected_calibration_error
from mien.models.landmarks import MobileFaceNet
from mien.models.record import ModelRecord
from mien.models.s2d import S2D
from mien.models.weights import Recognizer, save_weights
from mien.training.distill import DistillRecipe, DistillTask, load_teacher
from mien.training.expression import ExpressionRecipe, ExpressionTask, predict
from mien.training.loop import FitPlan, Report, fit

ABSTAIN_PRECISION = 0.9
"""Share of right answers, on the validation split, among those at or above the default threshold."""
FRAMES = 8
"""Frames of a clip in use: the image model averages them, and more of the same half second would cost time only."""

LICENCE = (
    "Apache-2.0 for the weights. Trained on FER2013 images, which carry no redistribution licence (FER+ labels: MIT), "
    "from DINOv2 ViT-S/14 (Apache-2.0), with landmarks distilled from a teacher trained on 300-W (research use): "
    "check that this suits your use before a commercial one."
)


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
        task = DistillTask(self.data, load_teacher(self.teacher), self.recipe)
        best = torch.load(fit(task, self.fit, self.out, self.resume, report), weights_only=True)
        path = self.out / "landmarks.safetensors"
        state = {k: v.contiguous() for k, v in best["module"].items() if not k.endswith("num_batches_tracked")}
        save_file(state, path, metadata={"figures": json.dumps(best["figures"])})
        return path


@dataclass(frozen=True)
class FerPlusRun:
    """Fine-tune the S2D image model on FERPlus, calibrate it on the validation split and write its weights.

    Attributes:
        data: the FERPlus .npz.
        backbone: initial ViT weights with timm names (.safetensors).
        landmarks: the landmark net, landmarks.safetensors of a landmark run.
        out: folder of the run; gets NAME.safetensors.
        name: of the model.
        resume: go on from the last checkpoint.
        fit: optimisation.
        recipe: model and augmentation.
    """

    data: Path
    backbone: Path | None = None
    landmarks: Path | None = None
    out: Path = Path("runs/ferplus")
    name: str = "s2d-small"
    resume: bool = False
    fit: FitPlan = field(default_factory=FitPlan)
    recipe: ExpressionRecipe = field(default_factory=ExpressionRecipe)

    def run(self, report: Report | None = None) -> Path:
        """Train; the path of the model's weights comes back."""
        torch.set_num_threads(thread_count())
        task = ExpressionTask(self.data, self.recipe, self.landmark_net(), self.backbone)
        return self.write(fit(task, self.fit, self.out, self.resume, report))

    def landmark_net(self) -> MobileFaceNet | None:
        """The frozen landmark net; None for a model without prompts. Raises DataError when it is needed and absent."""
        if not self.recipe.model.prompts:
            return None
        if self.landmarks is None or not self.landmarks.is_file():
            fix = "make it with `mien train landmarks`"
            raise DataError("landmarks.safetensors for a model with prompts", str(self.landmarks), fix)
        net = MobileFaceNet()
        counters = {k: v for k, v in net.state_dict().items() if k.endswith("num_batches_tracked")}
        net.load_state_dict({**counters, **load_file(self.landmarks)})
        return net.eval().requires_grad_(False)

    def write(self, best: Path) -> Path:
        """Calibrate the best epoch on the validation split and write record and weights as float16."""
        state = torch.load(best, weights_only=True)
        s2d = S2D(self.recipe.model)
        s2d.load_state_dict(state["module"])
        recognizer = Recognizer(s2d, self.landmark_net(), self.recipe.preprocessing).eval()
        split = read_ferplus(self.data, "valid")
        logits = predict(recognizer, split).numpy()
        temperature = fit_temperature(logits, split.labels)
        probabilities = softmax(logits, temperature)
        record = ModelRecord(
            name=self.name,
            labels=LABELS,
            preprocessing=self.recipe.preprocessing,
            config=dataclasses.asdict(self.recipe.model),
            frames=FRAMES,
            temperature=temperature,
            threshold=threshold_for(ABSTAIN_PRECISION, probabilities, split.labels),
            trained_on="FERPlus training split (25,045 majority images, 48x48 grey), crowd votes as soft labels",
            licence=LICENCE,
            scores={
                "ferplus_valid_war": float((logits.argmax(1) == split.labels).mean()),
                "ferplus_valid_ece": expected_calibration_error(probabilities, split.labels),
            },
        )
        path = self.out / f"{self.name}.safetensors"
        save_weights(recognizer, record, path, torch.float16)
        return path


RECIPES: Registry[type[LandmarkRun] | type[FerPlusRun]] = Registry(
    "recipe", {"landmarks": LandmarkRun, "ferplus": FerPlusRun}
)
