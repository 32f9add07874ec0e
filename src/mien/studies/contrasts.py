"""Two conditions, or two kinds of events, against each other: permutation, bootstrap, effect size, many tests at once.

- **p** by permutation, two-sided. Paired: signs of the people's differences are flipped (Pitman 1937). Groups: people
  are dealt out anew, and Welch's t is compared, not the difference, so that unequal spreads do no harm (Chung and
  Romano, "Exact and asymptotically robust permutation tests", Annals of Statistics 41, 2013). All arrangements where
  they are at most :data:`DRAWS`, else so many draws, and p = (as extreme + 1) / (draws + 1) (Phipson and Smyth 2010).
- **Interval**, 95 %, by the studentised bootstrap over people (Efron and Tibshirani 1993, section 12.5); below
  :data:`LEAST` people in a group Student's or Welch's: the spread of so few draws is next to nothing now and then.
- **Effect size**: mean of the differences by their standard deviation (d_z), or Hedges' g for groups.
- **Many tests**: Holm (1979) keeps the chance of one false alarm in the family, Benjamini and Hochberg (1995) the share
  of false ones among those named.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Float64

DRAWS = 9999
SEED = 20231205
LEAST = 10
"""People a group from which on the bootstrap is used."""
SAME = 1e-9
"""Two arrangements with the same people give sums that differ in the last digits."""

Numbers = Float64[np.ndarray, " n"]


@dataclass(frozen=True)
class Contrast:
    """Whether two sets of people's numbers differ.

    Attributes:
        design: ``paired`` or ``groups``.
        n_a: people on the one side; pairs, if paired.
        n_b: people on the other.
        mean_a: their mean.
        mean_b: likewise.
        difference: of the means, a less b.
        low: lower end of its 95 % interval; NaN where there are too few people.
        high: upper end.
        interval: how it was found.
        effect: size of the effect; NaN where nobody differs from another.
        effect_size: which one: ``d_z`` or ``g``.
        p: of no difference; NaN where there are too few people.
        permutation: how it was found.
    """

    design: str
    n_a: int
    n_b: int
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    interval: str
    effect: float
    effect_size: str
    p: float
    permutation: str


def paired(a: Numbers, b: Numbers) -> Contrast:
    """The same people twice, in the same order; people without one of the numbers (NaN) are left out."""
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    n, gaps = len(a), a - b
    if n < 2:
        return _too_few("paired", a, b, "d_z")
    mean, spread = float(gaps.mean()), float(gaps.std(ddof=1))
    signs, exact = _signs(n)
    extreme = np.abs(signs @ gaps) >= abs(gaps.sum()) - SAME * np.abs(gaps).sum()
    low, high, how = _interval(mean, [gaps])
    return Contrast(
        design="paired",
        n_a=n,
        n_b=n,
        mean_a=float(a.mean()),
        mean_b=float(b.mean()),
        difference=mean,
        low=low,
        high=high,
        interval=how,
        effect=mean / spread if spread > 0 else float("nan"),
        effect_size="d_z",
        p=_share(extreme, exact),
        permutation="exact" if exact else f"{DRAWS} draws",
    )


def groups(a: Numbers, b: Numbers) -> Contrast:
    """Different people; those without a number (NaN) are left out."""
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    if min(len(a), len(b)) < 2:
        return _too_few("groups", a, b, "g")
    everybody = np.concatenate([a, b])
    chosen, exact = _deals(len(a), len(everybody))
    dealt = _welch(chosen, everybody, len(a))
    seen = float(_welch(np.append(np.ones(len(a)), np.zeros(len(b)))[None], everybody, len(a))[0])
    low, high, how = _interval(float(a.mean() - b.mean()), [a, -b])
    pooled = np.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / (len(everybody) - 2))
    small = 1 - 3 / (4 * (len(everybody) - 2) - 1)
    return Contrast(
        design="groups",
        n_a=len(a),
        n_b=len(b),
        mean_a=float(a.mean()),
        mean_b=float(b.mean()),
        difference=float(a.mean() - b.mean()),
        low=low,
        high=high,
        interval=how,
        effect=float(small * (a.mean() - b.mean()) / pooled) if pooled > 0 else float("nan"),
        effect_size="g",
        p=_share(np.abs(dealt) >= abs(seen) * (1 - SAME), exact),
        permutation="exact" if exact else f"{DRAWS} draws",
    )


def _too_few(design: str, a: Numbers, b: Numbers, effect_size: str) -> Contrast:
    one, other = (float(side.mean()) if len(side) else float("nan") for side in (a, b))
    none = float("nan")
    return Contrast(design, len(a), len(b), one, other, one - other, none, none, "", none, effect_size, none, "")


def _share(extreme: np.ndarray, exact: bool) -> float:
    return float(extreme.mean()) if exact else float((extreme.sum() + 1) / (len(extreme) + 1))


@lru_cache(2)
def _signs(n: int) -> tuple[Float64[np.ndarray, "r n"], bool]:
    """All 2^n signs, or :data:`DRAWS` of them."""
    if 2**n <= DRAWS:
        return 1.0 - 2.0 * (np.arange(2**n)[:, None] >> np.arange(n) & 1), True
    rng = np.random.default_rng(SEED)
    return rng.choice([-1.0, 1.0], (DRAWS, n)), False


@lru_cache(2)
def _deals(first: int, n: int) -> tuple[Float64[np.ndarray, "r n"], bool]:
    """Who is in the first group: every way, or :data:`DRAWS` of them."""
    if comb(n, first) <= DRAWS:
        ways = np.array(list(combinations(range(n), first)))
        exact = True
    else:
        rng = np.random.default_rng(SEED)
        ways, exact = np.argpartition(rng.random((DRAWS, n)), first - 1, axis=1)[:, :first], False
    chosen = np.zeros((len(ways), n))
    np.put_along_axis(chosen, ways, 1.0, axis=1)
    return chosen, exact


def _welch(chosen: Float64[np.ndarray, "r n"], values: Numbers, first: int) -> Float64[np.ndarray, " r"]:
    """Welch's t of every deal; infinite where groups differ and nobody in them does."""
    values = values - values.mean()
    counts = np.array([first, len(values) - first], np.float64)
    sums = np.stack([chosen @ values, (1 - chosen) @ values])
    squares = np.stack([chosen @ values**2, (1 - chosen) @ values**2])
    means = sums / counts[:, None]
    spreads = np.clip(squares / counts[:, None] - means**2, 0.0, None) / (counts - 1)[:, None]
    error = np.sqrt(spreads.sum(axis=0))
    gap = means[0] - means[1]
    scale = np.abs(values).max(initial=0.0)
    flat = error <= SAME * max(scale, 1e-300)
    boundless = np.where(np.abs(gap) > SAME * scale, np.copysign(np.inf, gap), 0.0)
    t: Float64[np.ndarray, " r"] = np.where(flat, boundless, gap / np.where(flat, 1.0, error))
    return t


@lru_cache(2)
def _draws(n: int, seed: int) -> Float64[np.ndarray, "r n"]:
    """How often each of ``n`` people is drawn, in :data:`DRAWS` draws of ``n``."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1 / n), DRAWS).astype(np.float64)


def _interval(mean: float, sides: list[Numbers]) -> tuple[float, float, str]:
    """95 % of the sum of the sides' means."""
    errors = [float(side.var(ddof=1)) / len(side) for side in sides]
    error = np.sqrt(sum(errors))
    if error == 0:
        return mean, mean, "none differs"
    if min(map(len, sides)) < LEAST:
        from scipy.special import stdtrit

        freedom = sum(errors) ** 2 / sum(e**2 / (len(side) - 1) for e, side in zip(errors, sides, strict=True))
        half = float(stdtrit(freedom, 0.975)) * error
        return mean - half, mean + half, "Student's t" if len(sides) == 1 else "Welch's t"
    gaps, spreads = np.zeros(DRAWS), np.zeros(DRAWS)
    for number, side in enumerate(sides):
        counts, centred = _draws(len(side), SEED + number), side - side.mean()
        drawn = counts @ centred / len(side)
        gaps += drawn
        spreads += np.clip(counts @ centred**2 / len(side) - drawn**2, 0.0, None) / (len(side) - 1)
    able = spreads > (SAME * error) ** 2
    t = gaps[able] / np.sqrt(spreads[able])
    low, high = np.quantile(t, [0.025, 0.975])
    return mean - float(high) * error, mean - float(low) * error, "bootstrap-t"


def holm(p: Numbers) -> Numbers:
    """Holm's corrected p values; NaN stays and does not count."""
    answer, order, known = _ordered(p)
    if len(order):
        steps = (len(order) - np.arange(len(order))) * p[known][order]
        answer[np.flatnonzero(known)[order]] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return answer


def false_discovery(p: Numbers) -> Numbers:
    """Benjamini and Hochberg's corrected p values; NaN stays and does not count."""
    answer, order, known = _ordered(p)
    if len(order):
        steps = len(order) / np.arange(1, len(order) + 1) * p[known][order]
        answer[np.flatnonzero(known)[order]] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return answer


def _ordered(p: Numbers) -> tuple[Numbers, np.ndarray, np.ndarray]:
    known = ~np.isnan(p)
    return np.full(len(p), np.nan), np.argsort(p[known], kind="stable"), known
