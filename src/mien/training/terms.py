"""What a step's loss is made of: one module a term, by name in a recipe, weighed and added up by the learner.

A term reads the network's answer and the batch. What must survive a stop, such as anchors, goes into its buffers, and
what it learns into its parameters: both are the learner's, so averaging, clipping, several devices and checkpoints know
them.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.core.labels import LabelSpace
from mien.core.registry import Place, Registry
from mien.models.calibration import TRAINED
from mien.models.find import find_weights
from mien.models.net import Answer
from mien.models.weights import load_weights


class Step(NamedTuple):
    """What a term may read beside the answer.

    Attributes:
        clips: as augmented and mixed, in [0, 1], one channel or three, of the largest size a term asks for.
        targets: shares of the labels, mixed and smoothed; rows sum to 1, or are NaN where nobody labelled.
        labels: of the clips before mixing; -1 for none.
        epoch: from 0.
        plain: the answer to the clips before mixing, without gradient; computed where it is asked for.
        styles: targets of labels given in other styles, by style; NaN where an item has none.
        points: 68 landmarks of every frame as shares of its sides; None unless a term reads them.
        signals: what is known beside the label, by signal; NaN where nothing is.
        subjects: number of each item's person; -1 for none.
        progress: share of the training that is done, in [0, 1).
        mirrored: the answer to the clips mirrored, without gradient; None unless a term reads it.
    """

    clips: Float[Tensor, "b t _ s s"]
    targets: Float[Tensor, "b c"]
    labels: Int64[Tensor, " b"]
    epoch: int
    plain: Callable[[], Answer]
    styles: Mapping[str, Float[Tensor, "b c"]] = {}
    points: Float[Tensor, "b t 68 2"] | None = None
    signals: Mapping[str, Float[Tensor, "b k"]] = {}
    subjects: Int64[Tensor, " b"] | None = None
    progress: float = 0.0
    mirrored: Callable[[], Answer] | None = None


class Setting(NamedTuple):
    """What a term is built for.

    Attributes:
        labels: the classes.
        dim: of the feature.
        counts: training items of every class.
        people: subjects that the training items name.
    """

    labels: LabelSpace
    dim: int
    counts: Int64[Tensor, " c"]
    people: int = 0


class Term(nn.Module, ABC):
    """One part of a loss.

    Attributes:
        size: side, in pixels, of the clips it must see; 0: whatever the network sees.
        reads_attention: whether it asks for :attr:`mien.models.net.Answer.attention`.
        reads_points: whether it asks for :attr:`Step.points`, of clips that are not mixed.
        reads_tokens: whether it asks for :attr:`mien.models.net.Answer.tokens`.
        reads_middle: whether it asks for :attr:`mien.models.net.Answer.middle`.
        reads_mirrored: whether it asks for :attr:`Step.mirrored`, a pass more.
    """

    size: int = 0
    reads_attention: bool = False
    reads_points: bool = False
    reads_tokens: bool = False
    reads_middle: bool = False
    reads_mirrored: bool = False

    def reads_plain(self, epoch: int) -> bool:
        """Whether it asks for :attr:`Step.plain` in this epoch: a pass more where clips are mixed."""
        return False

    @abstractmethod
    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """The mean over the batch, in float32, before its weight."""


def labelled(targets: Float[Tensor, "b c"], *values: Tensor) -> tuple[Tensor, ...]:
    """The rows somebody labelled, of the targets and of every other value: the one place where NaN is masked."""
    known = ~targets.isnan().any(1)
    return tuple(value[known] for value in (targets, *values))


class SoftLabels(Term):
    """Mean cross-entropy against targets that are distributions: votes, mixed or smoothed labels."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()

    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """0 for a batch that nobody labelled."""
        targets, logits = labelled(step.targets, answer.logits)
        return F.cross_entropy(logits.float(), targets.float()) if len(targets) else logits.float().sum()


class StyleLabels(Term):
    """Labels of another style, by a head of their own on the network's feature.

    Args:
        style: in :attr:`Step.styles`.
        head: the network's; this one begins as its copy.
    """

    def __init__(self, style: str, head: nn.Linear) -> None:
        super().__init__()
        self.style, self.head = style, copy.deepcopy(head).requires_grad_(True)

    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """Mean cross-entropy over the items that have such a label; 0 where none has."""
        targets, feature = labelled(step.styles[self.style], answer.feature)
        logits = self.head(feature).float()
        return F.cross_entropy(logits, targets.float()) if len(targets) else logits.sum()


class Teacher(Term):
    """Cross-entropy against what a trained image model sees in the same clips (Hinton et al., arXiv 1503.02531).

    Args:
        setting: whose labels it must have.
        name: weights of mien, by name or file.

    Raises:
        ConfigError: other labels, or a video model.
    """

    def __init__(self, setting: Setting, name: str) -> None:
        super().__init__()
        recognizer, record = load_weights(find_weights(name))
        if record.labels.labels != setting.labels.labels or not record.is_image_model:
            expected = f"an image model with the labels of {setting.labels.name} as teacher"
            raise ConfigError(expected, name, "choose another --recipe.teacher")
        self._held = (recognizer,)  # in a tuple: no part of what learns, nor of its checkpoints
        reading = record.readings[TRAINED]
        self.temperature, self.shift = reading.temperature, torch.as_tensor(reading.shift, dtype=torch.float32)
        self.size = record.preprocessing.input_size

    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """See :class:`Term`."""
        (recognizer,) = self._held
        with torch.no_grad():
            logits = recognizer.to(step.clips.device).logits(recognizer.frames_of(step.clips))
        targets = (logits.float() / self.temperature + self.shift.to(logits.device)).softmax(1)
        return F.cross_entropy(answer.logits.float(), targets)


TERMS: Registry[Callable[[Setting], Term]] = Registry(
    "loss term",
    {
        "labels": SoftLabels,
        "adjusted": Place("mien.training.adjusted:AdjustedLabels"),
        "anchors": Place("mien.training.anchored:AnchoredLabels"),
        "contrastive": Place("mien.training.contrastive:Contrastive"),
        "cues": Place("mien.training.cued:Cues"),
        "cues-mean": Place("mien.training.cued:CuesOfTheMeanFace"),
        "cues-wrong": Place("mien.training.cued:WrongCues"),
        "mirror": Place("mien.training.mirrored:Mirror"),
    },
)
"""Terms that are built of a :class:`Setting` alone; a recipe names them as ``name`` or ``name=weight``."""


def named_terms(words: Sequence[str], setting: Setting) -> dict[str, tuple[float, Term]]:
    """Weight and module of every term that is named, as ``("labels", "focal=0.5")``.

    Raises:
        ConfigError: an unknown name, one named twice, or a weight that is no number of at least 0.
    """
    found: dict[str, tuple[float, Term]] = {}
    for word in words:
        name, _, weight = word.partition("=")
        try:
            value = float(weight or 1)
        except ValueError:
            value = -1.0
        if name in found or not 0 <= value < float("inf"):
            raise ConfigError("terms such as labels or labels=0.5, each once", repr(word), "change --recipe.terms")
        found[name] = value, TERMS[name](setting)
    return found
