"""The order of an epoch: every item once, or every class as often."""

from __future__ import annotations

import pytest
import torch

from mien.core.errors import ConfigError, DataError
from mien.data.sampling import epoch_order


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_plain_order_is_torchs_permutation() -> None:
    assert torch.equal(epoch_order(None, 100, False, rng(3)), torch.randperm(100, generator=rng(3)))
    assert torch.equal(
        epoch_order(torch.zeros(9, dtype=torch.int64), 9, False, rng()), torch.randperm(9, generator=rng())
    )


def test_balanced_order_shows_every_class_as_often_and_its_items_alike() -> None:
    labels = torch.tensor([0] * 800 + [2] * 150 + [3] * 50)
    order = torch.cat([epoch_order(labels, 1000, True, rng(seed)) for seed in range(20)])
    assert len(order) == 20_000
    shares = torch.bincount(labels[order], minlength=4) / len(order)
    torch.testing.assert_close(shares, torch.tensor([1 / 3, 0, 1 / 3, 1 / 3]), atol=0.012, rtol=0)
    rare = torch.bincount(order, minlength=1000)[950:]
    assert rare.min() > 80  # expected 133 each
    assert rare.max() < 190


def test_a_seed_repeats() -> None:
    labels = torch.arange(30) % 4
    assert torch.equal(epoch_order(labels, 30, True, rng(1)), epoch_order(labels, 30, True, rng(1)))
    assert not torch.equal(epoch_order(labels, 30, True, rng(1)), epoch_order(labels, 30, True, rng(2)))


def test_balance_needs_a_class_for_each_item() -> None:
    with pytest.raises(ConfigError, match="balanced"):
        epoch_order(None, 5, True, rng())
    with pytest.raises(DataError):
        epoch_order(torch.tensor([0, 1]), 5, True, rng())
    with pytest.raises(DataError):
        epoch_order(torch.tensor([0, -1]), 2, True, rng())
