"""Through a display, and behind a cover: as strong as they say, only where they should be, the same every time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.cli.main import main
from mien.data.covers import PARTS, Part, cover, covered_pixels, covers
from mien.data.display import GAINS, STRENGTHS, Display, displays, kernel, through_display
from mien.data.synthetic import make_clips
from mien.evaluation.corruptions import CORRUPTIONS, GREY
from mien.faces.mean_face import MEAN_FACE

SIDE = 96


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    """Three drawn people."""
    return make_clips("static", 3, 1, SIDE, seed=4).images[:, 0]


@pytest.mark.parametrize("side", [48, 96, 224])
@pytest.mark.parametrize("name", sorted(STRENGTHS))
def test_a_kernel_takes_no_light_and_adds_none(name: str, side: int) -> None:
    found = [kernel(STRENGTHS[name], colour, side) for colour in range(3)]
    for one in found:
        assert one.sum() == pytest.approx(1)
        assert one.min() >= 0
        np.testing.assert_allclose(one, one[::-1, ::-1])
        np.testing.assert_allclose(one, one.T)
    middle = len(found[0]) // 2
    assert found[1][middle, middle] > found[0][middle, middle] > found[2][middle, middle], "green is sharpest"


def test_without_streaks_haze_and_noise_it_is_a_blur_and_a_tint(clip: np.ndarray) -> None:
    seen = through_display(clip, 0, display=Display(0.01, 0.0, 0.0, 0.0, 0.0))
    wanted = np.stack([cv2.GaussianBlur(clip[0, 0] / 255, (0, 0), 0.01 * SIDE, borderType=cv2.BORDER_REPLICATE)])
    assert np.abs(seen[0, 0] / 255 - GAINS[0] * 0.9 * wanted[0]).max() < 0.01


def test_light_adds_up(clip: np.ndarray) -> None:
    """Two lights together are seen as the sum of what is seen of each."""
    quiet = Display(0.01, 0.4, 0.0, 0.0, 0.0)
    half, third = (clip // 2), (clip // 3)
    both, one, other = (through_display(some, 0, display=quiet).astype(float) for some in (half + third, half, third))
    assert np.abs(both - one - other).max() <= 2, "rounding"


def test_streaks_reach_along_the_wires_and_not_across() -> None:
    point = np.zeros((1, 3, SIDE, SIDE), np.uint8)
    point[..., 46:50, 46:50] = 255
    seen = through_display(point, 0, display=Display(0.008, 0.5, 0.0, 0.0, 0.0))[0, 1].astype(int)
    assert min(seen[48, 65], seen[65, 48], seen[48, 30], seen[30, 48]) >= 1
    assert seen[60, 60] == 0


def test_three_strengths_lose_more_and_more(clip: np.ndarray) -> None:
    lost = [np.mean((through_display(clip, 0, display=one) / 255.0 - clip / 255) ** 2) for one in STRENGTHS.values()]
    psnr = [-10 * np.log10(one) for one in lost]
    print(psnr)
    assert list(STRENGTHS) == ["weak", "middle", "strong"]
    assert all(weaker > stronger + 0.3 for weaker, stronger in pairwise(psnr))


@pytest.mark.parametrize("name", [*displays(), *covers()])
def test_every_one_is_repeatable_changes_the_picture_and_spares_the_original(clip: np.ndarray, name: str) -> None:
    change, before = {**displays(), **covers()}[name], clip.copy()
    once, again, other = change(clip, 7), change(clip, 7), change(clip, 8)
    assert (once.dtype, once.shape) == (np.uint8, clip.shape)
    assert (once == again).all()
    assert (once != clip).any()
    assert (clip == before).all()
    assert (once == other).all() == (not any(word in name for word in ("display", "hand", "noise")))
    assert name not in CORRUPTIONS, "the usual table stays as it is"


def points_of(*numbers: int) -> np.ndarray:
    return MEAN_FACE[list(numbers)] * SIDE - 0.5


def test_a_mask_covers_its_polygon(clip: np.ndarray) -> None:
    mask = covered_pixels(MEAN_FACE, SIDE, "mask")
    corners = np.clip(points_of(*range(2, 15), 29), 0, SIDE - 1).astype(np.float32)
    assert mask.sum() == pytest.approx(cv2.contourArea(corners), rel=0.06)
    for number in (33, 48, 51, 54, 57, 62):
        x, y = np.rint(points_of(number)[0]).astype(int)
        assert mask[y, x]
    for number in (19, 24, 27, 37, 43):
        x, y = np.rint(points_of(number)[0]).astype(int)
        assert not mask[y, x]


@pytest.mark.parametrize(
    ("part", "inside", "outside"),
    [("glasses", (36, 39, 42, 45, 37, 46), (19, 24, 30, 48, 57)), ("headset", (19, 24, 37, 44, 28), (30, 48, 57, 8))],
)
def test_what_covers_the_eyes_leaves_the_mouth(part: Part, inside: tuple[int, ...], outside: tuple[int, ...]) -> None:
    mask = covered_pixels(MEAN_FACE, 2 * SIDE, part)
    for numbers, wanted in ((inside, True), (outside, False)):
        for number in numbers:
            x, y = np.rint(MEAN_FACE[number] * 2 * SIDE - 0.5).astype(int)
            assert mask[min(y, 2 * SIDE - 1), x] == wanted, number
    if part == "headset":
        assert mask.any(0).all(), "from edge to edge"


def test_a_hand_is_a_quarter_of_the_crop_and_lies_elsewhere_every_time() -> None:
    hands = np.stack([covered_pixels(MEAN_FACE, 4 * SIDE, "hand", seed) for seed in range(40)])
    whole = hands[~(hands[:, 0].any(1) | hands[:, -1].any(1) | hands[:, :, 0].any(1) | hands[:, :, -1].any(1))]
    assert len(whole) > 5
    np.testing.assert_allclose(whole.mean((1, 2)), 0.25, atol=0.01)
    assert len({hand.tobytes() for hand in hands}) == 40
    assert hands.any(0)[2 * SIDE :].mean() > 0.8, "anywhere on the lower face"


def test_textures_are_what_they_say(clip: np.ndarray) -> None:
    mask = covered_pixels(MEAN_FACE, SIDE, "mask")
    grey, skin, noise = (cover(clip, 0, part="mask", texture=one)[0] for one in ("grey", "skin", "noise"))  # type: ignore[arg-type]
    assert (grey[:, mask] == GREY).all()
    assert (skin[:, mask] == skin[:, mask][:, :1]).all()
    cheek = clip[0][:, round(0.62 * SIDE), round(0.22 * SIDE)]
    assert np.abs(skin[:, mask][:, 0].astype(int) - cheek).max() < 60
    assert noise[:, mask].std() == pytest.approx(73.9, rel=0.05), "of even numbers from 0 to 255"
    for one in (grey, skin, noise):
        assert (one[:, ~mask] == clip[0][:, ~mask]).all()


def test_a_cover_goes_with_the_face(clip: np.ndarray) -> None:
    moved = np.broadcast_to(MEAN_FACE + np.array([0.1, 0.0]), (3, 68, 2))
    for part in PARTS:
        still = cover(clip, 3, part=part)
        there = cover(clip, 3, part=part, find=lambda _: moved)
        one, other = ((some[0] == GREY).all(0) for some in (still, there))
        shift = np.argwhere(other)[:, 1].mean() - np.argwhere(one)[:, 1].mean()
        assert shift == pytest.approx(0.0 if part == "headset" else 0.1 * SIDE, abs=0.05 * SIDE), part


def test_a_suite_without_the_table_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["evaluate", "--spoilt", "covers", "-o", str(tmp_path)]) == 1
    assert "--robustness" in capsys.readouterr().err
