"""Patches of a face that something covers, found as tokens that no clean face has at their place.

After Latent-OFER (Lee et al., "Latent-OFER: Detect, Mask, and Reconstruct with Latent Vectors for Occluded Facial
Expression Recognition", arXiv 2307.11404), which finds covered patches with a one-class model on a transformer's tokens
and then paints them anew. Its detector is not public, and nothing is painted here: an invented mouth would be read as
evidence. Ours is a Gaussian a place p, in directions P that are fitted over all places:

    score_p = |W_p (P (x - m) - mu_p)|^2,   W_p' W_p the inverse of p's shrunk covariance

which is Mahalanobis' distance squared. A place is covered where the score passes a cut, by default that of the
highest 5 % of clean faces. Around the cut it is covered by a share, not at a stroke: a number that is rounded
elsewhere moves it little.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from mien.core.signals import Signal
from mien.models.heads import Head

GRID = 7
"""Places are so many by so many, whatever grid the network has: its tokens' means over each."""
PLACES = GRID * GRID
DIRECTIONS = 64
EDGE = 0.1
"""Of the cut, to either side of it: from nothing to all covered."""


class Covered(Head):
    """How much of every part of a face is covered, 0 to 1, from the tokens of the network's middle.

    Fitted by :func:`fit_covered`, not learnt. The mean over frames.
    """

    reads_middle: ClassVar[bool] = True
    fitted: ClassVar[bool] = True
    centre: Float[Tensor, " d"]
    directions: Float[Tensor, "k d"]
    means: Float[Tensor, "p k"]
    whitening: Float[Tensor, "p k k"]
    cuts: Float[Tensor, " p"]
    parts: Float[Tensor, "n p"]

    def __init__(self, dim: int, signal: Signal) -> None:
        super().__init__(dim, signal)
        kept = min(DIRECTIONS, dim)
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("directions", torch.randn(kept, dim) / dim**0.5)
        self.register_buffer("means", torch.zeros(PLACES, kept))
        self.register_buffer("whitening", torch.eye(kept).repeat(PLACES, 1, 1))
        self.register_buffer("cuts", torch.full((PLACES,), float(kept)))
        self.register_buffer("parts", torch.full((self.columns, PLACES), 1 / PLACES))

    def scores(self, tokens: Float[Tensor, "b t l d"]) -> Float[Tensor, "b t p"]:
        """Mahalanobis' distance squared from the clean faces, at every place."""
        away = (on_grid(tokens) - self.centre) @ self.directions.T - self.means
        return (self.whitening @ away[..., None])[..., 0].square().sum(-1)

    def flags(self, tokens: Float[Tensor, "b t l d"]) -> Float[Tensor, "b t p"]:
        """How much every place is covered, 0 to 1."""
        return ((self.scores(tokens) / self.cuts - 1) / (2 * EDGE) + 0.5).clamp(0, 1)

    def forward(self, tokens: Float[Tensor, "b t l d"]) -> Float[Tensor, "b n"]:
        """A row a clip: of every part the share of it that is covered."""
        shares: Tensor = (self.flags(tokens) @ self.parts.T).mean(1)
        return shares


def on_grid(tokens: Float[Tensor, "b t l d"]) -> Float[Tensor, "b t p d"]:
    """Tokens of a square grid as their means over :data:`GRID` by :data:`GRID` places; of such a grid as they are."""
    side = round(tokens.shape[2] ** 0.5)
    if side == GRID:
        return tokens
    pick = _means(side).to(tokens)
    return torch.kron(pick, pick) @ tokens


def _means(side: int) -> Float[Tensor, "g s"]:
    """A row a place: which of ``side`` rows of tokens it lies on; sums to 1."""
    picked = torch.zeros(GRID, side)
    for place in range(GRID):
        first, end = place * side // GRID, -(-(place + 1) * side // GRID)
        picked[place, first:end] = 1 / (end - first)
    return picked


def fit_covered(head: Covered, clean: Float[Tensor, "n p d"]) -> None:
    """Fit directions, means and covariances to the tokens of n clean faces, on the grid; cuts and parts stay.

    The numbers are rounded as a file keeps them, so that cuts set afterwards are of what is kept.
    """
    x = clean.double()
    centre = x.flatten(0, 1).mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((x.flatten(0, 1) - centre).T))
    kept = len(head.directions)
    # Each direction in units of its own spread: numbers near 1 lose least in 16 bits.
    directions = (vectors[:, -kept:] / values[-kept:].clamp(min=1e-9).sqrt()).T.half()
    z = (x - centre.half().double()) @ directions.double().T
    means = z.mean(0).half()
    each = [torch.linalg.cholesky(shrunk(place)) for place in z.transpose(0, 1)]
    whitening = torch.stack([torch.linalg.solve_triangular(one, torch.eye(kept).double(), upper=False) for one in each])
    found = {"centre": centre, "directions": directions, "means": means, "whitening": whitening}
    for name, value in found.items():
        getattr(head, name).copy_(value.half())


def shrunk(x: Float[Tensor, "n k"]) -> Float[Tensor, "k k"]:
    """The covariance of n rows, moved towards a multiple of the identity as far as their number demands.

    Chen et al., "Shrinkage algorithms for MMSE covariance estimation", 2010, eq. 23 (OAS).
    """
    n, k = x.shape
    found = torch.cov(x.T, correction=0)
    trace, square = found.trace(), found.square().sum()
    over = (n + 1 - 2 / k) * (square - trace**2 / k)
    weight = (((1 - 2 / k) * square + trace**2) / over.clamp(min=1e-12)).clamp(max=1.0)
    return (1 - weight) * found + weight * trace / k * torch.eye(k).to(found)
