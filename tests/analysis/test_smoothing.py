from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from brightness import BrightnessNetwork
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.analysis.filters import FilterKind, filtered
from mien.analysis.settings import AnalysisSettings
from mien.analysis.smoothing import SpanRule, TrackReadings, best_path, frame_probabilities, track_spans
from mien.clips.windows import Windows
from mien.core.types import Face, FaceCrop, Prediction, Quality, Span

LABELS = ("neutral", "happiness", "sadness")
RULE = SpanRule(LABELS, threshold=0.4, min_span=0.2, max_gap=1.0)
FPS = 25.0


def readings(
    rows: np.ndarray, reasons: list[str | None] | None = None, starts: np.ndarray | None = None
) -> TrackReadings:
    starts = np.arange(len(rows)) / FPS if starts is None else starts
    return TrackReadings(1, starts, starts + 1 / FPS, rows, reasons or [None] * len(rows))


def certain(*stretches: tuple[str, int], p: float = 0.9) -> np.ndarray:
    """Frames in which each label in turn has probability ``p`` for so many frames."""
    rest = (1 - p) / (len(LABELS) - 1)
    return np.array([[p if name == label else rest for name in LABELS] for label, n in stretches for _ in range(n)])


def labels(spans: list[Span]) -> list[str]:
    return [span.label for span in spans]


@st.composite
def tracks(draw: st.DrawFn) -> TrackReadings:
    """Random tracks: noisy probabilities, unreadable frames, variable frame rate, gaps short and long."""
    frames = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    durations = rng.uniform(0.01, 0.12, frames)
    gaps = rng.choice([0.0, 0.0, 0.0, 0.0, 0.3, 2.0], frames)
    ends = np.cumsum(durations + gaps)
    rows = rng.dirichlet(np.full(len(LABELS), 0.5), frames)
    reasons = [None if value > 0.3 else str(rng.choice(["blurred", "too small"])) for value in rng.random(frames)]
    rows[[reason is not None for reason in reasons]] = np.nan
    return TrackReadings(3, ends - durations, ends, rows, reasons)


class TestSpans:
    @given(tracks())
    def test_spans_are_sorted_disjoint_and_cover_every_frame(self, track: TrackReadings) -> None:
        spans = track_spans(track, RULE)
        assert spans[0].start == track.starts[0]
        assert spans[-1].end == track.ends[-1]
        for before, after in pairwise(spans):
            assert before.end <= after.start
            assert before.end == after.start or after.start - before.end > RULE.max_gap
        middles = (track.starts + track.ends) / 2
        assert all(any(span.start <= time <= span.end for span in spans) for time in middles)

    @pytest.mark.parametrize("step", [0.6, 1.01, 10.0])
    def test_one_slow_frame_without_the_face_cuts_no_span_and_two_over_the_gap_do(self, step: float) -> None:
        for missed, count in ((1, 1), (2, 1 if step < 1 else 2)):
            places = np.array([0, 1, 2, *range(3 + missed, 7)])
            starts = 3.0 + places * step
            track = TrackReadings(1, starts, starts + step, certain(("neutral", len(places))), [None] * 7, places)
            rule = replace(RULE, max_gap=1.3)
            track = replace(track, reasons=[None] * len(places))
            assert labels(track_spans(track, rule)) == ["neutral"] * count

    @given(tracks())
    def test_neighbours_differ_and_every_named_span_reaches_the_threshold(self, track: TrackReadings) -> None:
        spans = track_spans(track, RULE)
        for before, after in pairwise(spans):
            assert (before.label, before.reason) != (after.label, after.reason) or before.end < after.start
        for span in spans:
            assert span.abstained == (span.label == "unclear") == (span.reason is not None)
            assert span.abstained or RULE.threshold - 1e-9 <= span.score <= 1

    @given(st.integers(1, 80), st.integers(0, 2**32 - 1))
    def test_time_run_backwards_mirrors_the_spans(self, frames: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        durations, rows = rng.uniform(0.01, 0.12, frames), rng.dirichlet(np.full(len(LABELS), 0.5), frames)

        def spans_of(durations: np.ndarray, rows: np.ndarray) -> list[Span]:
            ends = np.cumsum(durations)
            return track_spans(TrackReadings(1, ends - durations, ends, rows, [None] * frames), RULE)

        there, back = spans_of(durations, rows), spans_of(durations[::-1], rows[::-1])[::-1]
        assert labels(there) == labels(back)
        np.testing.assert_allclose([s.start for s in there], [durations.sum() - s.end for s in back], atol=1e-9)
        np.testing.assert_allclose([s.score for s in there], [s.score for s in back])

    @given(st.integers(1, 100), st.sampled_from(LABELS), st.floats(0.41, 1.0))
    def test_constant_input_gives_one_span(self, frames: int, label: str, p: float) -> None:
        (span,) = track_spans(readings(certain((label, frames), p=p)), RULE)
        assert (span.label, span.start, span.abstained) == (label, 0.0, False)
        assert span.end == pytest.approx(frames / FPS)
        assert span.score == pytest.approx(p)

    def test_a_change_is_placed_at_the_frame_where_it_happens(self) -> None:
        spans = track_spans(readings(certain(("neutral", 30), ("happiness", 20))), RULE)
        assert [(span.label, span.start, span.end) for span in spans] == [
            ("neutral", 0.0, pytest.approx(30 / FPS)),
            ("happiness", pytest.approx(30 / FPS), pytest.approx(50 / FPS)),
        ]

    def test_a_blip_shorter_than_min_span_does_not_interrupt_however_certain(self) -> None:
        blip = certain(("neutral", 25), ("happiness", 4), ("neutral", 25), p=1.0)
        assert labels(track_spans(readings(blip), RULE)) == ["neutral"]

    def test_a_certain_expression_longer_than_min_span_does(self) -> None:
        shown = certain(("neutral", 25), ("happiness", 7), ("neutral", 25), p=0.95)
        assert labels(track_spans(readings(shown), RULE)) == ["neutral", "happiness", "neutral"]

    def test_the_decision_does_not_depend_on_the_frame_rate(self) -> None:
        for fps in (10, 30, 120):
            rows = certain(("neutral", fps), ("happiness", round(0.3 * fps)), ("neutral", fps))
            starts = np.arange(len(rows)) / fps
            track = TrackReadings(1, starts, starts + 1 / fps, rows, [None] * len(rows))
            assert labels(track_spans(track, RULE)) == ["neutral", "happiness", "neutral"], fps

    def test_below_the_threshold_it_declines(self) -> None:
        (span,) = track_spans(readings(np.tile([0.38, 0.32, 0.3], (30, 1))), RULE)
        assert (span.label, span.abstained, span.reason) == ("unclear", True, "low confidence")
        assert span.score == pytest.approx(0.38)

    def test_an_unreadable_stretch_is_its_own_span_with_its_reason(self) -> None:
        rows = certain(("happiness", 60))
        rows[20:40] = np.nan
        reasons = [None] * 20 + ["turned away"] * 20 + [None] * 20
        spans = track_spans(readings(rows, reasons), RULE)
        assert [(span.label, span.reason) for span in spans] == [
            ("happiness", None),
            ("unclear", "turned away"),
            ("happiness", None),
        ]
        assert spans[1].score == 0.0
        assert spans[1].start == pytest.approx(20 / FPS)

    def test_one_blurred_frame_does_not_cut_a_span_nor_count_in_its_score(self) -> None:
        rows = certain(("happiness", 60))
        rows[30] = np.nan
        (span,) = track_spans(readings(rows, [None] * 30 + ["blurred"] + [None] * 29), RULE)
        assert (span.label, span.score) == ("happiness", pytest.approx(0.9))

    def test_a_wholly_unreadable_track_is_one_abstained_span(self) -> None:
        (span,) = track_spans(readings(np.full((10, 3), np.nan), ["too small"] * 10), RULE)
        assert (span.label, span.reason, span.score) == ("unclear", "too small", 0.0)

    def test_gaps_up_to_max_gap_are_bridged_and_longer_ones_are_not(self) -> None:
        rows = certain(("happiness", 20))
        for gap, count in ((0.9, 1), (1.0, 1), (1.1, 2)):
            starts = np.arange(20) / FPS + np.where(np.arange(20) >= 10, gap, 0.0)
            spans = track_spans(readings(rows, starts=starts), RULE)
            assert len(spans) == count
            assert spans[-1].end == pytest.approx(20 / FPS + gap)
        assert spans[0].end == pytest.approx(10 / FPS)

    def test_a_still_lasts_no_time_and_still_has_its_label(self) -> None:
        still = TrackReadings(1, np.zeros(1), np.zeros(1), certain(("sadness", 1)), [None])
        (span,) = track_spans(still, RULE)
        assert (span.label, span.start, span.end, span.score) == ("sadness", 0.0, 0.0, pytest.approx(0.9))

    def test_no_frames_no_spans(self) -> None:
        assert track_spans(readings(np.zeros((0, 3))), RULE) == []


class TestBestPath:
    @settings(max_examples=40)
    @given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 2**32 - 1), st.floats(0, 1))
    def test_it_is_the_best_of_all_paths(self, frames: int, states: int, seed: int, cost: float) -> None:
        worth = np.random.default_rng(seed).random((frames, states))

        def value(path: np.ndarray) -> float:
            return float(worth[np.arange(frames), path].sum() - cost * np.count_nonzero(np.diff(path)))

        every = np.stack(np.meshgrid(*[np.arange(states)] * frames, indexing="ij"), -1).reshape(-1, frames)
        assert value(best_path(worth, cost)) == pytest.approx(max(map(value, every)))

    def test_without_cost_every_frame_takes_its_best(self) -> None:
        worth = np.random.default_rng(0).random((50, 5))
        np.testing.assert_array_equal(best_path(worth, 0.0), worth.argmax(1))

    def test_long_tracks_are_one_however_they_are_cut_up(self) -> None:
        """Runs of five frames are worth two changes, single frames in their midst are not; 128 are summed at once."""
        runs = np.repeat(np.random.default_rng(0).permuted(np.tile([0, 1, 2], 40)), 5)
        worth = np.eye(3)[runs]
        worth[2::50] = np.roll(worth[2::50], 1, axis=1)
        np.testing.assert_array_equal(best_path(worth, 0.9), runs)


def window(start: float, end: float, *p: float) -> Prediction:
    return Prediction(1, start, end, np.array(p, float))


class TestFrameProbabilities:
    starts = np.arange(8) / 10
    ends = starts + 0.1

    def test_one_window_gives_all_its_frames_its_answer(self) -> None:
        rows = frame_probabilities(self.starts, self.ends, [window(0.0, 0.8, 0.7, 0.3)])
        np.testing.assert_allclose(rows, np.tile([0.7, 0.3], (8, 1)))

    def test_half_overlapping_windows_cross_fade_in_a_straight_line(self) -> None:
        rows = frame_probabilities(self.starts, self.ends, [window(0.0, 0.6, 1, 0), window(0.3, 0.9, 0, 1)])
        middles = (self.starts + self.ends) / 2
        inside = (middles > 0.3) & (middles < 0.6)
        np.testing.assert_allclose(rows[inside, 1], (middles[inside] - 0.3) / 0.3, atol=1e-9)

    def test_a_frame_without_a_window_takes_the_nearest(self) -> None:
        rows = frame_probabilities(self.starts, self.ends, [window(0.0, 0.2, 1, 0), window(0.6, 0.8, 0, 1)])
        np.testing.assert_array_equal(rows[:, 1] > 0.5, [False] * 4 + [True] * 4)

    def test_a_still_takes_its_window_of_no_length(self) -> None:
        rows = frame_probabilities(np.zeros(1), np.zeros(1), [window(0.0, 0.0, 0.2, 0.8)])
        np.testing.assert_allclose(rows, [[0.2, 0.8]])

    @given(st.integers(0, 2**32 - 1))
    def test_rows_are_probabilities_within_the_windows_answers(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        answers = rng.dirichlet(np.ones(3), 6)
        begins = np.sort(rng.uniform(-0.2, 0.7, 6))
        windows = [window(float(begin), float(begin) + 0.3, *row) for begin, row in zip(begins, answers, strict=True)]
        rows = frame_probabilities(self.starts, self.ends, windows)
        np.testing.assert_allclose(rows.sum(1), 1)
        assert (rows >= answers.min(0) - 1e-9).all()
        assert (rows <= answers.max(0) + 1e-9).all()

    def test_without_windows_it_refuses(self) -> None:
        with pytest.raises(ValueError, match="without any prediction"):
            frame_probabilities(self.starts, self.ends, [])

    def test_a_frame_that_stands_long_takes_its_own_window_and_not_the_next(self) -> None:
        starts = np.array([0.0, 0.3, 7.4, 8.1, 20.0])
        windows = [window(start, start + 0.04, p, 1 - p) for start, p in zip(starts, np.linspace(0, 1, 5), strict=True)]
        rows = frame_probabilities(starts, np.array([*starts[1:], 40.0]), windows)
        np.testing.assert_allclose(rows[:, 0], np.linspace(0, 1, 5))


def crop_of(index: int, time: float, share: float) -> FaceCrop:
    face = Face(np.zeros(4, np.float32), 1.0, np.zeros((5, 2), np.float32))
    return FaceCrop(1, index, time, face, np.full((3, 1, 1), round(255 * share), np.uint8), Quality(100.0, 100.0, 0.0))


def spans_of_video(
    shown: np.ndarray, fps: float, noise: float = 0.0, chosen: AnalysisSettings | None = None
) -> list[Span]:
    """The whole chain, at default settings if no others are chosen, for a face that is happy where ``shown`` is 1.

    The network is taken to answer the mean of its frames, which it does before temporal training.
    """
    chosen, rng = chosen or AnalysisSettings(), np.random.default_rng(0)
    windows = Windows(*chosen.pace(replace(BrightnessNetwork.record, frames=8)))
    starts = np.arange(len(shown)) / fps
    clips = [clip for i, share in enumerate(shown) for clip in windows.push(crop_of(i, starts[i], share))]
    predictions = []
    for clip in clips + windows.finish():
        share = clip.images.mean() / 255
        logits = np.log(np.array([1 - share, share]) @ [[0.86, 0.07, 0.07], [0.07, 0.86, 0.07]]) + rng.normal(
            0, noise, 3
        )
        predictions.append(Prediction(1, clip.start, clip.end, np.exp(logits) / np.exp(logits).sum()))
    ends = starts + 1 / fps
    rows = frame_probabilities(starts, ends, predictions)
    rule = SpanRule(LABELS, 0.4, chosen.min_span, chosen.faces.max_gap)
    read = TrackReadings(1, starts, ends, rows, [None] * len(rows))
    return track_spans(filtered(read, rule, chosen.filter, chosen.filter_width), rule)


class TestDefaults:
    @pytest.mark.parametrize("fps", [15, 25, 30, 60])
    @pytest.mark.parametrize("offset", [0.0, 0.05, 0.1, 0.15])
    def test_half_a_second_of_happiness_is_seen_wherever_it_falls(self, fps: int, offset: float) -> None:
        times = np.arange(6 * fps) / fps
        shown = (times >= 3 + offset) & (times < 3.5 + offset)
        spans = spans_of_video(shown.astype(float), fps)
        assert labels(spans) == ["neutral", "happiness", "neutral"]
        assert spans[1].start == pytest.approx(3 + offset, abs=0.12)
        assert spans[1].end == pytest.approx(3.5 + offset, abs=0.12)

    def test_an_unsure_network_changes_its_mind_ten_times_less_often(self) -> None:
        rough = AnalysisSettings(min_span=0.0)
        still = np.zeros(60 * 25)
        unsmoothed = len(spans_of_video(still, 25, noise=1.2, chosen=rough)) - 1
        assert unsmoothed >= 40
        assert len(spans_of_video(still, 25, noise=1.2)) - 1 <= unsmoothed / 10


@pytest.mark.parametrize(
    ("kind", "min_span", "changes", "shortest"),
    [
        *(("none", 0.0, 73, 0.3), ("box", 0.0, 15, 0.3), ("gauss", 0.0, 1, 0.5)),
        *(("none", 0.1, 3, 0.5), ("box", 0.1, 1, 0.5), ("gauss", 0.1, 0, 0.8)),
    ],
)
def test_a_filter_of_half_a_second_calms_and_loses_what_is_short(
    kind: FilterKind, min_span: float, changes: int, shortest: float
) -> None:
    """Changes in a minute of an unsure network, and the shortest expression that is still found."""
    chosen = AnalysisSettings(min_span=min_span, filter=kind)
    assert len(spans_of_video(np.zeros(60 * 25), 25, noise=1.2, chosen=chosen)) - 1 == pytest.approx(changes, abs=5)
    found = []
    for length in (0.3, 0.5, 0.8):
        shown = np.zeros(6 * 25)
        shown[75 : 75 + round(length * 25)] = 1
        if "happiness" in labels(spans_of_video(shown, 25, chosen=chosen)):
            found.append(length)
    assert min(found) == shortest


def test_intensity_is_how_far_from_neutral_a_span_is() -> None:
    rows = np.array([[0.9, 0.1, 0.0]] * 20 + [[0.2, 0.7, 0.1]] * 10 + [[0.1, 0.8, 0.1]] * 10)
    spans = track_spans(readings(rows), RULE)
    assert labels(spans) == ["neutral", "happiness"]
    assert [span.intensity for span in spans] == pytest.approx([0.1, 0.85])
    (unread,) = track_spans(readings(np.full((5, 3), np.nan), ["blurred"] * 5), RULE)
    (stranger,) = track_spans(readings(rows[20:]), replace(RULE, labels=("calm", "happiness", "sadness")))
    assert unread.intensity is stranger.intensity is None
