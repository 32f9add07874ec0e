"""The folded network gives the readable network's numbers, whatever its weights, shape and input."""

import copy
import pickle
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from mien.core.errors import ConfigError
from mien.engines.crops import sample_clips
from mien.models.fast import FoldedS2D, NarrowNorm, fold_s2d
from mien.models.packed import PackedLinear, pack, unpack
from mien.models.s2d import S2D, S2DConfig
from mien.models.zoo import load_model

TOLERANCE = 1e-5
IMAGE = S2DConfig(input_size=56, patch=14, dim=64, depth=3, heads=4, classes=5)
PLAIN = S2DConfig(input_size=56, patch=14, dim=64, depth=3, heads=4, classes=5, prompts=False)
VIDEO = S2DConfig(input_size=56, patch=14, dim=64, depth=3, heads=4, classes=5, frames=4)
WIDE = S2DConfig(input_size=32, patch=16, dim=192, depth=2, heads=3, frames=2)
WINDOW = S2DConfig(input_size=56, patch=14, dim=64, depth=4, heads=4, classes=5, fusion="window", squeeze=4)
SQUEEZED = S2DConfig(input_size=56, patch=14, dim=64, depth=2, heads=4, classes=5, frames=4, squeeze=16)
SHALLOW = S2DConfig(input_size=28, patch=14, dim=64, depth=1, heads=2, frames=3)


def randomised(config: S2DConfig) -> S2D:
    """Weights of which none is zero, one, or like another: a fold that forgets one shows."""
    net, rng = S2D(config), torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            noise = torch.randn(parameter.shape, generator=rng)
            if name.endswith("smooth"):
                parameter.copy_(10 + noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.2 * noise + (1 if name.endswith("weight") else 0))
            else:
                parameter.copy_(noise / parameter[0].numel() ** 0.5 if parameter.shape[0] > 1 else 0.3 * noise + 0.1)
    return net.eval()


def clips(b: int, t: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(b, t, 3, size, size, generator=rng), torch.randn(b * t, 128, 14, 14, generator=rng)


@pytest.fixture(params=["folded", "packed"])
def make(request: pytest.FixtureRequest) -> Iterator:
    return (lambda net: pack(fold_s2d(net))) if request.param == "packed" else fold_s2d


@torch.no_grad()
@pytest.mark.parametrize(
    ("config", "t", "size"),
    [
        *[(config, t, size) for config in (IMAGE, VIDEO, WINDOW) for t, size in ((4, 56), (1, 56), (7, 42), (5, 98))],
        *[(PLAIN, 2, 56), (PLAIN, 3, 70), (WIDE, 2, 32), (WIDE, 5, 48), (SHALLOW, 3, 28), (SHALLOW, 6, 14)],
        (SQUEEZED, 4, 56),
    ],
    ids=lambda value: (
        str(value) if isinstance(value, int) else f"{value.dim}-{value.frames}-{value.fused}-{value.squeeze}"
    ),
)
def test_folded_and_packed_networks_give_the_readable_ones_answers(make, config: S2DConfig, t: int, size: int) -> None:
    net = randomised(config)
    video, maps = clips(2, t, size)
    fast = make(net)
    for asked in ({}, {"tokens": True}):
        wanted = net(video, maps if config.prompts else None, **asked)
        found = fast(video, maps if config.prompts else None, **asked)
        assert wanted[0].abs().max() > 0.5
        for one, other in zip(found[:3], wanted[:3], strict=True):
            torch.testing.assert_close(one, other, atol=TOLERANCE, rtol=0)
    # No mean over frames has evened these out, and they are thousands.
    torch.testing.assert_close(found.tokens, wanted.tokens, atol=3 * TOLERANCE, rtol=0)


@torch.no_grad()
def test_every_weight_of_the_readable_network_reaches_the_answer(make) -> None:
    """The test above would not see a weight that neither network used."""
    net, (video, maps) = randomised(VIDEO), clips(1, 4, 56)
    before = make(net)(video, maps)[0]
    idle = []
    for name, parameter in net.named_parameters():
        kept = parameter.clone()
        parameter[(0,) * parameter.dim()] += 3
        idle += [name] if torch.equal(make(net)(video, maps)[0], before) else []
        parameter.copy_(kept)
    # The last prompt norm is used by nobody (s2d.py).
    assert idle == ["prompt_norms.2.weight", "prompt_norms.2.bias"]


@torch.no_grad()
def test_folding_leaves_the_readable_network_and_the_input_as_they_are() -> None:
    net, (video, maps) = randomised(VIDEO), clips(1, 4, 56)
    state, pixels, places = copy.deepcopy(net.state_dict()), video.clone(), maps.clone()
    folded = pack(fold_s2d(net))
    first = folded(video, maps)[0]
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert torch.equal(video, pixels)
    assert torch.equal(maps, places)
    for parameter in net.parameters():
        parameter.zero_()
    assert torch.equal(folded(video, maps)[0], first), "weights are shared"


@torch.no_grad()
@pytest.mark.parametrize(("k", "d", "n"), [(8, 64, 8), (128, 64, 8), (48, 192, 48)])
def test_narrow_norm_is_linear_norm_linear(k: int, d: int, n: int) -> None:
    torch.manual_seed(3)
    before, norm, after = nn.Linear(k, d), nn.LayerNorm(d, eps=1e-6), nn.Linear(d, n)
    nn.init.normal_(norm.weight, 1, 0.3)
    nn.init.normal_(norm.bias)
    narrow = NarrowNorm(before.weight.double(), before.bias.double(), norm, after)
    for scale in (1e-3, 1, 30):
        x = scale * torch.randn(50, k)
        torch.testing.assert_close(narrow(x), after(norm(before(x))), atol=TOLERANCE, rtol=1e-5)


@torch.no_grad()
def test_narrow_norm_of_a_constant_divides_by_epsilon_alone() -> None:
    before, norm, after = nn.Linear(8, 64), nn.LayerNorm(64, eps=1e-6), nn.Linear(64, 8)
    before.weight.fill_(0.5)
    before.bias.fill_(2.0)
    found = NarrowNorm(before.weight.double(), before.bias.double(), norm, after)(torch.randn(5, 8))
    torch.testing.assert_close(found, after.bias.expand(5, -1), atol=1e-4, rtol=0)


def test_input_off_the_patch_grid_is_refused() -> None:
    with pytest.raises(ConfigError, match="multiple of 14"):
        fold_s2d(randomised(IMAGE))(*clips(1, 1, 50))


@torch.no_grad()
def test_a_packed_network_survives_copy_pickle_and_unpacking() -> None:
    video, maps = clips(1, 4, 56)
    packed = pack(fold_s2d(randomised(VIDEO)))
    wanted = packed(video, maps)[0]
    assert any(isinstance(module, PackedLinear) for module in packed.modules())
    for again in (copy.deepcopy(packed), pickle.loads(pickle.dumps(packed))):
        assert torch.equal(again(video, maps)[0], wanted)
    plain = unpack(packed)
    assert not any(isinstance(module, PackedLinear) for module in plain.modules())
    torch.testing.assert_close(plain(video, maps)[0], wanted, atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_bfloat16_is_close_and_its_last_steps_are_float32() -> None:
    net, (video, maps) = randomised(VIDEO), clips(2, 4, 56)
    wanted = net(video, maps)
    for found in (fold_s2d(net, torch.bfloat16), pack(fold_s2d(net, torch.bfloat16))):
        close = found(video, maps)
        assert close.logits.dtype == torch.float32
        assert torch.cosine_similarity(close.feature, wanted.feature).min() > 0.999
        assert 0 < (close.logits - wanted.logits).abs().max() < 0.2


def test_shipped_weights_answer_alike_in_every_form() -> None:
    faces = sample_clips(2, 2, 48)
    readable, fast = load_model(folded=False), load_model()
    assert isinstance(readable.network.s2d, S2D)
    assert isinstance(fast.network.s2d, FoldedS2D)
    np.testing.assert_allclose(fast.logits(faces), readable.logits(faces), atol=TOLERANCE)
    rough = load_model(precision="bfloat16")
    assert (fast.precision, rough.precision) == ("float32", "bfloat16")
    np.testing.assert_allclose(rough.probabilities(faces), readable.probabilities(faces), atol=0.03)
    assert (rough.logits(faces).argmax(1) == readable.logits(faces).argmax(1)).all()
