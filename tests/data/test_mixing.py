"""Mixing against plain NumPy, and what is drawn against the recipe."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mien.core.errors import ConfigError
from mien.data.mixing import NONE, Mixing, mix, smooth

BLEND, PASTE = Mixing(0.8, 0.0, 0.0, 0.0), Mixing(0.0, 1.0, 0.0, 0.0)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(size: int = 6, frames: int = 3, h: int = 20, w: int = 25) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips of noise, and one class each."""
    return torch.rand(size, frames, 3, h, w, generator=rng(5)), torch.eye(size)


def test_mixup_is_one_blend_with_the_reversed_batch() -> None:
    clips, targets = batch()
    before = clips.clone()
    for seed in range(20):
        mixed, soft = mix(clips, targets, BLEND, rng(seed))
        share = soft[0, 0].item()
        wanted = share * clips.numpy() + (1 - share) * clips.numpy()[::-1]
        np.testing.assert_allclose(mixed.numpy(), wanted, atol=1e-6)
        np.testing.assert_allclose(soft.numpy(), share * np.eye(6) + (1 - share) * np.eye(6)[::-1], atol=1e-6)
    assert torch.equal(clips, before)


def test_cutmix_pastes_one_box_and_counts_its_pixels() -> None:
    clips, targets = batch()
    before = clips.clone()
    boxes = set()
    for seed in range(60):
        mixed, soft = mix(clips, targets, PASTE, rng(seed))
        pasted = (mixed != clips).numpy()
        rows, columns = (pasted[0, 0, 0].any(axis) for axis in (1, 0))
        box = np.outer(rows, columns)
        assert (pasted == box).all()
        wanted = np.where(box, clips.numpy()[::-1], clips.numpy())
        assert (mixed.numpy() == wanted).all()
        assert soft[0, 0].item() == pytest.approx(1 - box.sum() / (20 * 25), abs=1e-6)
        assert soft[0, 5].item() == pytest.approx(box.sum() / (20 * 25), abs=1e-6)
        boxes.add((rows.argmax(), columns.argmax(), rows.sum(), columns.sum()))
    assert len(boxes) > 40
    assert torch.equal(clips, before)


def test_shares_are_beta() -> None:
    clips, targets = torch.zeros(2, 1, 3, 1, 1), torch.eye(2)
    source = rng()
    shares = np.array([mix(clips, targets, BLEND, source)[1][0, 0].item() for _ in range(3000)])
    assert shares.mean() == pytest.approx(0.5, abs=0.02)
    assert shares.var() == pytest.approx(1 / (4 * (2 * 0.8 + 1)), abs=0.006)
    # The area of an uncut box is even in [0, 1]; cutting it off at the picture's edge leaves less.
    clips = torch.zeros(2, 1, 3, 64, 64)
    areas = np.array([mix(clips, targets, PASTE, source)[1][0, 1].item() for _ in range(1500)])
    reference = np.random.default_rng(0)
    side = np.sqrt(reference.random(20000)) / 2
    middle = reference.random((2, 20000))
    wanted = (np.minimum(middle + side, 1) - np.maximum(middle - side, 0)).prod(0)
    assert areas.mean() == pytest.approx(wanted.mean(), abs=0.02)
    assert areas.std() == pytest.approx(wanted.std(), abs=0.02)


@pytest.mark.parametrize("switch", [0.0, 0.5, 1.0])
def test_switch_is_the_share_of_cutmix(switch: float) -> None:
    clips = torch.zeros(2, 1, 3, 16, 16)
    clips[1] = 1
    plan = Mixing(switch=switch, smoothing=0.0)
    source = rng()
    pasted = 0
    for _ in range(400):
        mixed, _ = mix(clips, torch.eye(2), plan, source)
        pasted += bool(((mixed == 0) | (mixed == 1)).all())
    assert pasted / 400 == pytest.approx(switch, abs=0.08)


def test_targets_sum_to_one_whatever_is_mixed() -> None:
    clips, _ = batch(7)
    targets = torch.softmax(torch.randn(7, 5, generator=rng()), 1)
    for seed in range(20):
        soft = mix(clips, targets, Mixing(), rng(seed))[1]
        torch.testing.assert_close(soft.sum(1), torch.ones(7))
        assert soft.min() >= 0.1 / 5


def test_smoothing_spreads_its_share() -> None:
    np.testing.assert_allclose(smooth(torch.eye(4), 0.1).numpy(), 0.9 * np.eye(4) + 0.025, atol=1e-7)
    clips, targets = batch()
    same, soft = mix(clips, targets, Mixing(0.0, 0.0, 0.5, 0.1), rng())
    assert same is clips
    torch.testing.assert_close(soft, smooth(targets, 0.1))


def test_nothing_to_mix_changes_nothing_and_a_seed_repeats() -> None:
    clips, targets = batch()
    same, soft = mix(clips, targets, NONE, rng())
    assert same is clips
    assert torch.equal(soft, targets)
    first, again = (mix(clips, targets, Mixing(), rng(4)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])


@pytest.mark.parametrize("wrong", [{"mixup": -1.0}, {"switch": 2.0}, {"smoothing": 1.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Mixing(**wrong)
