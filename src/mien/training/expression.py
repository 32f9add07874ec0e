"""Stage 1 on FERPlus: fine-tune the S2D image model on single faces, crowd votes as soft labels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.errors import ConfigError, DataError
from mien.core.settings import thread_count
from mien.data.ferplus import LABELS, FerPlusSplit, read_ferplus
from mien.data.transforms import Augmentation, augment, mixup
from mien.models.find import find_weights
from mien.models.landmarks import MobileFaceNet, fold
from mien.models.preprocess import normalise
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D
from mien.models.shape import S2DConfig
from mien.models.torch_file import read_torch
from mien.models.weights import Recognizer, load_weights, save_weights
from mien.training.finish import calibrate, write_facts
from mien.training.loop import FitPlan, Report, fit
from mien.training.start import load_backbone, load_landmarks, parameter_groups, state_of_blocks
from mien.training.task import Task, device_of

FRAMES = 4
"""Frames of a clip in use: the image model averages them, and more of the same 0.4 s cost time only. On four clips 4
and 8 give the same spans, their borders 0.06 s apart at most."""
LICENCE = (
    "Apache-2.0 for the weights. Trained on FER2013 images, which carry no redistribution licence (FER+ labels: MIT), "
    "from DINOv2 ViT-S/14 (Apache-2.0), with landmarks distilled from a teacher trained on 300-W (research use): "
    "check that this suits your use before a commercial one."
)


@dataclass(frozen=True)
class ExpressionRecipe:
    """What the image model is and what it is shown.

    Attributes:
        model: its shape.
        augmentation: changes of the faces.
        majority_only: train on the rows that pass the majority rule; else on every row with a vote.
        mixup: alpha of mixup; 0 turns it off.
        sizes: input size of each epoch while training, the last one for the epochs after; small early epochs cost less
            and the position table is resampled on the fly. Empty: the model's own.
        teacher: weights of mien (name or file) whose answers to the same augmented faces are learned, too; empty: none.
        teacher_share: of the target that is the teacher's calibrated probabilities; the rest are the votes.
        prompt_rate: share of the learning rate that prompters get; their output must not outgrow the trunk's tokens.
        layer_decay: the learning rate falls by this factor per block from the head down.
    """

    model: S2DConfig = S2DConfig(98, 14, 384, 8, 6, classes=8, dropout=0.0, drop_path=0.05)
    augmentation: Augmentation = Augmentation(
        rotation=12, scale=0.15, shift=0.06, stretch=0.06, flip=0.5,
        brightness=0.1, contrast=0.25, gamma=0.25, noise=0.02, blur=0.1, erase=0.25, erase_area=0.15,
    )  # fmt: skip
    majority_only: bool = True
    mixup: float = 0.0
    sizes: tuple[int, ...] = (70, 70, 70, 84, 98)
    teacher: str = ""
    teacher_share: float = 0.5
    prompt_rate: float = 0.1
    layer_decay: float = 0.6

    def __post_init__(self) -> None:
        if not 0 <= self.teacher_share <= 1:
            raise ConfigError("--recipe.teacher-share from 0 to 1", str(self.teacher_share), "change it")

    @property
    def preprocessing(self) -> Preprocessing:
        """How crops become the model's input, in training and in use."""
        return Preprocessing(crop_size=48, input_size=self.model.input_size, colour="grey")


class ExpressionTask(Task):
    """Images, votes and the image model.

    Args:
        data: the FERPlus ``.npz``.
        recipe: model and augmentation.
        landmarks: the frozen landmark net; None only for a model without prompts.
        backbone: initial ViT weights (safetensors, timm names); None starts from random numbers.
    """

    def __init__(
        self, data: Path, recipe: ExpressionRecipe, landmarks: MobileFaceNet | None, backbone: Path | None
    ) -> None:
        self.recipe = recipe
        self.plan = recipe.preprocessing
        self.split = read_ferplus(data, "train", recipe.majority_only)
        self.images = torch.from_numpy(self.split.images)[:, None]
        self.targets = torch.from_numpy(self.split.targets)
        self.labels = torch.from_numpy(self.split.labels)
        self.held_out = read_ferplus(data, "valid")
        self.items = len(self.split)
        self.start_epoch(0)
        s2d = S2D(recipe.model)
        if backbone is not None:
            load_backbone(s2d, backbone)
        self.recognizer = Recognizer(s2d, None if landmarks is None else fold(landmarks), self.plan)
        self.module: nn.Module = s2d
        self.teacher = Teacher(recipe.teacher) if recipe.teacher else None
        self.idle_parameters = recipe.model.prompts

    def start_epoch(self, epoch: int) -> None:
        """Set the epoch's input size."""
        sizes = self.recipe.sizes
        self.size = sizes[min(epoch, len(sizes) - 1)] if sizes else self.plan.input_size

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """By depth, see :func:`mien.training.start.parameter_groups`."""
        recipe = self.recipe
        return parameter_groups(self.recognizer.s2d, weight_decay, recipe.layer_decay, recipe.prompt_rate)

    def loss(self, module: nn.Module, batch: Tensor, rng: torch.Generator) -> Tensor:
        """Cross-entropy against the votes, or a blend of them and the teacher's answers."""
        size = self.size if self.teacher is None else max(self.size, self.teacher.size)
        grey = augment(self.images[batch].float() / 255, size, self.recipe.augmentation, rng)
        grey, targets = mixup(grey, self.targets[batch], self.recipe.mixup, rng)
        device = device_of(module)
        if self.teacher is not None:
            targets = torch.lerp(targets, self.teacher.answers(grey.to(device)).cpu(), self.recipe.teacher_share)
            grey = resized(grey, self.size)
        frames = normalise(grey.expand(-1, 3, -1, -1), self.plan).to(device)
        logits, _ = module(frames[:, None], self.recognizer.to(device).landmark_map(frames))
        return F.cross_entropy(logits.float(), targets.to(device))

    def pictures(self, batch: Tensor) -> Tensor:
        """The faces as they are stored."""
        return self.images[batch].float().expand(-1, 3, -1, -1) / 255

    def validate(self, module: nn.Module) -> dict[str, float]:
        """Accuracy and loss on the validation split (majority rule); the accuracy is the score."""
        recognizer = Recognizer(module, self.recognizer.landmarks, self.plan)  # type: ignore[arg-type]
        logits = predict(recognizer, self.held_out)
        targets = torch.from_numpy(self.held_out.targets)
        accuracy = (logits.argmax(1).numpy() == self.held_out.labels).mean()
        return {"score": float(accuracy), "loss": F.cross_entropy(logits, targets).item()}


class Teacher:
    """A trained image model that says what it sees in training faces (distillation: Hinton et al., arXiv 1503.02531).

    Args:
        name: weights of mien with FERPlus' labels, by name or file.

    Raises:
        ConfigError: other labels, or a video model.
    """

    def __init__(self, name: str) -> None:
        self.recognizer, record = load_weights(find_weights(name))
        if record.labels != LABELS or not record.is_image_model:
            raise ConfigError("an image model with FERPlus' labels as teacher", name, "choose another --recipe.teacher")
        self.temperature, self.plan = record.temperature, record.preprocessing
        self.size = self.plan.input_size

    def answers(self, grey: Float[Tensor, "n 1 s s"]) -> Float[Tensor, "n c"]:
        """Calibrated probabilities of augmented faces in [0, 1]."""
        frames = normalise(resized(grey, self.size).expand(-1, 3, -1, -1), self.plan)
        with torch.no_grad():
            logits = self.recognizer.to(grey.device).logits(frames[:, None])
        return (logits.float() / self.temperature).softmax(1)


def resized(images: Float[Tensor, "n c h w"], size: int) -> Float[Tensor, "n c s s"]:
    """``images`` of another side, without aliasing; as they are if it is theirs."""
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True)


def predict(recognizer: Recognizer, split: FerPlusSplit, flip: bool = False, batch: int = 128) -> Float[Tensor, "n c"]:
    """Logits of a split's images through the path use takes; ``flip`` averages with the mirrored image."""
    outs, device = [], device_of(recognizer)
    for images in torch.from_numpy(split.images).split(batch):  # type: ignore[no-untyped-call]
        clips = images[:, None, None].expand(-1, 1, 3, -1, -1)
        with torch.inference_mode():
            logits = recognizer(clips.to(device))
            if flip:
                logits = (logits + recognizer(clips.to(device).flip(-1))) / 2
        outs.append(logits.float().cpu())
    return torch.cat(outs)


@dataclass(frozen=True)
class FerPlusRun:
    """Fine-tune the S2D image model on FERPlus, calibrate it on the validation split and write its weights.

    Attributes:
        data: the FERPlus .npz.
        backbone: initial ViT weights with timm names (.safetensors).
        landmarks: the landmark net, landmarks.safetensors of a landmark run.
        start: weights of mien (name or file) to go on from, of the same width; of a deeper model blocks are taken at
            even distances, for another input size positions are resampled. Backbone and landmarks are then unread.
        out: folder of the run; gets NAME.safetensors.
        name: of the model.
        resume: go on from the last checkpoint.
        fit: optimisation.
        recipe: model and augmentation.
    """

    data: Path
    backbone: Path | None = None
    landmarks: Path | None = None
    start: str | None = None
    out: Path = Path("runs/ferplus")
    name: str = "s2d-small"
    resume: bool = False
    fit: FitPlan = field(default_factory=FitPlan)
    recipe: ExpressionRecipe = field(default_factory=ExpressionRecipe)

    def run(self, report: Report | None = None) -> Path:
        """Train; the path of the model's weights comes back."""
        torch.set_num_threads(thread_count())
        torch.manual_seed(self.fit.seed)
        task = ExpressionTask(self.data, self.recipe, self.landmark_net(), None if self.start else self.backbone)
        if self.start:
            task.recognizer.s2d.load_state_dict(self.start_state(self.start))
        write_facts(self, "ferplus")
        return self.write(fit(task, self.fit, self.out, self.resume, report))

    def landmark_net(self) -> MobileFaceNet | None:
        """The frozen landmark net; None for a model without prompts. Raises DataError when it is needed and absent."""
        if not self.recipe.model.prompts:
            return None
        if self.start:
            return load_landmarks(self.start)
        if self.landmarks is None or not self.landmarks.is_file():
            fix = "make it with `mien train landmarks`"
            raise DataError("landmarks.safetensors for a model with prompts", str(self.landmarks), fix)
        return load_landmarks(self.landmarks)

    def start_state(self, start: str) -> dict[str, Tensor]:
        """The weights to go on from. Raises ConfigError where they do not fit or are not deep enough."""
        recognizer, _ = load_weights(find_weights(start))
        own, other = self.recipe.model, recognizer.s2d.config
        free = {name: getattr(own, name) for name in ("dropout", "drop_path", "input_size", "depth")}
        if dataclasses.replace(other, **free) != own or other.depth < own.depth:
            raise ConfigError(f"weights with the recipe's shape, {own}", f"{start}: {other}", "change --recipe.model")
        # The first and the last are always among them. s2d-small cut to six blocks in this way is right about 81 % of
        # 512 validation images before any training (70 px); its first six blocks alone about 70 %.
        keep = [round(place * (other.depth - 1) / max(own.depth - 1, 1)) for place in range(own.depth)]
        return state_of_blocks(recognizer.s2d, keep, own.grid)

    def write(self, best: Path) -> Path:
        """Calibrate the best epoch on the validation split and write record and weights as float16."""
        state = read_torch(best)
        s2d = S2D(self.recipe.model)
        s2d.load_state_dict(state["module"])
        recognizer = Recognizer(s2d, self.landmark_net(), self.recipe.preprocessing).eval()
        split = read_ferplus(self.data, "valid")
        logits = predict(recognizer, split).numpy()
        calibration = calibrate(logits, split.labels)
        calibration.put_into(s2d)
        record = ModelRecord(
            name=self.name,
            labels=LABELS,
            preprocessing=self.recipe.preprocessing,
            config=dataclasses.asdict(self.recipe.model),
            frames=FRAMES,
            temperature=calibration.temperature,
            threshold=calibration.threshold,
            trained_on="FERPlus training split (25,045 majority images, 48x48 grey), crowd votes as soft labels",
            licence=LICENCE,
            dataset="ferplus",
            protocol="clean",
            scores={f"ferplus_valid_{name}": value for name, value in calibration.figures.items()},
        )
        path = self.out / f"{self.name}.safetensors"
        save_weights(recognizer, record, path, torch.float16)
        return path
