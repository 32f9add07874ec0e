"""Clips of still faces: what is seen in them is what their targets say, and only what was asked for changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mien.core.errors import ConfigError
from mien.data.moving import EYES_AND_MOUTH, Motion, course, laid_on, middle, moving_clips
from mien.data.transforms import Augmentation

STILL = Motion(Augmentation(), 0.0, 0.0, Augmentation(), noise=0.0, spoil=0.0, cover=0.0, change=0.0)
SAME_PLACE = torch.eye(3).expand(32, 3, 3)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def faces() -> torch.Tensor:
    return torch.rand(32, 1, 48, 48, generator=seeded())


def clips_of(faces: torch.Tensor, plan: Motion, size: int = 48, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    return moving_clips(faces, 1 - faces, SAME_PLACE[: len(faces)], 4, size, plan, seeded(seed))


def test_a_clip_of_which_nothing_changes_is_its_face(faces) -> None:
    clips, shares = clips_of(faces, STILL)
    torch.testing.assert_close(clips, faces[:, None].expand(-1, 4, -1, -1, -1), atol=1e-5, rtol=0)
    assert (shares == 1).all()


def test_moving_clips_are_drawn_by_their_generator(faces) -> None:
    one, again, other = (clips_of(faces, Motion(), 70, seed)[0] for seed in (1, 1, 2))
    assert one.shape == (32, 4, 1, 70, 70)
    assert 0 <= one.min() <= one.max() <= 1
    assert torch.equal(one, again)
    assert not torch.allclose(one, other)


def test_the_target_is_what_the_middle_shows() -> None:
    black = torch.zeros(32, 1, 48, 48)
    clips, shares = clips_of(black, replace(STILL, change=1.0))
    shown = 1 - clips.mean((2, 3, 4))
    torch.testing.assert_close(shares, shown[:, 1:3].mean(1), atol=1e-5, rtol=0)
    assert (shown[:, 0] < 0.2).any()
    assert (shown[:, -1] < 0.2).any()
    assert shares.min() < 0.2
    assert shares.max() > 0.8


def test_the_order_of_frames_decides() -> None:
    there, away = torch.tensor([[0.0, 1, 1, 0]]), torch.tensor([[1.0, 0, 0, 1]])
    assert (middle(there), middle(away)) == (1, 0)
    assert middle(torch.ones(1, 1)) == 1
    assert middle(torch.tensor([[0.0, 0, 1, 1, 1, 1, 0, 0]])) == 1


@pytest.mark.parametrize("frames", [1, 2, 4, 9])
def test_changes_come_as_often_as_asked(frames: int) -> None:
    shares = course(2000, frames, 0.6, seeded())
    assert 0 <= shares.min() <= shares.max() <= 1
    assert (shares < 1).any(1).float().mean().item() == pytest.approx(0.6, abs=0.04)
    assert (course(50, frames, 0.0, seeded()) == 1).all()


def test_faces_are_laid_on_each_other() -> None:
    own = torch.rand(8, 68, 2, generator=seeded())
    angle, size = torch.tensor(0.3), 0.8
    turn = size * torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    there = (2 * own - 1) @ turn.T + torch.tensor([0.1, -0.2])
    maps = laid_on(own, (there + 1) / 2)
    corners = torch.cat([2 * own - 1, torch.ones(8, 68, 1)], 2)
    found = (corners @ maps.transpose(1, 2))[..., :2]
    for first, last in EYES_AND_MOUTH:
        torch.testing.assert_close(found[:, first:last], there[:, first:last], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("change", [{"drift": 1.0}, {"jitter": 0.05}, {"light": Augmentation(gamma=1)}])
def test_frames_differ_by_what_was_asked_for(faces, change: dict[str, object]) -> None:
    plan = replace(STILL, pose=Augmentation(rotation=20, shift=0.1))
    steady, _ = clips_of(faces, plan)
    assert torch.allclose(steady[:, :1].expand_as(steady), steady, atol=1e-5)
    moved, _ = clips_of(faces, replace(plan, **change))
    assert not torch.allclose(moved[:, :1].expand_as(moved), moved, atol=1e-5)


def test_spoilt_frames_show_little() -> None:
    stripes = (torch.arange(48) % 4 < 2).float().expand(32, 1, 48, 48)
    clips, _ = clips_of(stripes, replace(STILL, spoil=0.5))
    detail = clips.diff(dim=-1).abs().mean((2, 3, 4))
    spoilt = detail < 0.25 * detail.max()
    assert spoilt.float().mean().item() == pytest.approx(0.5, abs=0.15)
    assert ((detail > 0.9 * detail.max()) | spoilt).all()


def test_a_cover_stays_in_its_place(faces) -> None:
    clips, _ = clips_of(faces, replace(STILL, cover=1.0))
    changed = (clips - faces[:, None]).abs().amax(2) > 1e-4
    for clip in changed:
        hidden = clip[clip.any((1, 2))]
        assert all(torch.equal(one.any(0), hidden[0].any(0)) for one in hidden)
    assert changed.any((1, 2, 3)).float().mean() > 0.7


def test_a_share_beyond_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="spoil from 0 to 1"):
        Motion(spoil=1.5)
