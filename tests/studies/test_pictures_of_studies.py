"""The pictures of a study, as a reader compares their panels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_results import LABELS, shares, write_result

from mien.studies.collect import Collected, collect
from mien.studies.curves import Curves
from mien.studies.films import read_head
from mien.studies.pictures import draw_curves
from mien.studies.plan import make_plan


@pytest.fixture(params=[None, (0.0, 1.0)], ids=["raw", "corrected"])
def found(request: pytest.FixtureRequest, tmp_path: Path) -> Collected:
    """Four people who smile from second to second more, or less, with a valence below 0 and an arousal above it."""
    heads = []
    for number in range(4):
        happy = np.linspace(0.05, 0.2 + 0.2 * number, 60)
        beside = {"affect.valence": -happy, "affect.arousal": happy / 9}
        heads.append(read_head(write_result(tmp_path / f"p{number}", shares(happy), signals=beside)))
    plan = make_plan(heads, None, baseline=request.param)
    return collect(plan, Curves(plan.columns, np.arange(7.0)), (0.0, 6.0))


def test_panels_of_one_signal_share_their_limits(found: Collected) -> None:
    panels = [axes for axes in draw_curves(found).axes if axes.get_visible()]
    limits = [tuple(axes.get_ylim()) for axes in panels]
    expressions, affects = limits[: len(LABELS)], limits[len(LABELS) :]
    assert (len(set(expressions)), len(affects), len(set(affects))) == (1, 2, 1)
    (low, high), (under, over) = expressions[0], affects[0]
    drawn = [line.get_ydata() for axes in panels[: len(LABELS)] for line in axes.lines]
    assert high >= max(np.max(values) for values in drawn)
    assert (low == 0) == (found.baseline is None), "no probability is below 0, but a corrected score may be"
    assert under < -0.2 < 0 < over
