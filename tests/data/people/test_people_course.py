"""What happens over time: onset, apex, offset, blends, speech, blinks."""

from __future__ import annotations

import numpy as np
import pytest

from mien.core.errors import ConfigError
from mien.data.people.apex import LABELS
from mien.data.people.course import KINDS, Play, act, blinking, course, gazing, speaking
from mien.data.people.prototypes import prototype
from mien.data.people.settings import Course, PeopleSettings
from tiny_head import NAMES

TIMES = np.arange(30) / 10
AT = {name: place for place, name in enumerate(NAMES)}


def plays(label: str = "happiness", count: int = 150, speech: float = 0.0) -> list:
    made = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        made.append(
            act(prototype(label, 0.9, NAMES, rng), prototype("anger", 0.8, NAMES, rng), TIMES, NAMES, speech, rng)
        )
    return made


def test_an_expression_comes_stays_and_goes() -> None:
    up = course(TIMES, 0.5, 0.5, 1.0, 0.5)
    assert up[:6].max() == 0
    assert up[10:20].min() == 1
    assert up[25:].max() == 0
    assert 0 < up[7] < up[8] < 1


def test_every_course_occurs_and_is_what_it_is_called() -> None:
    made = plays()
    assert {play.kind for play in made} == set(KINDS)
    for play in made:
        if play.kind == "held":
            assert np.ptp(play.strength) < 1e-6
        if play.kind == "onset":
            assert (np.diff(play.strength) >= -1e-6).all()
        if play.kind == "offset":
            assert (np.diff(play.strength) <= 1e-6).all()
        if play.kind != "blend":
            smile = play.coefficients[:, AT["mouthSmile_L"]]
            assert np.ptp(smile) < 0.2 or np.corrcoef(smile, play.strength)[0, 1] > 0.8
        assert play.coefficients.min() >= 0
        assert play.coefficients.max() <= 1
        assert np.allclose(play.shares.sum(1), 1, atol=1e-4)


def test_an_apex_may_stand_at_the_end_of_a_clip() -> None:
    """Clips that stop 0.3 to 1.8 s after the onset are what smoothing loses."""
    late = [int((play.strength < 0.45).sum()) for play in plays() if play.kind == "onset"]
    assert any(12 <= frames <= 27 for frames in late)


def test_a_course_that_is_asked_for_is_the_one_that_would_be_drawn() -> None:
    def play(seed: int, *wanted: Course) -> Play:
        rng = np.random.default_rng(seed)
        apex, other = prototype("happiness", 0.9, NAMES, rng), prototype("anger", 0.8, NAMES, rng)
        return act(apex, other, TIMES, NAMES, 0.5, rng, *wanted)

    for seed in range(30):
        drawn, asked = play(seed), play(seed, play(seed).kind)
        assert np.array_equal(drawn.coefficients, asked.coefficients), "nothing else is drawn otherwise"
        assert {play(seed, kind).kind for kind in KINDS} == set(KINDS)
    with pytest.raises(ConfigError, match="frames"):
        PeopleSettings(course="onset")
    with pytest.raises(ConfigError, match="course"):
        PeopleSettings(frames=8, course="sideways")  # type: ignore[arg-type]


def test_a_blend_goes_over_into_the_other() -> None:
    for play in (play for play in plays() if play.kind == "blend"):
        first, last = (LABELS.labels[play.shares[frame].argmax()] for frame in (0, -1))
        assert first in ("anger", "neutral") or play.strength[0] > 0.4
        assert last in ("happiness", "anger", "neutral")
        assert play.coefficients[0, AT["browDown_L"]] > play.coefficients[-1, AT["browDown_L"]] - 0.3


def test_a_still_is_held_and_neutral_faces_do_not_speak_in_it() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        apex = prototype("neutral", 0.0, NAMES, rng)
        play = act(apex, apex, np.zeros(1), NAMES, 1.0, rng)
        assert play.kind == "held"
        assert not play.speaks
        assert play.coefficients[0, AT["jawOpen"]] == 0


def test_speech_opens_and_shuts_the_mouth() -> None:
    jaw = np.stack([speaking(TIMES, NAMES, np.random.default_rng(seed))[:, AT["jawOpen"]] for seed in range(10)])
    assert (jaw.max(1) > 0.05).all()
    assert (np.abs(np.diff(np.sign(np.diff(jaw, axis=1)), axis=1)).sum(1) > 6).all()
    assert any(play.speaks for play in plays(count=5, speech=1.0))


def test_blinks_are_short_and_both_lids_shut() -> None:
    times = np.arange(600) / 30
    lids = blinking(times, NAMES, False, np.random.default_rng(1))
    left, right = lids[:, AT["eyeBlink_L"]], lids[:, AT["eyeBlink_R"]]
    assert (left == right).all()
    assert left.max() > 0.9
    assert 0.01 < (left > 0.5).mean() < 0.2


def test_eyes_look_the_same_way() -> None:
    gaze = gazing(TIMES, NAMES, np.random.default_rng(3))
    assert np.allclose(gaze[:, AT["eyeLookOut_L"]], gaze[:, AT["eyeLookIn_R"]])
    assert gaze[:, AT["eyeLookOut_L"]] @ gaze[:, AT["eyeLookIn_L"]] == pytest.approx(0)
