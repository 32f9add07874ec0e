"""Pairs of expressions come out of a result: by span and person, in JSON, page and terminal, and out of a saved one."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from noise_video import BOXES

import mien
from mien.analysis.settings import AnalysisSettings
from mien.core.compound import CompoundRule
from mien.core.errors import DataError
from mien.core.labels import LABEL_SPACES
from mien.core.table import FaceTable
from mien.core.types import Face, FaceRow, Quality, Span
from mien.report.page.html import page_content
from mien.report.result import Result

LABELS = LABEL_SPACES["ferplus"]
LAST = 2.0


def row_of(**probabilities: float) -> np.ndarray:
    return np.array([probabilities.get(label, 0.0) for label in LABELS.labels])


@pytest.fixture
def mixed(result: Result) -> Result:
    """A person who is happily surprised for a second, then happy, then turned away."""
    table = FaceTable(len(LABELS))
    shown = [row_of(happiness=0.5, surprise=0.45, fear=0.05)] * 10 + [row_of(happiness=0.9, surprise=0.1)] * 10
    for number, row in enumerate([*shown, None]):
        face = Face(BOXES[1], 1.0, np.zeros((5, 2), np.float32))
        reason = None if row is not None else "turned away"
        table.append(FaceRow(number, number / 10, 1, face, Quality(50, 50, 0, reason), row))
    spans = (
        Span(1, 0.0, 1.0, "unclear", 0.5, True, "low confidence"),
        Span(1, 1.0, LAST, "happiness", 0.9),
        Span(1, LAST, 2.1, "unclear", 0.0, True, "turned away"),
    )
    facts = {"settings": asdict(AnalysisSettings(compound=True))}
    found = replace(result, labels=LABELS, spans=spans, frames=table, provenance=facts)
    return replace(found, compound=CompoundRule())


def test_spans_and_people_say_which_pair(mixed: Result) -> None:
    told = mixed.to_dict()
    first, second, third = told["compounds"]
    assert first == {
        "likeliest": "happily surprised",
        "of": ["happiness", "surprise"],
        "score": 0.95,
        "least": 0.45,
        "name": "happily surprised",
    }
    assert (second["likeliest"], second["least"], second["name"]) == ("happily surprised", 0.1, None)
    assert third is None, "it could not be read"
    assert told["tracks"][0]["compound_seconds"] == {"happily surprised": 1.0}


def test_without_the_option_nothing_is_said(mixed: Result) -> None:
    off = replace(mixed, compound=None)
    told, page = off.to_dict(), page_content(off)
    assert told.keys() == mixed.to_dict().keys() - {"compounds"}
    assert "compound_seconds" not in told["tracks"][0]
    assert "compounds" not in page


def test_the_page_has_what_is_named(mixed: Result, tmp_path: Path) -> None:
    assert page_content(mixed)["compounds"] == [["happily surprised", 0.45], None, None]
    assert "lesser of both" in mixed.html(tmp_path / "report.html").read_text()


def test_a_saved_result_says_it_again_and_a_torn_rule_is_refused(mixed: Result, tmp_path: Path) -> None:
    mixed.save(tmp_path / "out")
    again = mien.read(tmp_path / "out")
    assert again.compound == CompoundRule()
    assert again.to_dict() == json.loads((tmp_path / "out" / "result.json").read_text())
    path = tmp_path / "out" / "result.json"
    for wrong in ('"compound_least": 2.0', '"compound_least": "most"'):
        path.write_text(json.dumps(mixed.to_dict()).replace('"compound_least": 0.25', wrong))
        with pytest.raises(DataError):
            mien.read(tmp_path / "out")
