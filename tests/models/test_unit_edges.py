"""The head with edges gives the released code's figures, and an edge learns which of two units is there.

Figures as in test_unit_graph.py; of the N maps of units, which are alike, the first one's tensors are listed.
"""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parent))
from official import filled, uniform
from test_unit_graph import CASES, official_units, planted

from mien.core.errors import ConfigError
from mien.core.signals import Signal
from mien.models.heads import build_heads, with_edges, with_heads
from mien.models.net import Answer
from mien.models.unit_edges import EdgeGraph, GraphEdges
from mien.training.masked import HeadLosses, asymmetric_loss, edge_loss

THEIRS = {
    **{f"face.{part}": f"edge_extractor.FAM.linear_{part}" for part in "qkv"},
    **{f"others.{part}": f"edge_extractor.ARM.linear_{part}" for part in "qkv"},
    "edge": "edge_extractor.edge_proj",
    "edge_norm": "edge_extractor.bn",
    "pairs": "edge_fc",
    **{f"layers.{n}.{ours}": f"gnn.{ours.upper()}{n + 1}" for n in (0, 1) for ours in "abuv"},
    **{f"layers.{n}.c": f"gnn.E{n + 1}" for n in (0, 1)},
    **{f"layers.{n}.unit_norm": f"gnn.bnv{n + 1}" for n in (0, 1)},
    **{f"layers.{n}.edge_norm": f"gnn.bne{n + 1}" for n in (0, 1)},
}


def official_edges(case: dict) -> EdgeGraph:
    """With the weights that the released code had for this case."""
    salt, shapes = case["salt"] + "mefl.", case["state_dict"] | case["edges"]["state_dict"]
    net = EdgeGraph(case["units"], case["dim"]).eval()

    def one(name: str) -> torch.Tensor:
        base, _, part = name.rpartition(".")
        if name == "directions":
            return torch.from_numpy(uniform(salt + "sc", tuple(shapes["sc"])) - 0.3).float()
        if base in THEIRS:
            return filled(f"{THEIRS[base]}.{part}", shapes[f"{THEIRS[base]}.{part}"], salt)
        theirs = {"own": "fc", "own_norm": "bn"}[base]
        maps = (f"class_linears.{unit}.{theirs}.{part}" for unit in range(case["units"]))
        return torch.cat([filled(each, shapes[f"class_linears.0.{theirs}.{part}"], salt) for each in maps])

    counted = {
        name: torch.zeros((), dtype=torch.int64) for name in net.state_dict() if name.endswith("batches_tracked")
    }
    net.load_state_dict({name: one(name) for name in net.state_dict() if name not in counted} | counted)
    return net


def tokens_of(case: dict) -> torch.Tensor:
    shape = (case["batch"], case["places"], case["dim"])
    return torch.from_numpy(2 * uniform(case["salt"] + "x", shape) - 1).float()


@pytest.mark.parametrize("salt", CASES)
@torch.no_grad()
def test_scores_and_edges_are_the_official_ones(salt: str) -> None:
    case, net = CASES[salt], official_edges(CASES[salt])
    wanted = case["edges"]
    assert sum(parameter.numel() for parameter in net.parameters()) == wanted["parameters"]
    scores, edges = net(tokens_of(case))
    np.testing.assert_allclose(scores, wanted["scores"], atol=1e-4)
    assert edges.shape == (case["batch"], case["units"], case["units"], 4)
    np.testing.assert_allclose(edges.flatten()[:6], wanted["logits_first"], atol=1e-4)
    assert edges.mean().item() == pytest.approx(wanted["logits_mean"], abs=1e-4)
    assert edges.std().item() == pytest.approx(wanted["logits_std"], abs=1e-4)


@torch.no_grad()
def test_what_use_takes_the_mean_of_first_is_what_training_computes() -> None:
    net, tokens = official_edges(CASES["mega.a."]), tokens_of(CASES["mega.a."])
    quick = net(tokens)
    net.training = True  # its norms stay as in use
    for ours, theirs in zip(quick, net(tokens), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("salt", CASES)
@torch.no_grad()
def test_losses_of_both_stages_are_the_official_ones(salt: str) -> None:
    case = CASES[salt]
    there = torch.from_numpy(uniform(salt + "y", (case["batch"], case["units"])) > 0.6).float()
    weights = torch.from_numpy(0.5 + uniform(salt + "w", (case["units"],))).float()
    for scores, wanted in (
        (official_units(case)(tokens_of(case)), case["loss"]),
        (official_edges(case)(tokens_of(case))[0], case["edges"]["loss"]),
    ):
        assert asymmetric_loss(scores.logit(), there, weights).item() == pytest.approx(wanted, abs=1e-4)


def test_an_edge_names_which_of_two_units_is_there() -> None:
    edges = torch.randn(2, 3, 3, 4, generator=torch.Generator().manual_seed(0))
    there = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    target = torch.tensor([[2 * int(a) + int(b) for a in row for b in row] for row in there])
    plain = F.cross_entropy(edges.flatten(0, 2), target.flatten())
    assert edge_loss(edges, there).item() == pytest.approx(plain.item(), rel=1e-5)
    there[0, 1] = math.nan
    known = edges.clone().requires_grad_(True)
    edge_loss(known, there).backward()
    assert known.grad is not None
    assert known.grad[0, 1].abs().max() == known.grad[0, :, 1].abs().max() == 0, "of an unknown unit no edge learns"
    assert known.grad[0, 0, 2].abs().min() > 0
    assert edge_loss(edges[:1], torch.full((1, 3), math.nan)).item() == 0


def test_the_head_says_the_same_with_its_edges_and_other_heads_have_none() -> None:
    units, states = Signal("units", ("AU1", "AU4", "AU12"), "flags"), Signal("states", ("calm",), "flags")
    torch.manual_seed(0)
    heads = {name: head.eval() for name, head in build_heads(
        {"units": "graph-edges", "states": "linear"}, (units, states), 16).items()}  # fmt: skip
    assert isinstance(heads["units"], GraphEdges)
    answer = Answer(torch.randn(2, 5), torch.randn(2, 16), tokens=torch.randn(2, 3, 9, 16))
    plain, (whole, edges) = with_heads(answer, heads), with_edges(answer, heads)
    assert edges.keys() == {"units"}
    assert edges["units"].shape == (2, 3, 3, 4)
    assert all(torch.equal(whole.signals[name], plain.signals[name]) for name in heads)
    with pytest.raises(ConfigError, match="flags"):
        build_heads({"affect": "graph-edges"}, (Signal("affect", ("valence",), "scale", -1.0, 1.0),), 16)
    with pytest.raises(ConfigError, match="edges"):
        HeadLosses(edges=-1)


def test_a_unit_that_is_never_seen_is_found_by_the_one_it_comes_with() -> None:
    """As in test_unit_graph.py. It learns this more slowly than the first stage: over 8 seeds, after 150 steps, the
    area is .921, without the edges' loss .905, of the first stage .953."""
    rng = torch.Generator().manual_seed(104)
    torch.manual_seed(104)
    patterns = 0.8 * torch.randn(4, 16, generator=rng)
    (tokens, there), (others, wanted) = (planted(items, patterns, rng) for items in (2048, 500))
    known = there.clone()
    known[64:, 1] = math.nan
    net = EdgeGraph(4, 16)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=0.01)
    for _ in range(100):
        batch = torch.cat([torch.randperm(2048, generator=rng)[:64], torch.arange(64)])
        scores, edges = net(tokens[batch])
        told = known[batch]
        parts = F.binary_cross_entropy(scores.clamp(1e-6, 1 - 1e-6), told.nan_to_num(), reduction="none")
        there_is = ~told.isnan()
        loss = ((parts * there_is).sum(0) / there_is.sum(0)).sum() + edge_loss(edges, told)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        scores, edges = net.eval()(others)
    said = scores[:, 1]
    shown, hidden = said[wanted[:, 1] == 1], said[wanted[:, 1] == 0]
    assert (shown[:, None] > hidden).float().mean() > 0.9
    pairs = (2 * wanted[:, :, None] + wanted[:, None]).long()
    assert (edges.argmax(-1) == pairs).float().mean() > 0.6, "of four, a quarter would be chance"
