"""Picture and sound joined in every block: the authors' figures, nothing at closed gates, and what late fusion cannot.

Figures: katerynaCh/MMA-DFER at 4b8891a, run in float32 with the encoders' blocks replaced by the identity and all
weights filled from their names; prompts, temporal layer and classifier, which are not ours, are put together here.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fills import official, uniform
from torch import Tensor

from mien.core.errors import ConfigError
from mien.models.bottleneck import Bottleneck, HearingS2D, SoundTrunk
from mien.models.s2d import S2D, S2DConfig
from mien.models.sound import SoundConfig

FIGURES = official("mma")
SIDES = ("image_encoder", "audio_model")


def weight(name: str, shape: tuple[int, ...] | None = None) -> Tensor:
    shape = shape or tuple(FIGURES["state_dict"][name])
    centred = uniform("mma." + name, shape) - 0.5
    if "gate" in name:
        values = 2 * centred
    elif any(word in name for word in ("pos_embed", "cls_token", "prompts")):
        values = 0.5 * centred
    elif name.endswith("bias"):
        values = 0.1 * centred
    elif len(shape) == 1:
        values = 1 + 0.2 * centred
    else:
        values = centred * np.sqrt(12 / np.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32))


def fusion(i: int) -> Bottleneck:
    """Ours with the weights of theirs after block i."""
    parts = {
        "picture_in": f"image_encoder.temporal_pre.{i}",
        "picture_norm": f"image_encoder.temporal_pre_norm.{i}",
        "sound_in": f"image_encoder.audio_proj_pre.{i}.0",
        "sound_norm": f"image_encoder.audio_proj_pre.{i}.1",
        "picture_out": f"image_encoder.temporal_att_post.{i}.0",
        "sound_out": f"audio_model.temporal_att_post.{i}.0",
    }
    made = Bottleneck(768, 768)
    shapes = {name: tuple(part.shape) for name, part in made.state_dict().items()}
    state = {f"{ours}.{kind}": weight(f"{theirs}.{kind}", shapes[f"{ours}.{kind}"]) for ours, theirs in parts.items() for kind in ("weight", "bias")}
    gates = {f"{ours}_gate": weight(f"{theirs}.all_gate.{i}", (1,)) for ours, theirs in zip(("picture", "sound"), SIDES, strict=True)}
    made.load_state_dict(state | gates)
    return made


def linear(x: Tensor, name: str, bias: bool = True) -> Tensor:
    return F.linear(x, weight(f"{name}.weight"), weight(f"{name}.bias") if bias else None)


def norm(x: Tensor, name: str, eps: float) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], weight(f"{name}.weight"), weight(f"{name}.bias"), eps)


def tokens(given: Tensor, side: str) -> Tensor:
    """Class token, patches, six prompts, with positions on all."""
    patches = F.conv2d(given, weight(f"{side}.patch_embed.proj.weight"), weight(f"{side}.patch_embed.proj.bias"), 16)
    prompts = weight(f"{side}.learnable_prompts_init").expand(len(given), -1, -1)
    first = weight(f"{side}.cls_token").expand(len(given), -1, -1)
    return torch.cat([first, patches.flatten(2).transpose(1, 2), prompts], 1) + weight(f"{side}.pos_embed")


def temporal(x: Tensor) -> Tensor:
    """Class token and positions, one pre-norm layer, the class token."""
    layer = "temporal_net.temporal_transformer.layers.0"
    x = torch.cat([weight("temporal_net.cls_token").expand(len(x), -1, -1), x], 1) + weight("temporal_net.pos_embedding")
    given = norm(x, f"{layer}.0.fn.norm", 1e-5)
    q = linear(given, f"{layer}.0.fn.fn.to_q", bias=False)
    k, v = linear(given, f"{layer}.0.fn.fn.to_kv", bias=False).chunk(2, -1)
    split = [part.unflatten(2, (8, 64)).transpose(1, 2) for part in (q, k, v)]
    x = x + linear(F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2), f"{layer}.0.fn.fn.to_out.0")
    hidden = F.gelu(linear(norm(x, f"{layer}.1.fn.norm", 1e-5), f"{layer}.1.fn.fn.net.0"), approximate="tanh")
    return (x + linear(hidden, f"{layer}.1.fn.fn.net.3"))[:, 0]


def alike(found: Tensor, name: str) -> None:
    wanted = FIGURES["stages"][name]
    assert list(found.shape) == wanted["shape"]
    np.testing.assert_allclose(found.flatten()[:4], wanted["first"], atol=1e-4, err_msg=name)
    assert found.double().mean().item() == pytest.approx(wanted["mean"], abs=1e-5)
    assert found.double().std().item() == pytest.approx(wanted["std"], abs=1e-5)


@torch.no_grad()
def test_the_fusion_has_the_authors_numbers() -> None:
    image = torch.from_numpy(uniform("mma.image", (2, 16, 3, 64, 64)).astype(np.float32)).flatten(0, 1)
    audio = torch.from_numpy((2 * uniform("mma.audio", (2, 1, 512, 128)) - 1).astype(np.float32))
    seen, heard = (tokens(given, side) for given, side in zip((image, audio), SIDES, strict=True))
    for i in range(12):
        seen, heard = fusion(i)(seen, heard)
        if i in (0, 6):
            places = slice(-6, -3) if i == 0 else slice(-3, None)
            for given, side in ((seen, SIDES[0]), (heard, SIDES[1])):
                given[:, places] += weight(f"{side}.learnable_prompts_progr.{int(i == 6)}")
        if i < 11:
            alike(seen, f"image{i}")
            alike(heard, f"audio{i}")
    classes = [norm(given[:, 0], f"{side}.norm", 1e-6) for given, side in ((seen, SIDES[0]), (heard, SIDES[1]))]
    for found, name in zip(classes, ("image11", "audio11"), strict=True):
        alike(found, name)
    both = linear(classes[0].view(2, 16, -1) + classes[1][:, None], "vision_proj")
    last = temporal(both)
    alike(last, "temporal")
    np.testing.assert_allclose(linear(last, "our_classifier"), FIGURES["logits"], atol=1e-4)
