"""Emotion-Anchors based Self-Distillation Loss (SDL; S2D, arXiv 2312.05447): softer targets for ambiguous labels.

Every class keeps the features and probabilities of its latest reference clips, its anchors. A clip's soft target is a
weighted mean of the probabilities of the ``top_k`` anchors of every class that are most like it.

Two modes. ``official`` computes what the released code (MSA-LMC/S2D) computes: its anchors are random numbers that a
run of 100 epochs never replaces, and its weights are plain cosines, so that targets sum to anything. ``anchors`` is
what the paper describes: anchors follow the network from step to step, and a target is a distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, distributed, nn

from mien.core.errors import ConfigError
from mien.models.net import Answer
from mien.training.terms import Step, Term

PUBLISHED_SCHEDULE = ((0, 0.0), (30, 0.01), (50, 0.1), (60, 0.5), (80, 1.0))
OFFICIAL_PERIOD, OFFICIAL_AFTER = 100, 20
"""The released code updates its anchors in epochs after the second that are multiples of the first."""


@dataclass(frozen=True)
class SdlSettings:
    """How the self-distillation loss is computed. Epochs count from 0.

    Attributes:
        mode: off; anchors: ours; official: as the released code has it, with its BCE.
        queue: anchors of a class.
        top_k: of them, those that a target is made from.
        loss: of mode anchors: kl divergence of the softmax, or bce, which takes every class for itself.
        schedule: (epoch, weight) pairs in order: the loss weighs so much from that epoch on, and nothing before.
        start_epoch: first epoch that collects anchors; earlier ones would be stale, and each step of mixed clips costs
            a forward pass more.
        temperature: of mode anchors: anchors weigh exp(cosine / temperature); a small one hears only the nearest.
        seed: of the official mode's random anchors.
    """

    mode: Literal["off", "anchors", "official"] = "off"
    queue: int = 16
    top_k: int = 2
    loss: Literal["kl", "bce"] = "kl"
    schedule: tuple[tuple[int, float], ...] = PUBLISHED_SCHEDULE
    start_epoch: int = 21
    temperature: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.top_k <= self.queue:
            raise ConfigError("1 <= top_k <= queue", f"top_k {self.top_k}, queue {self.queue}", "change one of them")
        if self.temperature <= 0:
            raise ConfigError("temperature above 0", str(self.temperature), "raise it")
        epochs = [epoch for epoch, _ in self.schedule]
        if epochs != sorted(epochs) or any(weight < 0 for _, weight in self.schedule):
            raise ConfigError("epochs in order with weights of at least 0", str(self.schedule), "change the schedule")

    def weight(self, epoch: int) -> float:
        """What the loss is multiplied by in an epoch."""
        return next((weight for first, weight in reversed(self.schedule) if first <= epoch), 0.0)

    def observes(self, epoch: int) -> bool:
        """Whether the anchors learn in this epoch: where not, the pass over unmixed clips can be left out."""
        if self.mode == "official":
            return epoch % OFFICIAL_PERIOD == 0 and epoch > OFFICIAL_AFTER
        return self.mode == "anchors" and epoch >= self.start_epoch


class Anchors(nn.Module):
    """The latest features and probabilities of every class, oldest replaced first; all of it is in ``state_dict``.

    Args:
        classes: number of classes.
        dim: of a feature.
        queue: anchors of a class.
    """

    features: Float[Tensor, "c q d"]
    probabilities: Float[Tensor, "c q c"]
    filled: Int64[Tensor, " c"]
    pointer: Int64[Tensor, " c"]

    def __init__(self, classes: int, dim: int, queue: int) -> None:
        super().__init__()
        self.register_buffer("features", torch.zeros(classes, queue, dim))
        self.register_buffer("probabilities", torch.zeros(classes, queue, classes))
        self.register_buffer("filled", torch.zeros(classes, dtype=torch.int64))
        self.register_buffer("pointer", torch.zeros(classes, dtype=torch.int64))

    @property
    def ready(self) -> bool:
        """Every class that has been seen has a full queue.

        A class without training items would keep all others waiting for ever; it is left out of the targets instead.
        """
        full = self.filled == self.features.shape[1]
        return bool(full.any() and (full | (self.filled == 0)).all())

    @torch.no_grad()
    def update(
        self, features: Float[Tensor, "n d"], probabilities: Float[Tensor, "n c"], labels: Int64[Tensor, " n"]
    ) -> None:
        """Put items into the queues of their labels, in order; a label below 0 belongs to no queue."""
        known = labels >= 0
        features, probabilities, labels = features[known], probabilities[known], labels[known]
        classes, queue = self.features.shape[:2]
        members = F.one_hot(labels, classes)
        counts = members.sum(0)
        number = members.cumsum(0).gather(1, labels[:, None])[:, 0] - 1
        # Of more than a queueful only the last stay; writing a place twice would leave it to chance which.
        last = number >= counts[labels] - queue
        rows = labels[last]
        places = (self.pointer[rows] + number[last]) % queue
        self.features[rows, places] = features[last].detach().float()
        self.probabilities[rows, places] = probabilities[last].detach().float()
        self.pointer.copy_((self.pointer + counts) % queue)
        self.filled.copy_((self.filled + counts).clamp(max=queue))

    @torch.no_grad()
    def targets(self, features: Float[Tensor, "b d"], top_k: int, temperature: float | None) -> Float[Tensor, "b c"]:
        """Soft targets: the mean probabilities of the ``top_k`` anchors of each class nearest by cosine. In float32.

        Args:
            features: of the clips.
            top_k: anchors of every class that count.
            temperature: the anchors weigh exp(cosine / temperature), those of unseen classes nothing, and rows sum to
                1. None: they weigh the cosine itself, as in the released code, negative ones too.
        """
        with torch.autocast(features.device.type, enabled=False):
            queries, keys = F.normalize(features.float(), dim=-1), F.normalize(self.features, dim=-1)
            cosines, places = torch.einsum("bd,cqd->bcq", queries, keys).topk(top_k, dim=-1)
            probabilities = self.probabilities[torch.arange(len(keys), device=places.device)[:, None], places]
            if temperature is None:
                weights = cosines / cosines.sum((1, 2), keepdim=True)
            else:
                unseen = (self.filled == 0)[:, None]
                weights = (cosines / temperature).masked_fill(unseen, -torch.inf).flatten(1).softmax(1)
            return torch.einsum("bck,bckn->bn", weights.view_as(cosines), probabilities)


class SelfDistillation(Term):
    """The loss and its anchors, which are in its state: a resumed run goes on with them.

    Args:
        settings: how.
        classes: number of classes.
        dim: of the head's feature.
    """

    def __init__(self, settings: SdlSettings, classes: int, dim: int) -> None:
        super().__init__()
        self.settings = settings
        self.anchors = Anchors(classes, dim, settings.queue)
        if settings.mode == "official":
            rng = torch.Generator().manual_seed(settings.seed)
            self.anchors.features.copy_(torch.rand(self.anchors.features.shape, generator=rng))
            self.anchors.probabilities.copy_(torch.rand(self.anchors.probabilities.shape, generator=rng))

    def reads_plain(self, epoch: int) -> bool:
        """In the epochs whose clips become anchors."""
        return self.settings.observes(epoch)

    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """The loss against the anchors so far; then the clips, as before mixing, are put among them."""
        loss = self.loss(answer.logits, answer.feature.detach(), step.epoch)
        if self.training and self.settings.observes(step.epoch):
            plain = step.plain()
            self.observe(plain.feature, plain.logits, step.labels, step.epoch)
        return loss

    def loss(self, logits: Float[Tensor, "b c"], features: Float[Tensor, "b d"], epoch: int) -> Float[Tensor, ""]:
        """The weighted loss; 0 while it is off, by its settings or because the anchors are not ready.

        Args:
            logits: with gradient.
            features: what the head reads, before dropout; no gradient flows through them.
            epoch: from 0.
        """
        settings, weight = self.settings, self.settings.weight(epoch)
        official = settings.mode == "official"
        if settings.mode == "off" or weight == 0 or not (official or self.anchors.ready):
            return logits.new_zeros(())
        targets = self.anchors.targets(features, settings.top_k, None if official else settings.temperature)
        if official or settings.loss == "bce":
            return weight * F.binary_cross_entropy_with_logits(logits.float(), targets)
        return weight * F.kl_div(logits.float().log_softmax(1), targets, reduction="batchmean")

    @torch.no_grad()
    def observe(
        self, features: Float[Tensor, "b d"], logits: Float[Tensor, "b c"], labels: Int64[Tensor, " b"], epoch: int
    ) -> None:
        """Put clips that were not mixed among the anchors, those of all processes in the order of the joint batch.

        Every process has to call it in the same step; epochs that are not observed change nothing.

        Args:
            features: before dropout.
            logits: their softmax is kept.
            labels: each clip's queue; below 0: none.
            epoch: from 0.
        """
        if not self.settings.observes(epoch):
            return
        probabilities = logits.float().softmax(1)
        self.anchors.update(*gather_items(features.float(), probabilities, labels))


def gather_items(*parts: Tensor) -> tuple[Tensor, ...]:
    """Rows of all processes, where there are several, in the order the loop dealt them out: one to each in turn.

    The last part are labels: processes with fewer rows are filled up with rows of label -1.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return parts
    world = distributed.get_world_size()
    sizes = parts[0].new_empty(world, dtype=torch.int64)
    own = sizes.new_tensor([len(parts[0])])
    distributed.all_gather_into_tensor(sizes, own)
    most = int(sizes.max())
    gathered = []
    for part in parts:
        padded = part.new_full((most, *part.shape[1:]), -1)
        padded[: len(part)] = part
        everybody = [torch.empty_like(padded) for _ in range(world)]
        distributed.all_gather(everybody, padded)
        gathered.append(torch.stack(everybody, 1).flatten(0, 1))
    return tuple(gathered)
