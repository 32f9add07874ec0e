"""Heads: from a clip's feature to a signal that the expression's own head does not give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.core import checks
from mien.core.errors import ConfigError
from mien.core.signals import Signal
from mien.models.landmarks import TAIL
from mien.models.net import Answer
from mien.models.nets import HEADS
from mien.models.texts import Texts

COSINE_SCALE = 16.0
LEAST_GAP = 1e-3
"""Between two cuts: no level's probability is 0."""
FIRST_STEP = 3.0
"""Of the distance of two cuts, before softplus."""


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
    says_edges: ClassVar[bool] = False
    """Whether it has a method ``with_edges``, which in training says of every two columns, flags, which are there."""
    reads_texts: ClassVar[bool] = False
    """Whether it is built of :class:`mien.models.texts.Texts` too."""
    reads_middle: ClassVar[bool] = False
    """Likewise :attr:`mien.models.net.Answer.middle`; with the tokens both, it first: (b, t, l, 2 d)."""
    fitted: ClassVar[bool] = False
    """Whether it is fitted once, and does not learn with a network."""

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


class Plane(Linear):
    """Numbers within a scale's range, such as valence and arousal from -1 to 1: tanh of a linear layer, stretched.

    Tanh comes after the mean over frames, which is in the feature: a clip is not the mean of its frames here.
    """

    def __init__(self, dim: int, signal: Signal) -> None:
        super().__init__(dim, signal)
        self.middle, self.reach = (signal.high + signal.low) / 2, (signal.high - signal.low) / 2

    def forward(self, feature: Float[Tensor, "b d"]) -> Float[Tensor, "b k"]:
        """See :class:`Head`."""
        return self.middle + self.reach * super().forward(feature).tanh()


class Level(Head):
    """Classes in an order, as levels of a smile: one number f, and cuts b_1 < b_2 < ... between the k classes.

    P(y > j) = sigmoid(f - b_j), b_j = b_1 + cumulated softplus (ordered logit, McCullagh 1980). What is said are the
    logarithms of the classes' probabilities, whose softmax they are themselves.
    """

    def __init__(self, dim: int, signal: Signal) -> None:
        super().__init__(dim, signal)
        checks.demand(self.columns >= 2, f"labels of {signal.name}", "two levels or more, in order", signal.labels)
        self.layer = nn.Linear(dim, 1)
        # Wide at first, about 0: f grows faster than single numbers do, and narrow cuts leave the middle no room.
        between = self.columns - 2
        self.first = nn.Parameter(torch.full((1,), -FIRST_STEP / 2 * between))
        self.steps = nn.Parameter(torch.full((between,), FIRST_STEP))

    def forward(self, feature: Float[Tensor, "b d"]) -> Float[Tensor, "b k"]:
        """See :class:`Head`."""
        gaps = F.softplus(self.steps) + LEAST_GAP
        cuts = self.first + torch.cat([torch.zeros_like(self.first), gaps.cumsum(0)])
        over = self.layer(feature) - cuts
        # P(y = j) = s(a) - s(b), a > b being the numbers over its lower and upper cut, is s(a) s(-b) (1 - e^(b - a)).
        reached, left = F.logsigmoid(over), F.logsigmoid(-over)
        middle = reached[:, :-1] + left[:, 1:] + torch.log1p(-torch.exp(-gaps))
        return torch.cat([left[:, :1], middle, reached[:, -1:]], 1)


def build_heads(
    kinds: Mapping[str, str], signals: tuple[Signal, ...], dim: int, texts: Mapping[str, Texts] | None = None
) -> dict[str, Head]:
    """Fresh heads, by signal, of the kinds that a record names; ``texts`` are the record's. Raises ConfigError for a
    kind that there is not, or that cannot say such a signal."""
    built: dict[str, Head] = {}
    for one in signals:
        if one.name not in kinds:
            continue
        entry = HEADS[kinds[one.name]]
        if one.kind not in entry.says:
            expected = f"a signal of {' or '.join(entry.says)} for a head {kinds[one.name]}"
            raise ConfigError(expected, f"{one.name}, {one.kind}", "choose another kind of head")
        head = entry.head.found()
        built[one.name] = head(dim, one, (texts or {}).get(one.name)) if head.reads_texts else head(dim, one)
    return built


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
    reads = reads_of(answer, heads, tail)
    said = {name: head(reads[name]) for name, head in heads.items()}
    return answer._replace(signals={**answer.signals, **said})


def with_edges(
    answer: Answer, heads: Mapping[str, Any], tail: Float[Tensor, "b 512"] | None = None
) -> tuple[Answer, dict[str, Float[Tensor, "b k k 4"]]]:
    """:func:`with_heads` for training, and the edges, by signal, of the heads that say them."""
    telling = {name: head for name, head in heads.items() if head.says_edges}
    plain = with_heads(answer, {name: head for name, head in heads.items() if name not in telling}, tail)
    reads = reads_of(answer, telling, tail)
    told = {name: head.with_edges(reads[name]) for name, head in telling.items()}
    signals = {**plain.signals, **{name: raw for name, (raw, _) in told.items()}}
    return plain._replace(signals=signals), {name: edges for name, (_, edges) in told.items()}


def reads_of(
    answer: Answer, heads: nn.ModuleDict | Mapping[str, Any], tail: Float[Tensor, "b 512"] | None
) -> dict[str, Any]:
    """What each head reads of an answer and of the landmark net's tail."""
    whole = answer.feature if tail is None else torch.cat([answer.feature, tail.to(answer.feature.dtype)], 1)
    return {name: _read_by(head, answer, whole) for name, head in heads.items()}


def _read_by(head: Any, answer: Answer, whole: Float[Tensor, "b n"]) -> Tensor | None:
    if head.reads_middle and head.reads_tokens:
        assert answer.middle is not None, "it was asked for"
        assert answer.tokens is not None, "they were asked for"
        return torch.cat([answer.middle, answer.tokens], -1)
    if head.reads_middle:
        return answer.middle
    return answer.tokens if head.reads_tokens else whole if head.reads_tail else answer.feature


def torch_values(signal: Signal, raw: Float[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    """:meth:`mien.core.signals.Signal.values` in torch, for files that hold it all."""
    if signal.kind == "classes":
        return raw.softmax(-1)
    return raw.sigmoid() if signal.kind == "flags" else raw.clamp(signal.low, signal.high)
