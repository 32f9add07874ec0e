from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.faces.tracker import Tracker

RATE = 25.0


def look(seed):
    return np.random.default_rng(seed).normal(size=192).astype(np.float32)


def run(tracker, paths, seconds, make, looks=None, rate=RATE, noise=0.0, times=None):
    """Drive ``tracker``; a path maps a time to (x, y[, size]) or None. Returns {path: [id or None per frame]}."""
    chance = np.random.default_rng(0)
    times = np.arange(0, seconds, 1 / rate) if times is None else times
    history = {name: [] for name in paths}
    for time in times:
        here = {name: path(time) for name, path in paths.items()}
        seen = [name for name, place in here.items() if place is not None]
        faces = [make.face(*(np.array(here[name]) + chance.normal(0, noise, len(here[name])))) for name in seen]
        given_looks = None if looks is None else [looks[name] for name in seen]
        tracks = dict(zip(seen, tracker.update(float(time), faces, given_looks), strict=True))
        for name in paths:
            history[name].append(tracks.get(name))
    return {name: [None if track is None else track.id for track in tracks] for name, tracks in history.items()}


def ids(history):
    return {number for number in history if number is not None}


def test_a_steady_face_has_one_number_through_jitter(make):
    history = run(Tracker(1.0), {"a": lambda t: (100, 100, 50)}, 2.0, make, noise=2.5)
    assert ids(history["a"]) == {1}


def test_two_who_cross_keep_their_numbers(make):
    paths = {"a": lambda t: (50 + 150 * t, 100), "b": lambda t: (350 - 150 * t, 110)}
    history = run(Tracker(1.0), paths, 2.0, make, noise=1.0)
    assert ids(history["a"]) == {1}
    assert ids(history["b"]) == {2}


def test_two_who_cross_while_one_is_hidden_keep_their_numbers(make):
    hidden = lambda t: None if 0.7 < t < 1.3 else (350 - 150 * t, 110)  # noqa: E731
    history = run(Tracker(1.0), {"a": lambda t: (50 + 150 * t, 100), "b": hidden}, 2.0, make, noise=1.0)
    assert ids(history["a"]) == {1}
    assert ids(history["b"]) == {2}


def test_two_who_swap_sides_slowly_one_behind_the_other_are_told_by_their_looks(make):
    paths = {
        "front": lambda t: (100 + 20 * t, 100),
        "behind": lambda t: None if 1.9 < t < 3.1 else (200 - 20 * t, 104),
    }
    looks = {"front": look(1), "behind": look(2)}
    history = run(Tracker(1.5), paths, 5.0, make, looks=looks, noise=1.0)
    assert ids(history["front"]) == {1}
    assert ids(history["behind"]) == {2}


def test_a_short_gap_keeps_the_number_and_a_long_one_does_not(make):
    short = run(Tracker(1.0), {"a": lambda t: None if 1 < t < 1.8 else (100, 100)}, 3.0, make)
    assert ids(short["a"]) == {1}
    long = run(Tracker(1.0), {"a": lambda t: None if 1 < t < 2.2 else (100, 100)}, 4.0, make)
    assert ids(long["a"]) == {1, 2}


def test_a_gap_counts_seconds_in_which_frames_were_looked_at(make):
    times = np.concatenate([np.arange(0, 1, 0.01), [1.9], np.arange(3.1, 4, 0.5), [40.0]])
    assert set(run(Tracker(1.0), {"a": lambda t: (100, 100)}, 0, make, times=times)["a"]) == {1}
    away = run(Tracker(1.0), {"a": lambda t: None if 1 <= t < 2.1 else (100, 100)}, 3.5, make, rate=50)
    assert ids(away["a"]) == {1, 2}, "1.1 s of frames without the face are longer than 1 s"


@pytest.mark.parametrize("step", [0.4, 1.0, 1.01, 10.0, 600.0])
def test_one_look_in_vain_keeps_the_number_and_two_over_the_gap_do_not(make, step):
    for misses, numbers in ((0, {1}), (1, {1}), (2, {1} if step < 0.5 else {1, 2})):
        away = range(4, 4 + misses)
        path = lambda t, away=away: None if round(t / step) in away else (100, 100)  # noqa: E731
        assert ids(run(Tracker(1.4), {"a": path}, 0, make, times=np.arange(9) * step)["a"]) == numbers


@pytest.mark.parametrize("step", [0.5, 1.0, 10.0])
def test_a_face_of_one_frame_counts_where_frames_are_far_apart(make, step):
    tracker = Tracker(1.0)
    places = [(100 + 150 * (i % 4), 100, 40 * 2 ** (i % 3)) for i in range(9)]  # each time somebody else
    tracks = [tracker.update(i * step, [make.face(*place)])[0] for i, place in enumerate(places)]
    assert all(track.id is not None for track in tracks[:-1])
    assert tracks[-1].tentative, "its next frame is still to come"


def test_times_that_do_not_start_at_zero_change_nothing(make):
    late = run(Tracker(1.0), {"a": lambda t: (100, 100)}, 0, make, times=1e6 + np.arange(0, 2, 0.04))
    assert set(late["a"][:-1]) == {1}


def test_who_moves_is_found_again_where_he_must_be_after_a_gap(make):
    walk = lambda t: None if 1 < t < 1.5 else (50 + 200 * t, 100, 40)  # noqa: E731
    assert ids(run(Tracker(1.0), {"a": walk}, 2.5, make)["a"]) == {1}


def test_one_who_enters_and_one_who_leaves(make):
    paths = {"stays": lambda t: (100, 100), "leaves": lambda t: (300, 100) if t < 1 else None}
    paths["enters"] = lambda t: (500, 100) if t > 1.5 else None
    history = run(Tracker(1.0), paths, 3.0, make)
    assert [ids(history[name]) for name in ("stays", "leaves", "enters")] == [{1}, {2}, {3}]


def test_another_face_in_the_same_place_is_another_person(make):
    tracker = Tracker(1.0)
    run(tracker, {"a": lambda t: (100, 100)}, 1.0, make, looks={"a": look(1)})
    (stranger,) = tracker.update(1.04, [make.face(100, 100)], [-look(1)])
    assert stranger.id is None


def test_another_size_in_the_same_place_is_another_person(make):
    tracker = Tracker(1.0)
    run(tracker, {"a": lambda t: (100, 100, 40)}, 1.0, make)
    (stranger,) = tracker.update(1.04, [make.face(100, 100, 120)])
    assert stranger.id is None


def test_one_who_comes_out_from_behind_half_seen_keeps_his_number(make):
    tracker, whole = Tracker(1.0), look(1)
    run(tracker, {"a": lambda t: (100, 100)}, 1.0, make, looks={"a": whole})
    (half,) = tracker.update(1.3, [make.face(105, 100)], [look(2)])
    assert half.id is None
    (again,) = tracker.update(1.34, [make.face(105, 100)], [0.5 * whole + 0.5 * look(2)])
    assert again.id == 1


def test_after_the_end_of_a_scene_all_are_new(make):
    tracker = Tracker(1.0)
    run(tracker, {"a": lambda t: (100, 100)}, 1.0, make)
    (old,) = tracker.end()
    assert old.gone
    history = []
    for time in (1.04, 1.08, 1.2):
        (track,) = tracker.update(time, [make.face(100, 100)])
        history.append(track.id)
    assert history == [None, None, 2]


def test_a_face_seen_once_never_gets_a_number(make):
    tracker = Tracker(1.0)
    (once,) = tracker.update(0.0, [make.face(100, 100)])
    assert once.tentative
    tracker.update(0.2, [])
    assert once.gone
    assert once.id is None
    assert not once.tentative


def test_known_faces_need_no_confirmation(make):
    (known,) = Tracker(1.0, confirm=False).update(0.0, [make.face(100, 100)])
    assert known.id == 1


def test_memory_holds_live_tracks_only(make):
    tracker = Tracker(0.5)
    for step in range(300):
        x = 1000.0 * (step // 10)
        tracker.update(step * 0.1, [make.face(x, 100)])
        assert len(tracker.tracks) <= 3


@given(st.lists(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 100)), max_size=5), min_size=1, max_size=25))
@settings(max_examples=60, deadline=None)
def test_no_number_twice_in_a_frame_and_numbers_count_up(scenes):
    from mien.core.types import Face

    tracker, highest = Tracker(1.0), 0
    for step, places in enumerate(scenes):
        boxes = [np.array([x, y, x + 40, y + 50], np.float32) for x, y in places]
        faces = [Face(box, 1.0, np.zeros((5, 2), np.float32)) for box in boxes]
        tracks = tracker.update(step * 0.2, faces)
        assert len({id(track) for track in tracks}) == len(faces)
        numbers = [track.id for track in tracks if track.id is not None]
        assert len(set(numbers)) == len(numbers)
        assert max(numbers, default=0) <= highest + len(numbers)
        highest = max([highest, *numbers])
        for track, face in zip(tracks, faces, strict=True):
            assert track.face is face


@pytest.mark.parametrize("rate", [2, 10, 60])
def test_tracking_works_at_any_frame_rate(make, rate):
    paths = {"a": lambda t: (100 + 30 * t, 100), "b": lambda t: (400 - 30 * t, 100)}
    history = run(Tracker(1.0), paths, 3.0, make, rate=rate, noise=1.0)
    assert ids(history["a"]) == {1}
    assert ids(history["b"]) == {2}
