from __future__ import annotations

import numpy as np
import pytest
import torch
from planted import GRID, MOUTH, SIDE, TILE, clip, model_of
from torch import nn

from mien.core.errors import ConfigError
from mien.explain.base import even, on_crop
from mien.explain.fovea import Fovea
from mien.explain.occlusion import Occlusion, hide
from mien.explain.rollout import Rollout, with_skip
from mien.models.s2d import S2D, S2DConfig
from mien.models.vit import Attention
from mien.models.zoo import LoadedModel

MOUTH_PIXELS = np.kron(MOUTH, np.ones((TILE, TILE))).astype(bool)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("method", [Rollout(), Occlusion()])
def test_evidence_lies_in_the_mouth_where_nothing_else_tells_the_classes(
    mouth_model: LoadedModel, method: Rollout | Occlusion, label: int
) -> None:
    images = clip([label] * 3, seed=label).images
    assert mouth_model.probabilities(images[None]).argmax() == label
    values = method.map(mouth_model, images, label)
    assert values.shape == (3, SIDE, SIDE)
    assert values.min() >= 0
    shares = values[:, MOUTH_PIXELS].sum(axis=1) / values.sum(axis=(1, 2))
    assert (shares > 0.5).all(), "an even spread gives 0.11"


def test_occlusion_asks_about_the_label_it_is_given(mouth_model: LoadedModel) -> None:
    images = clip([1, 1], seed=4).images
    assert Occlusion().map(mouth_model, images, 1).max() > 0.1
    assert Occlusion().map(mouth_model, images, 0).max() < 0.01, "hiding the mouth cannot cost the other class much"


def test_occlusion_answers_the_same_whatever_the_batch(
    mouth_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = clip([0, 1], seed=2).images
    whole = Occlusion().map(mouth_model, images, 0)
    monkeypatch.setattr("mien.explain.occlusion.FRAMES_A_CALL", 6)
    np.testing.assert_allclose(Occlusion().map(mouth_model, images, 0), whole, atol=1e-6)


def test_the_square_reaches_every_edge_and_hides_all_frames() -> None:
    corners = Occlusion(0.2, 0.1).corners(48)
    assert (corners[0], corners[-1] + 10) == (0, 48)
    assert max(np.diff(corners)) <= 5
    images = clip([0, 1]).images
    hidden = hide(images, 4, 8, 6)
    changed = (hidden != images).any(axis=1)
    assert not changed[:, :4].any()
    assert not changed[:, :, :8].any()
    assert len(np.unique(hidden[:, 0, 4:10, 8:14])) == 1


@pytest.mark.parametrize(("patch", "step"), [(0.2, 0.3), (1.0, 0.1), (0.2, 0.0)])
def test_occlusion_refuses_squares_that_leave_places_out(patch: float, step: float) -> None:
    with pytest.raises(ConfigError, match="step"):
        Occlusion(patch, step)


def test_rollout_is_the_product_of_the_blocks_with_their_skips() -> None:
    torch.manual_seed(1)
    config = S2DConfig(input_size=SIDE, patch=8, dim=32, depth=2, heads=4, classes=2, prompts=False, dropout=0.0)
    model = model_of(S2D(config))
    seen: list[torch.Tensor] = []
    blocks = model.network.s2d.backbone.blocks
    handles = [block.attn.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0])) for block in blocks]
    images = clip([0]).images
    places = Rollout().places(model, images, 0)
    for handle in handles:
        handle.remove()
    one, two = (
        0.5 * block.attn.weights(tokens).mean(1)[0].numpy() + 0.5 * np.eye(10)
        for block, tokens in zip(blocks, seen, strict=True)
    )
    expected = (two @ one)[0, 1:]
    np.testing.assert_allclose(places[0], (expected / expected.mean()).reshape(3, 3), rtol=1e-5)


def test_attention_weights_are_those_the_module_uses() -> None:
    torch.manual_seed(0)
    attention, tokens = Attention(32, 4), torch.randn(2, 5, 32)
    _, _, v = attention.qkv(tokens).view(2, 5, 3, 4, 8).permute(2, 0, 3, 1, 4).unbind(0)
    by_hand = attention.proj((attention.weights(tokens) @ v).transpose(1, 2).reshape(2, 5, 32))
    torch.testing.assert_close(by_hand, attention(tokens))
    torch.testing.assert_close(with_skip(torch.zeros(1, 3, 3)), 0.5 * torch.eye(3)[None])


@pytest.mark.parametrize("method", [Rollout(), Fovea()])
def test_the_network_is_left_without_hooks(whole_model: LoadedModel, method: Rollout | Fovea) -> None:
    images = clip([0, 1, 0, 1]).images
    before = whole_model.probabilities(images[None])
    values = method.map(whole_model, images, 0)
    assert values.mean() == pytest.approx(1, abs=0.1), "the unit is: times an even spread"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in whole_model.network.modules())
    np.testing.assert_array_equal(whole_model.probabilities(images[None]), before)


class Peak(nn.Module):
    """In place of a prompter's first map: one place stands out in every channel."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        v = torch.zeros(*tokens.shape[:2], 8)
        v[:, self.place] = 1.0
        return v


def test_fovea_shows_where_the_softmax_of_a_block_peaks() -> None:
    torch.manual_seed(0)
    config = S2DConfig(input_size=SIDE, patch=4, dim=32, depth=2, heads=2, classes=2)
    from mien.models.landmarks import MobileFaceNet

    model = model_of(S2D(config), MobileFaceNet())
    prompters = model.network.s2d.prompters
    prompters[0].visual, prompters[1].visual = Peak(7), Peak(20)
    images = clip([0]).images
    for block, place in ((0, 7), (1, 20)):
        grid = Fovea(block).places(model, images, 0)[0]
        assert grid.argmax() == place
        weight = np.exp(10) / (np.exp(10) + GRID**2 - 1)  # lambda starts at 10
        assert grid.max() == pytest.approx(GRID**2 * weight, rel=1e-4)
    both = Fovea().places(model, images, 0)[0].ravel()
    assert both[7] == pytest.approx(both[20])


def test_fovea_says_what_a_model_without_prompters_lacks(mouth_model: LoadedModel, whole_model: LoadedModel) -> None:
    images = clip([0] * 4).images
    with pytest.raises(ConfigError, match="prompters"):
        Fovea().map(mouth_model, images, 0)
    with pytest.raises(ConfigError, match="from 0 to 2"):
        Fovea(3).map(whole_model, images, 0)


def test_grids_keep_their_place_and_mean_on_the_crop() -> None:
    weights = np.zeros((1, 16))
    weights[0, 5] = 1.0
    grid = even(weights)
    assert (grid[0, 1, 1], grid.mean()) == (16, 1)
    on = on_crop(grid, 32)
    assert on[0, 8:16, 8:16].sum() > 0.5 * on.sum()
    assert on.mean() == pytest.approx(1, rel=0.01)
