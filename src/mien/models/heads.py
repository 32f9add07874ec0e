"""Heads: from a clip's feature to a signal that the expression's own head does not give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.signals import Signal
from mien.models.landmarks import TAIL
from mien.models.net import Answer
from mien.models.nets import HEADS

COSINE_SCALE = 16.0


class Head(nn.Module, ABC):
    """Numbers for a signal's columns, before softmax and sigmoid (:meth:`mien.core.signals.Signal.values`).

    Args:
        dim: of the network's feature.
        signal: what is said.

    Attributes:
        dim: of what it reads.
        columns: of the signal.
    """

    reads_tail: ClassVar[bool] = False
    """Whether it reads the landmark net's tail (:class:`mien.models.landmarks.LandmarkTail`) after the feature."""
    reads_tokens: ClassVar[bool] = False
    """Whether it reads :attr:`mien.models.net.Answer.tokens`, (b, t, l, d), in the feature's place."""
    reads_middle: ClassVar[bool] = False
    """Likewise :attr:`mien.models.net.Answer.middle`."""

    def __init__(self, dim: int, signal: Signal) -> None:
        super().__init__()
        self.dim, self.columns = dim + (TAIL if self.reads_tail else 0), len(signal.labels)

    @abstractmethod
    def forward(self, feature: Float[Tensor, "b d"]) -> Float[Tensor, "b k"]:
        """One row a clip; d is :attr:`dim`."""


class Linear(Head):
    """One linear layer: its answer to the mean of features is the mean of its answers."""

    def __init__(self, dim: int, signal: Signal) -> None:
        super().__init__(dim, signal)
        self.layer = nn.Linear(self.dim, self.columns)

    def forward(self, feature: Float[Tensor, "b d"]) -> Float[Tensor, "b k"]:
        """See :class:`Head`."""
        answer: Tensor = self.layer(feature)
        return answer


class Landmark(Linear):
    """One linear layer on the feature and the landmark net's tail: movements and directions are a matter of shape."""

    reads_tail = True


class Cosine(Head):
    """Scaled cosines to a direction a label, which stands for it as an anchor does (NormFace, arXiv 1704.06369)."""

    def __init__(self, dim: int, signal: Signal) -> None:
        super().__init__(dim, signal)
        self.directions = nn.Parameter(torch.empty(self.columns, dim))
        nn.init.normal_(self.directions)

    def forward(self, feature: Float[Tensor, "b d"]) -> Float[Tensor, "b k"]:
        """See :class:`Head`."""
        return COSINE_SCALE * F.normalize(feature, dim=1) @ F.normalize(self.directions, dim=1).T


def build_heads(kinds: Mapping[str, str], signals: tuple[Signal, ...], dim: int) -> dict[str, Head]:
    """Fresh heads, by signal, of the kinds that a record names. Raises ConfigError for a kind that there is not."""
    return {one.name: HEADS[kinds[one.name]].head.found()(dim, one) for one in signals if one.name in kinds}


def reads_tail(heads: Iterable[nn.Module]) -> bool:
    """Whether one of them does."""
    return any(isinstance(head, Head) and head.reads_tail for head in heads)


def reads_tokens(heads: Iterable[nn.Module]) -> bool:
    """Whether one of them does."""
    return any(isinstance(head, Head) and head.reads_tokens for head in heads)


def reads_middle(heads: Iterable[nn.Module]) -> bool:
    """Whether one of them does."""
    return any(isinstance(head, Head) and head.reads_middle for head in heads)


def answer_for(
    heads: Iterable[nn.Module],
    net: nn.Module,
    frames: Float[Tensor, "b t 3 s s"],
    landmark_map: Float[Tensor, "bt 128 u v"] | None,
) -> Answer:
    """The network's answer to normalised frames, with tokens where one of the heads reads them."""
    asked = {"tokens": True} if reads_tokens(heads) else {}
    if reads_middle(heads):
        asked["middle"] = True
    return Answer(*net(frames, landmark_map, **asked))


def with_heads(
    answer: Answer, heads: nn.ModuleDict | Mapping[str, Any], tail: Float[Tensor, "b 512"] | None = None
) -> Answer:
    """The answer with what ``heads`` say of its feature, or its tokens, and of the landmark net's tail, where read."""
    whole = answer.feature if tail is None else torch.cat([answer.feature, tail.to(answer.feature.dtype)], 1)
    said = {name: head(_read_by(head, answer, whole)) for name, head in heads.items()}
    return answer._replace(signals={**answer.signals, **said})


def _read_by(head: Any, answer: Answer, whole: Float[Tensor, "b n"]) -> Tensor | None:
    if head.reads_middle:
        return answer.middle
    return answer.tokens if head.reads_tokens else whole if head.reads_tail else answer.feature


def torch_values(signal: Signal, raw: Float[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    """:meth:`mien.core.signals.Signal.values` in torch, for files that hold it all."""
    if signal.kind == "classes":
        return raw.softmax(-1)
    return raw.sigmoid() if signal.kind == "flags" else raw.clamp(signal.low, signal.high)
