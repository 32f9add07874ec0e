"""POSTER++ gives its authors' numbers, through the converter a downloaded checkpoint takes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fills import official, uniform
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from official import filled

from mien.core.errors import ConfigError, WeightsError
from mien.data.datasets import find_dataset
from mien.data.synthetic import write_synthetic
from mien.models.convert import convert_checkpoint, convert_poster_key, convert_state
from mien.models.landmarks import MobileFaceNet
from mien.models.nets import build
from mien.models.poster import Poster, PosterConfig, nearest
from mien.models.weights import load_weights
from mien.models.window import WindowFusion
from mien.training.recipe import ClipRecipe
from mien.training.recipes.nets import POSTER
from mien.training.start import load_landmarks

FIGURES = official("poster")
TOLERANCE = 1e-4
WIDTHS, UNITS = (64, 64, 128, 256), (3, 4, 14)


def shapes() -> dict[str, list[int]]:
    """Every tensor of a released file: those that the figures list, the landmark net's, the residual units'."""
    found = dict(FIGURES["state_dict"])
    with torch.device("meta"):
        net = MobileFaceNet().state_dict()
    found |= {f"face_landback.{name}": list(tensor.shape) for name, tensor in net.items()}
    for stage, count in enumerate(UNITS):
        for unit in range(count):
            before, after = WIDTHS[stage + (unit > 0)], WIDTHS[stage + 1]
            here = f"ir_back.body{stage + 1}.{unit}"
            found |= {f"{here}.res_layer.1.weight": [after, before, 3, 3], f"{here}.res_layer.2.weight": [after]}
            found |= {f"{here}.res_layer.3.weight": [after, after, 3, 3]}
            norms = {"res_layer.0": before, "res_layer.4": after}
            if before != after:
                found[f"{here}.shortcut_layer.0.weight"] = [after, before, 1, 1]
                norms["shortcut_layer.1"] = after
            for name, width in norms.items():
                parts = ("weight", "bias", "running_mean", "running_var")
                found |= {f"{here}.{name}.{part}": [width] for part in parts}
    return found


def tensor_of(name: str, shape: list[int], salt: str) -> Tensor:
    """As the figures were made; what nothing reads, and counts, are zeros."""
    if name in FIGURES["not_read"] or name.endswith(("num_batches_tracked", "relative_position_index")):
        return torch.zeros(shape)
    if name.endswith(("gamma1", "gamma2")):
        return torch.from_numpy(0.5 + uniform(salt + name, tuple(shape))).float()
    return filled(name, shape, salt)


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, Tensor]:
    return {name: tensor_of(name, shape, "poster.") for name, shape in shapes().items()}


@pytest.fixture(scope="module")
def net(checkpoint: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Poster:
    """From a file as it is downloaded, to one of mien's and back."""
    folder = tmp_path_factory.mktemp("poster")
    torch.save({"state_dict": {f"module.{name}": value for name, value in checkpoint.items()}}, folder / "rafdb.pth")
    with pytest.raises(ConfigError, match="label space"):
        convert_checkpoint(folder / "rafdb.pth", folder)
    made = convert_checkpoint(folder / "rafdb.pth", folder, labels="rafdb")
    recognizer, record = load_weights(made.path)
    assert (record.network, record.labels.labels[0], record.is_image_model) == ("poster", "surprise", True)
    assert recognizer.landmarks is None
    assert isinstance(recognizer.net, Poster)
    assert recognizer.net.config == PosterConfig()
    return recognizer.net


def test_what_nothing_reads_is_dropped_by_name_and_a_stranger_refused(checkpoint: dict[str, Tensor]) -> None:
    counts = {name: value.numel() for name, value in checkpoint.items()}
    learnt = [n for n in counts if not n.endswith(("running_mean", "running_var", "_index", "num_batches_tracked"))]
    assert sum(counts[name] for name in learnt) == FIGURES["parameters"]
    _, key_map = convert_state(checkpoint)
    unread = {name for name, ours in key_map if not ours and not name.endswith(("_index", "num_batches_tracked"))}
    assert unread == {name for name in FIGURES["not_read"] if not name.endswith("num_batches_tracked")}
    assert sum(counts[name] for name in learnt if name not in unread) == FIGURES["parameters_read"]
    with pytest.raises(WeightsError, match=r"VIT\.blocks\.0\.gate"):
        convert_poster_key("VIT.blocks.0.gate.weight")


def alike(found: Tensor, wanted: dict[str, Any], name: str = "") -> None:
    assert list(found.shape) == wanted["shape"], name
    told = [found.mean().item(), found.std().item(), *found.flatten()[:4].tolist()]
    np.testing.assert_allclose(
        told, [wanted["mean"], wanted["std"], *wanted["first"]], atol=TOLERANCE, rtol=1e-5, err_msg=name
    )


@torch.no_grad()
def test_the_whole_net_and_its_stages_are_the_authors(net: Poster) -> None:
    """But for attn and ffn, whose figures were taken from each level alone: the next test has these six."""
    places: dict[str, nn.Module] = {"VIT.blocks.0": net.blocks[0], "VIT.se_block": net.squeeze}
    places |= {f"face_landback.{name}": getattr(net.landmarks, name) for name in ("conv_3", "conv_4", "conv_6_sep")}
    for n, way in enumerate(("q", "k", "v")):
        places |= {f"ir.body{n + 1}": net.trunk.stages[n], f"conv{n + 1}": net.narrow[n], f"embed_{way}": net.widen[n]}
    seen: dict[str, Tensor] = {}
    for name, part in places.items():
        part.register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
    image = torch.from_numpy(4 * (uniform("poster.image", (2, 3, 224, 224)) - 0.5)).float()
    logits = net(image[:, None]).logits
    np.testing.assert_allclose(logits, FIGURES["logits"], atol=TOLERANCE)
    whole = net.blocks[1](seen["VIT.blocks.0"])  # in use the class token alone is computed
    seen |= {"VIT.blocks.1": whole, "VIT.norm": net.norm(whole), "embed_v": seen["embed_v"].flatten(2).transpose(1, 2)}
    levels = {f"{part}{level}" for part in ("attn", "ffn") for level in (1, 2, 3)}
    assert seen.keys() | levels == FIGURES["stages"].keys()
    assert len(FIGURES["stages"]) == 22
    for name, found in seen.items():
        alike(found, FIGURES["stages"][name], name)


@torch.no_grad()
@pytest.mark.parametrize("level", [1, 2, 3])
def test_each_level_of_fusion_alone(net: Poster, level: int) -> None:
    wanted = FIGURES["fusion_alone"][f"level{level}"]
    x = torch.from_numpy(2 * uniform(f"poster.fusion.x{level}", tuple(wanted["x"])) - 1).float()
    asks = torch.from_numpy(2 * uniform(f"poster.fusion.l{level}", tuple(wanted["landmark"])) - 1).float()
    fusion, heard = net.fusions[level - 1], []
    assert isinstance(fusion, WindowFusion)
    with fusion.attn.register_forward_hook(lambda _, __, output: heard.append(output)):
        found = fusion(x.flatten(2).transpose(1, 2), asks.flatten(1, 2)).view(wanted["out"]["shape"])
    alike(found, wanted["out"])
    alike(found, FIGURES["stages"][f"ffn{level}"])
    alike(heard[0], FIGURES["stages"][f"attn{level}"])


@torch.no_grad()
def test_four_windows_are_asked_alike() -> None:
    fusion, salt = WindowFusion(128, 4, 7), "poster.many."
    official_of = {"norm1": "window.norm", "attn.kv": "attn.qkv", "attn.proj": "attn.proj", "norm2": "ffn.norm"}
    official_of |= {"attn.table": "attn.relative_position_bias_table", "mlp": "ffn.mlp", "gamma": "ffn.gamma"}
    state = {}
    for name, tensor in fusion.state_dict().items():
        (begins,) = [one for one in official_of if name.startswith(one)]
        theirs = official_of[begins] + name.removeprefix(begins)
        state[name] = tensor_of(theirs, list(tensor.shape), salt)
    fusion.load_state_dict(state)
    x, asks = (
        torch.from_numpy(2 * uniform(salt + name, shape) - 1).float()
        for name, shape in (("x", (2, 128, 14, 14)), ("l", (2, 7, 7, 128)))
    )
    found = fusion(x.flatten(2).transpose(1, 2), asks.flatten(1, 2))
    alike(found.view(2, 14, 14, 128), FIGURES["four_windows"])


def test_the_landmark_net_inside_is_taken_over_and_never_learns() -> None:
    torch.manual_seed(0)
    net, eyes = build(PosterConfig.tiny(3)), MobileFaceNet()
    net.take_landmarks(eyes)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert torch.equal(before["landmarks.conv1.conv.weight"], eyes.conv1.conv.weight)
    net.learn_only("all")
    net.train()
    net(torch.randn(2, 2, 3, 112, 112)).logits.sum().backward()
    assert all(p.grad is None for p in net.landmarks.parameters())
    assert all(p.grad is not None for name, p in net.named_parameters() if not name.startswith("landmarks."))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter -= parameter.grad if parameter.grad is not None else 0
    same = [name for name, tensor in net.state_dict().items() if torch.equal(tensor, before[name])]
    assert {name.split(".")[0] for name in same} == {"landmarks"}


def test_the_recipe_learns_with_what_it_says(tmp_path: Path) -> None:
    """A few steps of a tiny one on drawn faces, sharpness-aware, begun with the shipped landmark net."""
    write_synthetic(tmp_path / "set", "static", 10, 5, 5, 1, 48)
    find_dataset("synthetic").read(tmp_path / "set").save(tmp_path / "set")
    config, changes = POSTER.recipe.shape()
    assert (config, changes["drop_path"]) == (PosterConfig(), PosterConfig().drop_path)
    fit = replace(POSTER.fit, epochs=1, batch=5, workers=0, precision="fp32")
    recipe = TinyRecipe(augmentation=POSTER.recipe.augmentation)
    made = replace(POSTER, data=tmp_path / "set", out=tmp_path / "poster", fit=fit, recipe=recipe).run()
    recognizer, record = load_weights(made)
    shipped = load_landmarks("s2d-small").state_dict()["conv1.conv.weight"]
    assert (record.network, fit.sharpness) == ("poster", 0.05)
    torch.testing.assert_close(recognizer.net.landmarks.conv1.conv.weight, shipped, atol=1e-3, rtol=1e-3)  # float16


class TinyRecipe(ClipRecipe):
    def shape(self) -> tuple[PosterConfig, dict[str, Any]]:
        return PosterConfig.tiny(5), {}


def test_it_sees_every_second_pixel_and_small_frames_are_refused() -> None:
    images = torch.randn(1, 3, 224, 224)
    assert torch.equal(nearest(images, 112), nn.functional.interpolate(images, size=112))
    odd = torch.randn(1, 3, 150, 150)
    assert torch.equal(nearest(odd, 112), nn.functional.interpolate(odd, size=112))
    for wrong in ({"input_size": 98}, {"units": (3, 4)}, {"dim": 100}, {"drop_path": 1.0}, {"depth": 0}):
        with pytest.raises(ConfigError):
            PosterConfig(**wrong)  # type: ignore[arg-type]
