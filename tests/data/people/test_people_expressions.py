"""Names, prototypes, crowd mixtures, and what raters would say of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import DataError
from mien.data.people.apex import LABELS, of_clip, shares_of, together
from mien.data.people.mixtures import load_mixtures, mixtures
from mien.data.people.prototypes import PROTOTYPES, Textbook, prototype
from mien.data.people.units import mirrored, possible, to_model
from tiny_head import NAMES

AT = {name: place for place, name in enumerate(NAMES)}


def test_a_trackers_names_are_the_models() -> None:
    given = ("_neutral", "browInnerUp", "mouthSmileLeft", "jawOpen", "mouthLeft", "jawRight", "eyeBlinkRight")
    moved = np.array([1.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]) @ to_model(given, NAMES)
    want = {"browInnerUp_L": 0.2, "browInnerUp_R": 0.2, "mouthSmile_L": 0.3, "jawOpen": 0.4, "mouthLeft": 0.5}
    want |= {"jawRight": 0.6, "eyeBlink_R": 0.7}
    assert {name: round(float(moved[place]), 6) for name, place in AT.items() if moved[place]} == want
    with pytest.raises(DataError, match="smirk"):
        to_model(("smirk",), NAMES)


def test_mirroring_exchanges_the_sides() -> None:
    one = np.zeros(len(NAMES))
    one[[AT["mouthSmile_L"], AT["jawLeft"]]] = 0.6, 0.3
    other = mirrored(one, NAMES)
    assert other[AT["mouthSmile_R"]] == pytest.approx(0.6)
    assert other[AT["jawRight"]] == pytest.approx(0.3)
    assert np.allclose(mirrored(other, NAMES), one)


def test_faces_do_only_what_faces_can() -> None:
    asked = np.zeros((1, len(NAMES)))
    asked[0, [AT["mouthClose"], AT["jawOpen"], AT["eyeBlink_L"], AT["eyeWide_L"]]] = 0.9, 0.2, 1.4, 1.0
    done = possible(asked, NAMES)[0]
    assert done[AT["mouthClose"]] == pytest.approx(0.2)
    assert done[AT["eyeBlink_L"]] == 1
    assert done[AT["eyeWide_L"]] == 0


@pytest.mark.parametrize("label", LABELS.labels[1:])
def test_a_weak_expression_is_mostly_neutral_to_a_rater_and_a_strong_one_is_named(label: str) -> None:
    shares = shares_of(label, np.linspace(0, 1, 21))
    own, neutral = shares[:, LABELS.index(label)], shares[:, 0]
    assert np.allclose(shares.sum(1), 1, atol=1e-5)
    assert (np.diff(own) >= -1e-6).all()
    assert own[2] < 0.1 < 0.8 < neutral[2]
    assert own[-1] > 0.9


def test_of_every_eight_items_each_label_comes_once() -> None:
    source = Textbook(NAMES, seed=4)
    drawn = [source.draw(number, np.random.default_rng(number)).label for number in range(24)]
    assert all(sorted(drawn[k : k + 8]) == sorted(LABELS.labels) for k in (0, 8, 16))
    assert drawn[:8] != drawn[8:16]


@pytest.mark.parametrize(
    ("label", "always"),
    [("happiness", "mouthSmile"), ("anger", "browDown")],
)
def test_what_an_expression_cannot_be_without_is_always_there(label: str, always: str) -> None:
    for seed in range(60):
        shown = prototype(label, 0.8, NAMES, np.random.default_rng(seed)).coefficients
        assert max(shown[AT[f"{always}_L"]], shown[AT[f"{always}_R"]]) > 0.35


def test_movements_grow_with_the_strength_and_stay_possible() -> None:
    for label in PROTOTYPES:
        for seed in range(10):
            weak, strong = (prototype(label, s, NAMES, np.random.default_rng(seed)).coefficients for s in (0.2, 0.9))
            assert strong.sum() > 2 * weak.sum() > 0
            assert strong.max() <= 1


def test_contempt_is_one_sided_and_sadness_is_not() -> None:
    def lean(label: str) -> float:
        tilts = []
        for seed in range(40):
            shown = prototype(label, 1.0, NAMES, np.random.default_rng(seed)).coefficients
            left, right = (sum(shown[AT[n]] for n in NAMES if n.endswith(side)) for side in ("_L", "_R"))
            tilts.append(abs(left - right) / (left + right))
        return float(np.mean(tilts))

    assert lean("contempt") > 0.6
    assert lean("sadness") < 0.2


def test_a_mixture_keeps_its_votes_and_shows_either_side() -> None:
    votes = np.array([[3, 5, 0, 0, 0, 0, 0, 2.0]])
    source = mixtures(("mouthSmileLeft", "jawOpen"), np.array([[0.8, 0.2]]), votes, NAMES)
    sides = Counter()
    for number in range(40):
        apex = source.draw(number, np.random.default_rng(number))
        assert apex.label == "happiness"
        assert apex.style == "crowd"
        assert np.allclose(apex.shares(np.ones(1))[0], votes[0] / 10, atol=1e-6)
        assert apex.shares(np.zeros(1))[0, 0] == 1
        side = "L" if apex.coefficients[AT["mouthSmile_L"]] > 0 else "R"
        assert 0.5 < apex.coefficients[AT[f"mouthSmile_{side}"]] <= 1
        sides[side] += 1
    assert min(sides["L"], sides["R"]) > 8


@pytest.mark.parametrize(
    ("coefficients", "votes"),
    [
        (np.zeros((0, 1)), np.zeros((0, 8))),
        (np.zeros((2, 1)), np.ones((3, 8))),
        (np.full((2, 1), 80.0), np.ones((2, 8))),
        (np.full((2, 1), np.nan), np.ones((2, 8))),
        (np.zeros((2, 1)), np.zeros((2, 8))),
        (np.zeros((2, 1)), -np.ones((2, 8))),
    ],
)
def test_mixtures_that_cannot_be_are_refused(coefficients: np.ndarray, votes: np.ndarray) -> None:
    with pytest.raises(DataError):
        mixtures(("jawOpen",), coefficients, votes, NAMES)


def test_mixtures_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "faces.npz"
    np.savez(path, names=np.array(["jawOpen"]), coefficients=np.array([[0.4]]), votes=np.eye(8)[:1])
    assert load_mixtures(path, NAMES).coefficients[0, AT["jawOpen"]] == pytest.approx(0.4)
    np.savez(path, names=np.array(["jawOpen"]))
    with pytest.raises(DataError, match=r"faces\.npz"):
        load_mixtures(path, NAMES)


def test_a_clip_is_called_what_it_shows_though_most_of_it_is_neutral() -> None:
    shares = shares_of("happiness", np.array([0.0] * 8 + [1.0] * 3))
    assert shares.mean(0).argmax() == 0
    assert LABELS.labels[of_clip(shares).argmax()] == "happiness"
    assert of_clip(shares_of("neutral", np.zeros(4))).argmax() == 0


def test_two_expressions_share_what_is_not_neutral() -> None:
    one, other = shares_of("fear", np.array([1.0, 0.0])), shares_of("surprise", np.array([1.0, 1.0]))
    both = together(one, other)
    assert np.allclose(both.sum(1), 1, atol=1e-5)
    assert both[0, LABELS.index("fear")] == pytest.approx(both[0, LABELS.index("surprise")])
    assert both[1].argmax() == LABELS.index("surprise")


def test_no_share_is_less_than_nothing_however_two_expressions_meet() -> None:
    """A manifest refuses such votes: one of 240 clips had -7e-9 of neutral."""
    strength = np.random.default_rng(0).uniform(0.5, 1.5, (2, 2000))
    shares = together(shares_of("anger", strength[0]), shares_of("fear", strength[1]))
    assert shares.min() >= 0
    assert np.allclose(shares.sum(1), 1, atol=1e-5)
