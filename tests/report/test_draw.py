from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from noise_video import BOXES, HEIGHT, TIMES, WIDTH, noise, table_of

from mien import media
from mien.core.errors import ConfigError, SourceError
from mien.core.types import Frame
from mien.report.palette import EXPRESSION_COLOURS
from mien.report.result import Result
from mien.report.video.blur import HOLD, FacePaths, blur_face
from mien.report.video.draw import Overlay


def frames_of(path: Path) -> list[Frame]:
    with media.open(path) as source:
        return list(source)


def frame(index: int) -> Frame:
    return Frame(index, float(TIMES[index]), noise(index))


def inside(image: np.ndarray, track: int, inset: int = 6) -> np.ndarray:
    x0, y0, x1, y1 = (round(float(side)) for side in BOXES[track])
    return image[y0 + inset : y1 - inset, x0 + inset : x1 - inset]


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def test_the_video_keeps_every_frame_and_its_time(result: Result, tmp_path: Path) -> None:
    drawn = frames_of(result.draw(tmp_path / "out" / "drawn.mp4"))
    assert [one.index for one in drawn] == list(range(len(TIMES)))
    np.testing.assert_allclose([one.time for one in drawn], TIMES, atol=1e-3)
    assert drawn[0].image.shape[1] == WIDTH
    assert drawn[0].image.shape[0] > HEIGHT, "the strip hides nothing: it lies below"
    bare = frames_of(result.draw(tmp_path / "bare.mp4", strip=False))
    assert bare[0].image.shape == (HEIGHT, WIDTH, 3)


def test_boxes_are_drawn_where_the_rows_say_in_the_labels_colour(result: Result) -> None:
    image = Overlay(result)(frame(5))
    x0, _, _, y1 = (round(float(side)) for side in BOXES[1])
    assert tuple(image[y1 - 8, x0]) == EXPRESSION_COLOURS["happiness"]
    np.testing.assert_array_equal(image[100:, 180:], noise(5)[100:, 180:])


def test_a_frame_without_faces_stays_as_it_is(nobody: Result) -> None:
    np.testing.assert_array_equal(Overlay(nobody)(frame(3)), noise(3))


def test_the_sources_own_pixels_are_not_drawn_on(result: Result) -> None:
    one = frame(5)
    Overlay(result, blur=True, landmarks=True)(one)
    np.testing.assert_array_equal(one.image, noise(5))


def test_landmarks_are_drawn_on_demand(result: Result) -> None:
    bare, dotted = Overlay(result)(frame(5)), Overlay(result, landmarks=True)(frame(5))
    x, y = BOXES[1][:2] + np.array([20, 25])
    assert tuple(dotted[round(float(y)), round(float(x))]) == (255, 255, 255)
    assert (bare != dotted).any()


def test_the_panel_shows_each_probability_as_a_bar(result: Result) -> None:
    def yellow(probability: float) -> int:
        rows = np.array([1 - probability, probability, 0.0])
        changed = dataclasses.replace(result, frames=table_of({5: [1]}))
        changed.frames.set_probabilities(np.array([0]), rows[None])
        image = Overlay(changed)(frame(5))
        right_of_face = image[32:, 70:]
        return int((right_of_face == EXPRESSION_COLOURS["happiness"]).all(-1).sum())

    assert yellow(0.0) < yellow(0.4) < yellow(0.8)
    assert yellow(0.8) == pytest.approx(2 * yellow(0.4), rel=0.25)


class TestBlur:
    def test_faces_become_unlike_themselves_and_the_rest_stays(self, result: Result) -> None:
        image, before = noise(12), noise(12)
        blur_face(image, BOXES[1])
        assert abs(likeness(inside(image, 1), inside(before, 1))) < 0.75
        assert np.abs(np.diff(image[30:80, 20:60].astype(int), axis=0)).max() <= 25
        np.testing.assert_array_equal(image[:, 90:], before[:, 90:])

    def test_what_is_left_depends_on_nothing_but_a_few_means(self) -> None:
        """Two faces whose blocks have equal means cannot be told apart, so nothing else can be got back."""
        rng = np.random.default_rng(0)
        face = rng.integers(0, 256, (5, 20, 5, 20, 3)).astype(np.uint8)
        pixels = face.transpose(0, 2, 4, 1, 3).reshape(5, 5, 3, 400)
        other = rng.permuted(pixels, axis=3).reshape(5, 5, 3, 20, 20).transpose(0, 3, 1, 4, 2)
        one, two = face.reshape(100, 100, 3), np.ascontiguousarray(other).reshape(100, 100, 3)
        assert (one != two).mean() > 0.9
        for image in (one, two):
            blur_face(image, np.array([0.0, 0.0, 100.0, 100.0]))
        np.testing.assert_allclose(one.astype(int), two.astype(int), atol=1)

    def test_a_face_is_hidden_in_frames_it_was_lost_in(self, result: Result) -> None:
        overlay = Overlay(result, blur=True)
        for index in (0, 15, 17, 19, 25, 47):
            assert likeness(inside(overlay(frame(index)), 1), inside(noise(index), 1)) < 0.8, index

    def test_a_face_is_hidden_shortly_before_it_is_found(self, result: Result) -> None:
        drawn = Overlay(result, blur=True)(frame(8))
        assert likeness(inside(drawn, 2), inside(noise(8), 2)) < 0.8

    def test_the_hidden_box_moves_in_a_straight_line_through_a_gap(self) -> None:
        table = table_of({0: [1], 40: [1]})
        (middle,) = FacePaths(table).at(float(TIMES[40]) / 2)
        np.testing.assert_allclose(middle, BOXES[1])
        assert FacePaths(table).at(float(TIMES[40]) + HOLD + 0.1) == []

    @pytest.mark.parametrize("box", [(-30, -20, 15, 25), (190, 100, 260, 180), (300, 300, 310, 310), (50, 50, 50, 50)])
    def test_boxes_over_the_edge_are_hidden_as_far_as_they_are_seen(self, box: tuple[int, ...]) -> None:
        image = noise(0)
        blur_face(image, np.array(box, float))
        assert image.shape == (HEIGHT, WIDTH, 3)

    def test_the_written_video_is_blurred(self, result: Result, tmp_path: Path) -> None:
        drawn = frames_of(result.draw(tmp_path / "blurred.mp4", blur=True))
        for one in drawn[::7]:
            assert likeness(inside(one.image, 1), inside(noise(one.index), 1)) < 0.8


def test_a_still_is_drawn_as_a_still(result: Result, tmp_path: Path) -> None:
    picture = tmp_path / "still.png"
    cv2.imwrite(str(picture), noise(0)[..., ::-1])
    info = dataclasses.replace(result.source, kind="image", name="still.png")
    still = dataclasses.replace(result, source=info, origin=str(picture), frames=table_of({0: [1]}))
    path = still.draw(tmp_path / "drawn.png")
    image = cv2.imread(str(path))[..., ::-1]
    np.testing.assert_array_equal(image, Overlay(still)(frame(0)))


def test_the_source_is_never_drawn_over(result: Result, video: Path) -> None:
    before = video.read_bytes()
    with pytest.raises(ConfigError, match="other than the source's own"):
        result.draw(video)
    assert video.read_bytes() == before


def test_what_cannot_be_opened_again_cannot_be_drawn(result: Result, tmp_path: Path) -> None:
    camera = dataclasses.replace(result, source=dataclasses.replace(result.source, kind="camera"))
    with pytest.raises(SourceError, match="opened again"):
        camera.draw(tmp_path / "a.mp4")
    with pytest.raises(ConfigError, match="video path"):
        result.draw(tmp_path / "a.png")
