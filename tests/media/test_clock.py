"""Times of damaged and sound streams, and thinning by time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.media.clock import StreamClock, Thinner

stamps = st.lists(st.one_of(st.none(), st.floats(-1e4, 1e4)), min_size=1, max_size=50)


def read(values: list[float | None], tick: float = 0.001, frame: float = 0.04) -> list[float]:
    clock = StreamClock(tick, frame)
    return [clock.read(value) for value in values]


@given(stamps)
def test_times_start_where_the_stream_says_and_increase_whatever_it_says(values: list[float | None]) -> None:
    times = read(values)
    assert times[0] == max(values[0] or 0.0, 0.0)
    assert (np.diff(times) > 0).all()


@given(st.lists(st.floats(0.002, 20), min_size=1, max_size=50), st.floats(-100, 1e4))
def test_a_sound_variable_clock_passes_unchanged(gaps: list[float], start: float) -> None:
    truth = np.cumsum([start, *gaps])
    shown = truth - min(start, 0.0)
    assert read(truth.tolist()) == pytest.approx(shown.tolist(), abs=1e-8), "players show nothing before 0:00"


def test_the_zero_of_a_broadcast_clock_is_taken_out() -> None:
    clock = StreamClock(0.001, 0.04, zero=95443.7)
    assert [clock.read(stamp) for stamp in (95445.7, 95445.74)] == pytest.approx([2.0, 2.04])


def test_a_first_frame_without_a_stamp_starts_where_its_stream_does() -> None:
    clock = StreamClock(0.001, 0.04, first=2.0)
    assert [clock.read(stamp) for stamp in (None, 2.04, 2.08)] == pytest.approx([2.0, 2.04, 2.08])


def test_missing_stamps_follow_by_the_frame_duration() -> None:
    assert read([None, None, None]) == pytest.approx([0, 0.04, 0.08])
    assert read([5.0, None, 5.1]) == pytest.approx([5.0, 5.04, 5.1])
    clock = StreamClock(0.001, 0.04)
    assert [clock.read(1.0, 0.5), clock.read(None)] == [1.0, 1.5]


def test_a_repeated_stamp_moves_one_tick_and_does_not_shift_what_follows() -> None:
    assert read([0, 0.04, 0.04, 0.12]) == pytest.approx([0, 0.04, 0.041, 0.12])


def test_a_clock_that_restarts_goes_on() -> None:
    assert read([10.0, 10.04, 0.0, 0.04]) == pytest.approx([10, 10.04, 10.08, 10.12])


def kept(times: list[float], rate: float | None) -> list[float]:
    thinner = Thinner(rate)
    return [time for time in times if thinner.wants(time)]


@pytest.mark.parametrize(
    ("rate", "wanted", "numbers"),
    [(30, 10, [0, 3, 6, 9]), (30, 15, [0, 2, 4, 6, 8, 10]), (25, 10, [0, 2, 5, 7, 10])],
)
def test_thinning_takes_the_nearest_frames(rate: float, wanted: float, numbers: list[int]) -> None:
    times = [number / rate for number in range(11)]
    assert [round(time * rate) for time in kept(times, wanted)] == numbers


@given(st.integers(1, 100), st.floats(1.0, 5.0))
def test_asking_for_as_many_or_more_keeps_all(rate: int, more: float) -> None:
    times = [number / rate for number in range(100)]
    assert kept(times, rate * more) == times
    assert kept(times, None) == times


@given(st.integers(20, 120), st.floats(1, 19), st.integers(50, 300))
def test_a_steady_stream_is_thinned_to_the_rate_asked_for(rate: int, wanted: float, count: int) -> None:
    left = kept([number / rate for number in range(count)], wanted)
    assert len(left) == pytest.approx((count - 1) / rate * wanted + 1, abs=1.01)
    assert np.abs(left - np.arange(len(left)) / wanted).max() <= 0.5 / rate + 1e-6, (
        "the nearest frame to every due time"
    )


def test_a_slow_stretch_is_not_followed_by_a_burst() -> None:
    slow, fast = [number / 2 for number in range(10)], [4.5 + number / 100 for number in range(1, 200)]
    left = kept(slow + fast, 10)
    assert left[:10] == slow
    assert len([time for time in left if time > 4.5]) == pytest.approx(20, abs=3)
