"""Late fusion: one answer from that of the picture and that of the sound, each of which was learnt alone.

Two ways, both fitted on held-out clips and kept as numbers:

* ``product``: log p(c) = v_c log p_picture(c) + w_c log p_sound(c) + b_c, normalised, with v, w >= 0: a logistic
  regression, whose negative log-likelihood is convex. A pull towards the picture alone (v = 1, w = b = 0), as strong as
  a handful of clips, decides where the clips do not; a stream that says nothing gets weight 0.
* ``sum``: p(c) = v_c p_picture(c) + w_c p_sound(c), normalised, with v_c + w_c = 1, the best of some thousand draws
  from a Dirichlet distribution: AVCER's way (arXiv 2403.12687), for comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Float64, Int
from scipy.optimize import minimize

from mien.core import checks
from mien.core.errors import DataError
from mien.core.softmax import softmax

Way = Literal["product", "sum"]
FLOOR = 1e-6
"""Least probability that a logarithm is taken of."""
MOST = 100.0
"""Of a weight, and of a bias either way."""
PULL = 1.0
"""Of the penalty PULL / 2 x squared distance from the picture alone, beside the sum over the clips."""
DRAWS = 2000


@dataclass(frozen=True)
class LateFusion:
    """How two streams' probabilities become one.

    Attributes:
        way: what is computed, see the module.
        picture: weight of the picture's answer, of every class, >= 0.
        sound: likewise of the sound's.
        bias: of every class; zeros for ``sum``.
    """

    way: Way
    picture: tuple[float, ...]
    sound: tuple[float, ...]
    bias: tuple[float, ...]

    def __post_init__(self) -> None:
        checks.demand(self.way in get_args(Way), "way", f"one of {', '.join(get_args(Way))}", self.way)
        for name, least in (("picture", 0.0), ("sound", 0.0), ("bias", -MOST)):
            values = getattr(self, name)
            fits = isinstance(values, tuple) and len(values) == len(self.picture) > 0
            checks.demand(fits, name, "a number of every class", values)
            for value in values:
                checks.real(name, value, least, MOST)

    def __call__(
        self, picture: Float[np.ndarray, "n c"], sound: Float[np.ndarray, "n c"]
    ) -> Float64[np.ndarray, "n c"]:
        """Probabilities; rows sum to 1.

        Args:
            picture: probabilities by the picture, in the order of the weights.
            sound: likewise by the sound.
        """
        v, w, b = (np.array(part) for part in (self.picture, self.sound, self.bias))
        if self.way == "sum":
            mixed = v * picture + w * sound
            total = mixed.sum(1, keepdims=True)
            # Where both weights of all that is shown are 0 nothing is said, and the picture's answer stays.
            return np.where(total > 0, mixed / np.where(total > 0, total, 1), picture).astype(np.float64)
        return softmax(v * _log(picture) + w * _log(sound) + b)

    def reordered(self, order: Sequence[int]) -> LateFusion:
        """The same for classes in another order: the k-th is number ``order[k]`` here."""
        parts = (tuple(part[one] for one in order) for part in (self.picture, self.sound, self.bias))
        return LateFusion(self.way, *parts)


def parse_fusion(body: dict[str, Any]) -> LateFusion:
    """The inverse of ``dataclasses.asdict``, from JSON. Raises TypeError, LookupError or ConfigError."""
    return LateFusion(body["way"], *(tuple(body[name]) for name in ("picture", "sound", "bias")))


def fit_product(
    picture: Float[np.ndarray, "n c"],
    sound: Float[np.ndarray, "n c"],
    targets: Int[np.ndarray, " n"],
    pull: float = PULL,
) -> LateFusion:
    """The weights under which the true classes of held-out clips are likeliest.

    Args:
        picture: probabilities of the clips by the picture.
        sound: likewise by the sound.
        targets: index of each clip's class.
        pull: how strongly the weights are drawn to the picture alone, >= 0; what it weighs falls with the clips.

    Raises:
        DataError: no clip.
    """
    _demand_clips(targets)
    n, c = picture.shape
    p, s, truth = _log(picture), _log(sound), np.eye(c)[targets]
    home = np.concatenate([np.ones(c), np.zeros(2 * c)])

    def cost(x: Float64[np.ndarray, " k"]) -> tuple[float, Float64[np.ndarray, " k"]]:
        z = x[:c] * p + x[c : 2 * c] * s + x[2 * c :]
        top = z.max(1, keepdims=True)
        log_total = top[:, 0] + np.log(np.exp(z - top).sum(1))
        wrong = softmax(z) - truth
        slope = np.concatenate([(wrong * p).sum(0), (wrong * s).sum(0), wrong.sum(0)])
        nll = (log_total - z[np.arange(n), targets]).sum()
        return float(nll + pull / 2 * ((x - home) ** 2).sum()) / n, (slope + pull * (x - home)) / n

    bounds = [(0, MOST)] * (2 * c) + [(-MOST, MOST)] * c
    found = minimize(cost, home, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1000, "ftol": 1e-12})
    v, w, b = found.x.reshape(3, c).tolist()
    return LateFusion("product", tuple(v), tuple(w), tuple(b))


def search_sum(
    picture: Float[np.ndarray, "n c"],
    sound: Float[np.ndarray, "n c"],
    targets: Int[np.ndarray, " n"],
    draws: int = DRAWS,
    seed: int = 0,
) -> LateFusion:
    """The per-class weights, of ``draws`` from a flat Dirichlet distribution, with the highest mean recall (UAR).

    The picture alone and the even mean are among what is tried, and stay where nothing drawn is better. Arguments as of
    :func:`fit_product`. Raises DataError without a clip.
    """
    _demand_clips(targets)
    classes = picture.shape[1]
    rng = np.random.default_rng(seed)
    drawn = rng.dirichlet((1.0, 1.0), (draws, classes))[..., 0]
    tried = np.concatenate([np.full((1, classes), 1.0), np.full((1, classes), 0.5), drawn])
    there = np.unique(targets)

    def fused(v: Float64[np.ndarray, " c"]) -> LateFusion:
        return LateFusion("sum", tuple(v.tolist()), tuple((1 - v).tolist()), (0.0,) * classes)

    def recall(v: Float64[np.ndarray, " c"]) -> float:
        answers = fused(v)(picture, sound).argmax(1)
        return float(np.mean([(answers[targets == one] == one).mean() for one in there]))

    return fused(max(tried, key=recall))


def _demand_clips(targets: Int[np.ndarray, " n"]) -> None:
    if not len(targets):
        raise DataError("held-out clips with sound to fit the fusion on", "none", "keep the sound of more clips")


def _log(probabilities: Float[np.ndarray, "n c"]) -> Float64[np.ndarray, "n c"]:
    logs: Float64[np.ndarray, "n c"] = np.log(np.maximum(probabilities.astype(np.float64), FLOOR))
    return logs
