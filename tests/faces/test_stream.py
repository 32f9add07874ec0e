from __future__ import annotations

import itertools
import tracemalloc
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mien.core.errors import SourceError
from mien.core.types import Face, Frame
from mien.faces.given import GivenBoxes
from mien.faces.settings import FaceSettings
from mien.faces.stream import follow

HEIGHT, WIDTH = 240, 640
SETTINGS = FaceSettings()
SEARCHING = FaceSettings(follow=False)


@pytest.fixture(scope="module")
def heads(astronaut, other):
    """Two people's heads, 160x150, and where box and points lie in them."""
    return {"a": astronaut[40:200, 150:300], "b": np.ascontiguousarray(other[40:200, 212:362])}


BOX = np.array([28, 23, 120, 137], np.float32)
POINTS = np.array([[53, 63], [96, 65], [74, 91], [54, 105], [94, 106]], np.float32)

COVERED = 95
"""Pixels between two heads under which a third or more of the hinder face is hidden and no detector finds it."""


def standing(x, scale=1.0):
    """The face of a head drawn at ``x``, in a frame enlarged by ``scale``."""
    corner = np.array([x, 40], np.float32)
    return Face((BOX + np.tile(corner, 2)) * np.float32(scale), 0.99, (POINTS + corner) * np.float32(scale))


class Stage:
    """Draws heads on a wall and knows, as a detector, where each one stands."""

    name = "stage"

    def __init__(self, heads, wall=None):
        self.heads, self.calls, self.known = heads, 0, {}
        noise = np.random.default_rng(1).normal(0, 12, (HEIGHT // 8, WIDTH // 8))
        self.wall = cv2.resize((110 + noise).astype(np.uint8), (WIDTH, HEIGHT)) if wall is None else wall

    def picture(self, places):
        """A frame with heads at {name: x}; later ones stand in front of earlier ones."""
        image = np.repeat(self.wall[:, :, None], 3, axis=2)
        for name, x in places.items():
            image[40:200, x : x + 150] = self.heads[name]
        names = list(places)
        covered = {n for i, n in enumerate(names) if any(abs(places[n] - places[m]) < COVERED for m in names[i + 1 :])}
        self.known[image.tobytes()] = [places[n] for n in names if n not in covered]
        return image

    def detect(self, image):
        self.calls += 1
        return [standing(x) for x in self.known[image.tobytes()]]


class NearStage(Stage):
    """Can look near known faces, and counts those looks; ``blind`` makes them find nobody."""

    def __init__(self, heads, wall=None):
        super().__init__(heads, wall)
        self.looks, self.blind = 0, False

    def detect_near(self, image, faces):
        self.looks += 1
        there = [standing(x) for x in self.known[image.tobytes()]]
        return [] if self.blind else [f for f in there if any(abs(f.box - known.box).max() < 20 for known in faces)]


def scene(stage, paths, count):
    return [stage.picture({n: round(p(i)) for n, p in paths.items() if p(i) is not None}) for i in range(count)]


def numbers(out):
    return [[crop.track for crop in crops] for _, crops in out]


def test_every_frame_comes_out_once_in_order_with_its_face(heads, make):
    stage = Stage(heads)
    frames = make.clip(scene(stage, {"a": lambda i: 100 + 3 * i}, 23))
    out = list(follow(frames, SETTINGS, 64, stage))
    assert [frame for frame, _ in out] == frames
    assert numbers(out) == [[1]] * 23, "the first frames are not lost to confirmation"
    assert stage.calls <= 6, "detection runs on every fifth frame"
    for frame, (crop,) in out:
        assert (crop.index, crop.time) == (frame.index, frame.time)
        assert crop.image.shape == (3, 64, 64)
        np.testing.assert_allclose(crop.face.points, standing(100 + 3 * frame.index).points, atol=1.0)
    assert [crops[0].face.measured for _, crops in out[:11]] == [True, *[False] * 4] * 2 + [True]


def test_guided_crops_show_the_same_as_detected_ones(heads, make):
    stage = Stage(heads)
    out = list(follow(make.clip(scene(stage, {"a": lambda i: 100 + 4 * i}, 12)), SETTINGS, 64, stage))
    first = out[0][1][0].image.astype(int)
    for _, (crop,) in out[1:]:
        assert np.abs(crop.image.astype(int) - first)[:, 12:52, 12:52].mean() < 6


def test_two_who_cross_keep_their_numbers_in_the_picture(heads, make):
    stage = Stage(heads)
    paths = {"a": lambda i: 20 + 9 * i, "b": lambda i: 470 - 9 * i}
    out = list(follow(make.clip(scene(stage, paths, 50)), SETTINGS, 64, stage))
    last = {crop.track: crop.face.box[0] for crop in out[-1][1]}
    first = {crop.track: crop.face.box[0] for crop in out[0][1]}
    assert set(first) == set(last) == {1, 2}
    assert (first[1] < first[2]) != (last[1] < last[2]), "they changed sides and kept their numbers"
    assert {n for row in numbers(out) for n in row} == {1, 2}


def test_the_whole_picture_is_searched_seldom_while_only_known_faces_move(heads, make):
    stage = NearStage(heads)
    frames = make.clip(scene(stage, {"a": lambda i: 100 + i % 12}, 101))
    out = list(follow(frames, SEARCHING, 64, stage))
    assert numbers(out) == [[1]] * 101
    assert (stage.calls, stage.looks) == (5, 16), "one search to find, one to confirm, then one in 25 frames"
    for frame, (crop,) in out:
        np.testing.assert_allclose(crop.face.points, standing(100 + frame.index % 12).points, atol=1.0)
    assert [i for i, (_, (crop,)) in enumerate(out) if crop.face.measured] == list(range(0, 101, 5))


def test_searching_always_is_a_setting(heads, make):
    stage = NearStage(heads)
    list(follow(make.clip(scene(stage, {"a": lambda i: 100}, 51)), FaceSettings(search_every=1), 64, stage))
    assert (stage.calls, stage.looks) == (11, 0)


def test_who_comes_in_is_seen_as_soon_as_without_looking_near(heads, make):
    paths = {"a": lambda i: 20, "b": lambda i: 400 if i >= 32 else None}
    seen = {}
    for every in (1, 25):
        stage = NearStage(heads)
        frames = make.clip(scene(stage, paths, 60))
        seen[every] = numbers(follow(frames, FaceSettings(search_every=every, follow=False), 64, stage))
        assert seen[every][35:] == [[1, 2]] * 25
    assert seen[1] == seen[25]


def test_a_face_not_found_near_its_place_is_searched_for_at_once(heads, make):
    stage = NearStage(heads)
    stage.blind = True
    assert numbers(follow(make.clip(scene(stage, {"a": lambda i: 100}, 41)), SETTINGS, 64, stage)) == [[1]] * 41
    assert stage.calls == 9


def test_what_looks_like_a_face_only_near_by_is_not_confirmed(make):
    class Gullible(make.FakeDetector):
        def detect_near(self, image, faces):
            return list(faces)

    ghost = make.face(300, 100, 80)
    detector = Gullible(lambda image, call: [ghost] if call == 0 else [])
    pictures = [np.full((240, 640, 3), 90, np.uint8)] * 30
    assert numbers(follow(make.clip(pictures), SETTINGS, 64, detector)) == [[]] * 30


def test_in_a_still_picture_without_anybody_the_search_is_seldom(heads, make):
    stage = NearStage(heads)
    assert numbers(follow(make.clip(scene(stage, {}, 101)), SETTINGS, 64, stage)) == [[]] * 101
    assert stage.calls == 5


@pytest.mark.parametrize("every", [1, 5])
def test_a_cut_to_another_person_in_the_same_place_starts_a_new_number(heads, make, every):
    one = Stage(heads)
    two = Stage(heads, wall=np.ascontiguousarray(255 - one.wall[::-1, ::-1] // 2))
    pictures = scene(one, {"a": lambda i: 200}, 12) + scene(two, {"b": lambda i: 205}, 12)
    one.known |= two.known
    out = list(follow(make.clip(pictures), FaceSettings(detect_every=every), 64, one))
    assert numbers(out) == [[1]] * 12 + [[2]] * 12


def test_what_only_one_detection_takes_for_a_face_is_not_reported(heads, make):
    stage = Stage(heads)
    pictures = [stage.picture({}) + np.uint8(i % 2) for i in range(30)]
    ghost = make.face(300, 100, 80)
    detector = make.FakeDetector(lambda image, call: [ghost] if call == 2 else [])
    assert numbers(follow(make.clip(pictures), SETTINGS, 64, detector)) == [[]] * 30


@pytest.mark.parametrize("count", [2, 3, 6, 7, 8])
def test_no_length_of_a_clip_loses_its_face(heads, make, count):
    stage = Stage(heads)
    frames = make.clip(scene(stage, {"a": lambda i: 100 + i}, count), 60.0)
    for every in (1, 2, 5):
        assert numbers(follow(frames, FaceSettings(detect_every=every), 64, stage)) == [[1]] * count


def test_a_ghost_on_the_last_frame_is_not_reported(heads, make):
    stage = Stage(heads)
    pictures = [stage.picture({})] * 6
    detector = make.FakeDetector(lambda image, call: [make.face(300, 100, 80)] if call == 1 else [])
    assert numbers(follow(make.clip(pictures), SETTINGS, 64, detector)) == [[]] * 6


def test_a_single_picture_needs_no_second_detection(heads, make):
    stage = Stage(heads)
    frames = make.clip([stage.picture({"a": 50, "b": 350})])
    ((_, crops),) = follow(frames, SETTINGS, 64, stage)
    assert [crop.track for crop in crops] == [1, 2]


@pytest.mark.parametrize("rate", [25.0, 240.0])
def test_a_clip_shorter_than_the_interval_is_confirmed_on_its_last_frame(heads, make, rate):
    stage = Stage(heads)
    out = list(follow(make.clip(scene(stage, {"a": lambda i: 100 + i}, 4), rate), SETTINGS, 64, stage))
    assert numbers(out) == [[1]] * 4
    assert stage.calls == 2


def test_one_who_turns_away_for_a_moment_keeps_his_number(heads, make):
    stage = Stage(heads)
    frames = make.clip(scene(stage, {"a": lambda i: 100 + i}, 40))
    number_of = {frame.image.tobytes(): frame.index for frame in frames}

    def away(image, call):
        return [] if 10 <= number_of[image.tobytes()] < 24 else stage.detect(image)

    seen = numbers(follow(frames, SETTINGS, 64, make.FakeDetector(away)))
    assert seen[:10] == [[1]] * 10
    assert seen[10:24] == [[]] * 14
    assert {n for row in seen for n in row} == {1}
    assert seen[28:] == [[1]] * 12


def test_a_face_lost_for_one_detection_is_looked_for_at_once(heads, make):
    stage = Stage(heads)
    pictures = scene(stage, {"a": lambda i: 100 + i}, 20)

    def moody(image, call):
        return [] if call == 2 else stage.detect(image)

    seen = numbers(follow(make.clip(pictures), SETTINGS, 64, make.FakeDetector(moody)))
    assert seen.count([]) == 1, "one missed detection costs one frame, not five"
    assert {n for row in seen for n in row} == {1}


def test_no_face_is_a_result(make):
    detector = make.FakeDetector(lambda image, call: [])
    frames = make.clip([np.full((90, 160, 3), i, np.uint8) for i in range(12)])
    out = list(follow(frames, SETTINGS, 64, detector))
    assert numbers(out) == [[]] * 12
    assert len(detector.images) == 3
    assert list(follow([], SETTINGS, 64, detector)) == []


def test_given_boxes_are_taken_as_they_are(heads, make):
    stage = Stage(heads)
    frames = make.clip(scene(stage, {"a": lambda i: 100}, 6))
    row = [*standing(100).box.tolist(), *standing(100).points.ravel().tolist()]
    out = list(follow(frames, SETTINGS, 64, GivenBoxes(boxes={1: [row], 2: [row], 5: [row]})))
    assert numbers(out) == [[], [1], [1], [], [], [1]]
    assert all(crop.face.measured for _, crops in out for crop in crops)


def test_points_without_sense_fall_back_to_the_box(make):
    row = [100.0, 40.0, 200.0, 160.0, *[5.0] * 10]
    picture = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    ((_, (crop,)),) = follow(make.clip([picture]), SETTINGS, 64, GivenBoxes(boxes={0: [row]}))
    assert (crop.face.points > (100, 40)).all()
    assert (crop.face.points < (200, 160)).all()


def test_frames_may_come_at_uneven_times_and_change_their_size(heads, make):
    stage = Stage(heads)
    pictures = scene(stage, {"a": lambda i: 200}, 12)
    large = [cv2.resize(picture, None, fx=2, fy=2) for picture in pictures[6:]]
    times = np.cumsum([0, 0.04, 0.2, 0.01, 0.3, 0.04, 0.04, 0.5, 0.04, 0.04, 0.04, 0.04])
    frames = [Frame(i, float(t), p) for i, (t, p) in enumerate(zip(times, pictures[:6] + large, strict=True))]

    def detect(image, call):
        return [standing(200, image.shape[0] / HEIGHT)]

    out = list(follow(frames, SETTINGS, 64, make.FakeDetector(detect)))
    assert all(len(crops) == 1 for _, crops in out)
    assert out[-1][1][0].face.size == pytest.approx(2 * out[0][1][0].face.size, rel=0.02)


def test_a_grey_frame_is_refused(make):
    grey = SimpleNamespace(index=0, time=0.0, image=np.zeros((10, 10), np.uint8))
    grey.developed = lambda: grey
    with pytest.raises(SourceError, match="RGB"):
        list(follow([grey], SETTINGS, 64, make.FakeDetector(lambda i, c: [])))


def test_memory_does_not_grow_with_length(heads, make):
    stage = Stage(heads)
    pictures = scene(stage, {"a": lambda i: 100 + 4 * i}, 20)
    pictures += pictures[::-1]
    endless = (Frame(i, i / 25, p.copy()) for i, p in enumerate(itertools.cycle(pictures)))
    stream = follow(endless, FaceSettings(), 64, stage)
    tracemalloc.start()
    try:
        peaks = []
        for _ in range(2):
            for _ in range(60):
                next(stream)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()
    finally:
        tracemalloc.stop()
    frame_bytes = HEIGHT * WIDTH * 3
    assert peaks[1] < 20 * frame_bytes
    assert peaks[1] < peaks[0] * 1.3 + frame_bytes


def test_the_default_detector_follows_a_real_face(astronaut, astronaut_points, make):
    shifts = [(2 * i, i) for i in range(11)]
    motions = [np.array([[1, 0, x], [0, 1, y]], float) for x, y in shifts]
    frames = make.clip([make.warped(astronaut, motion)[:360] for motion in motions])
    out = list(follow(frames, SETTINGS, 96))
    assert numbers(out) == [[1]] * 11
    for (x, y), (_, (crop,)) in zip(shifts, out, strict=True):
        assert np.abs(crop.face.points - astronaut_points - (x, y)).max() < 6
        assert crop.quality.reason is None


def test_a_real_clip_is_one_readable_person_from_first_to_last_frame(sample_clip):
    from mien.media import open as open_source

    with open_source(sample_clip("single_face.mp4")) as source:
        rows = [
            (frame.index, [(crop.track, crop.quality.reason) for crop in crops])
            for frame, crops in follow(source, SETTINGS, 84)
        ]
    assert [index for index, _ in rows] == list(range(72))
    assert all(crops == [(1, None)] for _, crops in rows)


def test_looking_near_gives_the_tracks_and_faces_of_searching_always(sample_clip):
    from mien.media import open as open_source

    seen = []
    for every in (1, 25):
        with open_source(sample_clip("single_face.mp4")) as source:
            seen.append([crop for _, crops in follow(source, FaceSettings(search_every=every), 48) for crop in crops])
    always, seldom = seen
    assert [(one.index, one.track, one.quality.reason) for one in always] == [
        (one.index, one.track, one.quality.reason) for one in seldom
    ]
    apart = [np.linalg.norm(a.face.points - b.face.points, axis=1).mean() for a, b in zip(always, seldom, strict=True)]
    eyes = [np.linalg.norm(one.face.points[1] - one.face.points[0]) for one in always]
    assert (np.array(apart) / eyes).max() < 0.05


@pytest.mark.slow
def test_looking_near_gives_the_labels_of_searching_always(sample_clip):
    import mien

    model, clip = mien.load(), sample_clip("WolfgangLanger_Pexels.mp4")
    ways = [mien.AnalysisSettings(end=7, faces=FaceSettings(search_every=every)) for every in (1, 25)]
    always, seldom = (model.analyze(clip, settings) for settings in ways)
    assert len(always.spans) > 1, "something changes"
    assert [(span.track, span.label) for span in always.spans] == [(span.track, span.label) for span in seldom.spans]
    for one, other in zip(always.spans, seldom.spans, strict=True):
        # One window: a smile grows slowly here, and passes the threshold of "unclear" in one window or the next.
        assert one.start == pytest.approx(other.start, abs=0.4)
    rows = [result.frames.column("probabilities") for result in (always, seldom)]
    # detect_every=4 instead of 5 alone moves the probabilities of this clip by 0.016 (mean of the largest change).
    assert np.abs(rows[0] - rows[1]).max(axis=1).mean() < 0.03
    named = np.maximum(*(row.max(axis=1) for row in rows)) >= model.record.calibration.threshold
    assert (rows[0].argmax(1) != rows[1].argmax(1))[named].mean() < 0.02
