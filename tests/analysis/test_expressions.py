from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from brightness import BRIGHT, DARK, LEFT, RIGHT, BrightnessNetwork, FacesAt, one_face, picture, write_video

from mien import media
from mien.analysis.expressions import ExpressionModel
from mien.analysis.settings import AnalysisSettings
from mien.core.errors import ConfigError, SourceError
from mien.core.types import Frame


def shown(spans: tuple) -> list[tuple[int, str]]:
    return [(span.track, span.label) for span in spans]


def test_dark_then_bright_is_neutral_then_happiness(model: ExpressionModel, lenient: AnalysisSettings) -> None:
    result = model.analyze(one_face([DARK] * 40 + [BRIGHT] * 40), lenient)
    assert shown(result.spans) == [(1, "neutral"), (1, "happiness")]
    first, second = result.spans
    assert (first.start, second.end) == (0.0, pytest.approx(80 / 25))
    assert first.end == second.start == pytest.approx(40 / 25, abs=0.12)
    assert first.score == pytest.approx(0.85, abs=0.1)


def test_every_face_and_frame_has_its_row_with_probabilities(model: ExpressionModel, lenient: AnalysisSettings) -> None:
    frames = np.stack([picture((LEFT, DARK), (RIGHT, BRIGHT))] * 30)
    result = model.analyze(frames, lenient)
    assert [(row.index, row.track) for row in result.frames] == [(i, track) for i in range(30) for track in (1, 2)]
    rows = result.frames.column("probabilities")
    np.testing.assert_allclose(rows.sum(1), 1, atol=1e-5)
    assert sorted(shown(result.spans)) == [(1, "neutral"), (2, "happiness")]


def test_half_a_second_of_happiness_is_reported(model: ExpressionModel, lenient: AnalysisSettings) -> None:
    result = model.analyze(one_face([DARK] * 37 + [BRIGHT] * 13 + [DARK] * 37), lenient)
    assert shown(result.spans) == [(1, "neutral"), (1, "happiness"), (1, "neutral")]


def test_nobody_there_is_a_result_without_spans(model: ExpressionModel, lenient: AnalysisSettings) -> None:
    result = model.analyze(one_face([None] * 20), lenient)
    assert result.spans == ()
    assert len(result.frames) == 0


def test_a_picture_has_a_span_that_lasts_no_time(
    model: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "face.png"), picture((LEFT, BRIGHT)))
    (span,) = model.analyze(tmp_path / "face.png", lenient).spans
    assert (span.label, span.start, span.end) == ("happiness", 0.0, 0.0)


def test_an_unreadable_face_is_abstained_from_and_costs_no_network_call(
    model: ExpressionModel, network: BrightnessNetwork
) -> None:
    settings = AnalysisSettings()
    settings = dataclasses.replace(settings, faces=dataclasses.replace(settings.faces, min_size=500.0))
    result = model.analyze(one_face([DARK] * 20), settings)
    (span,) = result.spans
    assert (span.label, span.abstained, span.reason, span.score) == ("unclear", True, "too small", 0.0)
    assert network.batches == []
    assert all(row.probabilities is None for row in result.frames)


def test_the_threshold_of_the_settings_goes_before_the_models(
    model: ExpressionModel, lenient: AnalysisSettings
) -> None:
    frames = one_face([(DARK + BRIGHT) // 2 + 5] * 20)
    assert model.analyze(frames, lenient).spans[0].abstained is False
    strict = model.analyze(frames, dataclasses.replace(lenient, threshold=0.8))
    assert strict.spans[0].reason == "low confidence"
    assert strict.provenance["model"]["threshold"] == 0.8


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_the_batch_size_changes_the_calls_but_not_the_answer(lenient: AnalysisSettings, batch: int) -> None:
    frames = one_face([DARK] * 30 + [BRIGHT] * 30)
    networks = BrightnessNetwork(), BrightnessNetwork()
    usual = ExpressionModel(networks[0]).analyze(frames, lenient)
    other = ExpressionModel(networks[1]).analyze(frames, dataclasses.replace(lenient, batch=batch))
    assert other.spans == usual.spans
    np.testing.assert_array_equal(other.frames.column("probabilities"), usual.frames.column("probabilities"))
    assert max(networks[1].batches) == min(batch, sum(networks[0].batches))


def test_progress_counts_every_frame(model: ExpressionModel, lenient: AnalysisSettings) -> None:
    calls: list[tuple[int, int | None, float]] = []
    model.analyze(one_face([DARK] * 10), lenient, progress=lambda *news: calls.append(news))
    assert [done for done, _, _ in calls] == list(range(1, 11))
    assert {total for _, total, _ in calls} == {10}
    assert calls[-1][2] == pytest.approx(9 / 25)


def test_a_lower_frame_rate_looks_at_fewer_frames_and_finds_the_same(
    model: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    video = write_video(tmp_path / "v.mp4", one_face([DARK] * 50 + [BRIGHT] * 50))
    every = model.analyze(video, lenient)
    half = model.analyze(video, dataclasses.replace(lenient, frame_rate=12.5))
    assert len(half.frames) == pytest.approx(len(every.frames) / 2, abs=1)
    assert shown(half.spans) == shown(every.spans)
    assert half.spans[0].end == pytest.approx(every.spans[0].end, abs=0.1)
    assert half.spans[-1].end == pytest.approx(4.0, abs=0.05)


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.99, 1.0, 1.01, 2.0, 4.0])
def test_who_is_there_throughout_has_one_number_and_no_gap_at_any_frame_rate(
    model: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path, rate: float
) -> None:
    shown = one_face([DARK] * 120 + [BRIGHT] * 120)
    video = write_video(tmp_path / "v.mp4", shown, fps=23.976 / 2)
    result = model.analyze(video, dataclasses.replace(lenient, frame_rate=rate))
    assert len(result.frames) == pytest.approx(240 / (23.976 / 2) * rate, abs=1)
    assert [(span.track, span.label) for span in result.spans] == [(1, "neutral"), (1, "happiness")]
    assert result.spans[0].start == 0.0
    assert result.spans[0].end == result.spans[1].start == pytest.approx(10.0, abs=1 / rate + 0.1)
    rows = result.frames.column("probabilities")
    assert (rows[:, 1] > 0.5).tolist() == (result.frames.column("time") >= 10.0).tolist()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interruption_closes_the_source_and_comes_through(
    model: ExpressionModel, lenient: AnalysisSettings, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    from mien.media.source import Source

    closed: list[str] = []
    close = Source.close
    monkeypatch.setattr(Source, "close", lambda self: (closed.append(self.info.name), close(self))[1])

    def stop(done: int, total: int | None, seconds: float) -> None:
        raise error

    with pytest.raises(error):
        model.analyze(one_face([DARK] * 10), lenient, progress=stop)
    assert closed == ["array"]


def test_a_missing_file_is_the_users_error(model: ExpressionModel) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.mp4"):
        model.analyze("nowhere.mp4")


def test_a_film_still_being_written_is_the_users_error(
    model: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    video = write_video(tmp_path / "v.mp4", one_face([DARK] * 10))

    def append(*_: object) -> None:
        with video.open("ab") as file:
            file.write(b"more")

    with pytest.raises(SourceError, match=r"v\.mp4, which was written to"):
        model.analyze(video, lenient, append)


def test_a_detector_of_ones_own_is_used_and_named(model: ExpressionModel, lenient: AnalysisSettings) -> None:
    class Blind(FacesAt):
        name = "blind"

        def detect(self, image: np.ndarray) -> list:
            return []

    result = model.analyze(one_face([DARK] * 5), lenient, detector=Blind())
    assert result.spans == ()
    assert result.provenance["detector"] == "blind"


def test_a_still_is_looked_at_again_with_a_border_and_a_film_is_not(
    model: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    import cv2

    class WithBorderOnly(FacesAt):
        def detect(self, image: np.ndarray) -> list:
            height, width = one_face([BRIGHT]).shape[1:3]
            return [] if image.shape[:2] == (height, width) else super().detect(image)

    cv2.imwrite(str(tmp_path / "tight.png"), picture((LEFT, BRIGHT)))
    for source in (tmp_path / "tight.png", picture((LEFT, BRIGHT))):
        assert len(model.analyze(source, lenient, detector=WithBorderOnly()).frames) == 1
    assert len(model.analyze(one_face([BRIGHT] * 5), lenient, detector=WithBorderOnly()).frames) == 0


def test_crops_are_faces_whatever_the_detector_says(
    model: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    import cv2

    class Blind(FacesAt):
        def detect(self, image: np.ndarray) -> list:
            return []

    crops = dataclasses.replace(lenient, faces=dataclasses.replace(lenient.faces, crops=True))
    cv2.imwrite(str(tmp_path / "crop.png"), np.full((48, 48, 3), BRIGHT, np.uint8))
    (row,) = model.analyze(tmp_path / "crop.png", crops, detector=Blind()).frames
    assert row.face.box.tolist() == [0, 0, 48, 48]
    assert row.probabilities is not None
    assert row.probabilities.argmax() == 1
    assert len(model.analyze(tmp_path / "crop.png", lenient, detector=Blind()).frames) == 0
    assert len(model.analyze(one_face([BRIGHT] * 5), crops, detector=Blind()).frames) == 0, "a film is no crop"


def test_provenance_tells_how_to_repeat_it(model: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", one_face([DARK] * 10))
    facts = model.analyze(video, dataclasses.replace(lenient, hash_source=True)).provenance
    assert facts["model"] == {
        "name": "brightness",
        "sha256": "f" * 64,
        "frames": 4,
        "prior": "trained",
        "threshold": 0.5,
    }
    assert facts["settings"]["faces"]["min_size"] == 10.0
    assert facts["settings"]["window"] == lenient.window
    assert facts["pace"] == {"frames": 4, "window": 0.4, "step": 0.2}
    assert facts["source"]["bytes"] == video.stat().st_size
    assert facts["source"]["mtime_ns"] == video.stat().st_mtime_ns
    assert len(facts["source"]["sha256"]) == 64
    assert {"python", "torch", "opencv", "av", "numpy"} <= set(facts["software"])
    assert facts["date"].endswith("+00:00")
    assert "not emotions felt" in facts["intended_use"]
    assert facts["problems"] == []


def test_memory_does_not_grow_with_the_length(
    model: ExpressionModel, lenient: AnalysisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mien import media
    from mien.media.source import Shot, Source, SourceInfo

    alive: list[int] = []
    frame = picture((LEFT, DARK))

    def endless(length: int) -> Iterator[Shot]:
        import gc

        for number in range(length):
            yield Shot(number / 25, frame.copy)
            if number % 50 == 49:
                alive.append(sum(isinstance(thing, Frame) for thing in gc.get_objects()))

    info = SourceInfo("long", "video", frame.shape[1], frame.shape[0], None, 25.0, None)
    monkeypatch.setattr(media, "open", lambda source, selection=None: Source(info, endless(400)), raising=False)
    model.analyze("long", lenient)
    assert max(alive) <= 30
    assert alive[-1] <= alive[1] + 1


class TestPredict:
    def test_it_gives_a_row_a_clip(self, model: ExpressionModel) -> None:
        clips = np.stack([np.full((4, 3, 24, 24), value, np.uint8) for value in (DARK, BRIGHT)])
        assert model.predict(clips).argmax(1).tolist() == [0, 1]

    @pytest.mark.parametrize(
        ("clips", "message"),
        [
            (np.zeros((4, 3, 24, 24), np.uint8), r"clip\[None\]"),
            (np.zeros((1, 4, 24, 24, 3), np.uint8), "move colour to axis 2"),
            (np.zeros((1, 4, 3, 24, 20), np.uint8), r"\(1, 4, 3, 24, 20\)"),
            (np.zeros((1, 4, 3, 24, 24), np.float32), "float32 values"),
            (np.zeros((0, 4, 3, 24, 24), np.uint8), "no pixel"),
            ([[1, 2]], "got list"),
        ],
    )
    def test_other_shapes_and_types_are_refused_with_the_way_out(
        self, model: ExpressionModel, clips: object, message: str
    ) -> None:
        with pytest.raises(ConfigError, match=message):
            model.predict(clips)  # type: ignore[arg-type]


class TestWatch:
    def test_it_says_the_same_as_analyze(self, model: ExpressionModel, lenient: AnalysisSettings) -> None:
        frames = one_face([DARK] * 60 + [BRIGHT] * 80 + [DARK] * 60 + [None] * 40 + [BRIGHT] * 60)
        live = list(model.watch(frames, lenient))
        whole = model.analyze(frames, lenient).spans
        assert shown(tuple(live)) == shown(whole)
        for one, other in zip(live, whole, strict=True):
            assert (one.start, one.end) == (pytest.approx(other.start, abs=0.05), pytest.approx(other.end, abs=0.05))
            assert one.score == pytest.approx(other.score, abs=0.02)

    def test_a_span_comes_while_the_source_still_runs(
        self, model: ExpressionModel, lenient: AnalysisSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[float] = []
        detect = FacesAt.detect

        def noting(self: FacesAt, image: np.ndarray) -> list:
            seen.append(float(image.mean()))
            return detect(self, image)

        monkeypatch.setattr(FacesAt, "detect", noting)
        every = dataclasses.replace(lenient, faces=dataclasses.replace(lenient.faces, detect_every=1))
        first = next(model.watch(one_face([DARK] * 50 + [BRIGHT] * 450), every))
        assert first.label == "neutral"
        assert len(seen) < 50 + 4 * 25

    def test_hours_of_one_expression_take_no_more_room_than_seconds(self, lenient: AnalysisSettings) -> None:
        from mien.analysis.live import LiveSpans
        from mien.analysis.reading import Reading
        from mien.analysis.smoothing import SpanRule
        from mien.core.types import Face, FaceCrop, Prediction, Quality

        live = LiveSpans(SpanRule(("neutral", "happiness"), 0.4, 0.15, 1.0), 0.4, 0.2)
        face = Face(np.zeros(4, np.float32), 1.0, np.zeros((5, 2), np.float32))
        sizes = []
        for number in range(3000):
            time = number / 25
            crop = FaceCrop(1, number, time, face, np.zeros((3, 1, 1), np.uint8), Quality(50.0, 100.0, 0.0))
            answers = [Prediction(1, time - 0.4, time, np.array([0.9, 0.1]))] if number % 5 == 4 else []
            frame = Frame(number, time, np.zeros((1, 1, 3), np.uint8))
            assert live.push(Reading(frame, [crop], answers)) == []
            sizes.append(len(live._tracks[1].moments) + len(live._tracks[1].predictions))
        assert max(sizes) < 120
        (span,) = live.push(Reading(None, [], []))
        assert (span.start, span.end, span.label) == (0.0, pytest.approx(120, abs=0.05), "neutral")
        assert span.score == pytest.approx(0.9)


class TestSettings:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"window": 0.0}, "window longer than 0"),
            ({"step": 0.0}, "step above 0"),
            ({"window": 0.5, "step": 0.6}, r"at most the window's 0\.5 s, got 0\.6"),
            ({"threshold": 1.2}, "threshold from 0 to 1"),
            ({"min_span": -1.0}, "min_span"),
            ({"frame_rate": 0.0}, "frame rate"),
            ({"batch": 0}, "batch"),
        ],
    )
    def test_values_out_of_range_are_refused(self, change: dict, message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            AnalysisSettings(**change)


def test_pictures_in_memory_are_drawn_in_the_colours_they_were_read_in(
    model: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    rgb = one_face([BRIGHT] * 10)
    rgb[:, -10:, :, 0] = 255  # a red floor
    plain, swapped, first = (
        model.analyze(rgb, lenient),
        model.analyze(list(rgb[..., ::-1]), lenient, bgr=True),
        model.analyze(np.moveaxis(rgb, -1, 1) / 255, lenient),
    )
    assert shown(plain.spans) == shown(swapped.spans) == shown(first.spans) == [(1, "happiness")]
    for number, result in enumerate((plain, swapped, first)):
        with media.open(result.draw(tmp_path / f"{number}.mp4", strip=False)) as drawn:
            red, _, blue = next(iter(drawn)).image[-5:, 100:].reshape(-1, 3).mean(0)
        assert red > 200 > 80 > blue


def test_a_window_is_as_long_as_the_models_clips_were(lenient: AnalysisSettings) -> None:
    network = BrightnessNetwork()
    network.record = dataclasses.replace(network.record, window=2.0)  # type: ignore[misc]
    model, film = ExpressionModel(network), one_face([DARK] * 100)  # 4 s
    asked = {}
    for name, settings in (("as trained", lenient), ("as asked", dataclasses.replace(lenient, window=0.4))):
        network.batches.clear()
        asked[name] = model.analyze(film, settings).provenance["pace"], sum(network.batches)
    assert asked["as trained"] == ({"frames": 4, "window": 2.0, "step": 1.0}, 3)
    assert asked["as asked"] == ({"frames": 4, "window": 0.4, "step": 0.2}, 19)
    network.batches.clear()
    assert [span.label for span in model.watch(film, lenient)] == ["neutral"]
    assert sum(network.batches) == 3
    with pytest.raises(ConfigError, match=r"at most the window's 0\.4 s"):
        ExpressionModel(BrightnessNetwork()).analyze(film, dataclasses.replace(lenient, step=1.5))
    assert len(model.analyze(film, dataclasses.replace(lenient, step=1.5)).spans) == 1
