from __future__ import annotations

import numpy as np
import pytest
from planted import face_points

from mien.core.action_units import ACTION_UNITS, EXPECTATIONS, REGIONS, expectation
from mien.explain.regions import overlap, region_scores
from mien.faces.regions import region_masks

SIDE = 64


@pytest.fixture
def masks() -> dict[str, np.ndarray]:
    return region_masks(np.stack([face_points()] * 2), SIDE)


def at(x: float, y: float) -> tuple[int, int, int]:
    return 0, int(y * SIDE), int(x * SIDE)


@pytest.mark.parametrize(
    ("region", "places"),
    [
        ("brows", [(0.32, 0.30), (0.68, 0.30)]),
        ("eyes", [(0.32, 0.42), (0.68, 0.42)]),
        ("nose", [(0.5, 0.6)]),
        ("cheeks", [(0.2, 0.6), (0.8, 0.6)]),
        ("mouth", [(0.5, 0.78), (0.38, 0.78)]),
        ("chin", [(0.5, 0.9)]),
    ],
)
def test_regions_lie_where_a_face_has_them(
    masks: dict[str, np.ndarray], region: str, places: list[tuple[float, float]]
) -> None:
    for place in places:
        assert [name for name, mask in masks.items() if mask[at(*place)]] == [region]
    assert not any(mask[at(0.5, 0.1)] for mask in masks.values()), "the forehead is elsewhere"


def test_no_pixel_is_in_two_regions_and_both_sides_are_alike(masks: dict[str, np.ndarray]) -> None:
    assert np.sum(list(masks.values()), axis=0).max() == 1
    for mask in masks.values():
        left, right = mask[0, :, : SIDE // 2].sum(), mask[0, :, SIDE // 2 :].sum()
        assert left == pytest.approx(right, rel=0.15)


def test_regions_follow_the_face(masks: dict[str, np.ndarray]) -> None:
    moved = region_masks(face_points()[None] + (4 / SIDE, 0), SIDE)
    np.testing.assert_array_equal(moved["mouth"][0, :, 4:], masks["mouth"][0, :, :-4])


def test_a_face_that_leaves_the_crop_is_cut_off(masks: dict[str, np.ndarray]) -> None:
    scores = region_scores(np.ones((1, SIDE, SIDE)), region_masks(face_points()[None] + (0, 0.5), SIDE))
    assert scores["mouth"].area == 0
    assert np.isnan(scores["mouth"].mean)
    assert sum(score.area for score in scores.values()) == pytest.approx(1)


def test_shares_are_of_the_whole_map(masks: dict[str, np.ndarray]) -> None:
    values = 3.0 * masks["mouth"] + 1.0 * masks["eyes"]
    scores = region_scores(values, masks)
    assert sum(score.share for score in scores.values()) == pytest.approx(1)
    assert sum(score.area for score in scores.values()) == pytest.approx(1)
    assert (scores["mouth"].mean, scores["eyes"].mean, scores["elsewhere"].share) == (3, 1, 0)
    mouth, eyes = masks["mouth"].sum(), masks["eyes"].sum()
    assert scores["mouth"].share == pytest.approx(3 * mouth / (3 * mouth + eyes))
    assert np.isnan(region_scores(np.zeros_like(values), masks)["mouth"].share)


def test_overlap_from_none_to_full(masks: dict[str, np.ndarray]) -> None:
    full = overlap(masks["mouth"] * 2.0, masks, ["mouth"])
    assert (full.iou, full.correlation) == (pytest.approx(1), pytest.approx(1))
    none = overlap(~masks["mouth"] * 2.0, masks, ["mouth"])
    assert (none.iou, none.correlation) == (0, pytest.approx(-1))
    noise = np.random.default_rng(0).random(masks["mouth"].shape)
    chance = overlap(noise, masks, ["mouth", "cheeks"])
    assert chance.iou == pytest.approx(chance.chance, abs=0.02)
    assert chance.correlation == pytest.approx(0, abs=0.05)


def test_a_flat_map_correlates_with_nothing(masks: dict[str, np.ndarray]) -> None:
    assert np.isnan(overlap(np.ones_like(masks["mouth"], np.float64), masks, ["mouth"]).correlation)


def test_every_expectation_is_made_of_known_units_and_names_its_source() -> None:
    for one in EXPECTATIONS.values():
        assert set(one.units) <= set(ACTION_UNITS)
        assert one.regions
        assert "doi" in one.source
    assert {region for unit in ACTION_UNITS.values() for region in unit.regions} == set(REGIONS)


def test_expectations_by_any_spelling_of_a_label() -> None:
    happy = expectation("Happy")
    assert happy is not None
    assert (happy.units, happy.regions) == ((12, 25), ("cheeks", "mouth"))
    assert expectation("neutral") is None
    assert expectation("helplessness") is None
