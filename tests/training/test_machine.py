"""What the loop stands on: whole states, averages, checkpoints."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mien.training import machine
from mien.training.checkpoints import Checkpoints
from mien.training.ema import Ema
from mien.training.machine import load_whole_state, make_fabric, whole_state
from mien.training.plan import FitPlan


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def test_the_average_is_the_weighted_mean_and_goes_in_place_and_back_to_the_bit() -> None:
    module = net()
    module[0].requires_grad_(False)
    average = Ema(module, 0.75)
    first = module[2].weight.detach().clone()
    with torch.no_grad():
        module[2].weight += 1
        module[1].running_mean += 2
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    average.update(done=100)
    with average.in_place():
        torch.testing.assert_close(module[2].weight, first + 0.25)
        torch.testing.assert_close(module[1].running_mean, torch.full((4,), 0.5))
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert len(average.mean) == 4 + 3  # what is frozen is not kept twice


def test_a_young_average_follows_and_none_does_nothing() -> None:
    module = net()
    average, none = Ema(module, 0.99), Ema(module, 0.0)
    with torch.no_grad():
        module[0].weight.fill_(5.0)
    average.update(done=0)
    with average.in_place():
        assert (module[0].weight - 5).abs().max() < 0.1 * (5 + 1)
    none.update(done=0)
    with none.in_place():
        assert (module[0].weight == 5).all()


def test_a_whole_state_loads_into_another_module() -> None:
    one, two = net(), net()
    with torch.no_grad():
        one[0].weight.fill_(3.0)
    load_whole_state(two, whole_state(one))
    assert all(torch.equal(tensor, two.state_dict()[name]) for name, tensor in one.state_dict().items())


def test_the_last_checkpoints_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    assert not checkpoints
    assert checkpoints.latest(lambda text: None) is None
    for step in (1, 5, 30):
        checkpoints.save({"step": step}, step)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000005.pt", "step-00000030.pt"]
    assert checkpoints.latest(lambda text: None) == {"step": 30}


@pytest.mark.parametrize(("able", "computed"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_cpu_that_would_only_imitate_bfloat16_computes_in_float32(
    monkeypatch: pytest.MonkeyPatch, able: bool, computed: torch.dtype
) -> None:
    monkeypatch.setattr(machine, "computes_in", lambda dtype: able)
    fabric = make_fabric(FitPlan(precision="bf16", accelerator="cpu"))
    with fabric.autocast():
        assert torch.nn.functional.linear(torch.ones(1, 2), torch.ones(2, 2)).dtype == computed
