"""What tools/signal_error.py counts, on numbers whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import spearmanr

from mien.core.facial import ACTION_UNITS, FACIAL, UNITS
from mien.core.signals import columns
from mien.data.pictures import Picture


@pytest.fixture(scope="module")
def tool(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool("signal_error")


def test_every_column_is_some_units(tool: ModuleType) -> None:
    places = [place for unit in UNITS for place in tool.columns_of(unit)]
    assert places == list(range(len(ACTION_UNITS.labels)))
    assert len(tool.columns_of("AU2")) == 2, "and not AU20, AU23 to AU28"


def test_the_interval_holds_the_rank_correlation(tool: ModuleType) -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(400, 2))
    ours = np.exp(truth + rng.normal(size=truth.shape))
    value = tool.rank_correlation(ours, truth)
    assert value == pytest.approx(np.mean([spearmanr(ours[:, k], truth[:, k]).statistic for k in range(2)]))
    low, high = tool.rank_interval(ours, truth)
    assert low < value < high
    assert 0.05 < high - low < 0.2


def test_a_tie_counts_as_half(tool: ModuleType) -> None:
    assert tool.auc(np.array([0.9, 0.5]), np.array([0.5, 0.1])) == pytest.approx(3.5 / 4)
    assert np.isnan(tool.auc(np.empty(0), np.ones(3)))


def test_a_row_for_every_turn_that_there_is(tool: ModuleType) -> None:
    values = np.zeros((4, len(columns(FACIAL))))
    values[:, columns(FACIAL).index("pose.yaw")] = [0, -10, 20, 44]
    ours = values.copy()
    ours[:, columns(FACIAL).index("pose.yaw")] += [1, 2, -4, -8]
    assert list(tool.turned("set", [ours], values)) == [
        ["set", "0 to 15", "2", "1.5, 0.0, 0.0"],
        ["set", "15 to 30", "1", "4.0, 0.0, 0.0"],
        ["set", "30 to 45", "1", "8.0, 0.0, 0.0"],
    ]


def test_an_alarm_on_one_side_is_one_face(tool: ModuleType) -> None:
    units = np.zeros((3, len(ACTION_UNITS.labels)))
    units[0, tool.columns_of("AU12")[1]] = 0.6
    units[0, tool.columns_of("AU9")] = 0.5
    units[1, tool.columns_of("AU25")] = 0.9  # lips apart are no alarm
    pictures = [Picture(Path(str(age)), "neutral", {"face_age": str(age), "face_id": "7"}) for age in (20, 29, 50)]
    head = ["n", *tool.WRONG_WHEN_NEUTRAL, "any"]
    rows = {row[0]: dict(zip(head, row[1:], strict=True)) for row in tool.false_alarms(pictures, units)}
    assert list(rows) == ["all", "age 0 to 29", "age 45 and more"]
    assert rows["all"] == {**dict.fromkeys(head, "0"), "n": "3", "AU9": "1", "AU12": "1", "any": "1 (33%)"}
    assert rows["age 0 to 29"]["any"] == "1 (50%)"
