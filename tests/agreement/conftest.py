"""A film whose spans are known."""

from __future__ import annotations

from pathlib import Path

import pytest
from films_of_labels import result_of

from mien.agreement.matching import Found
from mien.core.types import Span
from mien.report.result import Result


@pytest.fixture
def talk() -> Result:
    """One person: neutral to 4 s, happiness to 8 s, unclear to 10 s, neutral to 20 s."""
    parts = [(0, 4, "neutral"), (4, 8, "happiness"), (8, 10, ""), (10, 20, "neutral")]
    return result_of("talk.mp4", tuple(Span(1, a, b, s or "unclear", 0.9, not s) for a, b, s in parts))


@pytest.fixture
def found(talk: Result) -> list[Found]:
    return [Found("talk", talk)]


@pytest.fixture
def saved(talk: Result, tmp_path: Path) -> Path:
    talk.save(tmp_path / "out" / "talk")
    return tmp_path / "out"
