"""The loss that pairs streams is the double sum it is said to be, and draws a sound to the picture it came with."""

from __future__ import annotations

import math

import pytest
import torch

from mien.core.errors import ConfigError
from mien.models.sound import SoundConfig
from mien.models.sound_net import SoundNet
from mien.training.paired import Paired, info_nce


def test_it_is_the_double_sum_over_pairs_and_both_directions() -> None:
    rng = torch.Generator().manual_seed(0)
    streams, tau = [torch.randn(5, 3, generator=rng, dtype=torch.float64) * size for size in (1, 4, 0.1)], 0.3
    total = 0.0
    for m, one in enumerate(streams):
        for n, other in enumerate(streams):
            if m == n:
                continue
            for i in range(5):

                def alike(k: int, i: int = i, one: torch.Tensor = one, other: torch.Tensor = other) -> float:
                    return math.exp(float(one[i] @ other[k] / one[i].norm() / other[k].norm()) / tau)

                total -= math.log(alike(i) / sum(alike(k) for k in range(5))) / 5
    assert float(info_nce(streams, tau)) == pytest.approx(total, abs=1e-5)
    assert float(info_nce(streams[::-1], tau)) == pytest.approx(total, abs=1e-5)


def test_streams_that_agree_cost_least_and_one_alone_is_refused() -> None:
    units = torch.eye(6)
    assert float(info_nce((units, 3 * units), 0.05)) < 1e-6
    assert float(info_nce((units, units.roll(1, 0)), 0.05)) > 30
    for given, tau in (((units,), 0.1), ((units, units), 0.0)):
        with pytest.raises(ConfigError, match="two streams"):
            info_nce(given, tau)


def test_sounds_find_the_pictures_they_came_with() -> None:
    """Without a label: the spectrum's tilt and a direction of the picture's feature go together, in fresh pairs too."""
    torch.manual_seed(0)
    config = SoundConfig(2, 0.3, 16, 4)
    module = Paired(SoundNet(config), 8)
    secret = torch.randn(2, 8)

    def pairs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        place = torch.rand(count) * 2 * math.pi
        both = torch.stack([place.cos(), place.sin()], 1)
        bins = torch.linspace(-1, 1, config.bins)
        tilt = both[:, :1] * bins + both[:, 1:] * (bins.abs() - 0.5)
        mel = 4 * tilt[:, None] + torch.randn(count, config.frames, config.bins) - 4
        return mel, both @ secret + 0.05 * torch.randn(count, 8)

    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    for _ in range(120):
        mel, picture = pairs(32)
        loss = info_nce((module(mel).feature, picture))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    module.eval()
    mel, picture = pairs(64)
    with torch.no_grad():
        heard = torch.nn.functional.normalize(module(mel).feature, dim=1)
    order = (heard @ torch.nn.functional.normalize(picture, dim=1).T).argsort(1, descending=True)
    found = (order[:, :10] == torch.arange(64)[:, None]).any(1).float().mean()
    assert found > 0.7, "among the ten nearest of 64; by chance 0.16"
