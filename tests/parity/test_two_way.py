"""The two-way decoder of tokens and picture: the authors' figures, its positions, and what looking back is good for.

Figures: Kartik-3004/facexformer at d4a268b, whose 18 tokens are put around our decoder here; those of age, gender and
race are left out.
"""

from __future__ import annotations

import math

import fills
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fills import official, uniform
from torch import Tensor

from mien.core.errors import ConfigError
from mien.core.signals import Signal
from mien.models.heads import build_heads
from mien.models.two_way import TwoWay, wave_positions
from shape_checks import unchecked

FIGURES = official("tasktokens")
TASKS = ("landmarks", "pose", "attribute", "visibility", "age", "gender", "race")
ATTENTION = {"among": "self_attn", "out": "cross_attn_token_to_image", "back": "cross_attn_image_to_token"}
MAPS = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "proj": "out_proj"}


def weight(name: str) -> Tensor:
    return torch.from_numpy(fills.weight("facex." + name, tuple(FIGURES["state_dict"][name])))


def theirs() -> TwoWay:
    names = {"last." + ours: "final_attn_token_to_image." + name for ours, name in MAPS.items()}
    names["norm"] = "norm_final_attn"
    for i in range(2):
        layer = f"layers.{i}."
        for ours, name in ATTENTION.items():
            names |= {f"{layer}{ours}.{one}": f"{layer}{name}.{other}" for one, other in MAPS.items()}
        names |= {f"{layer}norm{n}": f"{layer}norm{n}" for n in range(1, 5)}
        names |= {f"{layer}fc{n}": f"{layer}mlp.lin{n}" for n in (1, 2)}
    decoder = TwoWay(64, 8, 128)
    kinds = ("weight", "bias")
    decoder.load_state_dict({f"{o}.{k}": weight(f"transformer.{n}.{k}") for o, n in names.items() for k in kinds})
    return decoder.eval()


def read(x: Tensor, name: str) -> Tensor:
    for i in range(3):
        x = F.linear(x, weight(f"{name}.layers.{i}.weight"), weight(f"{name}.layers.{i}.bias"))
        x = x.relu() if i < 2 else x
    return x


@torch.no_grad()
def test_tokens_and_picture_have_the_authors_numbers() -> None:
    def drawn(name: str, n: int) -> Tensor:
        values = 2 * uniform("facex." + name, (n, 64, 7, 7)) - 1
        return torch.from_numpy(values.astype(np.float32)).flatten(2).transpose(1, 2)

    asked = torch.cat([*(weight(f"{task}_token.weight") for task in TASKS), weight("mask_tokens.weight")])
    tokens, places = theirs()(asked.expand(2, -1, -1), drawn("image", 2), drawn("positions", 1)[0])
    found = {"landmarks": 0, "pose": 1, "attributes": 2, "visibility": 3}
    said = {name: read(tokens[:, n], f"{TASKS[n]}_prediction_head") for name, n in found.items()}
    np.testing.assert_allclose(said["pose"], FIGURES["pose"], atol=1e-4)
    image = places.transpose(1, 2).unflatten(2, (7, 7))
    up = [weight(f"output_upscaling.{n}.{kind}") for n in (0, 1, 3) for kind in ("weight", "bias")]
    image = F.conv_transpose2d(image, up[0], up[1], stride=2).permute(0, 2, 3, 1)
    image = F.gelu(F.layer_norm(image, (16,), up[2], up[3], 1e-6)).permute(0, 3, 1, 2)
    image = F.gelu(F.conv_transpose2d(image, up[4], up[5], stride=2))
    said["segments"] = torch.einsum("bmd,bdhw->bmhw", read(tokens[:, 7:], "output_hypernetwork_mlps"), image)
    for name in ("landmarks", "attributes", "visibility", "segments"):
        wanted = FIGURES[name]
        assert list(said[name].shape) == wanted["shape"]
        np.testing.assert_allclose(said[name].flatten()[:4], wanted["first"], atol=1e-4, err_msg=name)
        assert said[name].double().mean().item() == pytest.approx(wanted["mean"], abs=1e-5)
        assert said[name].double().std().item() == pytest.approx(wanted["std"], abs=1e-5)


def test_positions_are_waves_over_the_square() -> None:
    waves = torch.tensor([[0.1, 0.3], [0.2, -0.5]])
    found = wave_positions(waves, 3)
    assert found.shape == (9, 4)
    x, y = 2 * 5 / 6 - 1, 2 * 1 / 6 - 1  # the upper right place
    turns = [2 * math.pi * (x * a + y * b) for a, b in ((0.1, 0.2), (0.3, -0.5))]
    torch.testing.assert_close(found[2], torch.tensor([*map(math.sin, turns), *map(math.cos, turns)]))


def head(kind: str, signal: Signal, dim: int) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_heads({signal.name: kind}, (signal,), dim)[signal.name]


@torch.no_grad()
def test_a_head_takes_the_mean_over_frames_and_knows_the_places() -> None:
    states = Signal("states", ("excited", "calm"), "flags")
    both = head("two-way", states, 8).eval()
    tokens = torch.randn(2, 3, 9, 8)
    singles = torch.stack([both(tokens[:, [frame]]) for frame in range(3)]).mean(0)
    torch.testing.assert_close(both(tokens), singles)
    assert both(tokens).shape == (2, 2)
    assert (both(tokens) - both(tokens[:, :, torch.arange(8, -1, -1)])).abs().max() > 1e-4
    with pytest.raises(ConfigError, match="even number"):
        head("two-way", states, 7)


def test_two_way_finds_what_lies_where_without_marks_in_the_tokens() -> None:
    """One of four places is lit, and no token says which place it is: flags ask for row and column. `queries` cannot
    tell, for to it places are a bag; positions of its own are what this head adds."""
    where = Signal("where", tuple(f"{kind}{n}" for kind in ("row", "column") for n in range(2)), "flags")
    rng = torch.Generator().manual_seed(0)
    light = 3 * torch.randn(16, generator=rng)

    def drawn() -> tuple[Tensor, Tensor]:
        place = torch.arange(120) % 4
        tokens = 0.3 * torch.randn(120, 4, 16, generator=rng) + torch.eye(4)[place][..., None] * light
        return tokens[:, None], torch.cat([torch.eye(2)[place // 2], torch.eye(2)[place % 2]], 1)

    (tokens, wanted), (others, truth), right = drawn(), drawn(), {}
    with unchecked():
        for kind in ("two-way", "queries"):
            asked = head(kind, where, 16)
            adam = torch.optim.Adam(asked.parameters(), 8e-3)
            for _ in range(90):
                adam.zero_grad()
                F.binary_cross_entropy_with_logits(asked(tokens), wanted).backward()
                adam.step()
            right[kind] = ((asked(others) > 0) == truth.bool()).float().mean().item()
    assert right["two-way"] >= 0.95
    assert right["queries"] <= 0.75
