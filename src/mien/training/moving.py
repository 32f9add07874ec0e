"""Video weights without videos: temporal adapters learn on clips made of FERPlus' faces; the image model stays.

The adapters and the temporal embedding alone learn. As they add nothing at first, the network then answers as the image
model does when it averages over frames: what is gained over that is theirs.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.core.settings import thread_count
from mien.data.ferplus import LABELS, FerPlusSplit, read_ferplus
from mien.data.moving import Motion, laid_on, moving_clips
from mien.models.find import find_weights
from mien.models.landmarks import fold
from mien.models.preprocess import normalise
from mien.models.record import ModelRecord
from mien.models.s2d import S2D, to_video
from mien.models.torch_file import read_torch
from mien.models.weights import Recognizer, load_weights, save_weights
from mien.training.finish import Calibration, calibrate, write_facts
from mien.training.loop import FitPlan, Report, fit
from mien.training.losses import soft_cross_entropy
from mien.training.start import parameter_groups
from mien.training.task import Task, device_of

NEUTRAL = LABELS.labels.index("neutral")
HELD_OUT_SEED = 20260101
"""Of the clips that every epoch, and every model, is judged by."""


@dataclass(frozen=True)
class MovingRecipe:
    """What the video model is and what it is shown.

    Attributes:
        frames: of a clip.
        motion: how clips are made of faces.
        majority_only: train on the faces that pass the majority rule; else on every one with a vote.
    """

    frames: int = 4
    motion: Motion = field(default_factory=Motion)
    majority_only: bool = True


class MovingFaces:
    """A split of FERPlus as clips.

    Args:
        split: the faces.
        recognizer: whose landmark net finds how faces are laid on each other.
        recipe: how.
    """

    def __init__(self, split: FerPlusSplit, recognizer: Recognizer, recipe: MovingRecipe) -> None:
        self.recipe, self.plan = recipe, recognizer.preprocessing
        self.images = torch.from_numpy(split.images)[:, None]
        self.targets = torch.from_numpy(split.targets)
        crops = self.images.expand(-1, 3, -1, -1)
        # Few at a time: the landmark net's maps of 16 faces stay in the cache, those of 256 take 2.5 times as long.
        self.points = torch.cat([recognizer.points(part) for part in crops.split(16)])  # type: ignore[no-untyped-call]
        self.neutral = torch.from_numpy(np.flatnonzero(split.labels == NEUTRAL))

    def __len__(self) -> int:
        return len(self.images)

    def make(self, items: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Normalised clips (n, t, 3, s, s) of some faces and their targets (n, c): what the middle shows."""
        others = torch.randint(len(self), (len(items),), generator=rng)
        if len(self.neutral):
            neutral = self.neutral[torch.randint(len(self.neutral), (len(items),), generator=rng)]
            wanted = torch.rand(len(items), generator=rng) < self.recipe.motion.neutral
            others = torch.where(wanted, neutral, others)
        with torch.autocast("cpu", enabled=False):  # the arithmetic of places and pixels stays in float32
            clips, share = moving_clips(
                self.images[items].float() / 255,
                self.images[others].float() / 255,
                laid_on(self.points[items], self.points[others]),
                self.recipe.frames,
                self.plan.input_size,
                self.recipe.motion,
                rng,
            )
        frames = normalise(clips.expand(-1, -1, 3, -1, -1), self.plan)
        return frames, torch.lerp(self.targets[others], self.targets[items], share[:, None])


class MovingTask(Task):
    """Clips made of FERPlus' training faces, and the video model made of an image model.

    Args:
        data: the FERPlus ``.npz``.
        recognizer: the image model to begin with.
        recipe: how.
    """

    def __init__(self, data: Path, recognizer: Recognizer, recipe: MovingRecipe) -> None:
        self.recipe = recipe
        assert recognizer.landmarks is not None, "temporal adapters need prompts"
        recognizer = Recognizer(recognizer.s2d, fold(recognizer.landmarks), recognizer.preprocessing).eval()
        train = read_ferplus(data, "train", recipe.majority_only)
        self.faces = MovingFaces(train, recognizer, recipe)
        self.held_out = MovingFaces(read_ferplus(data, "valid"), recognizer, recipe)
        self.labels = torch.from_numpy(train.labels)
        self.items = len(self.faces)
        s2d = to_video(recognizer.s2d, recipe.frames).requires_grad_(False)
        s2d.adapters.requires_grad_(True)
        s2d.temporal_embed.requires_grad_(True)
        self.recognizer = Recognizer(s2d, recognizer.landmarks, recognizer.preprocessing)
        self.module: nn.Module = s2d

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """The adapters and the embedding, at the full rate."""
        return parameter_groups(self.recognizer.s2d, weight_decay, 1.0, 1.0)

    def loss(self, module: nn.Module, batch: Tensor, rng: torch.Generator) -> Tensor:
        """Cross-entropy against what the middle of each clip shows."""
        frames, targets = self.faces.make(batch, rng)
        device = device_of(module)
        frames = frames.to(device)
        logits, _ = module(frames, self.recognizer.to(device).landmark_map(frames.flatten(0, 1)))
        return soft_cross_entropy(logits.float(), targets.to(device))

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Accuracy and loss on the clips made of the validation split; less loss is the better score."""
        logits, targets = self.predict(module)
        loss = soft_cross_entropy(logits, targets).item()
        return {"score": -loss, "loss": loss, "war": (logits.argmax(1) == targets.argmax(1)).float().mean().item()}

    def judged(self, module: nn.Module) -> Calibration:
        """Calibration and figures on the same clips; a clip's label is what its middle shows most of."""
        logits, targets = self.predict(module)
        return calibrate(logits.numpy(), targets.argmax(1).numpy())

    def predict(self, module: nn.Module) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n c"]]:
        """Logits of the held-out clips, always the same ones, and their targets; of the image model, averaged."""
        landmarks = self.recognizer.to(device_of(module)).landmarks
        return predict_moving(Recognizer(module, landmarks, self.faces.plan).eval(), self.held_out)  # type: ignore[arg-type]


def predict_moving(
    recognizer: Recognizer, faces: MovingFaces, batch: int = 64
) -> tuple[Float[Tensor, "n c"], Float[Tensor, "n c"]]:
    """Logits of the held-out clips of a split, always the same ones, and their targets."""
    rng = torch.Generator().manual_seed(HELD_OUT_SEED)
    logits, targets, device = [], [], device_of(recognizer)
    for items in torch.arange(len(faces)).split(batch):  # type: ignore[no-untyped-call]
        frames, wanted = faces.make(items, rng)
        with torch.inference_mode():
            logits.append(recognizer.logits(frames.to(device)).float().cpu())
        targets.append(wanted)
    return torch.cat(logits), torch.cat(targets)


@dataclass(frozen=True)
class MovingRun:
    """Make a video model of an image model with clips made of FERPlus' faces; only the temporal adapters learn.

    The record says what it gets on held-out clips beside what averaging the image model over their frames gets.

    Attributes:
        data: the FERPlus .npz.
        start: the image model: weights of mien with FERPlus' labels, by name or file.
        out: folder of the run; gets NAME.safetensors.
        name: of the model.
        resume: go on from the last checkpoint.
        fit: optimisation.
        recipe: the clips.
    """

    data: Path
    start: str = "s2d-small"
    out: Path = Path("runs/moving")
    name: str = "s2d-small-video"
    resume: bool = False
    fit: FitPlan = field(default_factory=lambda: FitPlan(epochs=2, batch=16, lr=5e-4, ema=0.995))
    recipe: MovingRecipe = field(default_factory=MovingRecipe)

    def run(self, report: Report | None = None) -> Path:
        """Train; the path of the model's weights comes back."""
        torch.set_num_threads(thread_count())
        torch.manual_seed(self.fit.seed)
        recognizer, record = load_weights(find_weights(self.start))
        if record.labels != LABELS or not record.is_image_model or recognizer.landmarks is None:
            expected = "an image model with FERPlus' labels and a landmark net to start from"
            raise ConfigError(expected, self.start, "choose another --start")
        task = MovingTask(self.data, recognizer, self.recipe)
        write_facts(self, "ferplus")
        return self.write(fit(task, self.fit, self.out, self.resume, report), task, recognizer, record)

    def write(self, best: Path, task: MovingTask, image_model: Recognizer, record: ModelRecord) -> Path:
        """Calibrate the best epoch on the held-out clips, and write it with its figures and those of averaging."""
        s2d = S2D(dataclasses.replace(image_model.s2d.config, frames=self.recipe.frames))
        s2d.load_state_dict(read_torch(best)["module"])
        video = Recognizer(s2d, image_model.landmarks, image_model.preprocessing).eval()
        found = {"": task.judged(s2d), "_averaging": task.judged(image_model.s2d)}
        found[""].put_into(s2d)
        scores = {
            f"moving_valid_{name}{kind}": round(value, 4)
            for kind, calibration in found.items()
            for name, value in calibration.figures.items()
        }
        trained_on = f"clips made of the faces that {record.name} was trained on, which it starts from"
        path = self.out / f"{self.name}.safetensors"
        record = dataclasses.replace(
            record,
            name=self.name,
            frames=self.recipe.frames,
            temperature=found[""].temperature,
            threshold=found[""].threshold,
            trained_on=trained_on,
            scores=scores,
        )
        save_weights(video, record, path, torch.float16)
        return path
