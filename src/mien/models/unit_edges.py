"""A head of units with an edge for every pair of them: ME-GraphAU (arXiv 2205.01782), its second stage.

As in the first stage (:mod:`mien.models.unit_graph`) every unit has a map of its own on the patch tokens. Each then
looks over the whole face (the paper's FAM) and over what every other one has seen (ARM): an edge, which says in
training which of the two is there. Two layers of gated graph convolution (GEM) carry edges and units together.
Reference code: CVI-SZU/ME-GraphAU, whose figures a test holds :class:`EdgeGraph` to. There it starts from the weights
of the first stage; here all learns at once. N units cost N^2 attentions over the places, in time and in memory.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.signals import Signal
from mien.models.heads import Head
from mien.models.unit_graph import LEAST, found_by, scores_of

LAYERS = 2
PAIRS = 4
"""Neither of two units, the second alone, the first alone, both."""


class GraphEdges(Head):
    """Scores in [0, 1] of flags from the patch tokens of every frame, as logits; the mean over frames.

    The width within is half that of the tokens, as with the paper's Swin.
    """

    reads_tokens: ClassVar[bool] = True
    says_edges: ClassVar[bool] = True

    def __init__(self, dim: int, signal: Signal) -> None:
        super().__init__(dim, signal)
        width = max(dim // 2, 1)
        self.narrow, self.norm = nn.Linear(dim, width), nn.BatchNorm1d(width)
        self.units = EdgeGraph(self.columns, width)

    def forward(self, tokens: Float[Tensor, "b t l d"]) -> Float[Tensor, "b k"]:
        """One row a clip of t frames with l places each."""
        return self.with_edges(tokens)[0]

    def with_edges(self, tokens: Float[Tensor, "b t l d"]) -> tuple[Float[Tensor, "b k"], Float[Tensor, "b k k 4"]]:
        """What :meth:`forward` says, and the logits of :data:`PAIRS` of every two units, the first by rows."""
        b, t, places, _ = tokens.shape
        x = self.norm(self.narrow(tokens.flatten(0, 2))).relu()
        score, edges = self.units(x.view(b * t, places, -1))
        return score.logit(LEAST).view(b, t, -1).mean(1), edges.view(b, t, *edges.shape[1:]).mean(1)


class EdgeGraph(nn.Module):
    """Tokens to one score a unit and logits an edge (the paper's section 3.2).

    Args:
        units: how many.
        width: of the tokens.
    """

    def __init__(self, units: int, width: int) -> None:
        super().__init__()
        self.own, self.own_norm = nn.Linear(width, units * width), nn.BatchNorm1d(units * width)
        self.face, self.others = Look(width), Look(width)
        self.edge, self.edge_norm = nn.Linear(width, width), nn.BatchNorm2d(units * units)
        self.layers = nn.ModuleList(GatedLayer(units, width) for _ in range(LAYERS))
        self.pairs = nn.Linear(width, PAIRS)
        self.directions = nn.Parameter(torch.empty(units, width))
        nn.init.xavier_uniform_(self.directions)

    def forward(self, x: Float[Tensor, "n l c"]) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k k 4"]]:
        """Scores in [0, 1], and logits of :data:`PAIRS`."""
        found = found_by(self.own, self.own_norm, x).transpose(1, 2)  # n k l c
        n, k, _, width = found.shape
        seen = self.face(found, x[:, None]) @ self.face.v(x[:, None])
        # Edge (i, j): what j asks of i's view of the face. Its mean over places is all that is read, and but for the
        # statistics of training it can be taken at once: a fifth of the time.
        asks = self.others(seen[:, None], seen[:, :, None])
        asks = asks if self.training else asks.mean(-2, keepdim=True)
        told = (asks @ self.others.v(seen)[:, :, None]).reshape(n, k * k, -1, width)
        edge = self.edge_norm(self.edge(told)).mean(2).view(n, k, k, width)
        unit = found.mean(2)
        for layer in self.layers:
            unit, edge = layer(unit, edge)
        return scores_of(unit, self.directions), self.pairs(edge)


class Look(nn.Module):
    """Cross-attention of one head whose queries and keys are half as wide, with nothing after it.

    Args:
        width: of what asks and what is asked.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q, self.k = nn.Linear(width, max(width // 2, 1)), nn.Linear(width, max(width // 2, 1))
        self.v = nn.Linear(width, width)

    def forward(self, asking: Float[Tensor, "... l c"], asked: Float[Tensor, "... m c"]) -> Float[Tensor, "... l m"]:
        """What each place that asks takes of each that is asked, of whose ``v``; leading axes are broadcast."""
        q = self.q(asking)
        near: Tensor = (q @ self.k(asked).transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        return near


class GatedLayer(nn.Module):
    """A layer of gated graph convolution (Bresson and Laurent, arXiv 1711.07553) on all pairs.

    E_ij += ReLU(BN(A v_i + B v_j + C E_ij)); g_ij is the softmax over j of sigmoid(E_ij);
    v_i = ReLU(v_i + BN(U v_i + (1/N) sum_j g_ij V v_j)).

    Args:
        units: how many.
        width: of units and edges.
    """

    def __init__(self, units: int, width: int) -> None:
        super().__init__()
        self.a, self.b, self.c, self.u, self.v = (nn.Linear(width, width, bias=False) for _ in range(5))
        self.unit_norm, self.edge_norm = nn.BatchNorm1d(units), nn.BatchNorm1d(units * units)

    def forward(
        self, unit: Float[Tensor, "n k c"], edge: Float[Tensor, "n k k c"]
    ) -> tuple[Float[Tensor, "n k c"], Float[Tensor, "n k k c"]]:
        """Units and edges after the layer."""
        told = self.a(unit)[:, :, None] + self.b(unit)[:, None] + self.c(edge)
        edge = edge + self.edge_norm(told.flatten(1, 2)).relu().view_as(edge)
        gate = edge.sigmoid().softmax(2)
        heard = (gate * self.v(unit)[:, None]).mean(2)
        return (unit + self.unit_norm(self.u(unit) + heard)).relu(), edge
