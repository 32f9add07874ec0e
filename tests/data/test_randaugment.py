"""RandAugment: every change against Pillow frame by frame, and what is drawn against the recipe."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from mien.data.randaugment import LINEAR, OPERATIONS, apply, argument, draw, warp

GREY = (128, 128, 128)


def affine(image: Image.Image, *matrix: float) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC, fillcolor=GREY)


def solarize_add(image: Image.Image, amount: float) -> Image.Image:
    return image.point([min(255, i + int(amount)) if i < 128 else i for i in range(256)] * 3)


PILLOW = {
    "autocontrast": lambda image, _: ImageOps.autocontrast(image),
    "equalize": lambda image, _: ImageOps.equalize(image),
    "invert": lambda image, _: ImageOps.invert(image),
    "rotate": lambda image, v: image.rotate(v, Image.Resampling.BICUBIC, fillcolor=GREY),
    "posterize": lambda image, v: ImageOps.posterize(image, int(v)),
    "solarize": lambda image, v: ImageOps.solarize(image, int(v)),
    "solarize_add": solarize_add,
    "colour": lambda image, v: ImageEnhance.Color(image).enhance(v),
    "contrast": lambda image, v: ImageEnhance.Contrast(image).enhance(v),
    "brightness": lambda image, v: ImageEnhance.Brightness(image).enhance(v),
    "sharpness": lambda image, v: ImageEnhance.Sharpness(image).enhance(v),
    "shear_x": lambda image, v: affine(image, 1, v, 0, 0, 1, 0),
    "shear_y": lambda image, v: affine(image, 1, 0, 0, v, 1, 0),
    "translate_x": lambda image, v: affine(image, 1, 0, v * image.size[0], 0, 1, 0),
    "translate_y": lambda image, v: affine(image, 1, 0, 0, 0, 1, v * image.size[1]),
}
MOVES = {"rotate", "shear_x", "shear_y", "translate_x", "translate_y"}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def frames(image: np.ndarray) -> torch.Tensor:
    """Five different, not square pictures: a face, its dark and pale versions, one level, noise."""
    face = image[60:190, 160:310]
    noise = np.random.default_rng(0).integers(0, 256, face.shape, dtype=np.uint8)
    stack = [face, face // 3 + 20, 255 - face // 5, np.full_like(face, 77), noise]
    return torch.from_numpy(np.stack(stack).transpose(0, 3, 1, 2).copy())


def by_pillow(clip: torch.Tensor, name: str, amount: float) -> torch.Tensor:
    pictures = [Image.fromarray(frame.permute(1, 2, 0).numpy()) for frame in clip]
    return torch.from_numpy(np.stack([np.asarray(PILLOW[name](p, amount)) for p in pictures]).transpose(0, 3, 1, 2))


def test_the_fifteen_changes_are_those_of_the_recipe() -> None:
    assert set(OPERATIONS) == set(PILLOW)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("share", [0.0, 0.13, 0.7, 0.77, 1.0])
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_change_is_pillows(name: str, share: float, sign: float, portrait: np.ndarray) -> None:
    clip = frames(portrait)
    before = clip.clone()
    amount = argument(name, share, sign)
    ours, theirs = OPERATIONS[name](clip, amount), by_pillow(clip, name, amount)
    assert torch.equal(clip, before)
    assert ours.dtype == torch.uint8
    apart = (ours.int() - theirs.int()).abs()
    if name not in MOVES:
        assert apart.max() == 0
        return
    # The edge of the picture may fall on either side of a pixel by rounding; elsewhere a level at most.
    assert (apart <= 1).float().mean() > 0.9995
    assert (apart == 0).float().mean() > 0.97


def test_equalize_and_autocontrast_of_tiny_pictures_are_pillows() -> None:
    clip = torch.randint(0, 256, (40, 3, 5, 9), generator=rng(), dtype=torch.uint8)
    for name in ("equalize", "autocontrast", "sharpness", "contrast"):
        assert torch.equal(OPERATIONS[name](clip, 1.7), by_pillow(clip, name, 1.7))
    clip = torch.randint(0, 256, (4, 3, 19, 31), generator=rng(), dtype=torch.uint8)
    assert torch.equal(OPERATIONS["equalize"](clip, 0.0), by_pillow(clip, "equalize", 0.0))


def test_linear_warp_is_pillows_bilinear(portrait: np.ndarray) -> None:
    clip = frames(portrait)
    matrix = (0.85, 0.0, 9.3, 0.0, 0.85, -4.1)
    pictures = [Image.fromarray(frame.permute(1, 2, 0).numpy()) for frame in clip]
    theirs = [p.transform(p.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR) for p in pictures]
    apart = warp(clip, matrix, 0, LINEAR).permute(0, 2, 3, 1).int().numpy() - np.stack(theirs)
    assert np.abs(apart).max() <= 1


def test_a_frame_is_changed_alike_whatever_the_others_are(portrait: np.ndarray) -> None:
    clip = frames(portrait)
    for name in OPERATIONS:
        amount = argument(name, 0.7, 1.0)
        alone = torch.cat([OPERATIONS[name](clip[i : i + 1], amount) for i in range(len(clip))])
        assert torch.equal(OPERATIONS[name](clip, amount), alone), name


def test_stronger_is_further_from_the_picture(portrait: np.ndarray) -> None:
    clip = frames(portrait)[:1]
    for name in set(OPERATIONS) - {"autocontrast", "equalize", "invert"}:
        weak, strong = (OPERATIONS[name](clip, argument(name, share, -1.0)).int() - clip.int() for share in (0.3, 0.9))
        assert strong.abs().float().mean() > weak.abs().float().mean(), name


def test_draws_follow_the_recipe() -> None:
    source = rng()
    drawn = [draw(4, 7.0, 0.5, source) for _ in range(4000)]
    made = [change for one in drawn for change in one]
    # 16,000 chances of one half: three standard deviations are 0.012.
    assert abs(len(made) / 16000 - 0.5) < 0.012
    assert Counter(len(one) for one in drawn)[4] / 4000 == pytest.approx(1 / 16, abs=0.012)
    counts = Counter(name for name, _ in made)
    assert set(counts) == set(OPERATIONS)
    assert max(abs(count / len(made) - 1 / 15) for count in counts.values()) < 0.012
    turns = np.array([amount for name, amount in made if name == "rotate"])
    strengths = np.abs(turns) / 3
    assert strengths.mean() == pytest.approx(7.0, abs=0.07)
    assert strengths.std() == pytest.approx(0.5, abs=0.05)
    assert (turns > 0).mean() == pytest.approx(0.5, abs=0.07)
    factors = np.array([amount for name, amount in made if name == "colour"])
    assert np.abs(factors[factors > 1] - 1).mean() == pytest.approx(0.63, abs=0.02)
    assert (1 - factors[factors < 1]).mean() == pytest.approx(0.63, abs=0.02)


def test_strength_stays_on_the_scale() -> None:
    source = rng()
    turns = [v for _ in range(800) for name, v in draw(4, 9.5, 3.0, source) if name == "rotate"]
    assert max(turns) == 30
    assert min(turns) == -30


def test_no_layers_no_change_and_the_same_seed_the_same_clip(portrait: np.ndarray) -> None:
    clip = frames(portrait)
    assert draw(0, 7.0, 0.5, rng()) == ()
    assert torch.equal(apply(clip, ()), clip)
    first, again, other = (apply(clip, draw(8, 7.0, 0.5, rng(seed))) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
