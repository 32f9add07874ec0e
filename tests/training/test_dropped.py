"""Patches that attention does not hear, covers and displays while training: seeded, off bit-equal, and they do act."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from mien.core.errors import ConfigError
from mien.core.labels import LabelSpace
from mien.data.clip_transforms import NONE, ClipAugmentation, augment_clip
from mien.data.manifest import Manifest, Row
from mien.data.transforms import Augmentation, augment
from mien.models.cnn import CnnConfig
from mien.models.nets import build
from mien.models.record import Preprocessing
from mien.models.s2d import S2D
from mien.models.shape import S2DConfig
from mien.models.weights import Recognizer
from mien.training.dropped import heard_patches
from mien.training.labelled import LabelledTask
from mien.training.recipe import ClipRecipe, FaceRecipe
from mien.training.sources import Files

PLAIN = S2DConfig(28, 7, 32, 2, 2, classes=2, dropout=0.0, prompts=False)
LABELS = LabelSpace("two", ("calm", "joy"))


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def test_blocks_are_one_rectangle_of_up_to_two_fifths() -> None:
    heard = heard_patches(400, 7, 1.0, seeded())
    missing = (~heard).sum(1)
    assert missing.min() == 1
    assert 15 <= missing.max() <= 22
    for one in (~heard).view(-1, 7, 7):
        rows, columns = one.any(1), one.any(0)
        assert one.sum() == rows.sum() * columns.sum(), "a rectangle"
        assert torch.equal(one, rows[:, None] & columns)
    assert 0.3 < (~heard).float().mean(0).max() / (~heard).float().mean() < 3


def test_a_quarter_of_the_clips_is_hit_the_same_on_every_run() -> None:
    some = heard_patches(2000, 7, 0.25, seeded())
    assert (~some).any(1).float().mean() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(some, heard_patches(2000, 7, 0.25, seeded()))
    assert heard_patches(50, 7, 0.0, seeded()).all()


@pytest.mark.parametrize("config", [PLAIN, dataclasses.replace(PLAIN, prompts=True)])
@torch.no_grad()
def test_what_is_not_heard_does_not_reach_the_class_token(config: S2DConfig) -> None:
    torch.manual_seed(0)
    net = S2D(config).eval()
    frames, places = torch.randn(2, 3, 3, 28, 28), torch.zeros(6, 128, 14, 14) if config.prompts else None
    heard = torch.ones(2, 16, dtype=torch.bool)
    whole = net(frames, places)
    assert torch.equal(net(frames, places, heard=None).logits, whole.logits)
    torch.testing.assert_close(net(frames, places, heard=heard).logits, whole.logits)
    heard[0, 5:8] = False
    some = net(frames, places, heard=heard)
    assert (some.feature[0] - whole.feature[0]).abs().max() > 1e-3
    torch.testing.assert_close(some.feature[1], whole.feature[1])
    if config.prompts:
        return  # whose prompts are a sum over all places
    other = frames.clone()
    other[0, :, :, 7:14, 7:28] = 5.0  # patches 5, 6 and 7
    torch.testing.assert_close(net(other, places, heard=heard).feature, some.feature)


@torch.no_grad()
def test_half_precision_on_a_cpu_leaves_out_the_same() -> None:
    torch.manual_seed(0)
    net, frames = S2D(PLAIN).eval(), torch.randn(1, 1, 3, 28, 28)
    heard = torch.ones(1, 16, dtype=torch.bool)
    heard[0, :6] = False
    exact = net(frames, heard=heard).feature
    with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16):
        rough = net(frames, heard=heard).feature
    torch.testing.assert_close(rough.float(), exact, atol=0.1, rtol=0.1)


def faces(folder: Path, count: int = 24) -> Manifest:
    rng = np.random.default_rng(0)
    np.savez(folder / "faces.npz", train_images=rng.integers(0, 255, (count, 48, 48)).astype(np.uint8))
    rows = [Row(f"{n}", f"faces.npz#train_images/{n}", "array", LABELS.labels[n % 2], "train") for n in range(count)]
    return Manifest("drawn", LABELS, tuple(rows), folder)


def losses(folder: Path, recipe: ClipRecipe | FaceRecipe, steps: int = 3) -> list[float]:
    torch.manual_seed(0)
    pixels = Preprocessing(48, 28, "grey")
    task = LabelledTask(faces(folder), faces(folder), Recognizer(S2D(PLAIN), None, pixels), recipe, 0)
    rng, module = seeded(1), task.module.train()
    return [task.loss(module, torch.arange(8), rng)["labels"].item() for _ in range(steps)]


def test_off_is_bit_equal_and_on_is_not(tmp_path: Path) -> None:
    plain = losses(tmp_path, FaceRecipe(model=PLAIN))
    assert losses(tmp_path, FaceRecipe(model=PLAIN, drop_patches=0.0)) == plain
    dropped = losses(tmp_path, FaceRecipe(model=PLAIN, drop_patches=1.0))
    assert dropped != plain
    assert losses(tmp_path, FaceRecipe(model=PLAIN, drop_patches=1.0)) == dropped
    covered = Augmentation(cover=1.0)
    assert losses(tmp_path, FaceRecipe(model=PLAIN, augmentation=covered)) != plain


def test_who_cannot_leave_patches_out_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="0 to 1"):
        FaceRecipe(drop_patches=2.0)
    net = build(CnnConfig.tiny(2))
    with pytest.raises(ConfigError, match="drop-patches"):
        LabelledTask(
            faces(tmp_path), faces(tmp_path), Recognizer(net, None, Preprocessing(48, 28, "grey")),
            FaceRecipe(model=net.config, drop_patches=0.5), 0,
        )  # fmt: skip


def test_covers_and_displays_fall_on_so_many_pictures() -> None:
    images = torch.rand(200, 1, 48, 48, generator=seeded())
    still = augment(images, 48, Augmentation(), seeded())
    torch.testing.assert_close(still, images, atol=1e-5, rtol=0)
    covered = augment(images, 48, Augmentation(cover=0.25), seeded())
    hit = (covered - images).abs().flatten(1).max(1).values > 0.05
    assert hit.float().mean() == pytest.approx(0.25, abs=0.08)
    share = ((covered - images).abs()[hit] > 0.01).float().mean((1, 2, 3))
    assert 0.05 < share.mean() < 0.6, "a part of the face"
    seen = augment(images[:20].expand(-1, 3, -1, -1), 48, Augmentation(display=1.0), seeded())
    assert seen.std() < 0.7 * images.std(), "light is spread"
    assert torch.equal(covered, augment(images, 48, Augmentation(cover=0.25), seeded()))


def test_a_clip_is_covered_alike_in_all_frames() -> None:
    clip = torch.randint(0, 255, (1, 3, 64, 64), generator=seeded()).to(torch.uint8).expand(4, -1, -1, -1)
    plain = augment_clip(clip, 64, NONE, seeded())
    assert torch.equal(augment_clip(clip, 64, ClipAugmentation(cover=0.0, display=0.0), seeded()), plain)
    changed = torch.stack([augment_clip(clip, 64, ClipAugmentation(cover=1.0), seeded(n)) != plain for n in range(8)])
    assert changed.any(2).float().mean((-2, -1)).min() > 0.03
    assert (changed.any(2) == changed.any(2)[:, :1]).float().mean() > 0.99, "noise aside, the same pixels"
    with pytest.raises(ConfigError, match="display"):
        ClipAugmentation(display=1.5)


def test_one_worker_or_two_give_the_same(tmp_path: Path) -> None:
    source = Files(faces(tmp_path, 6), 48, 1, 1, ClipAugmentation(cover=0.5, display=0.5), 3)
    keys = [(item, item + 10) for item in range(6)]
    alone = torch.cat([source[key].clips for key in keys])
    loaded = DataLoader(source, batch_size=None, sampler=keys, num_workers=2)  # type: ignore[arg-type]
    assert torch.equal(torch.cat([batch.clips for batch in loaded]), alone)
