"""The annotated video: steady boxes, a strip with a playhead, landmarks while drawing, sound in step."""

from __future__ import annotations

import dataclasses
import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
from noise_video import BOXES, HEIGHT, LABELS, TIMES, WIDTH, noise, table_of

from mien.core.errors import NoLandmarksError, WeightsError
from mien.core.table import FaceTable
from mien.core.types import Face, FaceRow, Frame, Quality, Span
from mien.faces.align import frame_to_crop, moved
from mien.media import writer
from mien.report.palette import EXPRESSION_COLOURS, WHITE
from mien.report.points import PointFinder
from mien.report.result import Result
from mien.report.video.draw import Overlay
from mien.report.video.marks import draw_chip, lettering
from mien.report.video.ribbon import DIMMED, GROUND, PAGE, Ribbon
from mien.report.video.steady import smooth, steady_boxes


def table_with(boxes: np.ndarray, times: np.ndarray, track: int = 1) -> FaceTable:
    table, quality = FaceTable(len(LABELS)), Quality(40.0, 100.0, 0.0)
    for index, (box, time) in enumerate(zip(boxes, times, strict=True)):
        face = Face(box.astype(np.float32), 0.9, np.zeros((5, 2), np.float32))
        table.append(FaceRow(index, float(time), track, face, quality, None))
    return table


class TestSteadyBoxes:
    TIMES = np.cumsum(np.tile([0.03, 0.05, 0.04], 40))
    START = np.array([100.0, 80, 180, 180])

    def test_trembling_is_taken_out(self) -> None:
        noise = np.random.default_rng(0).normal(0, 1.5, (120, 4))
        drawn = steady_boxes(table_with(self.START + noise, self.TIMES))
        before, after = (np.abs(np.diff(boxes, n=2, axis=0)).mean() for boxes in (self.START + noise, drawn))
        assert after < before / 10
        assert np.abs(drawn[10:-10] - self.START).max() < 2.5

    def test_a_moving_face_is_neither_late_nor_early(self) -> None:
        speed = 300.0  # pixels a second: across a picture in two
        path = self.START + speed * self.TIMES[:, None]
        assert np.abs(steady_boxes(table_with(path, self.TIMES)) - path).max() < 1, "at the ends of the track too"

    def test_a_nod_is_followed(self) -> None:
        nod = np.sin(2 * np.pi * 1.0 * self.TIMES)[:, None] * np.array([0, 15.0, 0, 15.0])
        drawn = steady_boxes(table_with(self.START + nod, self.TIMES)) - self.START
        assert np.ptp(drawn[:, 1]) > 0.93 * 30
        lag = np.correlate(drawn[:, 1], nod[:, 1], "full").argmax() - 119
        assert lag == 0

    def test_nothing_is_mixed_across_a_gap_or_two_people(self) -> None:
        times = np.array([0.0, 0.04, 0.08, 2.0, 2.04, 2.08])
        path = self.START + np.repeat([0.0, 500.0], 3)[:, None]
        np.testing.assert_allclose(steady_boxes(table_with(path, times)), path, atol=0.5)
        both = table_of({index: [1, 2] for index in range(20)})
        drawn = steady_boxes(both)
        np.testing.assert_allclose(drawn[::2], np.tile(BOXES[1], (20, 1)), atol=0.1)
        np.testing.assert_allclose(drawn[1::2], np.tile(BOXES[2], (20, 1)), atol=0.1)

    def test_one_sighting_and_none(self) -> None:
        one = steady_boxes(table_with(self.START[None], np.zeros(1)))
        np.testing.assert_allclose(one, self.START[None], atol=1e-3)
        assert steady_boxes(FaceTable(3)).shape == (0, 4)

    def test_the_data_stay_as_found(self) -> None:
        path = self.START + np.random.default_rng(1).normal(0, 2, (120, 4))
        table = table_with(path, self.TIMES)
        steady_boxes(table)
        np.testing.assert_array_equal(table.column("box"), path.astype(np.float32))

    def test_a_parabola_stays_a_parabola(self) -> None:
        path = (3 + 20 * self.TIMES - 40 * self.TIMES**2)[:, None]
        np.testing.assert_allclose(smooth(self.TIMES, path, 0.1), path, atol=0.6)


class TestRibbon:
    def test_each_person_has_a_row_in_the_colours_of_the_spans(self, result: Result) -> None:
        ribbon = Ribbon(result, WIDTH, HEIGHT)
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        strip = ribbon.under(image, float(TIMES[-1]))[HEIGHT:]
        assert strip.shape == (ribbon.height, WIDTH, 3)
        yellow, blue = ((strip == EXPRESSION_COLOURS[name]).all(-1) for name in ("happiness", "sadness"))
        assert yellow.sum() > 200
        assert blue.sum() > 200
        assert np.flatnonzero(yellow.any(1)).max() < np.flatnonzero(blue.any(1)).min()
        # Track 1 shows happiness from the start, track 2 is seen from a fifth of the video on.
        assert np.flatnonzero(yellow.any(0)).min() < np.flatnonzero(blue.any(0)).min()

    def test_the_playhead_runs_and_what_is_to_come_is_dimmed(self, result: Result) -> None:
        ribbon, image = Ribbon(result, WIDTH, HEIGHT), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        places = []
        for time in (0.5, 1.5, 2.5):
            strip = ribbon.under(image, time)[HEIGHT:]
            (column,) = np.flatnonzero((strip[:8] == WHITE).all(-1).all(0))[:1]
            places.append(int(column))
            bright = np.flatnonzero((strip == EXPRESSION_COLOURS["happiness"]).all(-1).any(0))
            assert bright.max(initial=0) < column
        assert np.diff(places).min() > 30
        dim = np.array(EXPRESSION_COLOURS["happiness"]) * DIMMED + np.array(GROUND) * (1 - DIMMED)
        strip = ribbon.under(image, 0.5)[HEIGHT:]
        assert (np.abs(strip - dim).max(-1) < 2).any()

    def test_the_picture_is_left_alone(self, result: Result) -> None:
        np.testing.assert_array_equal(Ribbon(result, WIDTH, HEIGHT).under(noise(3), 1.0)[:HEIGHT], noise(3))

    def test_a_long_video_turns_pages_and_keeps_its_height(self, result: Result) -> None:
        spans = tuple(Span(track, 1000.0 * track, 1000.0 * track + 30, "sadness", 0.9) for track in range(1, 9))
        info = dataclasses.replace(result.source, duration=4 * 3600.0)
        ribbon = Ribbon(dataclasses.replace(result, spans=spans, source=info), WIDTH, HEIGHT)
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        one, other, late = (ribbon.under(image, time)[HEIGHT:] for time in (1025.0, 500.0, 4 * 3600.0 + 5))
        assert one.shape == other.shape == late.shape
        shown = (one == EXPRESSION_COLOURS["sadness"]).all(-1)
        assert shown.any(), "a span of 30 s in four hours is seen"
        assert shown.any(0).sum() > 3 / PAGE * WIDTH
        assert not (other == EXPRESSION_COLOURS["sadness"]).all(-1).any()

    def test_nobody_no_strip(self, nobody: Result) -> None:
        assert Ribbon(nobody, WIDTH, HEIGHT).height == 0
        np.testing.assert_array_equal(Ribbon(nobody, WIDTH, HEIGHT).under(noise(1), 1.0), noise(1))


class TestLandmarks:
    """A landmark net that finds 68 points on a circle around the middle of the crop."""

    @staticmethod
    def find(crops: np.ndarray) -> np.ndarray:
        angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
        return np.tile(0.5 + 0.3 * np.stack([np.cos(angles), np.sin(angles)], 1), (len(crops), 1, 1))

    def test_they_lie_where_the_net_sees_them(self) -> None:
        face = table_of({5: [1]})[0].face
        (points,) = PointFinder(self.find, 32)(noise(5), [face])
        assert points.shape == (68, 2)
        back = moved(points, frame_to_crop(face.points, 32))
        np.testing.assert_allclose((back + 0.5) / 32, self.find(np.zeros((1, 3, 32, 32)))[0], atol=1e-4)
        assert PointFinder(self.find, 32)(noise(5), []) == []

    def test_they_are_drawn_for_every_face_in_one_call(self, result: Result) -> None:
        asked: list[tuple[int, ...]] = []

        def find(crops: np.ndarray) -> np.ndarray:
            asked.append(crops.shape)
            return self.find(crops)

        result = dataclasses.replace(result, landmarker=PointFinder(find, 32))
        image = Overlay(result, landmarks=True)(Frame(12, float(TIMES[12]), noise(12)))
        assert asked == [(2, 3, 32, 32)]
        assert (image != Overlay(result)(Frame(12, float(TIMES[12]), noise(12)))).any()

    def test_weights_without_the_net_give_five_points_and_say_so(
        self, result: Result, caplog: pytest.LogCaptureFixture
    ) -> None:
        def find(_: np.ndarray) -> np.ndarray:
            raise NoLandmarksError("a model with a landmark net", "one without", "use the default")

        without = dataclasses.replace(result, landmarker=PointFinder(find, 32))
        overlay, frame = Overlay(without, landmarks=True), Frame(5, float(TIMES[5]), noise(5))
        np.testing.assert_array_equal(overlay(frame), Overlay(result, landmarks=True)(frame))
        overlay(frame)
        assert [record.message for record in caplog.records if "five points" in record.message] != []
        assert len(caplog.records) == 1

    def test_a_net_that_fails_says_so_itself(self, result: Result) -> None:
        def find(_: np.ndarray) -> np.ndarray:
            raise WeightsError("68 points", "98", "export it again")

        failing = Overlay(dataclasses.replace(result, landmarker=PointFinder(find, 32)), landmarks=True)
        with pytest.raises(WeightsError, match="got 98"):
            failing(Frame(5, float(TIMES[5]), noise(5)))

    def test_a_pickled_result_leaves_the_net_behind(self, result: Result) -> None:
        again = pickle.loads(pickle.dumps(dataclasses.replace(result, landmarker=PointFinder(max, 32))))  # type: ignore[arg-type]
        assert again.landmarker is None
        assert again.spans == result.spans


class TestChips:
    @pytest.mark.parametrize("shape", [(96, 128), (360, 640), (2160, 3840), (1920, 1080)])
    def test_the_type_grows_with_the_picture_and_stays_inside(self, shape: tuple[int, int]) -> None:
        image = np.full((*shape, 3), 128, np.uint8)
        size = lettering(image)
        assert size >= max(11, min(shape) / 27)
        box = np.array([shape[1] - 30.0, 2.0, shape[1] - 2.0, 40.0])
        left, top, right, bottom = draw_chip(image, box, "2  disappointment 0.91", (240, 228, 66), size)
        assert 0 <= left < right <= shape[1]
        assert 0 <= top < bottom <= shape[0]
        assert image[top + 2 : bottom - 2, left + 2 : right - 2].max(-1).min() < 120, "dark letters on bright ground"

    def test_chips_of_near_faces_do_not_cover_each_other(self) -> None:
        image = np.zeros((400, 640, 3), np.uint8)
        one = draw_chip(image, np.array([100.0, 100, 180, 200]), "1  happiness 0.91", (240, 228, 66), 15)
        two = draw_chip(image, np.array([120.0, 98, 200, 200]), "2  sadness 0.91", (0, 114, 178), 15, [one])
        assert two[1] >= one[3] or two[3] <= one[1]


def test_the_fallback_encoder_is_said(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    result.draw(tmp_path / "a.mp4")
    assert caplog.records == []
    monkeypatch.setattr(writer, "working_encoder", lambda: "mpeg4")
    with caplog.at_level(logging.WARNING):
        result.draw(tmp_path / "b.mp4")
    assert "Browsers do not play it" in caplog.text
