"""Layer scale unfolded: the same function, plain weights in the file, exact resuming, and steps to each by its size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawn_people import CLASSES, as_set, draw_people

from mien.core.errors import ConfigError
from mien.models.cnn import CnnConfig
from mien.models.nets import build
from mien.models.shape import S2DConfig
from mien.models.vit import Block, VisionTransformer
from mien.models.weights import read_tensors
from mien.training.labelled import LabelledRun
from mien.training.loop import FitPlan
from mien.training.recipe import FaceRecipe
from mien.training.unfolded import SPREAD, Scaled, folded, unfold

SMALL = 0.02
"""Of a folded layer scale: rows are a tenth of their usual size then, and less."""


def trunk() -> VisionTransformer:
    """With a layer scale folded in, of another size each row."""
    torch.manual_seed(0)
    net = VisionTransformer(16, 8, 32, 2, 2)
    for block in net.blocks:
        assert isinstance(block, Block)
        for layer in (block.attn.proj, block.mlp.fc2):
            layer.weight.data *= SMALL * torch.linspace(0.5, 1.5, 32)[:, None]
    return net


@torch.no_grad()
def test_the_function_stays_and_folded_it_is_the_same_to_the_bit() -> None:
    plain, again, pictures = trunk(), trunk(), torch.rand(3, 3, 16, 16)
    net = trunk()
    unfold(net)
    torch.testing.assert_close(net(pictures), plain(pictures))
    scaled = [part for part in net.modules() if isinstance(part, Scaled)]
    assert len(scaled) == 4
    for part in scaled:
        torch.testing.assert_close(part.weight.square().mean(1).sqrt(), torch.full((32,), SPREAD))
        part.layer_scale += 0.1 * torch.rand(32)  # as learned
    assert not torch.allclose(net(pictures), plain(pictures))
    again.load_state_dict(folded(net.state_dict()))
    assert torch.equal(again(pictures), net(pictures))


def test_rows_of_zeros_stay_and_can_learn() -> None:
    layer = torch.nn.Linear(4, 3)
    layer.weight.data[1] = 0
    scaled = Scaled(layer)
    x = torch.rand(5, 4)
    torch.testing.assert_close(scaled(x), layer(x))
    scaled(x).sum().backward()
    assert scaled.weight.grad is not None
    assert (scaled.weight.grad[1] != 0).all()


def test_a_step_of_adamw_fits_the_size_of_what_it_changes() -> None:
    """How far a step of one rate turns a matrix, as a share of its size: folded several times as far as unfolded."""
    turned: dict[bool, dict[str, float]] = {}
    for on in (False, True):
        net = trunk()
        if on:
            unfold(net)
        first = folded({name: tensor.clone() for name, tensor in net.state_dict().items()})
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, weight_decay=0)
        net(torch.rand(8, 3, 16, 16)).square().mean().backward()
        optimizer.step()
        names = [name for name in first if name.endswith(("qkv.weight", "attn.proj.weight", "fc2.weight"))]
        last = folded(net.state_dict())
        turned[on] = {name: ((last[name] - first[name]).norm() / first[name].norm()).item() for name in names}
    for name in turned[False]:
        by_size = turned[False][name] / turned[True][name]
        assert by_size == pytest.approx(1, rel=0.1) if "qkv" in name else by_size > 4, (name, turned)


RECIPE = FaceRecipe(model=S2DConfig(24, 8, 32, 2, 2, CLASSES), frames=1, score="last", layer_scale=True)
FIT = FitPlan(
    epochs=1, batch=16, max_steps=4, lr=1e-2, precision="fp32", ema=0.5, accelerator="cpu", checkpoint_minutes=0
)


class StopError(Exception):
    pass


def test_a_stopped_run_resumes_and_the_file_has_plain_names(tmp_path: Path) -> None:
    data = as_set(tmp_path / "set", draw_people(np.full((4, CLASSES), 1 / CLASSES), 12, 24, 3, (1, 1))).root

    def run(name: str, report: Any = None, resume: bool = False, **changed: Any) -> dict[str, torch.Tensor]:
        recipe = replace(RECIPE, **changed)
        made = LabelledRun(data=data, out=tmp_path / name, landmarks="s2d-tiny", fit=FIT, recipe=recipe, resume=resume)
        return read_tensors(made.run(report))

    def stop(line: dict[str, Any]) -> None:
        if line.get("done") == 3 and "total" in line:
            raise StopError

    whole = run("whole")
    with pytest.raises(StopError):
        run("parts", stop)
    resumed, usual = run("parts", resume=True), run("usual", layer_scale=False)
    assert whole.keys() == resumed.keys() == usual.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not all(torch.equal(whole[name], usual[name]) for name in whole)


def test_a_network_without_blocks_is_refused() -> None:
    with pytest.raises(ConfigError, match="blocks"):
        unfold(build(CnnConfig().tiny(3)))
    frozen = trunk().requires_grad_(False)
    with pytest.raises(ConfigError, match="learn"):
        unfold(frozen)
