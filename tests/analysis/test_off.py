"""Options of an analysis that are off change nothing, to the bit, however their other fields stand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from brightness import BRIGHT, DARK, one_face

from mien.analysis.expressions import ExpressionModel
from mien.analysis.settings import AnalysisSettings
from mien.report.page.html import page_content

OFF: list[dict[str, Any]] = [
    {"filter": "none", "filter_width": 3.0},
    {"compound": False, "compound_rule": "weighed", "compound_pairs": "twelve", "compound_least": 0.0},
]
FILM = [DARK] * 12 + [BRIGHT] * 12 + [130] * 6


@pytest.mark.parametrize("fields", OFF)
def test_off_is_as_if_it_were_not_there(
    model: ExpressionModel, lenient: AnalysisSettings, fields: dict[str, Any]
) -> None:
    usual, off = (model.analyze(one_face(FILM), one) for one in (lenient, replace(lenient, **fields)))
    assert usual.spans == off.spans
    for name in ("probabilities", "signals", "box", "time"):
        assert usual.frames.column(name).tobytes() == off.frames.column(name).tobytes()
    for told in (lambda one: one.to_dict(), page_content):
        one, other = told(usual), told(off)
        del one["provenance"], other["provenance"]
        assert one == other
        assert "compounds" not in one


def test_on_is_not(model: ExpressionModel, lenient: AnalysisSettings) -> None:
    usual = model.analyze(one_face(FILM), lenient)
    calm = model.analyze(one_face(FILM), replace(lenient, filter="gauss"))
    assert usual.frames.column("probabilities").tobytes() != calm.frames.column("probabilities").tobytes()
