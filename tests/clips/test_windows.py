"""Windows over tracks: every readable crop is seen, in time order, whatever else streams by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.clips.windows import Windows
from mien.core.errors import ConfigError
from mien.core.types import Face, FaceClip, FaceCrop, Quality

FACE = Face(np.zeros(4, np.float32), 1.0, np.zeros((5, 2), np.float32))


def crop(index: int, time: float, track: int = 1, reason: str | None = None) -> FaceCrop:
    """A crop whose pixels carry its index."""
    image = np.full((3, 2, 2), index % 256, np.uint8)
    return FaceCrop(track, index, time, FACE, image, Quality(50.0, 100.0, 0.0, reason))


def steady(seconds: float, rate: float = 25.0, start: float = 0.0, track: int = 1) -> list[FaceCrop]:
    return [crop(i, start + i / rate, track) for i in range(round(seconds * rate))]


def cut(windows: Windows, crops: Iterable[FaceCrop]) -> list[FaceClip]:
    return [clip for one in crops for clip in windows.push(one)] + windows.finish()


def same(left: FaceClip, right: FaceClip) -> bool:
    return (
        (left.track, left.start, left.end, left.indices) == (right.track, right.start, right.end, right.indices)
        and left.times.tolist() == right.times.tolist()
        and left.valid.tolist() == right.valid.tolist()
        and left.images.tolist() == right.images.tolist()
    )


@st.composite
def tracks(draw: st.DrawFn, track: int = 1) -> list[FaceCrop]:
    """Frames of a jittery clock, with gaps, long and short, and crops that cannot be read."""
    gaps = draw(st.lists(st.tuples(st.floats(0.001, 0.3), st.integers(1, 3)), min_size=1, max_size=60))
    jump = draw(st.sampled_from([0.0, 0.9, 5.0]))
    where = draw(st.integers(0, len(gaps) - 1))
    time, index, crops = draw(st.floats(0, 100)), 0, []
    for number, (gap, skipped) in enumerate(gaps):
        time, index = time + gap + (jump if number == where else 0.0), index + skipped
        reason = draw(st.sampled_from([None, None, None, "blurred"]))
        crops.append(crop(index, time, track, reason))
    return crops


shapes = st.tuples(st.integers(1, 20), st.floats(0.05, 3.0), st.floats(0.05, 1.0))


@settings(max_examples=300, deadline=None)
@given(tracks(), shapes)
def test_every_readable_crop_lies_in_a_clip_and_clips_are_sound(
    crops: list[FaceCrop], shape: tuple[int, float, float]
) -> None:
    length, seconds, share = shape
    clips = cut(Windows(length, seconds, seconds * share), crops)
    readable = [one for one in crops if one.quality.reason is None]
    for one in readable:
        assert any(clip.start <= one.time <= clip.end for clip in clips), "a crop lies in no clip"
    indices = {one.index for one in readable}
    for clip in clips:
        assert clip.images.shape == (length, 3, 2, 2)
        assert len(clip.indices) == len(clip.times) == len(clip.valid) == length
        assert set(clip.indices) <= indices, "only readable crops are shown"
        assert (np.diff(clip.times) >= 0).all()
        assert clip.valid.tolist() == [True, *(np.diff(clip.indices) > 0)]
        assert clip.images[:, 0, 0, 0].tolist() == [index % 256 for index in clip.indices]
        assert clip.start <= clip.times[0] <= clip.times[-1] <= clip.end
        assert clip.times[-1] - clip.times[0] <= seconds + 1e-6
    assert (np.diff([clip.start for clip in clips]) >= 0).all()
    assert (np.diff([clip.end for clip in clips]) > 0).all(), "every clip shows something new"


@settings(max_examples=100, deadline=None)
@given(tracks(1), tracks(2), tracks(7), shapes, st.randoms(use_true_random=False))
def test_interleaved_tracks_give_what_each_gives_alone(one, two, three, shape, random) -> None:
    length, seconds, share = shape
    windows, queues, together = Windows(length, seconds, seconds * share), [one[:], two[:], three[:]], []
    while any(queues):
        together += windows.push(random.choice([queue for queue in queues if queue]).pop(0))
    together += windows.finish()
    for crops in (one, two, three):
        alone = cut(Windows(length, seconds, seconds * share), crops)
        mine = [clip for clip in together if clip.track == crops[0].track]
        assert len(mine) == len(alone)
        assert all(map(same, mine, alone))


def test_windows_start_every_step_and_the_last_is_anchored_at_the_end() -> None:
    clips = cut(Windows(16, 1.0, 0.5), steady(2.8))
    assert [clip.start for clip in clips] == pytest.approx([0.0, 0.5, 1.0, 1.5, 1.8], abs=0.021)
    assert [clip.end for clip in clips] == pytest.approx([1.0, 1.5, 2.0, 2.5, 2.8], abs=0.021)
    assert all(clip.valid.all() for clip in clips)


def test_a_clip_comes_as_soon_as_its_window_is_over() -> None:
    windows = Windows(4, 0.4, 0.2)
    answers = [len(windows.push(one)) for one in steady(1.2, rate=10)]
    assert answers == [0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert len(windows.finish()) == 1


def test_a_window_with_as_many_frames_as_places_shows_each_once() -> None:
    first = cut(Windows(16, 16 / 30, 16 / 30), steady(64 / 30, rate=30))
    assert [clip.indices for clip in first] == [tuple(range(start, start + 16)) for start in (0, 16, 32, 48)]


def test_places_are_equal_distances_in_time_not_in_frames() -> None:
    # Half a second at 40 a second, then half a second at 10: time, not count, is divided.
    times = [*np.arange(0, 0.5, 0.025), *np.arange(0.5, 1.0, 0.1)]
    (clip,) = cut(Windows(10, 1.0, 1.0), [crop(i, time) for i, time in enumerate(times)])
    assert clip.times[:5] == pytest.approx(np.arange(0.05, 0.5, 0.1) - 0.0125, abs=0.013)
    assert clip.times[5:] == pytest.approx(np.arange(0.5, 1, 0.1))


@pytest.mark.parametrize("rate", [23.976, 25.0, 29.97, 60.0])
def test_windows_that_overlap_by_half_share_half_their_crops(rate: float) -> None:
    clips = cut(Windows(4, 0.4, 0.2), steady(8.0, rate))[:-1]  # the last one is moved back
    assert all(one.indices[2:] == other.indices[:2] for one, other in pairwise(clips))


def test_a_short_track_is_padded_at_its_end_and_says_so() -> None:
    (clip,) = cut(Windows(16, 16 / 25, 8 / 25), steady(5 / 25))
    assert clip.indices == (0, 1, 2, 3, 4, *[4] * 11)
    assert clip.valid.tolist() == [True] * 5 + [False] * 11
    assert (clip.start, clip.end) == (0.0, pytest.approx(0.2))


def test_a_still_picture_gives_one_clip() -> None:
    windows = Windows(16, 1.0, 0.5)
    assert windows.push(crop(0, 0.0)) == []
    (clip,) = windows.finish()
    assert clip.valid.tolist() == [True] + [False] * 15
    assert (clip.start, clip.end) == (0.0, 0.0)
    assert windows.finish() == []


def test_unreadable_crops_let_time_pass_but_are_never_shown() -> None:
    crops = [crop(i, i / 10, reason="blurred" if 3 <= i < 7 else None) for i in range(30)]
    clips = cut(Windows(5, 1.0, 0.5), crops)
    assert not {3, 4, 5, 6} & {index for clip in clips for index in clip.indices}
    assert cut(Windows(5, 1.0, 0.5), [crop(i, i / 10, reason="too small") for i in range(30)]) == []


def test_an_unreadable_stretch_does_not_hold_a_finished_window_back() -> None:
    windows = Windows(5, 1.0, 0.5)
    for one in steady(0.8, rate=10):
        assert windows.push(one) == []
    assert len(windows.push(crop(10, 1.0, reason="turned away"))) == 1


def test_a_long_absence_starts_a_new_series() -> None:
    clips = cut(Windows(4, 1.0, 0.5), [*steady(2.0, 10), *(crop(500 + i, 50 + i / 10) for i in range(20))])
    assert all(clip.end < 2.1 or clip.start >= 50 for clip in clips), "no clip reaches over the absence"
    starts = [clip.start for clip in clips if clip.start >= 50]
    assert starts == pytest.approx([50.0, 50.5, 51.0])


def test_a_face_gone_for_a_moment_stays_in_one_clip() -> None:
    (clip,) = cut(Windows(10, 1.0, 1.0), [*steady(0.3, 10), *(crop(i, i / 10) for i in range(7, 10))])
    assert (clip.start, clip.end) == (0.0, pytest.approx(1.0))
    assert clip.valid.sum() == 6


def test_a_step_finer_than_the_frames_gives_no_clip_twice() -> None:
    clips = cut(Windows(4, 1.0, 0.01), steady(3.0, rate=5))
    assert len({clip.end for clip in clips}) == len(clips) == 11, "the first window, then one for each new crop"


@pytest.mark.parametrize("rate", [0.1, 0.5, 1.0, 1.5, 2.0])
def test_where_frames_are_further_apart_than_a_window_every_crop_is_a_clip_as_long_as_its_frame(rate: float) -> None:
    times = (np.arange(8) / rate).tolist()
    for indices in (range(8), range(0, 200, 25)):  # every frame, and every 25th of a faster source
        clips = cut(Windows(4, 0.4, 0.2), [crop(i, time) for i, time in zip(indices, times, strict=True)])
        assert [clip.indices[0] for clip in clips] == list(indices)
        assert [clip.start for clip in clips] == times
        assert [clip.end for clip in clips] == pytest.approx([*times[1:], times[-1] + 1 / rate])


@pytest.mark.parametrize("rate", [2.6, 3.0, 4.0, 5.0])
def test_slow_crops_all_lie_in_a_clip_that_shows_them(rate: float) -> None:
    crops = [crop(9 * i, i / rate) for i in range(40)]
    clips = cut(Windows(4, 0.4, 0.2), crops)
    assert {index for clip in clips for index in clip.indices} == {one.index for one in crops}


def test_the_frame_of_a_lone_crop_lasts_until_the_next_that_was_looked_at() -> None:
    windows = Windows(4, 0.4, 0.2, max_gap=1.0)
    windows.push(crop(0, 5.0))
    assert windows.frame_over(5.0) == []
    assert windows.frame_over(10.0) == [], "one look in vain is no absence"
    (clip,) = windows.frame_over(15.0)
    assert (clip.start, clip.end) == (5.0, 10.0)


def test_a_track_that_is_away_too_long_gives_its_last_clip() -> None:
    windows, clips = Windows(4, 1.0, 0.5, max_gap=0.5), []
    for i in range(30):
        if i < 10:
            clips += windows.push(crop(i, i / 10))
        windows.push(crop(i, i / 10, track=2))
        clips += [clip for clip in windows.frame_over(i / 10) if clip.track == 1]
        assert len(clips) == (i > 14), "0.5 s after its last crop at 0.9 s"
    assert windows._tracks.keys() == {2}


def test_memory_holds_one_window_of_crops() -> None:
    windows = Windows(16, 1.0, 0.25)
    for one in steady(200.0):
        windows.push(one)
        held = windows._tracks[1]._crops
        assert held[-1].time - held[0].time <= 1.0 + 1e-5


def test_long_tracks_gather_no_rounding() -> None:
    windows = Windows(2, 0.3, 0.1)
    clips = [clip for i in range(20_000) for clip in windows.push(crop(i, i * 0.1))]
    assert clips[-1].start == pytest.approx(19_999 * 0.1 - 0.3)
    assert all(clip.end - clip.start == pytest.approx(0.3) for clip in clips[-50:])


def test_an_ended_track_may_come_back() -> None:
    windows = Windows(4, 1.0, 0.5)
    windows.push(crop(0, 0.0, track=3))
    assert [clip.track for clip in windows.end(3)] == [3]
    assert windows.end(3) == []
    assert windows.push(crop(9, 9.0, track=3)) == []
    assert len(windows.finish()) == 1


def test_time_that_does_not_increase_is_refused() -> None:
    windows = Windows(4, 1.0, 0.5)
    windows.push(crop(0, 1.0))
    windows.push(crop(0, 1.0, track=2))
    with pytest.raises(ValueError, match="track 1"):
        windows.push(crop(1, 1.0))


@pytest.mark.parametrize(
    ("length", "seconds", "step"),
    [(0, 1, 1), (16, 0, 1), (16, 1, 0), (16, 1, 1.5), (16, float("inf"), 1), (16, 1, float("nan"))],
)
def test_settings_out_of_range_are_refused(length: int, seconds: float, step: float) -> None:
    with pytest.raises(ConfigError):
        Windows(length, seconds, step)


def test_crops_that_were_not_looked_at_give_time_and_no_picture() -> None:
    crops = [replace(one, looked=one.index % 3 == 0) for one in steady(2.0)]
    clips = cut(Windows(4, 0.4, 0.2), crops)
    whole = cut(Windows(4, 0.4, 0.2), steady(2.0))
    assert [(clip.start, clip.end) for clip in clips] == [(clip.start, clip.end) for clip in whole]
    assert {index % 3 for clip in clips for index in clip.indices} == {0}
    assert max(np.abs(a.times - b.times).max() for a, b in zip(clips, whole, strict=True)) < 0.05


def test_a_series_without_a_look_shows_what_it_has() -> None:
    (clip,) = cut(Windows(2, 0.4, 0.2), [replace(one, looked=False) for one in steady(0.2)])
    assert clip.start == 0.0
    assert clip.end == pytest.approx(0.2)
