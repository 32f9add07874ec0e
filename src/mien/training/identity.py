"""Features that know less of who somebody is: what is learned then rests less on a person's habits.

Gradient reversal (Ganin and Lempitsky, arXiv 1409.7495, as in FMAE-IAT, Ning et al., arXiv 2407.11243): a linear layer
learns to tell training people apart by the feature, and the feature learns the opposite. Matching (ELIM, Kim and Song,
NeurIPS 2022, arXiv 2209.12172): the items of two people in a batch are laid on each other by optimal transport, and how
far an item had to move is taken out of its feature. Centring: every person's mean feature is taken out.

Matching and centring need several items of a person in a batch, see :func:`mien.data.sampling.epoch_order`. At use
nobody is named: an answer of the network is that of its feature as it is. Matching is therefore a term of the loss with
a head of its own. Centring changes what the head is shown; so measure it with ``mien evaluate --centre subject``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.models.net import Answer
from mien.training.terms import Setting, Step, Term

ROUNDS, SHARPNESS, EPSILON = 5, 5.0, 1e-6
"""Of Sinkhorn's rounds; K = exp(-5 M); what is added below the line."""


@dataclass(frozen=True)
class IdentitySettings:
    """What is done about who somebody is. All of it needs the column ``subject``; items without one are left out of it.

    Attributes:
        strength: of the gradient reversal (lambda); it rises to this over the training, 2 / (1 + e^-10x) - 1. 0: none.
        given_label: the adversary also sees the label: safer where a person shows mostly one expression.
        match: item: ELIM, each item's own shift taken out, one more term of the loss; official: the release's, which
            takes the first item's shift out of all.
        centre: every person's mean feature in the batch is taken out in training; not at use, see the module.
        together: items of a person that come in one batch, for match and centre.
    """

    strength: float = 0.0
    given_label: bool = False
    match: Literal["off", "item", "official"] = "off"
    centre: bool = False
    together: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.strength < math.inf:
            raise ConfigError("--recipe.identity.strength of 0 or more", str(self.strength), "0.5 is usual")
        if self.given_label and not self.strength:
            raise ConfigError("--recipe.identity.strength with --recipe.identity.given-label", "0", "0.5 is usual")
        if self.together < 2:
            raise ConfigError("--recipe.identity.together of at least 2", str(self.together), "raise it")

    @property
    def on(self) -> bool:
        """Whether anything is done."""
        return self.strength > 0 or self.by_person

    @property
    def by_person(self) -> bool:
        """Whether batches need several items of a person."""
        return self.match != "off" or self.centre

    def terms(self, setting: Setting) -> dict[str, tuple[float, Term]]:
        """The terms of the loss, with their weights.

        Raises:
            ConfigError: the training items name fewer than two people.
        """
        if self.on and setting.people < 2:
            raise ConfigError(
                "training items of two subjects or more for --recipe.identity", str(setting.people), "leave it out"
            )
        found: dict[str, tuple[float, Term]] = {}
        if self.strength:
            found["identity"] = 1.0, Adversary(setting, self)
        if self.match != "off":
            found["match"] = 1.0, Matched(setting, self.match == "official")
        return found


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return -ctx.strength * grads[0], None


def reverse(x: Float[Tensor, "*n d"], strength: float) -> Float[Tensor, "*n d"]:
    """``x`` itself, whose gradient arrives as ``-strength`` times what it is."""
    turned: Tensor = _Reverse.apply(x, strength)  # type: ignore[no-untyped-call]
    return turned


def ramp(progress: float) -> float:
    """From 0 to almost 1 while ``progress`` goes from 0 to 1: 2 / (1 + e^-10x) - 1."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


class Adversary(Term):
    """Cross-entropy of a linear layer that tells people apart by the feature, which learns the opposite.

    Args:
        setting: how many people there are.
        settings: strength, and whether the label is seen too.
    """

    def __init__(self, setting: Setting, settings: IdentitySettings) -> None:
        super().__init__()
        self.strength, self.classes = settings.strength, len(setting.labels) if settings.given_label else 0
        self.layer = nn.Linear(setting.dim + self.classes, setting.people)

    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """0 for a batch without a subject."""
        if step.subjects is None or not (known := step.subjects >= 0).any():
            return answer.feature.float().sum() * 0
        seen = reverse(answer.feature[known].float(), self.strength * ramp(step.progress))
        if self.classes:
            # A label of -1 is none: no column.
            given = F.one_hot(step.labels[known] + 1, self.classes + 1)[:, 1:]
            seen = torch.cat([seen, given.to(seen.dtype)], 1)
        return F.cross_entropy(self.layer(seen).float(), step.subjects[known])


class Matching(NamedTuple):
    """How the items of one person lie to those of the reference.

    Attributes:
        flow: F, how much of each of m items goes to each of n.
        shift: how far each of the n had to move.
        anchor: r, what each of the m weighs; they sum to m.
        other: c, what each of the n weighs; they sum to n.
    """

    flow: Float[Tensor, "m n"]
    shift: Float[Tensor, " n"]
    anchor: Float[Tensor, " m"]
    other: Float[Tensor, " n"]


def match(reference: Float[Tensor, "m d"], items: Float[Tensor, "n d"]) -> Matching:
    """Optimal transport from one person's items to another's, with entropy, by Sinkhorn's rounds.

    With K = exp(-5 M) and the cost M = 1 - cosine: u = r / (K v), v = c / (K' u), F = diag(u) K diag(v), and the shift
    of an item is the cost of what came to it, the sum over i of F_ij M_ij. No gradient. The rounds begin with v, from
    an even u: so do the release's figures.
    """
    with torch.no_grad():
        anchor, other = (_weights(one, across.mean(0)) for one, across in ((reference, items), (items, reference)))
        cost = 1 - F.normalize(reference, dim=1, eps=EPSILON) @ F.normalize(items, dim=1, eps=EPSILON).T
        kernel = torch.exp(-SHARPNESS * cost)
        u = torch.full_like(anchor, 1 / len(anchor))
        v = other / (kernel.T @ u + EPSILON)
        for _ in range(ROUNDS):
            u = anchor / (kernel @ v + EPSILON)
            v = other / (kernel.T @ u + EPSILON)
        flow = u[:, None] * kernel * v
        return Matching(flow, (flow * cost).sum(0), anchor, other)


def _weights(items: Float[Tensor, "n d"], mean: Float[Tensor, " d"]) -> Float[Tensor, " n"]:
    raw = F.relu(items @ mean)
    return raw * len(raw) / (raw.sum() + EPSILON)


def shifted(items: Float[Tensor, "n d"], shift: Float[Tensor, "*n"]) -> Float[Tensor, "n d"]:
    """Items less their shift, each with a mean square of 1."""
    moved = items - shift.reshape(-1, 1)
    return moved / (moved.square().mean(1, keepdim=True) + EPSILON).sqrt()


class Matched(Term):
    """Cross-entropy of a head of its own on matched features, of everybody in the batch but the first person.

    z = ReLU(BN(feature)), as in the paper.

    Args:
        setting: the labels.
        official: take the first item's shift out of all, as the release does.
    """

    def __init__(self, setting: Setting, official: bool) -> None:
        super().__init__()
        self.official = official
        self.norm, self.head = nn.BatchNorm1d(setting.dim), nn.Linear(setting.dim, len(setting.labels))

    def forward(self, answer: Answer, step: Step) -> Float[Tensor, ""]:
        """0 for a batch with fewer than two people."""
        nothing = answer.feature.float().sum() * 0
        if step.subjects is None or len(answer.feature) < 2:
            return nothing
        z = F.relu(self.norm(answer.feature.float()))
        known = (step.subjects >= 0) & ~step.targets.isnan().any(1)
        people = [known & (step.subjects == one) for one in torch.unique(step.subjects[known])]
        losses = []
        for rows in people[1:]:
            shift = match(z[people[0]], z[rows]).shift
            moved = shifted(z[rows], shift[:1].expand_as(shift) if self.official else shift)
            losses.append(F.cross_entropy(self.head(moved), step.targets[rows].float(), reduction="none"))
        return torch.cat(losses).mean() if losses else nothing


def centred(answer: Answer, subjects: Int64[Tensor, " b"]) -> Answer:
    """Every person's mean taken out of feature and logits, and the mean over people put in its place.

    Whoever has one item in the batch, or no name, stays.
    """
    counts = torch.bincount(subjects + 1)
    counts[0] = 0
    chosen = counts[subjects + 1] > 1
    if not chosen.any():
        return answer
    feature, logits = (_less_mean(part, subjects, chosen) for part in (answer.feature, answer.logits))
    return answer._replace(feature=feature, logits=logits)


def _less_mean(values: Float[Tensor, "b k"], subjects: Int64[Tensor, " b"], chosen: Tensor) -> Float[Tensor, "b k"]:
    names, places = torch.unique(subjects[chosen], return_inverse=True)
    own = F.one_hot(places, len(names)).to(values.dtype)
    means = (own.T @ values[chosen]) / own.sum(0)[:, None]
    moved = values.clone()
    moved[chosen] = values[chosen] - own @ means + means.mean(0)
    return moved


def person_probe(
    features: Float[np.ndarray, "n d"], subjects: Int64[np.ndarray, " n"], seed: int = 0
) -> tuple[float, float]:
    """How well a linear layer tells people apart by standardised features, on items that it was not fitted on.

    Ridge regression on one column a person, fitted on a random half. A low share proves nothing: a layer that fails is
    not a feature that does not know.

    Returns:
        Share of right answers on the other half, and that of always naming the commonest person.
    """
    known = subjects >= 0
    x, names = features[known].astype(np.float64), np.unique(subjects[known], return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(x))
    fitted, asked = order[: len(x) // 2], order[len(x) // 2 :]
    mean, spread = x[fitted].mean(0), x[fitted].std(0) + 1e-9
    x = np.hstack([(x - mean) / spread, np.ones((len(x), 1))])
    targets = np.eye(names.max() + 1)[names]
    ridge = x[fitted].T @ x[fitted] + np.eye(x.shape[1])
    answers = (x[asked] @ np.linalg.solve(ridge, x[fitted].T @ targets[fitted])).argmax(1)
    return float((answers == names[asked]).mean()), float(np.bincount(names[asked]).max() / len(asked))
