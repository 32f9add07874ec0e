"""A line of a list that leads nowhere is a mistake of whoever wrote it, and said as such."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.core.errors import ConfigError
from mien.core.registry import Place, Registry


def test_a_line_that_leads_somewhere_is_followed() -> None:
    assert Registry("shape", {"path": Place("pathlib:Path")})["path"] is Path


@pytest.mark.parametrize(
    "place", ["mien.core.registri:Registry", "mien.kore.registry:Registry", "mien.core.registry:Regis"]
)
def test_a_line_that_leads_nowhere_is_named(place: str) -> None:
    with pytest.raises(ConfigError, match="correct the line") as told:
        Registry("shape", {"square": Place(place)})["square"]
    assert place in told.value.fix


def test_what_a_module_lacks_itself_is_not_taken_for_a_wrong_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_another.py").write_text("import nowhere_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        Registry("shape", {"square": Place("needs_another:Square")})["square"]
