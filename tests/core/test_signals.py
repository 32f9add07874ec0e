"""What a model says beside the expression: what may be said, what numbers mean, and how they travel."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mien.core.errors import ConfigError
from mien.core.signals import MOST_SIGNALS, Signal, by_name, columns, distinct, parse_signals, places, width
from mien.core.table import FaceTable
from mien.core.types import Face, FaceRow, Quality
from shape_checks import unchecked

AFFECT = Signal("affect", ("valence", "arousal"), "scale", -1.0, 1.0, "expression")
UNITS = Signal("action_units", ("AU1", "AU4", "AU12"), "flags")
GAZE = Signal("gaze", ("here", "away"), "classes")
ALL = (AFFECT, UNITS, GAZE)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"name": "Affect"}, "small letters"),
        ({"name": "a.b"}, "small letters"),
        ({"name": "expression"}, "none of"),
        ({"name": "logits"}, "none of"),
        ({"name": ["x"]}, "small letters"),
        ({"labels": ()}, "1 to 256"),
        ({"labels": ["valence", "arousal"]}, "1 to 256"),
        ({"labels": ("valence", "valence")}, "distinct"),
        ({"labels": ("=1+1",)}, "begin"),
        ({"kind": "angle"}, "classes, flags, scale"),
        ({"low": 1.0}, "low < high"),
        ({"low": float("nan")}, "a number"),
        ({"high": 1e9}, "a number"),
        ({"kind": "flags"}, "0 to 1 unless a scale"),
        ({"derived_from": "x\x1b[2J"}, "control characters"),
    ],
)
def test_what_no_table_could_hold_is_refused(changes: dict[str, object], named: str) -> None:
    with unchecked(), pytest.raises(ConfigError, match=named):
        dataclasses.replace(AFFECT, **changes)  # type: ignore[arg-type]


def test_names_stand_once_and_are_not_too_many() -> None:
    assert distinct(ALL) is ALL
    with pytest.raises(ConfigError, match="distinct"):
        distinct((AFFECT, AFFECT))
    with pytest.raises(ConfigError, match="at most"):
        distinct(tuple(Signal(f"s{number}", ("x",), "flags") for number in range(MOST_SIGNALS + 1)))


def test_numbers_of_a_head_become_values_in_their_range() -> None:
    raw = np.array([[-3.0, 0.0, 800.0], [0.25, -800.0, 1.0]])
    np.testing.assert_allclose(Signal("x", ("a", "b", "c"), "scale", -1, 1).values(raw), [[-1, 0, 1], [0.25, -1, 1]])
    flags = UNITS.values(raw)
    np.testing.assert_allclose(
        flags, [[1 / (1 + np.exp(3)), 0.5, 1], [1 / (1 + np.exp(-0.25)), 0, 1 / (1 + np.exp(-1))]]
    )
    np.testing.assert_allclose(GAZE.values(raw[:, :2]).sum(1), 1)


def test_it_travels_as_json() -> None:
    told = [signal.to_dict() for signal in ALL]
    assert parse_signals(told) == ALL
    assert told[0] == {
        "name": "affect",
        "kind": "scale",
        "labels": ["valence", "arousal"],
        "range": [-1.0, 1.0],
        "derived_from": "expression",
    }
    assert "derived_from" not in told[1]
    for wrong in (
        {},
        [1],
        [{"name": "x"}],
        [{**told[0], "more": 1}],
        [{**told[0], "range": [1]}],
        [{**told[0], "range": 3}],
    ):
        with pytest.raises((TypeError, ValueError, LookupError)):
            parse_signals(wrong)


def test_columns_stand_side_by_side() -> None:
    assert columns((AFFECT, GAZE)) == ("affect.valence", "affect.arousal", "gaze.here", "gaze.away")
    assert width(ALL) == 7
    assert places(ALL) == {"affect": slice(0, 2), "action_units": slice(2, 5), "gaze": slice(5, 7)}
    row = np.array([0.31234, -0.5, 0.1, 0.2, 0.3, np.nan, 1.0])
    assert by_name(ALL, row) == {
        "affect": {"valence": 0.3123, "arousal": -0.5},
        "action_units": {"AU1": 0.1, "AU4": 0.2, "AU12": 0.3},
        "gaze": {"here": None, "away": 1.0},
    }
    assert by_name((), np.zeros(0)) == {}


def test_the_table_of_faces_keeps_them() -> None:
    table, face = FaceTable(2, ALL), Face(np.zeros(4, np.float32), 0.9, np.zeros((5, 2), np.float32))
    values = np.arange(7) / 8
    for index in range(3):
        said = (np.array([0.4, 0.6]), values * index) if index else (None, None)
        table.append(FaceRow(index, index / 25, 1, face, Quality(50, 99, 0), *said))
    assert table[0].signals is None
    np.testing.assert_allclose(table[2].signals, values * 2)
    np.testing.assert_allclose(table.signal("gaze"), [[np.nan] * 2, values[5:], values[5:] * 2])
    table.set_probabilities(np.array([0]), np.array([[1.0, 0.0]]), np.ones((1, 7)))
    assert (table[0].signals == 1).all()
    assert FaceTable(8).row_bytes == 122, "no byte where nothing is said beside"
    with pytest.raises(KeyError):
        table.signal("pose")
