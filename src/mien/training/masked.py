"""Losses of signals of which not every item's number is known.

L_h = sum_i m_hi l_h(i) / max(1, sum_i m_hi) over the items i of a batch, m_hi being 1 where the number is known: what
is not known has no gradient at all, and a batch without any a loss of 0. Counts are those of a device's own batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from mien.core import checks
from mien.core.errors import ConfigError
from mien.core.signals import Signal

LEAST_SPREAD = 1e-8
"""Added under the fraction of a concordance correlation: two constants have a loss of 1, not NaN."""
LEAST_RATE = 1e-3
"""Of a label, where its weight is the rate's inverse."""
SignalLoss = Callable[[Float[Tensor, "b k"], Float[Tensor, "b k"], float], Float[Tensor, ""]]
"""From a head's numbers, before softmax and sigmoid, what is known (NaN: nothing), and the share of training done."""


@dataclass(frozen=True)
class HeadLosses:
    """What heads of the recipe learn by.

    Attributes:
        mse: weight of the mean squared error, in half ranges of the scale, beside 1 - CCC of a head `plane`.
        columns: weights of the columns of a head `plane` in 1 - CCC, such as 2 1 for valence and arousal: their
            weighted mean. Empty: all alike.
        edges: weight of the cross-entropy of every two flags' edge, of a head `graph-edges` (the paper's .05 of BP4D).
        annealed: from where on errors of a scale hardly count at the training's end, in half ranges, as sigma of
            :func:`annealed_error`: for numbers some of which are grossly wrong. 0: the squared error throughout.
        asymmetric: flags by ME-GraphAU's loss: rare labels weigh more, easy negatives less. For flags that are there
            or not; of shares the plain cross-entropy is the right one.
    """

    mse: float = 0.1
    edges: float = 0.05
    annealed: float = 0.0
    asymmetric: bool = False
    columns: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        checks.real("--recipe.head-losses.mse", self.mse, 0, 1e6)
        checks.real("--recipe.head-losses.edges", self.edges, 0, 1e6)
        checks.real("--recipe.head-losses.annealed", self.annealed, 0, 1e6)
        for weight in self.columns:
            checks.real("--recipe.head-losses.columns", weight, 0, 1e6)


def loss_for(kind: str, signal: Signal, numbers: Float[Tensor, "n k"], losses: HeadLosses) -> SignalLoss:
    """The loss of a head.

    Args:
        kind: of the head, in :data:`mien.models.nets.HEADS`.
        signal: what it says.
        numbers: what is known of the training items.
        losses: the recipe's.

    Raises:
        ConfigError: weights of columns that a plane has not as many of, or all of them 0.
    """
    half = (signal.high - signal.low) / 2
    if kind == "plane":
        if losses.columns and (len(losses.columns) != len(signal.labels) or not any(losses.columns)):
            expected = f"a weight of each of {', '.join(signal.labels)}, one above 0"
            raise ConfigError(expected, str(losses.columns), "change --recipe.head-losses.columns")
        error = _scale_error(half, losses.annealed)
        return lambda raw, wanted, done: (
            concordance_loss(raw, wanted, losses.columns) + losses.mse * error(raw, wanted, done)
        )
    if kind == "level":
        return lambda raw, wanted, _: ordered_loss(raw, wanted)
    if signal.kind == "scale":
        return _scale_error(half, losses.annealed)
    if signal.kind == "classes":
        return lambda raw, wanted, _: class_loss(raw, wanted)
    if losses.asymmetric:
        weights = rarity(numbers)
        return lambda raw, wanted, _: asymmetric_loss(raw, wanted, weights.to(raw.device))
    return lambda raw, wanted, _: flag_loss(raw, wanted)


def _scale_error(half: float, sigma: float) -> SignalLoss:
    if sigma:
        return lambda raw, wanted, done: annealed_error(raw, wanted, half, sigma, done)
    return lambda raw, wanted, _: squared_error(raw, wanted, half)


def masked_mean(each: Float[Tensor, "*n"], known: Bool[Tensor, "*n"]) -> Float[Tensor, ""]:
    """Mean of what is known; 0 where nothing is."""
    return each[known].sum() / known.sum().clamp(min=1)


def concordance(ours: Float[Tensor, " n"], theirs: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Lin's concordance correlation (1989), 2 cov / (var + var + (mean - mean)^2), of population moments.

    Two constants have 0, for a loss; :func:`mien.evaluation.signal_metrics.ccc` has NaN for them.
    """
    shift = ours.mean() - theirs.mean()
    ours, theirs = ours - ours.mean(), theirs - theirs.mean()
    return 2 * (ours * theirs).mean() / (ours.square().mean() + theirs.square().mean() + shift.square() + LEAST_SPREAD)


def concordance_loss(
    raw: Float[Tensor, "b k"], wanted: Float[Tensor, "b k"], weights: Sequence[float] = ()
) -> Float[Tensor, ""]:
    """1 - the mean concordance of the columns of which two items or more are known; 0 without such a column.

    With ``weights`` their weighted mean: alpha (1 - CCC of valence) + beta (1 - CCC of arousal), alpha + beta = 1.
    """
    known = ~wanted.isnan()
    there = [column for column, some in enumerate(known.unbind(1)) if some.sum() >= 2]
    parts = [1 - concordance(raw[known[:, one], one], wanted[known[:, one], one]) for one in there]
    if not weights:
        return torch.stack(parts).mean() if parts else raw[:0].sum()
    total = sum(weights[one] for one in there)
    if not total:
        return raw[:0].sum()
    return torch.stack([weights[one] / total * part for one, part in zip(there, parts, strict=True)]).sum()


def squared_error(raw: Float[Tensor, "b k"], wanted: Float[Tensor, "b k"], half: float) -> Float[Tensor, ""]:
    """Mean squared error; a miss by ``half`` counts 1."""
    known = ~wanted.isnan()
    return masked_mean(((raw - wanted.nan_to_num()) / half).square(), known)


def annealed_error(
    raw: Float[Tensor, "b k"], wanted: Float[Tensor, "b k"], half: float, sigma: float, done: float
) -> Float[Tensor, ""]:
    """SwinFace's loss for ages (arXiv 2308.11509): (1 - t) d^2 / 2 + t (1 - exp(-d^2 / (2 sigma^2))).

    Squared at first; at the end what is missed by far counts 1 and no longer pulls: its slope is gone.

    Args:
        raw: what the head says.
        wanted: what is known.
        half: a miss by so much is d = 1.
        sigma: above 0, in the unit of d; theirs is 3 years of ages that are not scaled.
        done: t, the share of the training that is done, 0 to 1.
    """
    squared = ((raw - wanted.nan_to_num()) / half).square()
    each = (1 - done) / 2 * squared + done * (1 - torch.exp(-squared / (2 * sigma**2)))
    return masked_mean(each, ~wanted.isnan())


def flag_loss(raw: Float[Tensor, "b k"], wanted: Float[Tensor, "b k"]) -> Float[Tensor, ""]:
    """Binary cross-entropy of every flag."""
    each = F.binary_cross_entropy_with_logits(raw, wanted.nan_to_num(), reduction="none")
    return masked_mean(each, ~wanted.isnan())


def rarity(numbers: Float[Tensor, "n k"]) -> Float[Tensor, " k"]:
    """Weights of flags by how rare they are, w_i = N r_i^-1 / sum r^-1; r is the mean of what is known, 1 of nothing.

    ME-GraphAU (arXiv 2205.01782), section 3.3.
    """
    rates = numbers.nanmean(0).nan_to_num(1.0).clamp(min=LEAST_RATE)
    return len(rates) / rates / (1 / rates).sum()


def asymmetric_loss(
    raw: Float[Tensor, "b k"], wanted: Float[Tensor, "b k"], weights: Float[Tensor, " k"]
) -> Float[Tensor, ""]:
    """ME-GraphAU's weighted asymmetric loss (ibid.): -w [y log p + (1 - y) p log(1 - p)], the bare p held constant."""
    target, p = wanted.nan_to_num(), raw.sigmoid().detach()
    each = -weights * (target * F.logsigmoid(raw) + (1 - target) * p * F.logsigmoid(-raw))
    return masked_mean(each, ~wanted.isnan())


def edge_loss(edges: Float[Tensor, "b k k 4"], wanted: Float[Tensor, "b k"]) -> Float[Tensor, ""]:
    """Cross-entropy of ME-GraphAU's edges (ibid., section 3.3): edge (i, j) says 2 y_i + y_j, where both are known.

    Of shares the four classes have those products; of flags that are there or not that is the paper's.
    """
    known = ~wanted.isnan()
    there = wanted.nan_to_num()
    there = torch.stack([1 - there, there], -1)
    target = (there[:, :, None, :, None] * there[:, None, :, None, :]).flatten(3)
    each = -(target * edges.log_softmax(-1)).sum(-1)
    return masked_mean(each, known[:, :, None] & known[:, None])


def class_loss(raw: Float[Tensor, "b k"], wanted: Float[Tensor, "b k"]) -> Float[Tensor, ""]:
    """Cross-entropy against shares of classes."""
    each = F.cross_entropy(raw, wanted.nan_to_num(), reduction="none")
    return masked_mean(each, ~wanted.isnan().any(1))


def ordered_loss(raw: Float[Tensor, "b k"], wanted: Float[Tensor, "b k"]) -> Float[Tensor, ""]:
    """Binary cross-entropy of P(y > j) at every cut between classes in an order, from the logarithms of their
    probabilities (:class:`mien.models.heads.Level`)."""
    logs = raw.log_softmax(1)
    above, below = logs.flip(1).logcumsumexp(1).flip(1)[:, 1:], logs.logcumsumexp(1)[:, :-1]
    share = wanted.nan_to_num().flip(1).cumsum(1).flip(1)[:, 1:].clamp(max=1)
    each = -(share * above + (1 - share) * below).mean(1)
    return masked_mean(each, ~wanted.isnan().any(1))
