"""Landmarks that ask a ViT's tokens, and the gate before the head: nothing changes at the start, all of it learns."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.core.errors import ConfigError
from mien.core.labels import LABEL_SPACES, LabelSpace
from mien.engines.export import export
from mien.models.landmarks import MobileFaceNet
from mien.models.record import ModelRecord, Preprocessing, parse_record, read_record
from mien.models.s2d import S2D, S2DConfig
from mien.models.squeeze import Squeeze
from mien.models.weights import Recognizer, save_weights
from mien.models.window import CrossAttention, joined, offsets, resize_table, windows
from mien.models.zoo import CONFIGS, load_model
from mien.training.recipe import ClipRecipe
from mien.training.start import start_recognizer
from shape_checks import unchecked

WINDOW = S2DConfig(input_size=56, patch=14, dim=32, depth=5, heads=4, classes=3, fusion="window")
NONE = replace(WINDOW, fusion="none")
LABELS = LabelSpace("three", ("neutral", "happiness", "anger"))


def seeded(config: S2DConfig) -> S2D:
    torch.manual_seed(0)
    return S2D(config).eval()


def clip(size: int = 56) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 3, size, size, generator=rng), torch.randn(6, 128, 14, 14, generator=rng)


def awake(config: S2DConfig) -> S2D:
    """One in which landmarks do come in."""
    net, rng = seeded(config), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in net.added():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=rng))
    return net


@torch.no_grad()
@pytest.mark.parametrize("size", [56, 98])
def test_at_the_start_it_is_the_plain_vit_bit_for_bit(size: int) -> None:
    fused, plain = seeded(WINDOW), seeded(NONE)
    assert plain.load_state_dict({k: v for k, v in fused.state_dict().items() if not k.startswith("fusions.")})
    frames, maps = clip(size)
    assert torch.equal(fused(frames, maps).logits, plain(frames).logits)
    assert not torch.equal(awake(WINDOW)(frames, maps).logits, plain(frames).logits)


def test_off_builds_the_same_network_from_the_same_numbers() -> None:
    """What is off draws no random number and holds no tensor."""
    one, other = seeded(CONFIGS["s2d-micro"]), seeded(replace(CONFIGS["s2d-micro"], fusion="mcp", squeeze=0))
    assert one.state_dict().keys() == other.state_dict().keys()
    assert not any("squeeze" in name or "fusions" in name for name in one.state_dict())
    plain = seeded(replace(CONFIGS["s2d-micro"], prompts=False)).state_dict()
    for name, tensor in seeded(replace(CONFIGS["s2d-micro"], fusion="none")).state_dict().items():
        assert torch.equal(plain[name], tensor)


def test_files_of_before_mean_what_they_meant() -> None:
    for prompts, fused in ((True, "mcp"), (False, "none")):
        config = dataclasses.asdict(replace(CONFIGS["s2d-micro"], prompts=prompts))
        for name in ("fusion", "fusion_at", "squeeze"):
            del config[name]
        assert replace(CONFIGS["s2d-micro"], prompts=prompts).recorded() == config, "such files are written still"
        pixels = Preprocessing(48, 48)
        text = ModelRecord("old", LABEL_SPACES["dfew"], pixels, config).to_json()
        assert "fusion" not in json.loads(text)["config"]
        config = S2DConfig(**parse_record(text, "here", "").config)
        assert (config.fused, config.fused_at, config.squeeze) == (fused, (), 0)


def test_it_stands_before_the_first_block_of_each_third() -> None:
    assert S2DConfig(fusion="window").fused_at == (0, 4, 8)
    assert replace(WINDOW, depth=2).fused_at == (0, 1)
    assert replace(WINDOW, depth=1).fused_at == (0,)
    chosen = replace(WINDOW, fusion_at=(4, 1))
    assert chosen.fused_at == (1, 4)
    assert len(seeded(chosen).fusions) == 2
    assert replace(WINDOW, prompts=False).fused == "none"


@pytest.mark.parametrize(
    "wrong",
    [
        *({"fusion_at": at} for at in ((5,), (1, 1), ())),
        *({"frames": 4}, {"squeeze": -1}, {"fusion": "mcp", "fusion_at": (1,)}),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        replace(WINDOW, **wrong)


def test_all_of_it_learns_and_the_landmarks_are_heard() -> None:
    net, (frames, maps) = awake(replace(WINDOW, squeeze=4)), clip()
    net(frames, maps).logits.square().sum().backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert {id(p) for p in net.fusions.parameters()} == {id(p) for p in net.added()}
    fresh = seeded(WINDOW)
    fresh(frames, maps).logits.square().sum().backward()
    gates = [p.grad for name, p in fresh.named_parameters() if name.endswith(("gamma1", "gamma2"))]
    assert len(gates) == 6
    assert all(grad is not None and grad.abs().max() > 0 for grad in gates), "a start at 0 that nothing leaves"
    with torch.no_grad():
        assert (net(frames, maps).logits - net(frames, maps.flip(-1)).logits).abs().max() > 1e-3


@torch.no_grad()
def test_attention_is_the_sum_that_the_paper_writes() -> None:
    """Place by place, without a product of matrices; two windows a side."""
    torch.manual_seed(3)
    attention, side, window, heads, width = CrossAttention(8, 2, 2), 4, 2, 2, 4
    x, asks = torch.randn(1, side * side, 8), torch.randn(1, window * window, 8)
    found = attention(x, asks)
    k, v = attention.kv(x)[0].chunk(2, dim=-1)
    for y in range(side):
        for col in range(side):
            told = torch.zeros(8)
            top, left = y // window * window, col // window * window
            cells = [(a, b) for a in range(window) for b in range(window)]
            for head in range(heads):
                part = slice(head * width, (head + 1) * width)
                q = asks[0, (y - top) * window + col - left, part]
                keys = [(top + a) * side + left + b for a, b in cells]
                rows = [(y - top - a + 1) * 3 + col - left - b + 1 for a, b in cells]
                scores = torch.stack(
                    [q @ k[n, part] / 2 + attention.table[r, head] for n, r in zip(keys, rows, strict=True)]
                )
                told[part] = sum(p * v[n, part] for p, n in zip(scores.softmax(0), keys, strict=True))
            torch.testing.assert_close(found[0, y * side + col], attention.proj(told), atol=1e-5, rtol=1e-5)


def test_windows_come_back_in_their_places_and_the_table_fits_other_grids() -> None:
    x = torch.arange(2 * 36 * 3.0).view(2, 36, 3)
    cut = windows(x, 6, 3)
    assert torch.equal(cut[1, 0], x[0, 3])
    assert torch.equal(joined(cut, 6, 3), x)
    line = torch.linspace(-1, 1, 7)
    table = (2 * line[:, None] + line).reshape(-1, 1)  # a plane stays one
    larger = resize_table(table, 6).view(11, 11)
    torch.testing.assert_close(larger, 2 * torch.linspace(-1, 1, 11)[:, None] + torch.linspace(-1, 1, 11))
    assert resize_table(table, 4) is table
    assert offsets(table, 6).shape == (1, 36, 36)


@torch.no_grad()
def test_the_gate_is_open_at_the_start_and_acts_on_every_frame_by_itself() -> None:
    gate, x = Squeeze(8, 4), torch.randn(5, 8)
    assert gate.fc1.out_features == 2
    torch.testing.assert_close(gate(x), x * torch.sigmoid(torch.tensor(4.0)), atol=0.05, rtol=0.05)
    net, (frames, _) = seeded(replace(NONE, squeeze=4)), clip()
    torch.nn.init.normal_(net.squeeze.fc2.weight)
    torch.nn.init.normal_(net.squeeze.fc1.weight)
    answer = net(frames)
    singles = [net(frames[:, [place]]).logits for place in range(3)]
    torch.testing.assert_close(answer.logits, torch.stack(singles).mean(0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(answer.logits, net.head(answer.feature))
    assert (answer.logits - seeded(NONE)(frames).logits).abs().max() > 1e-3


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Weights with both."""
    pixels = Preprocessing(32, 56)
    recognizer = Recognizer(awake(replace(WINDOW, squeeze=4)), MobileFaceNet(), pixels).eval()
    save_weights(recognizer, ModelRecord("both", LABELS, pixels, {}, frames=2), tmp_path / "both.safetensors")
    return tmp_path / "both.safetensors"


def test_a_file_keeps_both_and_is_exported_with_the_same_answers(file: Path, tmp_path: Path) -> None:
    record = read_record(file)
    assert (record.config["fusion"], record.config["squeeze"], record.averages) == ("window", 4, True)
    model = load_model(file)
    crops = np.random.default_rng(0).integers(0, 255, (2, 3, 3, 32, 32)).astype(np.uint8)
    np.testing.assert_allclose(model.logits(crops), load_model(file, folded=False).logits(crops), atol=1e-5)
    with unchecked():
        assert export(model, "onnx", tmp_path).parity.logits <= 1e-4


def test_training_goes_on_from_it_at_another_size_and_depth(file: Path) -> None:
    shape, changes = ClipRecipe(model="s2d-micro", fusion="window", squeeze=16).shape()
    assert changes["fusion"] == "window"
    fresh = start_recognizer(shape, changes, LABELS, None, "", Preprocessing(48, 48))
    assert (fresh.net.config.fused, fresh.net.config.squeeze) == ("window", 16)
    assert "fusion" not in ClipRecipe(model="s2d-micro").shape()[1]
    begun = start_recognizer(None, {"input_size": 98, "depth": 4}, LABELS, str(file), "", Preprocessing(32, 32))
    assert begun.net.fusions[0].attn.table.shape == ((2 * 7 - 1) ** 2, 4)
    with pytest.raises(ConfigError, match="shape"):  # two blocks have no three thirds
        start_recognizer(None, {"depth": 2}, LABELS, str(file), "", Preprocessing(32, 32))
