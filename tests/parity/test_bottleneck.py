"""Picture and sound joined in every block: the authors' figures, nothing at closed gates, and what late fusion cannot.

Figures: katerynaCh/MMA-DFER at 4b8891a, run in float32 with the encoders' blocks replaced by the identity and all
weights filled from their names; prompts, temporal layer and classifier, which are not ours, are put together here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fills import official, uniform
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.data.drawn_face import Expression, Pose, draw_frames, draw_person
from mien.models.bottleneck import Bottleneck, HearingS2D, SoundTrunk
from mien.models.late_fusion import fit_product
from mien.models.s2d import S2D, S2DConfig
from mien.models.sound import SoundConfig, log_mel
from shape_checks import unchecked

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
    names = {f"{ours}.{kind}": f"{theirs}.{kind}" for ours, theirs in parts.items() for kind in ("weight", "bias")}
    names |= {f"{ours}_gate": f"{side}.all_gate.{i}" for ours, side in zip(("picture", "sound"), SIDES, strict=True)}
    made.load_state_dict({ours: weight(names[ours], tuple(part.shape)) for ours, part in made.state_dict().items()})
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
    x = torch.cat([weight("temporal_net.cls_token").expand(len(x), -1, -1), x], 1) + weight(
        "temporal_net.pos_embedding"
    )
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


T, SIDE = 4, 16
HEARD = SoundConfig(2, 0.4, 32)


def halves() -> HearingS2D:
    torch.manual_seed(0)
    config = S2DConfig(SIDE, 4, 32, 2, 4, classes=2, frames=T, dropout=0.0, adapter_ratio=0.5)
    return HearingS2D(S2D(config, zero_init=False), SoundTrunk(HEARD, 32, 2, 4), narrow=32)


def maps(frames: Tensor) -> Tensor:
    return torch.zeros(len(frames) * T, 128, 4, 4)


def test_closed_gates_leave_the_picture_s_answer_to_the_bit() -> None:
    net = halves().eval()
    rng = torch.Generator().manual_seed(1)
    frames = torch.randn(3, T, 3, SIDE, SIDE, generator=rng)
    mel = torch.randn(3, HEARD.frames, HEARD.bins, generator=rng)
    alone, joined, deaf = net.eyes(frames, maps(frames)), net(frames, maps(frames), mel), net(frames, maps(frames))
    for one in (joined, deaf):
        assert torch.equal(one.logits, alone.logits)
        assert torch.equal(one.feature, alone.feature)
    loss = joined.logits.square().sum()
    loss.backward()
    assert all(one.picture_gate.grad.abs() > 0 for one in net.bottlenecks), "they can open"
    with torch.no_grad():
        for one in net.bottlenecks:
            one.picture_gate.fill_(0.5)
    opened = net(frames, maps(frames), mel).logits
    assert (opened - alone.logits).abs().max() > 1e-3
    louder = net(frames, maps(frames), mel.roll(1, 0)).logits
    assert (opened - louder).abs().max() > 1e-5, "another sound, another answer"
    singly = [net(frames[[i]], maps(frames[[i]]), mel[[i]]).logits for i in range(3)]
    torch.testing.assert_close(torch.cat(singly), opened, atol=1e-5, rtol=0)


def test_halves_that_do_not_fit_are_refused() -> None:
    net = halves()
    with pytest.raises(ConfigError, match="as many blocks"):
        HearingS2D(net.eyes, SoundTrunk(HEARD, 32, 3, 4))
    with pytest.raises(ConfigError, match="spectrograms of shape"):
        net.ears(torch.zeros(1, HEARD.frames + 1, HEARD.bins))


class Clips(NamedTuple):
    """Mouths and tones: ``moves`` XOR ``sounds`` is what is to be told."""

    frames: Tensor
    mels: Tensor
    moves: Tensor
    sounds: Tensor

    @property
    def labels(self) -> Tensor:
        return self.moves ^ self.sounds


def drawn(count: int, seed: int) -> Clips:
    """The mouth opens and shuts, or stays open or shut: one frame tells nothing. A tone in noise, or noise alone."""
    rng = np.random.default_rng(seed)
    moves, sounds = rng.integers(0, 2, (2, count))
    frames, mels, zero = [], [], np.zeros(T)
    for moving, sounding in zip(moves, sounds, strict=True):
        mouth = 0.9 * ((np.arange(T) * moving + rng.integers(0, 2)) % 2)
        x, y = 0.5 + rng.uniform(-0.02, 0.02, (2, 1)) + np.zeros((2, T))
        shown, pose = Expression(zero, mouth, zero, zero, zero), Pose(x, y, zero, 0.36 + zero)
        frames.append(draw_frames(draw_person(rng), shown, pose, 40)[..., 20:36, 12:28])
        wave = rng.normal(0, 0.05, HEARD.samples)
        if sounding:
            turns = rng.uniform(400, 2000) * np.arange(HEARD.samples) / 16_000 + rng.random()
            wave += 0.1 * np.sin(2 * np.pi * turns)
        mels.append(log_mel(wave, HEARD.bins))
    pixels = torch.from_numpy(np.stack(frames)).float() / 127.5 - 1
    return Clips(pixels, torch.from_numpy(np.stack(mels)), torch.from_numpy(moves), torch.from_numpy(sounds))


Ask = Callable[[Clips], Tensor]


def learn(ask: Ask, module: nn.Module, clips: Clips, labels: Tensor, epochs: int, rate: float = 2e-3) -> None:
    """What of ``module`` may learn, learns to answer ``labels``."""
    learning = [p for p in module.parameters() if p.requires_grad]
    optimizer, order = torch.optim.AdamW(learning, rate, weight_decay=0.01), torch.Generator().manual_seed(0)
    steps = len(labels) // 32
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * steps)
    for _ in range(epochs):
        for some in torch.randperm(len(labels), generator=order)[: 32 * steps].split(32):
            with unchecked():  # shapes were, in the other tests: checks are half of these small steps
                loss = F.cross_entropy(ask(Clips(*(part[some] for part in clips))), labels[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def said(ask: Ask, clips: Clips) -> np.ndarray:
    with torch.no_grad():
        return ask(clips).softmax(1).double().numpy()


def right(probabilities: np.ndarray, labels: Tensor) -> float:
    return float((probabilities.argmax(1) == labels.numpy()).mean())


def test_a_mouth_that_moves_without_a_voice_is_told_by_the_bottleneck_alone() -> None:
    """Each half knows its own; as published they are frozen then, and the fusion learns. Label: moves XOR sounds."""
    clips, fresh = drawn(600, 0), drawn(200, 1)
    net, voice = halves(), nn.Linear(32, 2)

    def see(some: Clips) -> Tensor:
        return net.eyes(some.frames, maps(some.frames)).logits

    def hear(some: Clips) -> Tensor:
        return voice(net.ears(some.mels))

    learn(see, net.eyes, clips, clips.moves, 11)
    learn(hear, nn.ModuleList([net.ears, voice]), clips, clips.sounds, 8)
    assert right(said(see, fresh), fresh.moves) > 0.95
    assert right(said(hear, fresh), fresh.sounds) > 0.95
    net.learn_fusion()
    net.ears.requires_grad_(False)
    learn(see, net.eyes.head, clips, clips.labels, 2)
    learn(hear, voice, clips, clips.labels, 2)
    streams = [(said(see, some), said(hear, some)) for some in (clips, fresh)]
    late = fit_product(*streams[0], clips.labels.numpy())
    for alone in (*streams[1], late(*streams[1])):
        assert right(alone, fresh.labels) == pytest.approx(0.5, abs=0.1), "neither stream, nor both weighed"
    learn(lambda some: net(some.frames, maps(some.frames), some.mels).logits, net, clips, clips.labels, 8, 5e-3)
    both = said(lambda some: net(some.frames, maps(some.frames), some.mels).logits, fresh)
    assert right(both, fresh.labels) >= 0.95
