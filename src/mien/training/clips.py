"""Learning expressions from labelled images or clips: S2D's two stages as one task, an image being a clip of one frame.

Stage 1 trains the image model whole. Stage 2 freezes it and learns the temporal adapters, the prompters, the norms and
the head (S2D, arXiv 2312.05447; s2d-spec, "Recipes"), with emotion-anchor self-distillation where the recipe says so.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from mien.clips.indices import random_window
from mien.core.errors import ConfigError
from mien.data import mixing
from mien.data.clip_transforms import ClipAugmentation, augment_clip
from mien.data.manifest import Manifest
from mien.data.mixing import Mixing, mix
from mien.data.pixels import frame_count, read_clip
from mien.data.sampling import item_generator
from mien.evaluation.metrics import confusion, uar, war
from mien.evaluation.predictions import Predictions
from mien.evaluation.views import predict_clips
from mien.models.preprocess import normalise, to_colour
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D
from mien.models.weights import Recognizer
from mien.models.zoo import LoadedModel
from mien.training.losses import soft_cross_entropy
from mien.training.sdl import SdlPlan, SelfDistillation
from mien.training.start import parameter_groups
from mien.training.task import Task, device_of


@dataclass(frozen=True)
class ClipRecipe:
    """What a model is, what it is shown and which parts of it learn.

    Attributes:
        model: name of a configuration (``mien.models.zoo.CONFIGS``); empty for the shape of the weights it starts from.
        frames: frames of a clip; 1 for images.
        temporal: a video model, with temporal adapters; off: the image model, averaged over the frames of a clip.
        prompts: landmark prompters (MCP); off: a plain ViT, for ablations of the image model.
        rate: every how many frames one is taken.
        dropout: before the head.
        drop_path: stochastic depth of the last block.
        augmentation: changes of a clip.
        mixing: of the clips of a batch.
        sdl: emotion-anchor self-distillation.
        learn: all, or what S2D's second stage lets learn (9.258 M of the 95.056 M of s2d-base).
        layer_decay: the learning rate falls by this factor per block from the head down.
        prompt_rate: share of the learning rate that prompters and adapters get.
        zero_init: fresh adapters add nothing at first; off: random, as in the released code.
        checkpoint_blocks: compute every block again in the backward pass instead of keeping its activations.
        views: stretches of a held-out clip that are averaged.
        score: by which figure on the held-out items the epoch is chosen.
    """

    model: str = ""
    frames: int = 1
    temporal: bool = False
    prompts: bool = True
    rate: int = 1
    dropout: float = 0.0
    drop_path: float = 0.0
    augmentation: ClipAugmentation = field(default_factory=ClipAugmentation)
    mixing: Mixing = mixing.NONE
    sdl: SdlPlan = field(default_factory=SdlPlan)
    learn: Literal["all", "stage2"] = "all"
    layer_decay: float = 1.0
    prompt_rate: float = 1.0
    zero_init: bool = True
    checkpoint_blocks: bool = False
    views: int = 2
    score: Literal["war", "uar"] = "war"

    def __post_init__(self) -> None:
        if min(self.frames, self.rate, self.views) < 1:
            got = f"{self.frames}, {self.rate}, {self.views}"
            raise ConfigError("frames, rate and views of at least 1", got, "raise them")
        if self.learn == "stage2" and not self.temporal:
            raise ConfigError("a video model for what stage 2 learns", "an image model", "set --recipe.temporal")

    @property
    def shape(self) -> dict[str, Any]:
        """What :func:`mien.training.start.start_recognizer` wants to know."""
        changes = {name: getattr(self, name) for name in ("model", "dropout", "drop_path", "prompts")}
        return changes | ({"frames": self.frames} if self.temporal else {})


class ClipItems(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Training items: an augmented clip (t, 3, s, s) in [0, 1], its target (c,), its label (-1 without one).

    A key is (item, draw); what is random depends on ``seed`` and ``draw`` alone.
    """

    def __init__(self, manifest: Manifest, recipe: ClipRecipe, preprocessing: Preprocessing, seed: int) -> None:
        self.manifest, self.recipe, self.preprocessing, self.seed = manifest, recipe, preprocessing, seed
        self.targets = torch.from_numpy(manifest.targets())
        self.labels = torch.from_numpy(manifest.indices())

    def __len__(self) -> int:
        return len(self.manifest)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
        item, draw = key
        row, place = self.manifest.rows[item], np.random.default_rng((self.seed, draw))
        chosen = random_window(frame_count(self.manifest, row), self.recipe.frames, self.recipe.rate, place)
        clip = torch.from_numpy(read_clip(self.manifest, row, chosen))
        rng = item_generator(self.seed, draw)
        images = augment_clip(clip, self.preprocessing.input_size, self.recipe.augmentation, rng)
        return images, self.targets[item], self.labels[item]


class ClipTask(Task):
    """Labelled items and the model that learns them.

    Args:
        train: training rows.
        held_out: rows that every epoch is judged by.
        recognizer: the networks to begin with, see :func:`mien.training.start.start_recognizer`.
        recipe: how.
        seed: of everything random about the items.
    """

    def __init__(
        self, train: Manifest, held_out: Manifest, recognizer: Recognizer, recipe: ClipRecipe, seed: int
    ) -> None:
        self.recipe, self.recognizer, self.held_out = recipe, recognizer, held_out
        self.preprocessing = recognizer.preprocessing
        s2d = recognizer.s2d
        if recipe.learn == "stage2":
            s2d.freeze_for_stage2()
        s2d.checkpoint_blocks = recipe.checkpoint_blocks
        self.module: nn.Module = s2d
        self.items = len(train)
        self.data = ClipItems(train, recipe, self.preprocessing, seed)
        self.labels = self.data.labels
        self.idle_parameters = s2d.config.prompts
        self.distillation = SelfDistillation(recipe.sdl, s2d.config.classes, s2d.config.dim)
        self.extras = self.distillation
        self.epoch = 0

    def start_epoch(self, epoch: int) -> None:
        """The distillation's weight depends on it."""
        self.epoch = epoch

    def groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """See :func:`mien.training.start.parameter_groups`."""
        return parameter_groups(self.recognizer.s2d, weight_decay, self.recipe.layer_decay, self.recipe.prompt_rate)

    def loss(self, module: nn.Module, batch: tuple[Tensor, Tensor, Tensor], rng: torch.Generator) -> Tensor:
        """Cross-entropy against the mixed targets, and the self-distillation where it is on."""
        clips, targets, labels = batch
        mixed, soft = mix(clips, targets, self.recipe.mixing, rng)
        logits, feature = self._forward(module, mixed)
        loss = soft_cross_entropy(logits.float(), soft)
        if self.recipe.sdl.mode != "off":
            loss = loss + self.distillation.loss(logits, feature.detach(), self.epoch)
            self._observe(module, clips, labels, None if mixed is not clips else (logits, feature))
        return loss

    def _observe(self, module: nn.Module, clips: Tensor, labels: Tensor, known: tuple[Tensor, Tensor] | None) -> None:
        """Show the anchors the clips as they were before mixing."""
        if not self.recipe.sdl.observes(self.epoch):
            return
        if known is None:
            with torch.no_grad():
                known = self._forward(module, clips)
        logits, feature = known
        self.distillation.observe(feature.detach(), logits.detach(), labels, self.epoch)

    def _forward(self, module: nn.Module, clips: Tensor) -> tuple[Tensor, Tensor]:
        images = to_colour(clips.flatten(0, 1), self.preprocessing).expand(-1, 3, -1, -1)
        frames = normalise(images, self.preprocessing)
        landmark_map = self.recognizer.to(device_of(module)).landmark_map(frames)
        logits, feature = module(frames.view(*clips.shape[:2], *frames.shape[1:]), landmark_map)
        return logits, feature

    def predict(self, module: nn.Module, rows: Manifest) -> Predictions:
        """Uncalibrated probabilities of rows, through the path use takes."""
        assert isinstance(module, S2D)
        recognizer = Recognizer(module, self.recognizer.landmarks, self.preprocessing).eval()
        config = dataclasses.asdict(module.config)
        record = ModelRecord("in training", rows.labels, self.preprocessing, config, self.recipe.frames)
        return predict_clips(LoadedModel(recognizer, record), rows, views=self.recipe.views)

    def validate(self, module: nn.Module) -> dict[str, float]:
        """WAR, UAR and loss on the held-out rows."""
        found = self.predict(module, self.held_out)
        chosen = found.probabilities[np.arange(len(found.targets)), found.targets]
        matrix = confusion(found.targets, found.probabilities.argmax(1), len(found.labels))
        figures = {"war": war(matrix), "uar": uar(matrix), "loss": float(-np.log(chosen.clip(1e-12)).mean())}
        return figures | {"score": figures[self.recipe.score]}

    def pictures(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """The first frames of the clips, as augmented."""
        return batch[0][:, 0]
