"""Heads of the kinds plane, level and queries: their ranges, their closed forms, and what they refuse."""

import numpy as np
import pytest
import torch

from mien.core.errors import ConfigError
from mien.core.labels import LabelSpace
from mien.core.signals import Signal
from mien.models.cnn import Cnn, CnnConfig
from mien.models.heads import build_heads
from mien.models.queries import QueryLayer
from mien.models.record import ModelRecord, Preprocessing

AFFECT = Signal("affect", ("valence", "arousal"), "scale", -1.0, 1.0)
LEVEL = Signal("level", ("none", "slight", "broad", "laugh"), "classes")
STATES = Signal("states", ("excited", "calm"), "flags")


def head(kind: str, signal: Signal, dim: int = 6) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_heads({signal.name: kind}, (signal,), dim)[signal.name].eval()


@torch.no_grad()
def test_a_plane_stays_within_its_range_and_is_tanh_of_the_mean_feature() -> None:
    degrees = Signal("pose", ("yaw",), "scale", -30.0, 90.0)
    plane = head("plane", degrees)
    feature = 50 * torch.randn(40, 6)
    said = plane(feature)
    assert said.min() >= -30
    assert said.max() <= 90
    assert said.max() - said.min() > 100
    torch.testing.assert_close(said, 30 + 60 * plane.layer(feature).tanh())
    middle = head("plane", AFFECT)(torch.zeros(1, 6))
    torch.testing.assert_close(middle, head("plane", AFFECT).layer.bias.tanh()[None])


@torch.no_grad()
def test_levels_are_the_differences_of_an_ordered_logit() -> None:
    level = head("level", LEVEL)
    level.first.copy_(torch.tensor([-0.7]))
    level.steps.copy_(torch.tensor([0.3, -2.0]))
    feature = torch.randn(9, 6)
    gaps = torch.nn.functional.softplus(level.steps) + 1e-3
    cuts = torch.stack([level.first[0], level.first[0] + gaps[0], level.first[0] + gaps.sum()])
    above = torch.sigmoid(level.layer(feature) - cuts)
    edges = torch.cat([torch.ones(9, 1), above, torch.zeros(9, 1)], 1)
    torch.testing.assert_close(level(feature).exp(), edges[:, :-1] - edges[:, 1:])
    torch.testing.assert_close(level(feature).softmax(1), level(feature).exp())
    far = level(torch.full((1, 6), 1e4) * level.layer.weight.sign())
    assert far.isfinite().all()
    assert far.argmax(1).item() == 3
    assert head("level", Signal("two", ("no", "yes"), "classes"))(feature).shape == (9, 2)


@torch.no_grad()
def test_every_query_looks_over_the_places_for_itself() -> None:
    torch.manual_seed(0)
    layer = QueryLayer(8, 2).double().eval()
    asking, places = torch.randn(1, 3, 8).double(), torch.randn(1, 5, 8).double()
    shuffled = layer(asking, places[:, torch.tensor([4, 2, 0, 1, 3])])
    torch.testing.assert_close(layer(asking, places), shuffled)
    q = layer.q(layer.norm_q(asking))[0].view(3, 2, 4)
    k, v = layer.kv(layer.norm_x(places))[0].view(5, 2, 2, 4).unbind(1)
    found = torch.zeros(3, 2, 4).double()
    for query in range(3):
        for one in range(2):
            weights = (q[query, one] @ k[:, one].T / 2).softmax(0)
            found[query, one] = weights @ v[:, one]
    torch.testing.assert_close(layer(asking, places)[0], layer.among(asking + layer.proj(found.view(1, 3, 8)))[0])


@torch.no_grad()
def test_queries_take_the_mean_over_frames() -> None:
    queries = head("queries", STATES, 8)
    tokens = torch.randn(2, 3, 5, 8)
    singles = torch.stack([queries(tokens[:, [frame]]) for frame in range(3)]).mean(0)
    torch.testing.assert_close(queries(tokens), singles)
    assert queries(tokens).shape == (2, 2)


def test_queries_find_where_a_patch_lies_that_a_mean_over_places_cannot() -> None:
    """One of nine places is lit; flags say its row and column. The lit token is the same wherever it is, but for a
    faint mark of its place, as positions leave one in a transformer's tokens."""
    torch.manual_seed(0)
    where = Signal("where", tuple(f"{kind}{n}" for kind in ("row", "column") for n in range(3)), "flags")
    place = torch.arange(360) % 9
    marks, light = 0.5 * torch.randn(9, 16), 3 * torch.randn(16)
    tokens = (marks + torch.eye(9)[place][..., None] * light)[:, None]
    wanted = torch.cat([torch.eye(3)[place // 3], torch.eye(3)[place % 3]], 1)
    right = {}
    for kind in ("queries", "linear"):
        asked = build_heads({"where": kind}, (where,), 16)["where"]
        given = tokens if kind == "queries" else tokens[:, 0].mean(1)
        adam = torch.optim.Adam(asked.parameters(), 1e-2)
        for _ in range(150):
            adam.zero_grad()
            torch.nn.functional.binary_cross_entropy_with_logits(asked(given), wanted).backward()
            adam.step()
        right[kind] = ((asked(given) > 0) == wanted.bool()).float().mean().item()
    assert right["queries"] >= 0.95
    assert right["linear"] <= 0.75


@pytest.mark.parametrize(("kind", "signal"), [("plane", STATES), ("level", AFFECT), ("plane", LEVEL)])
def test_a_head_refuses_what_it_cannot_say(kind: str, signal: Signal) -> None:
    with pytest.raises(ConfigError, match=f"for a head {kind}"):
        head(kind, signal)
    pixels = Preprocessing(32, 32)
    with pytest.raises(ConfigError, match=f"head of {signal.name}"):
        ModelRecord("x", LabelSpace("two", ("a", "b")), pixels, {}, signals=(signal,), heads={signal.name: kind})


def test_levels_need_two_and_race_is_said_of_nobody() -> None:
    with pytest.raises(ConfigError, match="two levels or more"):
        head("level", Signal("one", ("only",), "classes"))
    for name, labels in (("race", ("a", "b")), ("person_race", ("a", "b")), ("attributes", ("hat", "Ethnicity 1"))):
        with pytest.raises(ConfigError, match="nothing of race"):
            Signal(name, labels, "classes")
    assert Signal("racer", ("grace", "trace"), "flags").name == "racer"


def test_a_network_without_such_heads_computes_nothing_more() -> None:
    """Tokens are asked for by heads that read them alone."""
    net = Cnn(CnnConfig(classes=2, widths=(4, 8))).eval()
    assert net(torch.zeros(1, 1, 3, 48, 48)).tokens is None
    assert np.isfinite(net(torch.zeros(1, 1, 3, 48, 48)).logits.detach().numpy()).all()
