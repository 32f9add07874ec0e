"""Learnt anchors: the authors' figures in the official mode, and what ours must not do."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fills import official, uniform

from mien.models.anchors import ReliabilityBalance, confidence

CASES = official("arbex")["cases"]


def drawn(name: str, shape: tuple[int, ...], low: float, high: float) -> torch.Tensor:
    return torch.from_numpy(low + (high - low) * uniform(name, shape)).float()


def weight(name: str, shape: tuple[int, ...], salt: str) -> torch.Tensor:
    if name == "anchors.anchors":
        return drawn(salt + "anchors", shape, -1, 1)
    reach = 0.05 if name.endswith("bias") else math.sqrt(3 / math.prod(shape[1:]))
    return drawn(salt + name, shape, -reach, reach)


@pytest.mark.parametrize("case", CASES, ids=[case["salt"] for case in CASES])
def test_the_official_mode_gives_the_authors_figures(case: dict) -> None:
    salt, b, c, k, d = (case[name] for name in ("salt", "batch", "classes", "anchors", "dim"))
    balance = ReliabilityBalance(c, k, d, "official")
    state = {name: weight(name, tuple(shape), salt) for name, shape in case["state_dict"].items()}
    names = {name: name.replace("anchors.anchors", "anchors").replace("self_attn", "attend") for name in state}
    renamed = {names[name]: value for name, value in state.items()}
    balance.load_state_dict({**renamed, "delta": torch.tensor([case["delta"]])})
    feature = drawn(salt + "embedding", (b, d), -1, 1).requires_grad_(True)
    logits = drawn(salt + "logits", (b, c), -3, 3).requires_grad_(True)
    labels = torch.from_numpy(np.floor(uniform(salt + "labels", (b,)) * c)).long()
    weights = drawn(salt + "class_weights", (c,), 0.5, 1.5)
    found = balance.correct(feature, logits / case["temperature"], case["trust"])
    ours = {
        "probabilities": found.probabilities,
        "confidence": found.confidence,
        "similarities": found.similarities,
        "confidence_geometric": confidence(found.similarities),
        "attention": found.attention,
        "confidence_attentive": confidence(found.attention),
        "correction": found.correction,
        "corrected": found.out,
        "distances_mean": found.distances.mean(),
        "distances_first": found.distances[0].flatten()[: len(case["distances_first"])],
    }
    for name, value in ours.items():
        np.testing.assert_allclose(value.detach(), case[name], atol=1e-5, err_msg=name)
    alone = balance.correct(feature[:1], logits[:1] / case["temperature"], case["trust"])
    np.testing.assert_allclose(alone.attention.detach(), case["attention_first_item_alone"], atol=1e-5)
    assert (alone.attention - found.attention[:1]).abs().max() > 0.01, "the release's answers depend on the batch"
    # Their losses, of which ours keeps the first and the last.
    flat = balance.anchors.flatten(1)
    losses = {
        "ce": F.nll_loss(found.out.log(), labels, weights),
        "anchor": -(flat[:, None] - flat).square().sum() / k**2 / math.sqrt(d),
        "center": (found.distances[torch.arange(b), labels].amin(1) * found.confidence).mean() / math.sqrt(d),
    }
    for name, value in losses.items():
        assert value.item() == pytest.approx(case[f"loss_{name}"], rel=1e-5, abs=1e-5), name
    total = losses["ce"] + case["trust"] * (losses["anchor"] + losses["center"])
    assert total.item() == pytest.approx(case["loss_total"], rel=1e-5)
    total.backward()
    for name, part in (("embedding", feature), ("logits", logits), ("anchors", balance.anchors)):
        assert part.grad is not None
        assert part.grad.norm().item() == pytest.approx(case["grad_norm"][name], rel=1e-4, abs=1e-5), name


def ours(seed: int = 0) -> ReliabilityBalance:
    torch.manual_seed(seed)
    balance = ReliabilityBalance(4, 3, 6)
    torch.nn.init.normal_(balance.anchors)
    return balance


@torch.no_grad()
def test_an_answer_of_ours_does_not_depend_on_its_neighbours() -> None:
    balance, feature, logits = ours(), torch.randn(9, 6), torch.randn(9, 4)
    whole = balance(feature, logits)
    for place in range(9):
        torch.testing.assert_close(balance(feature[[place]], logits[[place]])[0], whole[place])
    torch.testing.assert_close(whole.exp().sum(1), torch.ones(9))


@torch.no_grad()
def test_ours_is_its_equations_in_a_loop() -> None:
    balance, feature, logits = ours(), torch.randn(5, 6).double(), torch.randn(5, 4).double()
    balance.double().delta.fill_(0.7)
    found = balance.correct(feature, logits, 0.3)
    for e, z, row in zip(feature, logits, range(5), strict=True):
        p = z.softmax(0)
        near, heard = torch.zeros(4, 3).double(), torch.zeros(4, 3).double()
        for i in range(4):
            for j in range(3):
                anchor = balance.anchors[i, j]
                near[i, j] = torch.exp(-(e - anchor).norm() / 0.7)
                heard[i, j] = torch.exp(balance.attend.query(e) @ balance.attend.key(anchor) / math.sqrt(6))
        s, a = near.sum(1) / near.sum(), heard.sum(1) / heard.sum()
        sure, by_s, by_a = (1 + (one * one.log()).sum() / math.log(4) for one in (p, s, a))
        both = (by_s * s + by_a * a) / (by_s + by_a)
        corrected = sure * p + (1 - sure) * both
        torch.testing.assert_close(found.out[row], 0.7 * p + 0.3 * corrected, rtol=1e-5, atol=1e-7)


@torch.no_grad()
def test_unsure_answers_go_to_the_nearest_anchors_and_sure_ones_stay() -> None:
    balance = ours()
    balance.anchors.zero_()
    for place in range(4):
        balance.anchors[place, :, place] = 8.0
    feature = 8 * torch.eye(4, 6)
    flat = balance(feature, torch.zeros(4, 4)).exp()
    assert (flat.argmax(1) == torch.arange(4)).all()
    assert flat.diagonal().min() > 0.5
    sure = 30 * torch.eye(4).roll(1, 1)
    torch.testing.assert_close(balance(feature, sure).exp(), sure.softmax(1), atol=1e-5, rtol=0)
    balance.anchors.zero_()
    blind = balance(feature, torch.randn(4, 4))
    assert blind.isfinite().all(), "anchors that nobody placed know nothing, and say so"
