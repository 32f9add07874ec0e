"""Box and Gauss filters over time: SciPy's where frames are even, the plain sum where they are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from brightness import BRIGHT, DARK, one_face
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from mien.analysis.expressions import ExpressionModel
from mien.analysis.filters import FilterKind, filtered
from mien.analysis.settings import AnalysisSettings
from mien.analysis.smoothing import SpanRule, TrackReadings
from mien.core.errors import ConfigError

RULE = SpanRule(("neutral", "happiness", "sadness"), 0.5, 0.1, 1.0)
KINDS: tuple[FilterKind, ...] = ("box", "gauss")


def track(
    times: np.ndarray, rows: np.ndarray, last: float = 0.04, reasons: list[str | None] | None = None
) -> TrackReadings:
    """Frames from one time to the next."""
    return TrackReadings(1, times, np.append(times[1:], times[-1] + last), rows, reasons or [None] * len(rows))


def random_rows(n: int) -> np.ndarray:
    return np.random.default_rng(n).dirichlet(np.ones(3), n)


def test_a_box_over_even_frames_is_scipys() -> None:
    rows, even = random_rows(100), np.arange(100) * 0.04
    found = filtered(track(even, rows), RULE, "box", 5 * 0.04).probabilities
    ones = uniform_filter1d(np.ones(100), 5, mode="constant")[:, None]
    np.testing.assert_allclose(found, uniform_filter1d(rows, 5, axis=0, mode="constant") / ones, atol=1e-9)


def test_a_bell_over_even_frames_is_scipys() -> None:
    rows, even = random_rows(100), np.arange(100) * 0.04
    sigma = 3.1  # frames; at 3 rounding decides whether the twelfth counts
    found = filtered(track(even, rows), RULE, "gauss", 2 * sigma * 0.04).probabilities
    ones = gaussian_filter1d(np.ones(100), sigma, mode="constant")[:, None]
    np.testing.assert_allclose(found, gaussian_filter1d(rows, sigma, axis=0, mode="constant") / ones, atol=1e-6)


def plain(one: TrackReadings, kind: FilterKind, width: float) -> np.ndarray:
    """The definition, frame by frame."""
    answer = np.full_like(one.probabilities, np.nan)
    middles = (one.starts + one.ends) / 2
    for i in np.flatnonzero(one.readable):
        weights = np.zeros(len(one))
        for j in np.flatnonzero(one.readable):
            apart = middles[j] - middles[i]
            low, high = max(one.starts[j], middles[i] - width / 2), min(one.ends[j], middles[i] + width / 2)
            bell = (one.ends[j] - one.starts[j]) * np.exp(-(apart**2) / 2 / (width / 2) ** 2)
            weights[j] = max(high - low, 0.0) if kind == "box" else bell * (abs(apart) <= 2 * width)
        answer[i] = weights @ np.nan_to_num(one.probabilities) / weights.sum()
    return answer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [0.01, 0.1, 0.5, 2.0])
def test_frames_of_any_length_weigh_as_long_as_they_last(kind: FilterKind, width: float) -> None:
    rng = np.random.default_rng(5)
    times, rows = np.cumsum(rng.uniform(0.01, 0.3, 40)), random_rows(40)
    reasons: list[str | None] = ["blurred" if place in (7, 8, 21) else None for place in range(40)]
    rows[[7, 8, 21]] = np.nan
    one = track(times, rows, 0.1, reasons)
    found = filtered(one, RULE, kind, width).probabilities
    np.testing.assert_allclose(found, plain(one, kind, width), atol=1e-12)
    assert np.isnan(found[[7, 8, 21]]).all()
    np.testing.assert_allclose(np.nansum(found, 1)[one.readable], 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_constant_stays_and_nothing_crosses_an_absence(kind: FilterKind) -> None:
    still = np.tile([0.2, 0.7, 0.1], (30, 1))
    np.testing.assert_allclose(filtered(track(np.arange(30) * 0.04, still), RULE, kind, 1.0).probabilities, still)
    away = track(np.append(np.arange(15), 100 + np.arange(15)) * 0.04, np.repeat([[1.0, 0, 0], [0, 1.0, 0]], 15, 0))
    ends = away.starts + 0.04
    found = filtered(replace(away, ends=ends), replace(RULE, max_gap=1.0), kind, 9.0).probabilities
    np.testing.assert_allclose(found, away.probabilities)


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_frame_beside_a_long_one_hears_it_and_one_without_time_or_neighbour_stays(kind: FilterKind) -> None:
    rows = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    found = filtered(track(np.array([0.0, 0.1]), rows, last=5.0), RULE, kind, 3.0)
    np.testing.assert_allclose(found.probabilities, plain(track(np.array([0.0, 0.1]), rows, last=5.0), kind, 3.0))
    assert found.probabilities[0, 1] > 0.5
    blind = TrackReadings(
        1, np.zeros(2), np.array([0.0, 1.0]), np.array([[1.0, 0, 0], [np.nan] * 3]), [None, "blurred"]
    )
    np.testing.assert_array_equal(filtered(blind, RULE, kind, 0.5).probabilities, blind.probabilities)


def test_a_picture_and_a_filter_that_is_off_are_left_as_they_are() -> None:
    picture = TrackReadings(1, np.zeros(1), np.zeros(1), random_rows(1), [None])
    for kind in KINDS:
        np.testing.assert_allclose(filtered(picture, RULE, kind, 0.5).probabilities, picture.probabilities)
    some = track(np.arange(20) * 0.04, random_rows(20))
    assert filtered(some, RULE, "none", 0.5) is some


@pytest.mark.parametrize("kind", KINDS)
def test_a_film_is_calmer_and_its_table_says_so(
    kind: FilterKind, model: ExpressionModel, lenient: AnalysisSettings
) -> None:
    film = one_face(([DARK] * 15 + [BRIGHT] * 15) * 3)
    plainly, calm = (
        model.analyze(film, replace(lenient, min_span=0.0, filter=how, filter_width=2.0)) for how in ("none", kind)
    )
    assert {span.label for span in plainly.spans} >= {"neutral", "happiness"}
    assert len(calm.spans) < len(plainly.spans)
    rows = [one.frames.column("probabilities")[:, 1] for one in (plainly, calm)]
    assert np.ptp(rows[1]) < np.ptp(rows[0]) / 2
    assert calm.provenance["settings"]["filter"] == kind
    span = calm.spans[0]
    inside = (calm.frames.column("time") >= span.start) & (calm.frames.column("time") < span.end)
    place = calm.labels.labels.index(span.label) if not span.abstained else int(rows[1][inside].mean() > 0.5)
    assert calm.frames.column("probabilities")[inside, place].mean() == pytest.approx(span.score, abs=1e-3)


@pytest.mark.parametrize("fields", [{"filter": "median"}, {"filter_width": 0.0}, {"filter_width": 99.0}])
def test_other_filters_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        AnalysisSettings(**fields)


@pytest.mark.parametrize("fields", [{"filter": "box"}, {"compound": True}])
def test_what_needs_the_whole_film_is_refused_while_it_runs(model: ExpressionModel, fields: dict[str, Any]) -> None:
    settings = AnalysisSettings(**fields)
    with pytest.raises(ConfigError, match="seen so far"):
        list(model.watch(one_face([DARK] * 5), settings))
    with pytest.raises(ConfigError, match="seen so far"):
        model.live([], settings)
