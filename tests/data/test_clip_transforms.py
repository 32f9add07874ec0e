"""Changes of clips: one draw for all frames, the resize of use, every step against a plain reference."""

from __future__ import annotations

import colorsys
import dataclasses
import time

import numpy as np
import pytest
import torch
from PIL import Image

from mien.core.errors import ConfigError
from mien.data.clip_transforms import (
    NONE,
    STAGE1,
    STAGE2,
    ClipAugmentation,
    augment_clip,
    crop_box,
    erase,
    jitter,
    move,
    plain_clip,
    turn_hue,
)
from mien.models.preprocess import to_unit
from mien.models.record import IMAGENET_MEAN, IMAGENET_STD, Preprocessing

THIRD = (3 / 4, 4 / 3)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clip(portrait: np.ndarray, frames: int = 4, side: int = 160) -> torch.Tensor:
    face = torch.from_numpy(portrait[40 : 40 + side, 150 : 150 + side].transpose(2, 0, 1).copy())
    return face[None].repeat(frames, 1, 1, 1)


@pytest.mark.parametrize("plan", [STAGE1, dataclasses.replace(STAGE2, erase_with="mean")])
def test_all_frames_are_changed_alike(plan: ClipAugmentation, portrait: np.ndarray) -> None:
    still = clip(portrait)
    changed = 0
    for seed in range(25):
        out = augment_clip(still, 112, plan, rng(seed))
        assert out.shape == (4, 3, 112, 112)
        assert out.dtype == torch.float32
        assert torch.equal(out, out[:1].expand_as(out))
        assert out.min() >= 0
        assert out.max() <= 1
        changed += not torch.equal(out, plain_clip(still, 112))
    assert changed > 15


def test_same_seed_same_clip_other_seed_another(portrait: np.ndarray) -> None:
    still = clip(portrait)
    before = still.clone()
    first, again, other = (augment_clip(still, 96, STAGE2, rng(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert (first - other).abs().max() > 0.1
    assert torch.equal(still, before)


@pytest.mark.parametrize("size", [64, 112, 160, 224])
def test_without_changes_training_sees_what_use_sees(size: int, portrait: np.ndarray) -> None:
    still = clip(portrait)
    used = to_unit(still, Preprocessing(160, size))
    torch.testing.assert_close(plain_clip(still, size), used, atol=1e-5, rtol=0)
    assert torch.equal(augment_clip(still, size, NONE, rng()), plain_clip(still, size))


def test_resize_is_pillows_bilinear(portrait: np.ndarray) -> None:
    wide = clip(portrait, 1)[..., :110, :]
    picture = Image.fromarray(wide[0].permute(1, 2, 0).numpy()).resize((70, 70), Image.Resampling.BILINEAR)
    ours = plain_clip(wide, 70)[0].permute(1, 2, 0) * 255
    assert np.abs(ours.numpy() - np.asarray(picture)).max() <= 1


def test_flip_alone_mirrors(portrait: np.ndarray) -> None:
    still = clip(portrait)
    mirrored = augment_clip(still, 160, ClipAugmentation(flip=1.0), rng())
    assert torch.equal(mirrored, plain_clip(still, 160).flip(-1))
    share = [
        torch.equal(augment_clip(still[:1], 160, ClipAugmentation(flip=0.5), rng(s)), mirrored[:1]) for s in range(200)
    ]
    assert 70 <= sum(share) <= 130


def test_crops_have_the_area_and_ratio_asked_for() -> None:
    source = rng()
    boxes = np.array([crop_box(224, 224, (0.08, 1.0), THIRD, source) for _ in range(4000)])
    top, left, high, wide = boxes.T
    assert min(top.min(), left.min()) == 0
    assert (top + high).max() == (left + wide).max() == 224
    area, ratio = high * wide / 224**2, wide / high
    assert area.min() == pytest.approx(0.08, abs=0.01)
    # Of large crops only those of a fitting ratio survive, so the mean is under 0.54, which is that of the draw.
    assert 0.46 < area.mean() < 0.54
    assert ratio.min() == pytest.approx(3 / 4, abs=0.02)
    assert ratio.max() == pytest.approx(4 / 3, abs=0.03)
    assert np.log(ratio).mean() == pytest.approx(0, abs=0.02)
    middle = (top + high / 2).mean()
    assert middle == pytest.approx(112, abs=2)


def test_where_no_crop_fits_the_middle_is_taken() -> None:
    assert crop_box(10, 400, (0.9, 1.0), THIRD, rng()) == (0, (400 - 13) // 2, 10, 13)
    assert crop_box(400, 12, (0.9, 1.0), THIRD, rng()) == ((400 - 16) // 2, 0, 16, 12)
    assert crop_box(50, 50, (0.99999, 1.0), (0.999, 1.001), rng())[2:] == (50, 50)
    assert crop_box(30, 90, (1.0, 1.0), THIRD, rng()) == (0, 0, 30, 90)


def test_a_crop_is_that_part_of_the_picture() -> None:
    # Each pixel says where it is, so the answer says where it was cut.
    places = torch.arange(200, dtype=torch.uint8)
    picture = torch.stack([places[:, None].expand(200, 200), places.expand(200, 200), places.expand(200, 200)])[None]
    plan = ClipAugmentation(crop_scale=(0.2, 0.5))
    for seed in range(20):
        out = augment_clip(picture, 100, plan, rng(seed))[0] * 255
        rows, columns = out[0, :, 0], out[1, 0]
        high, wide = ((ends[-2] - ends[1]).item() / 97 * 100 for ends in (rows, columns))
        assert 0.19 < high * wide / 200**2 < 0.51
        even = np.linspace(rows[1].item(), rows[-2].item(), 98)
        np.testing.assert_allclose(rows[1:-1].numpy(), even, atol=0.3)
        assert torch.equal(out[1], out[2])
        assert torch.allclose(out[0], rows[:, None].expand(100, 100), atol=1e-3)


def test_erasing_overwrites_one_rectangle_of_the_recipe() -> None:
    white = torch.full((3, 3, 64, 64), 2.0)
    plan = ClipAugmentation(erase=1.0, erase_area=(0.02, 1 / 3))
    source = rng()
    shares, ratios = [], []
    for _ in range(300):
        out = erase(white, plan, source)
        gone = (out != 2).all(1)
        assert torch.equal(gone, gone[:1].expand_as(gone))
        rows, columns = gone[0].any(1), gone[0].any(0)
        assert torch.equal(gone[0], rows[:, None] & columns)
        shares.append(gone[0].float().mean().item())
        ratios.append(columns.sum().item() / rows.sum().item())
    assert min(shares) > 0.015
    assert 0.28 < max(shares) < 0.35
    assert 0.13 < np.mean(shares) < 0.19
    assert min(ratios) > 0.25
    assert max(ratios) < 4
    assert np.log(ratios).mean() == pytest.approx(0, abs=0.15)
    assert (white == 2).all()


def test_erasing_fills_with_noise_of_its_own_for_each_frame_or_with_the_mean() -> None:
    white = torch.full((8, 3, 64, 64), 2.0)
    noisy = erase(white, ClipAugmentation(erase_area=(0.3, 0.33)), rng())
    filled = noisy[:, :, noisy[0, 0].ne(2).any(1)][..., noisy[0, 0].ne(2).any(0)]
    assert not torch.equal(filled[0], filled[1])
    assert filled.min() >= 0
    assert filled.max() <= 1
    for channel in range(3):
        values = filled[:, channel]
        assert values.mean().item() == pytest.approx(IMAGENET_MEAN[channel], abs=0.02)
        # Cutting off at 0 and 1 takes a little of the spread.
        assert 0.85 * IMAGENET_STD[channel] < values.std().item() < IMAGENET_STD[channel]
    plain = erase(white, ClipAugmentation(erase_area=(0.3, 0.33), erase_with="mean"), rng())
    assert torch.equal(plain[plain != 2].unique(), torch.tensor(IMAGENET_MEAN).sort().values)


def test_erasing_happens_as_often_as_asked(portrait: np.ndarray) -> None:
    still = clip(portrait, 1, 32)
    plain = plain_clip(still, 32)
    plan = ClipAugmentation(erase=0.25)
    hits = sum(not torch.equal(augment_clip(still, 32, plan, rng(seed)), plain) for seed in range(400))
    assert hits / 400 == pytest.approx(0.25, abs=0.07)


def test_hue_turns_as_the_colour_circle_does() -> None:
    colours = torch.randint(0, 256, (1, 3, 12, 12), generator=rng(), dtype=torch.uint8)
    colours[..., 0, :] = 140  # greys have no hue
    for share in (-0.25, 0.1, 0.5):
        ours = turn_hue(colours, share)[0].flatten(1).T.numpy()
        for (r, g, b), got in zip((colours[0].flatten(1).T / 255).tolist(), ours, strict=True):
            h, s, v = colorsys.rgb_to_hsv(r, g, b)
            np.testing.assert_allclose(got, np.array(colorsys.hsv_to_rgb((h + share) % 1, s, v)) * 255, atol=0.51)
    assert torch.equal(turn_hue(colours, 0.0), colours)


def test_jitter_stays_within_its_limits_and_is_drawn_anew(portrait: np.ndarray) -> None:
    grey = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)
    levels = {int(jitter(grey, 0.25, 0.0, rng(seed))[0, 0, 0, 0]) for seed in range(200)}
    assert min(levels) in (75, 76)
    assert max(levels) in (124, 125)
    assert len(levels) > 30
    assert torch.equal(jitter(clip(portrait), 0.0, 0.0, rng()), clip(portrait))


def test_move_enlarges_and_shifts_within_its_limits() -> None:
    picture = torch.zeros(1, 3, 101, 101, dtype=torch.uint8)
    picture[..., 50, 50] = 255
    picture[..., 50, 70] = 255
    gaps, shifts = [], []
    for seed in range(150):
        moved = move(picture, 0.1, 1.25, rng(seed))[0, 0].float()
        mass = moved.sum(0)
        split = int(np.argmax(np.convolve((mass > 0).numpy(), [1, -1]) > 0))  # start of the first blob
        x = torch.arange(101)
        near = (x - split).abs() < 8
        first, second = ((mass * x * m).sum() / (mass * m).sum() for m in (near, ~near))
        gaps.append((second - first).item())
        shifts.append((first - 50).item())
    assert min(gaps) == pytest.approx(20, abs=0.4)
    assert max(gaps) == pytest.approx(25, abs=0.4)
    assert -10.6 < min(shifts) < -8
    assert 8 < max(shifts) < 10.6
    assert torch.equal(move(picture, 0.0, 1.0, rng()), picture)


def test_stage_plans_are_the_recipes() -> None:
    assert (STAGE2.layers, STAGE2.magnitude, STAGE2.magnitude_std) == (4, 7.0, 0.5)
    assert (STAGE2.crop_scale, STAGE2.flip, STAGE2.erase, STAGE2.vary) == ((0.08, 1.0), 0.5, 0.25, 0.0)
    assert (STAGE1.vary, STAGE1.jitter, STAGE1.shift, STAGE1.zoom, STAGE1.flip) == (0.5, 0.25, 0.1, 1.25, 0.5)
    assert (STAGE1.erase_area, STAGE1.layers, STAGE1.crop_scale) == ((0.02, 0.25), 0, (1.0, 1.0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"flip": 1.5},
        {"crop_scale": (0.5, 0.1)},
        {"crop_ratio": (0.0, 1.0)},
        {"magnitude": 11.0},
        {"layers": -1},
        {"zoom": 0.5},
        {"hue": 0.7},
        {"erase_with": "stars"},
    ],
)
def test_fields_out_of_range_are_refused_by_name(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ClipAugmentation(**wrong)  # type: ignore[arg-type]


class Clips(torch.utils.data.Dataset[torch.Tensor]):
    """Items as a task has them: their own generator each, so that the number of workers does not matter."""

    def __init__(self, still: torch.Tensor) -> None:
        self.still = still

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> torch.Tensor:
        return augment_clip(self.still, 48, STAGE2, rng(index))


def test_workers_give_the_same_clips(portrait: np.ndarray) -> None:
    data = Clips(clip(portrait, 3, 64))
    alone, helped = (torch.stack(list(torch.utils.data.DataLoader(data, None, num_workers=n))) for n in (0, 2))
    assert torch.equal(alone, helped)


def test_crop_and_flip_of_a_full_clip_are_quick() -> None:
    full = torch.randint(0, 256, (16, 3, 224, 224), generator=rng(), dtype=torch.uint8)
    plan = dataclasses.replace(STAGE2, layers=0, erase=0.0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    spent = []
    for seed in range(8):
        started = time.thread_time()
        augment_clip(full, 224, plan, rng(seed))
        spent.append(time.thread_time() - started)
    torch.set_num_threads(threads)
    # 12 ms of one 2020s core; the bound leaves room for a busy, slower one.
    assert min(spent) < 0.04
