"""Two streams into one answer: a stream of noise gets no weight, and two that know a half each know all together."""

from __future__ import annotations

import numpy as np
import pytest

from mien.core.errors import ConfigError, DataError
from mien.core.softmax import softmax
from mien.models.late_fusion import LateFusion, fit_product, parse_fusion, search_sum
from shape_checks import unchecked

CLASSES = 3


def knows(targets: np.ndarray, rng: np.random.Generator, strength: float = 2.0) -> np.ndarray:
    """Calibrated probabilities of a stream whose evidence is Gaussian with that much for the true class."""
    evidence = rng.normal(size=(len(targets), CLASSES)) + strength * np.eye(CLASSES)[targets]
    return softmax(strength * evidence)


def noise(count: int, rng: np.random.Generator) -> np.ndarray:
    return softmax(2 * rng.normal(size=(count, CLASSES)))


def nll(probabilities: np.ndarray, targets: np.ndarray) -> float:
    return float(-np.log(probabilities[np.arange(len(targets)), targets]).mean())


def test_a_stream_of_noise_gets_no_weight_whichever_it_is() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, CLASSES, 20_000)
    good, bad = knows(targets, rng), noise(len(targets), rng)
    fused = fit_product(good, bad, targets)
    np.testing.assert_allclose([fused.picture, fused.sound, fused.bias], np.outer([1, 0, 0], np.ones(3)), atol=0.12)
    fused = fit_product(bad, good, targets)
    np.testing.assert_allclose([fused.picture, fused.sound, fused.bias], np.outer([0, 1, 0], np.ones(3)), atol=0.12)


def test_two_calibrated_streams_are_multiplied_as_bayes_would() -> None:
    rng = np.random.default_rng(1)
    targets = rng.integers(0, CLASSES, 20_000)
    one, two = knows(targets, rng, 1.0), knows(targets, rng, 1.5)
    fused = fit_product(one, two, targets)
    np.testing.assert_allclose([fused.picture, fused.sound], 1, atol=0.1)
    fresh = rng.integers(0, CLASSES, 20_000)
    one, two = knows(fresh, rng, 1.0), knows(fresh, rng, 1.5)
    assert nll(fused(one, two), fresh) < min(nll(one, fresh), nll(two, fresh)) - 0.1


def test_the_slope_is_that_of_the_cost_and_the_bottom_is_reached() -> None:
    """No step from the weights found, within their bounds, costs less: the cost is computed here anew."""
    rng = np.random.default_rng(2)
    targets = rng.integers(0, CLASSES, 60)
    one, two = knows(targets, rng, 0.7), noise(60, rng)
    found = fit_product(one, two, targets, pull=1.0)

    def cost(v: np.ndarray, w: np.ndarray, b: np.ndarray) -> float:
        z = v * np.log(one) + w * np.log(two) + b
        logs = z - np.log(np.exp(z).sum(1, keepdims=True))
        return -logs[np.arange(60), targets].sum() + 0.5 * (((v - 1) ** 2).sum() + (w**2).sum() + (b**2).sum())

    best = np.array([found.picture, found.sound, found.bias])
    for _ in range(200):
        other = best + 0.02 * rng.normal(size=best.shape)
        other[:2] = other[:2].clip(0)
        assert cost(*other) > cost(*best) - 1e-5


def test_what_is_shown_and_sounds_together_is_above_either_stream() -> None:
    """Class 1 is both a smile and a laugh: each stream alone cannot tell it from its half."""
    rng = np.random.default_rng(3)

    def clips(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        seen, sounded = rng.integers(0, 2, (2, count))
        halves = [np.where(part, 0.5, 0.03) * rng.uniform(0.9, 1.1, count) for part in (seen, sounded)]
        return np.stack([1 - halves[0], halves[0]], 1), np.stack([1 - halves[1], halves[1]], 1), seen & sounded

    fused = fit_product(*clips(400))
    picture, sound, targets = clips(2000)
    right = [float((one.argmax(1) == targets).mean()) for one in (picture, sound, fused(picture, sound))]
    assert max(right[:2]) < 0.9
    assert right[2] > 0.97


def test_few_clips_leave_the_picture_nearly_alone() -> None:
    rng = np.random.default_rng(4)
    targets = np.array([0, 1, 2])
    fused = fit_product(knows(targets, rng), noise(3, rng), targets, pull=100.0)
    np.testing.assert_allclose([fused.picture, fused.sound, fused.bias], np.outer([1, 0, 0], np.ones(3)), atol=0.05)


def test_the_search_finds_which_stream_knows_which_class() -> None:
    """AVCER's way: the sound alone knows the first class, the picture alone the second."""
    rng = np.random.default_rng(5)
    targets = rng.integers(0, 2, 600)
    sure = np.where(targets == 0, 0.9, 0.1)
    blind = np.full(600, 0.5) + rng.uniform(-0.3, 0.3, 600)
    picture, sound = np.stack([blind, 1 - blind], 1), np.stack([sure, 1 - sure], 1)
    found = search_sum(picture, sound, targets, draws=500)
    assert (found(picture, sound).argmax(1) == targets).mean() > 0.99
    assert found == search_sum(picture, sound, targets, draws=500), "seeded"
    alone = search_sum(sound, noise(600, rng)[:, :2], targets, draws=50)
    assert (alone.picture, alone.sound) == ((1.0, 1.0), (0.0, 0.0)), "nothing drawn is better than the picture alone"
    np.testing.assert_allclose(alone(sound, picture), sound)


def test_it_is_kept_as_numbers_and_odd_ones_are_refused() -> None:
    fused = LateFusion("product", (1.0, 0.5), (0.0, 2.0), (0.0, -0.1))
    body = {"way": "product", "picture": [1.0, 0.5], "sound": [0.0, 2.0], "bias": [0.0, -0.1]}
    assert parse_fusion(body) == fused
    rows = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert np.isfinite(fused(rows, rows[::-1])).all()
    for change in ({"way": "mean"}, {"picture": [-1.0, 0.0]}, {"bias": [0.0]}, {"sound": [float("nan"), 0.0]}):
        with unchecked(), pytest.raises(ConfigError):
            parse_fusion({**body, **change})
    with pytest.raises(DataError, match="held-out clips"):
        fit_product(np.empty((0, 2)), np.empty((0, 2)), np.empty(0, int))
