"""Losses over soft targets."""

import pytest
import torch
import torch.nn.functional as F

from mien.training.losses import soft_cross_entropy


def test_a_hard_target_gives_the_plain_cross_entropy_and_a_soft_one_its_mixture() -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    hard = F.one_hot(labels, 4).float()
    assert soft_cross_entropy(logits, hard).item() == pytest.approx(F.cross_entropy(logits, labels).item())
    mixed = soft_cross_entropy(logits, 0.3 * hard + 0.7 * hard.flip(0)).item()
    parts = soft_cross_entropy(logits, hard).item(), soft_cross_entropy(logits, hard.flip(0)).item()
    assert mixed == pytest.approx(0.3 * parts[0] + 0.7 * parts[1])


def test_half_precision_logits_are_summed_in_float32() -> None:
    logits = torch.tensor([[20.0, 0.0, 0.0]], dtype=torch.bfloat16)
    loss = soft_cross_entropy(logits, torch.tensor([[1.0, 0.0, 0.0]]))
    assert loss.dtype == torch.float32
    assert loss.item() < 1e-7
