"""What a model is, what it is shown and how it learns from it: three kinds of recipe, one for each source of items.

The numbers of the papers are values of these, in ``training/recipes/``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int64

from mien.core.errors import ConfigError
from mien.data import mixing
from mien.data.clip_transforms import ClipAugmentation
from mien.data.manifest import Manifest
from mien.data.mixing import Mixing
from mien.data.moving import Motion
from mien.data.pixels import read_clip
from mien.data.transforms import Augmentation
from mien.evaluation.views import predict_clips
from mien.models.nets import NetConfig
from mien.models.record import WINDOWS, ModelRecord, Preprocessing
from mien.models.shape import Fusion, S2DConfig
from mien.models.weights import Recognizer
from mien.models.zoo import LoadedModel, named_shape
from mien.training.identity import IdentitySettings
from mien.training.masked import HeadLosses
from mien.training.sdl import SdlSettings, SelfDistillation
from mien.training.sources import Faces, Files, MovingFaces, Source
from mien.training.task import device_of
from mien.training.terms import Setting, Teacher, Term, named_terms

HELD_OUT_SEED = 20260101
"""Of the moving clips that every epoch, and every model, is judged by."""
JUDGED_AT_ONCE = 64
Learns = Literal["all", "stage2", "temporal"]
Score = Literal["war", "uar", "loss", "last"]


class Judged(NamedTuple):
    """A network's answers to held-out items.

    Attributes:
        logits: before calibration.
        targets: shares of the labels.
        labels: of each item.
    """

    logits: Float64[np.ndarray, "n c"]
    targets: Float64[np.ndarray, "n c"]
    labels: Int64[np.ndarray, " n"]


@dataclass(frozen=True)
class Recipe(ABC):
    """What all recipes have.

    Attributes:
        learn: all; or what S2D's second stage lets learn (9.258 M of the 95.056 M of s2d-base); or the temporal
            adapters and embedding alone.
        frames: of a clip, in training and in use.
        sizes: input size of each epoch while training, the last one for the epochs after; small early epochs cost less
            and the position table is resampled on the fly. Empty: the model's own.
        terms: of the loss, by name or as name=weight; ``mien.training.terms.TERMS`` has the names.
        sdl: emotion-anchor self-distillation, one more term.
        heads: of signals that the data have beside the label, as signal=kind or signal=kind:weight; kinds are in
            ``mien.models.nets.HEADS``. They learn with the network from the items whose number is known, and stand in
            its weights. See docs/train-your-own.md.
        head_losses: what those learn by.
        texts: JSON file of vectors for the labels of heads of kind text; None: the labels' action units.
        identity: what is done about who somebody is, see :class:`mien.training.identity.IdentitySettings`.
        teacher: weights of mien (name or file) whose answers to the same clips are learned too; empty: none.
        teacher_share: of the loss that is the teacher's; the other terms have the rest.
        mixing: of the clips of a batch.
        drop_patches: probability for a clip that a block of its patches, up to two fifths of them, is missing from
            attention while training, for S2D: what is covered in use may be missing as well (Latent-OFER).
        layer_scale: unfold the trunk's layer scale while training: the last matrices of a block's halves, several times
            smaller than the others, learn as diag(g) W' of the usual spread. Written as ever.
        layer_decay: the learning rate falls by this factor per block from the head down.
        prompt_rate: share of the learning rate that prompters and adapters get; their output must not outgrow the
            trunk's tokens.
        frozen: how many of the network's layers, from the shallowest on, stay as they are, and with them all that was
            added beside the trunk: what is small already by layer decay need not be computed.
        zero_init: fresh adapters add nothing at first; off: random, as in the released code.
        checkpoint_blocks: compute every block again in the backward pass instead of keeping its activations.
        views: stretches of a held-out clip that are averaged.
        beside: items of the sets learned beside the data, all together, for each of its own.
        score: by which figure on the held-out items the epoch is chosen; loss: the lowest; last: none, the last one is
            taken.
    """

    learn: Learns = "all"
    frames: int = 1
    sizes: tuple[int, ...] = ()
    terms: tuple[str, ...] = ("labels",)
    sdl: SdlSettings = field(default_factory=SdlSettings)
    heads: tuple[str, ...] = ()
    head_losses: HeadLosses = field(default_factory=HeadLosses)
    texts: Path | None = None
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    teacher: str = ""
    teacher_share: float = 0.5
    mixing: Mixing = mixing.NONE
    drop_patches: float = 0.0
    layer_scale: bool = False
    layer_decay: float = 1.0
    prompt_rate: float = 1.0
    frozen: int = 0
    zero_init: bool = True
    checkpoint_blocks: bool = False
    views: int = 2
    beside: float = 0.1
    score: Score = "war"

    def __post_init__(self) -> None:
        if not 0 <= self.teacher_share <= 1:
            raise ConfigError("--recipe.teacher-share from 0 to 1", str(self.teacher_share), "change it")
        if not 0 <= self.drop_patches <= 1:
            raise ConfigError("--recipe.drop-patches from 0 to 1", str(self.drop_patches), "change it")
        if not 0 < self.beside <= 10:
            raise ConfigError("--recipe.beside above 0, up to 10", str(self.beside), "change it")
        if self.heads and self.mixing.changes_clips:
            raise ConfigError("clips that are not mixed, for --recipe.heads", str(self.mixing), "switch mixing off")
        if self.frozen < 0:
            raise ConfigError("--recipe.frozen of at least 0 layers", str(self.frozen), "change it")
        if self.identity.on and self.mixing.changes_clips:
            raise ConfigError("clips of one person each for --recipe.identity", "mixed ones", "switch mixing off")
        if self.learn != "all" and not self.has_time:
            raise ConfigError(f"a video model for what {self.learn} learns", "an image model", "set --recipe.temporal")

    @property
    @abstractmethod
    def has_time(self) -> bool:
        """Whether the model has temporal parts."""

    def window(self, rows: Manifest) -> float | None:
        """Seconds that a clip is shown to the network for, where time counts for it and the set knows its pace."""
        return None

    @property
    def every_vote(self) -> bool:
        """Whether faces without a majority are learned from, too."""
        return False

    @property
    def mirrors(self) -> bool:
        """Whether clips may be mirrored."""
        return False

    @abstractmethod
    def shape(self) -> tuple[NetConfig | None, dict[str, Any]]:
        """The network's shape, None for that of the weights it starts from; and what to change of it."""

    @abstractmethod
    def preprocessing(self, rows: Manifest) -> Preprocessing:
        """How crops become input, where the start does not say."""

    @abstractmethod
    def source(self, rows: Manifest, recognizer: Recognizer, seed: int) -> Source:
        """Training items."""

    def held_out(self, rows: Manifest, recognizer: Recognizer) -> Manifest | MovingFaces:
        """What every epoch is judged by."""
        return rows

    def judge(self, recognizer: Recognizer, items: Manifest | MovingFaces) -> Judged:
        """Through the path that use takes, always the same views."""
        assert isinstance(items, Manifest)
        config = {"frames": recognizer.net.config.frames}
        record = ModelRecord("in training", items.labels, recognizer.preprocessing, config, self.frames)
        found = predict_clips(LoadedModel(recognizer, record), items, views=self.views)
        wanted = dict(zip((row.id for row in items.rows), items.targets(), strict=True))
        targets = np.array([wanted[name] for name in found.ids], np.float64)
        return Judged(np.log(found.probabilities.clip(1e-12)), targets, found.targets)

    def judged_as(self, dataset: str) -> str:
        """Before the names of figures in the record."""
        return dataset

    def parts(self, setting: Setting) -> dict[str, tuple[float, Term]]:
        """The terms of the loss with their weights."""
        left = 1 - self.teacher_share if self.teacher else 1.0
        found = {name: (left * weight, term) for name, (weight, term) in named_terms(self.terms, setting).items()}
        if self.teacher:
            found["teacher"] = self.teacher_share, Teacher(setting, self.teacher)
        if self.sdl.mode != "off":
            found["sdl"] = 1.0, SelfDistillation(self.sdl, len(setting.labels), setting.dim)
        return found | self.identity.terms(setting)


@dataclass(frozen=True)
class ClipRecipe(Recipe):
    """Images or clips, read from their files.

    Attributes:
        model: name of a shape, such as s2d-small, or of a network of yours in its default shape; empty for the shape of
            the weights it starts from.
        frames: frames of a clip; 1 for images.
        temporal: a video model, with temporal adapters; off: the image model, averaged over the frames of a clip.
        prompts: landmark prompters (MCP); off: a plain ViT, for ablations of the image model.
        fusion: how landmarks come in, see :class:`mien.models.shape.S2DConfig`; shape: as the shape has it.
        squeeze: reduction of a gate before the head, likewise; 0: as the shape has it.
        rate: every how many frames one is taken.
        dropout: before the head.
        drop_path: stochastic depth of the last block.
        augmentation: changes of a clip.
    """

    model: str = ""
    frames: int = 1
    temporal: bool = False
    prompts: bool = True
    fusion: Literal["shape"] | Fusion = "shape"
    squeeze: int = 0
    rate: int = 1
    dropout: float = 0.0
    drop_path: float = 0.0
    augmentation: ClipAugmentation = field(default_factory=ClipAugmentation)

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.frames, self.rate, self.views) < 1:
            got = f"{self.frames}, {self.rate}, {self.views}"
            raise ConfigError("frames, rate and views of at least 1", got, "raise them")

    @property
    def has_time(self) -> bool:
        """See :class:`Recipe`."""
        return self.temporal

    def window(self, rows: Manifest) -> float | None:
        """See :class:`Recipe`."""
        if not self.temporal or rows.rate is None:
            return None
        return min(max(self.frames * self.rate / rows.rate, WINDOWS[0]), WINDOWS[1])

    @property
    def mirrors(self) -> bool:
        """See :class:`Recipe`."""
        return self.augmentation.flip > 0

    def shape(self) -> tuple[NetConfig | None, dict[str, Any]]:
        """See :class:`Recipe`."""
        changes: dict[str, Any] = {name: getattr(self, name) for name in ("dropout", "drop_path", "prompts")}
        changes |= {} if self.fusion == "shape" else {"fusion": self.fusion}
        changes |= {"squeeze": self.squeeze} if self.squeeze else {}
        shape = named_shape(self.model) if self.model else None
        return shape, changes | ({"frames": self.frames} if self.temporal else {})

    def preprocessing(self, rows: Manifest) -> Preprocessing:
        """RGB, at the side of the release's own square crops; 224 for other pictures."""
        if rows.crop_size:
            return Preprocessing(crop_size=rows.crop_size)
        height, width = read_clip(rows, rows.rows[0]).shape[-2:]
        return Preprocessing(crop_size=int(height)) if height == width else Preprocessing()

    def source(self, rows: Manifest, recognizer: Recognizer, seed: int) -> Source:
        """See :class:`Recipe`."""
        size = recognizer.preprocessing.input_size
        return Files(rows, size, self.frames, self.rate, self.augmentation, seed)


@dataclass(frozen=True)
class FaceRecipe(Recipe):
    """Small single faces, kept in memory and shown in grey.

    Attributes:
        model: the network's shape.
        augmentation: changes of the faces.
        majority_only: train on the rows that pass the majority rule; else on every row with a vote.
        frames: of a clip in use: the image model averages them.
    """

    model: NetConfig = field(default_factory=S2DConfig)
    augmentation: Augmentation = field(default_factory=Augmentation)
    majority_only: bool = True
    frames: int = 4

    @property
    def has_time(self) -> bool:
        """See :class:`Recipe`."""
        return self.model.frames is not None

    @property
    def every_vote(self) -> bool:
        """See :class:`Recipe`."""
        return not self.majority_only

    @property
    def mirrors(self) -> bool:
        """See :class:`Recipe`."""
        return self.augmentation.flip > 0

    def shape(self) -> tuple[NetConfig | None, dict[str, Any]]:
        """See :class:`Recipe`."""
        return self.model, {}

    def preprocessing(self, rows: Manifest) -> Preprocessing:
        """Grey, at the size of the release."""
        side = read_clip(rows, rows.rows[0]).shape[-1]
        return Preprocessing(crop_size=int(side), input_size=self.model.input_size, colour="grey")

    def source(self, rows: Manifest, recognizer: Recognizer, seed: int) -> Source:
        """See :class:`Recipe`."""
        return Faces(rows, recognizer.preprocessing, self.augmentation)


@dataclass(frozen=True)
class MovingRecipe(Recipe):
    """Clips made of single faces, for temporal adapters without videos.

    Attributes:
        frames: of a clip.
        motion: how clips are made of faces.
        majority_only: train on the faces that pass the majority rule; else on every one with a vote.
    """

    learn: Learns = "temporal"
    score: Score = "loss"
    frames: int = 4
    motion: Motion = field(default_factory=Motion)
    majority_only: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads:
            raise ConfigError("no --recipe.heads for faces that move", ", ".join(self.heads), "use a recipe of images")

    @property
    def has_time(self) -> bool:
        """See :class:`Recipe`."""
        return True

    @property
    def every_vote(self) -> bool:
        """See :class:`Recipe`."""
        return not self.majority_only

    def shape(self) -> tuple[NetConfig | None, dict[str, Any]]:
        """That of the image model it starts from, with time."""
        return None, {"frames": self.frames}

    def preprocessing(self, rows: Manifest) -> Preprocessing:
        """The start's; this is unread."""
        return Preprocessing()

    def source(self, rows: Manifest, recognizer: Recognizer, seed: int) -> Source:
        """See :class:`Recipe`."""
        return MovingFaces(rows, recognizer, self.frames, self.motion)

    def held_out(self, rows: Manifest, recognizer: Recognizer) -> Manifest | MovingFaces:
        """Clips made of held-out faces."""
        return MovingFaces(rows, recognizer, self.frames, self.motion)

    def judge(self, recognizer: Recognizer, items: Manifest | MovingFaces) -> Judged:
        """Always the same clips; what one shows most of is its label."""
        assert isinstance(items, MovingFaces)
        rng, device = torch.Generator().manual_seed(HELD_OUT_SEED), device_of(recognizer)
        logits, targets = [], []
        for numbers in torch.arange(len(items)).split(JUDGED_AT_ONCE):  # type: ignore[no-untyped-call]
            batch = items.batch(numbers, rng)
            with torch.inference_mode():
                frames = recognizer.frames_of(batch.clips.to(device))
                logits.append(recognizer.logits(frames).double().cpu())
            targets.append(batch.targets.double())
        wanted = torch.cat(targets).numpy()
        return Judged(torch.cat(logits).numpy(), wanted, wanted.argmax(1))

    def judged_as(self, dataset: str) -> str:
        """Figures of these clips compare with one another only."""
        return "moving"
