"""Transforms: nothing at zero, the geometry that was asked for, the same draw for the same seed."""

import numpy as np
import torch
import torch.nn.functional as F

from mien.data.transforms import (
    MIRRORED,
    Augmentation,
    augment,
    augment_with_points,
    move_points,
    random_affine,
    random_erase,
    random_light,
    warp,
)
from mien.models.preprocess import to_unit
from mien.models.record import Preprocessing

STRONG = Augmentation(
    rotation=20, scale=0.3, shift=0.1, stretch=0.1, flip=0.5, brightness=0.2, contrast=0.3, gamma=0.3, noise=0.1,
    blur=0.5, blur_passes=4, dark=0.3, erase=0.5, erase_area=0.3,
)  # fmt: skip


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 4, size: int = 48) -> torch.Tensor:
    return torch.rand(n, 1, size, size, generator=rng(9))


def test_no_augmentation_equals_the_preprocessing_of_use() -> None:
    crops = (images() * 255).to(torch.uint8)
    trained = augment(crops.float() / 255, 98, Augmentation(), rng())
    used = to_unit(crops.expand(-1, 3, -1, -1), Preprocessing(48, 98, "grey"))
    torch.testing.assert_close(trained.expand(-1, 3, -1, -1), used, atol=1e-5, rtol=0)


def test_same_seed_same_batch_other_seed_another() -> None:
    first, again, other = (augment(images(), 70, STRONG, rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 0.1


def test_values_stay_in_range() -> None:
    out = augment(images(32), 64, STRONG, rng())
    assert out.shape == (32, 1, 64, 64)
    assert out.min() >= 0
    assert out.max() <= 1


def test_flip_alone_mirrors() -> None:
    maps = random_affine(4, Augmentation(flip=1.0), rng())
    torch.testing.assert_close(warp(images(), maps, 48), images().flip(-1), atol=1e-5, rtol=0)


def test_rotation_stays_within_its_limit() -> None:
    maps = random_affine(500, Augmentation(rotation=15), rng())
    angles = torch.rad2deg(torch.atan2(maps[:, 1, 0], maps[:, 0, 0]))
    assert angles.abs().max() <= 15.001
    assert angles.abs().max() > 13
    assert abs(angles.mean()) < 2


def test_shift_moves_the_picture_by_that_share() -> None:
    maps = torch.eye(2, 3)[None].clone()
    maps[0, 0, 2] = 2 * 0.25
    picture = images(1)
    torch.testing.assert_close(warp(picture, maps, 48)[..., :36], picture[..., 12:], atol=1e-4, rtol=0)


def test_brightness_and_contrast_against_numpy() -> None:
    picture = images(1)
    plan = Augmentation(brightness=0.2)
    moved = random_light(picture, plan, rng(3)) - picture
    inside = (random_light(picture, plan, rng(3)) > 0) & (random_light(picture, plan, rng(3)) < 1)
    assert np.ptp(moved[inside].numpy()) < 1e-5
    assert 0 < moved[inside].abs().max() <= 0.2


def test_blur_is_the_binomial_kernel() -> None:
    picture = images(1)
    soft = random_light(picture, Augmentation(blur=1.0), rng())
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])[None, None] / 16
    torch.testing.assert_close(soft[..., 1:-1, 1:-1], F.conv2d(picture, kernel), atol=1e-5, rtol=0)


def test_more_passes_blur_wider_and_not_everything() -> None:
    point = torch.zeros(400, 1, 33, 33)
    point[..., 16, 16] = 1
    soft = random_light(point, Augmentation(blur=0.5, blur_passes=6), rng())
    columns = torch.arange(33) - 16.0
    variances = (soft.sum(2) * columns**2).sum((1, 2))
    assert set(variances.mul(2).round().int().tolist()) == set(range(7))  # half a pixel squared a pass
    assert 0.4 < (variances == 0).float().mean() < 0.6


def test_darkness_leaves_a_share_of_the_light_to_some() -> None:
    white = torch.full((2000, 1, 2, 2), 1.0)
    left = random_light(white, Augmentation(dark=0.25, darkest=0.2), rng())[:, 0, 0, 0]
    assert 0.22 < (left < 1).float().mean() < 0.28
    assert 0.2 <= left.min() < 0.22
    median = left[left < 1].median()  # even in logarithm: the middle is at sqrt(0.2)
    assert abs(median - 0.2**0.5) < 0.04


def test_erasing_overwrites_one_rectangle_of_bounded_area() -> None:
    blank = torch.full((200, 1, 40, 40), 2.0)
    out = random_erase(blank, Augmentation(erase=1.0, erase_area=0.2), rng())
    erased = out != 2.0
    share = erased.float().mean((1, 2, 3))
    assert (share > 0).all()
    assert share.max() < 0.25
    rows, columns = erased[0, 0].any(1), erased[0, 0].any(0)
    assert torch.equal(erased[0, 0], rows[:, None] & columns[None])


def test_points_go_where_the_picture_goes() -> None:
    """A white pixel a picture, and 68 points on it."""
    row, column = torch.randint(16, 32, (2, 64), generator=rng())
    dots = torch.zeros(64, 1, 48, 48)
    dots[torch.arange(64), 0, row, column] = 1
    points = (torch.stack([column, row], 1)[:, None].expand(-1, 68, -1) + 0.5) / 48
    wide = Augmentation(rotation=40, scale=0.3, shift=0.1, stretch=0.2, flip=0.5)
    seen, moved = augment_with_points(dots, points, 112, wide, rng())
    mass = seen[:, 0] / seen.sum((1, 2, 3)).view(-1, 1, 1)
    middles = (torch.arange(112) + 0.5) / 112
    x, y = (mass.sum(1) * middles).sum(1), (mass.sum(2) * middles).sum(1)
    torch.testing.assert_close(moved, torch.stack([x, y], 1)[:, None].expand(-1, 68, -1), atol=2e-3, rtol=0)


def test_mirrored_points_change_sides() -> None:
    points = torch.rand(2, 68, 2, generator=rng())
    there = move_points(points, random_affine(2, Augmentation(flip=1.0), rng()))
    torch.testing.assert_close(there[:, 36], torch.stack([1 - points[:, 45, 0], points[:, 45, 1]], 1))
    assert torch.equal(MIRRORED[MIRRORED], torch.arange(68))
    assert sorted(MIRRORED.tolist()) == list(range(68))
