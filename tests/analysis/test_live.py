"""Live: a slow model is never far behind a fast source, what is dropped is counted, and nothing is left running."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from brightness import BRIGHT, DARK, RIGHT, BrightnessNetwork, one_face, picture

from mien import media
from mien.analysis.current import FORGET, NOT_YET, CurrentFaces, Now
from mien.analysis.expressions import ExpressionModel
from mien.analysis.reading import Reading, read
from mien.analysis.settings import AnalysisSettings
from mien.analysis.smoothing import SpanRule
from mien.core.errors import SourceError
from mien.core.types import Face, FaceCrop, Frame, Prediction, Quality
from mien.media import newest
from mien.media.newest import Newest
from mien.media.source import Shot, Source, SourceInfo

SLOW = 0.12
"""Seconds the slow model takes a window."""


class SlowNetwork(BrightnessNetwork):
    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        time.sleep(SLOW)
        return super().probabilities(clips)


def camera(images: np.ndarray, rate: float = 50.0, breaks: str = "", name: str = "camera 0") -> Source:
    """Gives its pictures at its own pace, whether or not anybody looks; then stops."""
    height, width = images.shape[1:3]
    problems: list[str] = []

    def shots() -> Iterator[Shot]:
        start = time.monotonic()
        for number, image in enumerate(images):
            time.sleep(max(0.0, start + number / rate - time.monotonic()))
            yield Shot(time.monotonic() - start, partial(np.copy, image))
        if breaks:
            problems.append(breaks)

    return Source(SourceInfo(name, "camera", width, height), shots(), problems=problems)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(newest, "LONGEST_WAIT", 0.02)


def once(source: Source) -> Callable[[], Source]:
    """Opens ``source`` the first time; then the camera is gone."""
    sources = [source]

    def reopen() -> Source:
        if not sources:
            raise SourceError("a camera of that number", "no camera 0", "plug one in")
        return sources.pop()

    return reopen


class TestNewest:
    def test_a_slow_consumer_sees_fresh_frames_and_the_rest_is_counted(self) -> None:
        images = np.zeros((60, 4, 4, 3), np.uint8)
        seen, ages = [], []
        with Newest(lambda: camera(images, 100.0), retries=0) as frames, suppress(SourceError):
            for frame in frames:
                time.sleep(0.05)
                seen.append(frame.index)
                ages.append(frames.age(frame))
        assert seen == sorted(set(seen))
        assert seen[-1] == 59, "the last frame is not lost"
        assert max(ages) < 0.15, "no queue builds up"
        assert frames.flow.read == 60
        assert frames.flow.dropped == 60 - len(seen)
        assert frames.flow.drop_rate == pytest.approx(0.8, abs=0.1)
        assert frames.flow.rate == pytest.approx(100, rel=0.2)

    def test_pixels_of_a_dropped_frame_are_never_made(self) -> None:
        made = []

        def shots() -> Iterator[Shot]:
            for number in range(40):
                time.sleep(0.005)
                yield Shot(number / 200, lambda: made.append(1) or np.zeros((2, 2, 3), np.uint8))  # type: ignore[func-returns-value]

        source = Source(SourceInfo("camera 0", "camera", 2, 2), shots())
        with Newest(once(source), retries=0) as frames, suppress(SourceError):
            for _ in frames:
                time.sleep(0.03)
        assert len(made) == 40 - frames.flow.dropped < 20

    def test_a_file_is_played_in_real_time(self) -> None:
        images = np.zeros((26, 4, 4, 3), np.uint8)
        start = time.monotonic()
        with Newest(lambda: media.open(images, frame_rate=50)) as frames:
            times = [frame.time for frame in frames]
        assert time.monotonic() - start == pytest.approx(0.5, abs=0.15)
        assert times[-1] == pytest.approx(0.5)

    def test_every_frame_of_a_file_where_asked_for_without_waiting(self) -> None:
        images = np.arange(100, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
        start = time.monotonic()
        with Newest(lambda: media.open(images, frame_rate=10), every=True) as frames:
            seen = [(frame.index, frame.image[0, 0, 0]) for frame in frames]
        assert seen == [(number, number) for number in range(100)]
        assert frames.flow.dropped == 0
        assert time.monotonic() - start < 3, "ten seconds of video"

    def test_it_stops_at_once_in_the_middle_of_a_wait(self) -> None:
        start = time.monotonic()
        with Newest(lambda: media.open(np.zeros((5, 4, 4, 3), np.uint8), frame_rate=0.1)) as frames:
            for _ in frames:
                frames.stop()
        assert time.monotonic() - start < 1

    def test_an_error_of_the_consumer_ends_the_reader_too(self) -> None:
        def consume() -> None:
            with Newest(lambda: camera(np.zeros((500, 4, 4, 3), np.uint8))) as frames:
                for _ in frames:
                    raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            consume()

    def test_a_source_that_is_not_there_is_refused_at_once(self) -> None:
        with pytest.raises(SourceError, match="exists"):
            Newest(lambda: media.open("nothing.mp4"))

    def test_a_bug_of_a_reader_reaches_the_one_who_reads(self) -> None:
        def shots() -> Iterator[Shot]:
            yield Shot(0.0, lambda: np.zeros((2, 2, 3), np.uint8))
            raise KeyError("bug")

        with (
            Newest(once(Source(SourceInfo("a", "video", 2, 2), shots()))) as frames,
            pytest.raises(KeyError, match="bug"),
        ):
            list(frames)

    def test_thinning_is_no_dropping(self) -> None:
        images = np.zeros((50, 4, 4, 3), np.uint8)
        with Newest(lambda: media.open(images, frame_rate=50), every=True, frame_rate=10) as frames:
            assert len(list(frames)) == pytest.approx(10, abs=1)
        assert frames.flow.dropped == 0


@pytest.mark.usefixtures("quick_retries")
class TestLostStreams:
    def test_a_stream_that_breaks_off_is_found_again_and_its_clock_goes_on(self) -> None:
        images = np.zeros((10, 4, 4, 3), np.uint8)
        sources = [camera(images, breaks="camera 0 stopped giving pictures"), camera(images), camera(images)]
        sources.reverse()
        said: list[str] = []

        def reopen() -> Source:
            if not sources:
                raise SourceError("a camera", "no camera 0", "plug one in")
            return sources.pop()

        seen: list[Frame] = []
        with Newest(reopen, retries=3, notice=said.append) as frames:
            with pytest.raises(SourceError, match=r"no camera 0, and 3 attempts.*failed"):
                seen.extend(frames)
            assert frames.flow.reconnects == 2
        assert said[0].startswith("camera 0 stopped giving pictures; attempt 1 of 3")
        assert said[1] == "camera 0 is back"
        assert sum("attempt" in text for text in said) == 2 + 3
        steps = np.diff([frame.time for frame in seen])
        assert (steps > 0).all()
        assert (np.diff([frame.index for frame in seen]) > 0).all()
        assert seen[-1].time == pytest.approx(0.6, abs=0.25)

    def test_no_retries_means_none(self) -> None:
        source = camera(np.zeros((3, 4, 4, 3), np.uint8), breaks="camera 0 stopped")
        with (
            Newest(once(source), retries=0) as frames,
            pytest.raises(SourceError, match="got camera 0 stopped; check"),
        ):
            list(frames)

    def test_a_file_that_ends_is_not_opened_again(self) -> None:
        opened: list[int] = []

        def reopen() -> Source:
            opened.append(1)
            return media.open(np.zeros((3, 4, 4, 3), np.uint8), frame_rate=100)

        with Newest(reopen) as frames:
            assert len(list(frames)) >= 1
        assert len(opened) == 1

    def test_stopping_ends_the_attempts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(newest, "FIRST_WAIT", 60.0)
        start = time.monotonic()
        with Newest(once(camera(np.zeros((3, 4, 4, 3), np.uint8))), notice=lambda _: frames.stop()) as frames:
            list(frames)
        assert time.monotonic() - start < 2


class TestLive:
    @pytest.fixture
    def news(self, lenient: AnalysisSettings) -> list[Now]:
        images = one_face([DARK] * 50 + [None] * 40 + [BRIGHT] * 50)
        with Newest(lambda: media.open(images), every=True) as frames:
            return list(ExpressionModel(BrightnessNetwork()).live(frames, lenient))

    def test_a_slow_model_stays_near_a_fast_camera(self, lenient: AnalysisSettings) -> None:
        lenient = replace(lenient, window=0.2)
        source = camera(one_face([DARK] * 80 + [BRIGHT] * 60), 50.0)
        ages, labels = [], []
        with Newest(once(source), retries=0) as frames, suppress(SourceError):
            for now in ExpressionModel(SlowNetwork()).live(frames, lenient):
                if now.frame is not None:
                    ages.append(frames.age(now.frame))
                    labels += [(now.frame.time, face.label) for face in now.faces]
        # A new face waits for its second detection: the frames held until then are older.
        settled = ages[6:]
        assert len(settled) > 5
        assert max(settled) < 2 * SLOW + 0.15
        assert frames.flow.dropped > 30
        assert {label for time, label in labels if 1.2 < time < 1.55} == {"neutral"}
        assert labels[-1][1] == "happiness"

    def test_the_spans_are_those_of_the_whole_video(
        self, news: list[Now], model: ExpressionModel, lenient: AnalysisSettings
    ) -> None:
        live = [span for now in news for span in now.ended]
        whole = model.analyze(one_face([DARK] * 50 + [None] * 40 + [BRIGHT] * 50), lenient).spans
        assert [(span.track, span.label) for span in live] == [(span.track, span.label) for span in whole]
        assert [span.start for span in live] == pytest.approx([span.start for span in whole], abs=0.05)

    def test_each_moment_says_who_is_there_and_what_they_show(self, news: list[Now]) -> None:
        at = {now.frame.index: now.faces for now in news if now.frame is not None}
        assert sorted(at) == list(range(140))
        assert (at[2][0].label, at[2][0].reason) == ("unclear", NOT_YET)
        assert (at[40][0].label, at[40][0].track) == ("neutral", 1)
        assert at[70] == ()
        assert (at[130][0].label, at[130][0].track) == ("happiness", 2)
        assert at[130][0].probabilities is not None
        assert at[130][0].score == at[130][0].probabilities[1]
        assert news[-1].frame is None

    def test_people_are_told_apart(self, lenient: AnalysisSettings) -> None:
        from brightness import LEFT

        frames = np.stack([picture((LEFT, DARK), (RIGHT, BRIGHT))] * 40)
        with media.open(frames) as source:
            *_, last, _ = ExpressionModel(BrightnessNetwork()).live(source, lenient)
        assert {(face.face.box[0] < 80, face.label) for face in last.faces} == {(True, "neutral"), (False, "happiness")}


class TestCurrentFaces:
    RULE = SpanRule(("neutral", "happiness"), 0.6, 0.1, 1.0)
    FACE = Face(np.zeros(4, np.float32), 1.0, np.zeros((5, 2), np.float32))

    def reading(self, time: float, answer: tuple[float, float] | None = None, reason: str | None = None) -> Reading:
        crop = FaceCrop(1, 0, time, self.FACE, np.zeros((3, 1, 1), np.uint8), Quality(50.0, 100.0, 0.0, reason))
        answers = [] if answer is None else [Prediction(1, time - 0.4, time, np.array(answer))]
        return Reading(Frame(0, time, np.zeros((1, 1, 3), np.uint8)), [crop], answers)

    def test_new_answers_outweigh_old_ones_and_one_flicker_does_not(self) -> None:
        faces = CurrentFaces(self.RULE)
        for step in range(5):
            (face,) = faces.push(self.reading(step * 0.2, (0.9, 0.1)))
        assert face.score == pytest.approx(0.9)
        (face,) = faces.push(self.reading(1.0, (0.1, 0.9)))
        assert face.label == "unclear"
        for step in range(3):
            (face,) = faces.push(self.reading(1.2 + step * 0.2, (0.1, 0.9)))
        assert face.label == "happiness"

    def test_a_face_that_cannot_be_read_says_why(self) -> None:
        faces = CurrentFaces(self.RULE)
        faces.push(self.reading(0.0, (0.9, 0.1)))
        (face,) = faces.push(self.reading(0.1, reason="turned away"))
        assert (face.label, face.score, face.reason, face.probabilities) == ("unclear", None, "turned away", None)

    def test_an_unsure_answer_is_unclear_but_shows_its_probabilities(self) -> None:
        (face,) = CurrentFaces(self.RULE).push(self.reading(0.0, (0.55, 0.45)))
        assert (face.label, face.reason) == ("unclear", "low confidence")
        assert face.probabilities == pytest.approx([0.55, 0.45])

    def test_answers_are_forgotten(self) -> None:
        faces = CurrentFaces(self.RULE)
        faces.push(self.reading(0.0, (0.9, 0.1)))
        (face,) = faces.push(self.reading(FORGET + 0.1))
        assert face.reason == NOT_YET
        assert faces._answers == {}

    @pytest.mark.parametrize("step", [1.0, FORGET + 1, 3600.0])
    def test_the_answer_about_the_last_frame_of_a_slow_camera_counts(self, step: float) -> None:
        faces, shown = CurrentFaces(self.RULE), []
        for number in range(6):
            reading = self.reading(number * step)
            answers = [Prediction(1, (number - 1) * step, (number - 1) * step, np.array([0.9, 0.1]))] if number else []
            shown.append(faces.push(Reading(reading.frame, reading.crops, answers))[0].label)
        assert shown == ["unclear"] + ["neutral"] * 5
        assert len(faces._answers[1]) <= FORGET / step + 1


class TestSlowSources:
    """One person, at 100 s and later on the clock, away for one frame, then changing."""

    SHOWN = [DARK] * 12 + [None] + [BRIGHT] * 12

    def frames(self, rate: float) -> list[Frame]:
        images = one_face(self.SHOWN)
        images[:, :, 62:94] = 255  # a pillar, so that the scene stays the same when nobody is there
        return [Frame(25 * i, 100 + i / rate, image) for i, image in enumerate(images)]

    @pytest.mark.parametrize("rate", [0.1, 0.5, 0.99, 1.0, 1.5, 3.0, 10.0])
    def test_live_spans_are_whole_and_of_one_person(
        self, model: ExpressionModel, lenient: AnalysisSettings, rate: float
    ) -> None:
        news = list(model.live(self.frames(rate), lenient))
        spans = [span for now in news for span in now.ended]
        assert [(span.track, span.label) for span in spans] == [(1, "neutral"), (1, "happiness")]
        assert (spans[0].start, spans[0].end) == (100.0, spans[1].start)
        assert spans[1].start == pytest.approx(100 + 13 / rate, abs=max(1 / rate, 0.4) + 0.01)
        assert spans[1].end == pytest.approx(100 + 25 / rate)
        faces = [now.faces[0].label for now in news if now.faces]
        assert len(faces) == 24
        assert faces[11] == "neutral"
        assert faces[-1] == "happiness"

    @pytest.mark.parametrize("rate", [0.1, 0.5, 0.99, 1.0, 1.5])
    def test_each_frame_has_the_answer_of_its_own_time(
        self, model: ExpressionModel, lenient: AnalysisSettings, rate: float
    ) -> None:
        readings = list(read(self.frames(rate), model._network, lenient, 2))
        answers = {one.start: one for reading in readings for one in reading.predictions}
        crops = [crop for reading in readings for crop in reading.crops]
        assert sorted(answers) == [crop.time for crop in crops]
        for crop in crops:
            assert answers[crop.time].end == pytest.approx(crop.time + 1 / rate)
            assert answers[crop.time].probabilities.argmax() == (0 if crop.time < 100 + 12.5 / rate else 1)
