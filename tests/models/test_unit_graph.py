"""The head of units gives the released code's scores, and one unit tells of another.

Figures: CVI-SZU/ME-GraphAU at dda53cb (MIT), run in float32 with weights and tokens filled from their names; of the N
maps of units, which are alike, ``state_dict`` lists the first one's tensors.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parent))
from official import filled, uniform

from mien.core.errors import ConfigError
from mien.core.signals import Signal
from mien.models.cnn import Cnn, CnnConfig
from mien.models.heads import build_heads
from mien.models.record import Preprocessing
from mien.models.unit_graph import UnitGraph
from mien.models.weights import Recognizer

CASES = {case["salt"]: case for case in json.loads((Path(__file__).parent / "official_graph.json").read_text())}


def official_units(case: dict) -> UnitGraph:
    """With the weights that the released code had for this case."""
    salt, shapes = case["salt"] + "anfl.", case["state_dict"]

    def one(name: str) -> torch.Tensor:
        return filled(name, shapes[name.replace(name.split(".")[1], "0", 1) if "linears" in name else name], salt)

    def every(part: str) -> torch.Tensor:
        return torch.cat([one(f"class_linears.{unit}.{part}") for unit in range(case["units"])])

    ours = {"own": "fc", "own_norm": "bn"}
    state = {f"{mine}.{name.split('.')[-1]}": every(f"{theirs}.{name.split('.')[-1]}")
             for mine, theirs in ours.items() for name in shapes
             if name.startswith(f"class_linears.0.{theirs}.") and "batches" not in name}  # fmt: skip
    for mine, theirs in {"hears": "gnn.V", "keeps": "gnn.U", "norm": "gnn.bnv"}.items():
        state |= {f"{mine}.{name.split('.')[-1]}": one(name) for name in shapes if name.startswith(f"{theirs}.")}
    state["own_norm.num_batches_tracked"] = torch.zeros((), dtype=torch.int64)
    state["directions"] = torch.from_numpy(uniform(salt + "sc", tuple(shapes["sc"])) - 0.3).float()
    net = UnitGraph(case["units"], case["dim"], case["neighbours"], case["metric"]).eval()
    net.load_state_dict(state)
    return net


@pytest.mark.parametrize("salt", CASES)
@torch.no_grad()
def test_scores_are_the_official_ones(salt: str) -> None:
    case = CASES[salt]
    net = official_units(case)
    assert sum(parameter.numel() for parameter in net.parameters()) == case["parameters"]
    tokens = torch.from_numpy(2 * uniform(salt + "x", (case["batch"], case["places"], case["dim"])) - 1).float()
    np.testing.assert_allclose(net(tokens), case["scores"], atol=1e-4)


def test_a_network_without_tokens_is_refused() -> None:
    class Blind(Cnn):
        gives_tokens = False

    config = CnnConfig.tiny(3)
    heads = build_heads({"units": "graph"}, (Signal("units", ("AU1", "AU4"), "flags"),), config.dim)
    with pytest.raises(ConfigError, match="tokens"):
        Recognizer(Blind(config), None, Preprocessing(32, 28), heads)


def test_a_unit_hears_of_its_neighbours_alone() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(2, 9, 16)
    for neighbours, heard in ((1, False), (3, True)):
        net = UnitGraph(3, 16, neighbours, "cosine").eval()
        before = net(tokens)[:, 0]
        with torch.no_grad():
            net.own.weight[16:32] += 0.5  # the second unit's map
        assert torch.equal(net(tokens)[:, 0], before) != heard


def test_a_unit_that_is_never_seen_is_found_by_the_one_it_comes_with() -> None:
    """Known in 64 of 2,048 items. Maps that hear nothing of one another learn it as well, if less surely: over 12
    seeds the area is .010 +- .009 larger with neighbours after 150 steps and .006 +- .018 after 300."""
    rng = torch.Generator().manual_seed(100)
    torch.manual_seed(100)
    patterns = 0.8 * torch.randn(4, 16, generator=rng)
    (tokens, there), (others, wanted) = (planted(items, patterns, rng) for items in (2048, 1000))
    known = torch.ones(2048, 4)
    known[64:, 1] = 0
    net = UnitGraph(4, 16)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-2, weight_decay=0.01)
    for _ in range(150):
        batch = torch.cat([torch.randperm(2048, generator=rng)[:128], torch.arange(64)])
        parts = F.binary_cross_entropy(net(tokens[batch]).clamp(1e-6, 1 - 1e-6), there[batch], reduction="none")
        loss = ((parts * known[batch]).sum(0) / known[batch].sum(0)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        said = net.eval()(others)[:, 1]
    shown, hidden = said[wanted[:, 1] == 1], said[wanted[:, 1] == 0]
    assert (shown[:, None] > hidden).float().mean() > 0.9


def planted(items: int, patterns: torch.Tensor, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens (items, 9, 16), where a unit that is there shows its pattern at some place, the second one nothing; and
    which are there (items, 4): the second with the first."""
    there = (torch.rand(items, 4, generator=rng) > 0.5).float()
    there[:, 1] = there[:, 0]
    tokens = 0.5 * torch.randn(items, 9, 16, generator=rng)
    for unit in (0, 2, 3):
        place = torch.randint(9, (items,), generator=rng)
        tokens[torch.arange(items), place] += there[:, [unit]] * patterns[unit]
    return tokens, there
