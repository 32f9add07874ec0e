"""Tables, page and plots carry whatever is said beside the expression, by no name of their own."""

from __future__ import annotations

import base64
import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from mien.core.signals import Signal
from mien.core.table import FaceTable
from mien.report.page.bands import FULL
from mien.report.page.html import page_content
from mien.report.plots.analyses import read_analysis
from mien.report.plots.style import COLUMN, paper, save
from mien.report.plots.timeline import draw_timeline
from mien.report.result import Result

WEATHER = Signal("weather", ("wind", "rain"), "scale", -10, 30)
UNITS = Signal("action_units", ("AU1", "AU12"), "flags", derived_from="expression")


@pytest.fixture
def saying(result: Result) -> Result:
    """The result, with two signals: wind rises with time, the rest stays."""
    table = FaceTable(result.frames.classes, (WEATHER, UNITS))
    for row in result.frames:
        said = None if row.probabilities is None else np.array([10 * row.time, 5.12, 0.25, 1.0])
        table.append(dataclasses.replace(row, signals=said))
    return dataclasses.replace(result, frames=table)


def test_the_tables_have_a_column_a_label(saying: Result, tmp_path: Path) -> None:
    saying.save(tmp_path)
    with (tmp_path / "frames.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = ["weather.wind", "weather.rain", "action_units.AU1", "action_units.AU12"]
    assert list(rows[0])[-4:] == names
    for row in rows:
        unread = row["reason"] == "turned away"
        assert [row[name] for name in names[1:]] == (["", "", ""] if unread else ["5.1200", "0.2500", "1.0000"])
        assert row[names[0]] == ("" if unread else f"{np.float32(10 * float(row['time'])):.4f}")
    columns = saying.frames.to_pandas()
    assert list(columns)[-4:] == names
    assert columns["weather.wind"].isna().sum() == 10
    told = json.loads((tmp_path / "result.json").read_text())
    assert told["signals"] == [WEATHER.to_dict(), UNITS.to_dict()]
    means = told["tracks"][1]["signals"]
    assert means["action_units"] == {"AU1": 0.25, "AU12": 1.0}
    wind = saying.frames.signal("weather")[saying.frames.column("track") == 2, 0]
    assert means["weather"]["wind"] == pytest.approx(wind.mean(), abs=1e-4)


def test_without_any_nothing_is_written_of_them(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path)
    assert "signals" not in (tmp_path / "result.json").read_text()
    content = page_content(result)
    assert "signals" not in content
    assert "signals" not in content["faces"][0]


def test_the_page_has_them_as_shares_of_their_range(saying: Result, tmp_path: Path) -> None:
    content = page_content(saying)
    assert content["signals"] == [WEATHER.to_dict(), UNITS.to_dict()]
    face = content["faces"][1]
    said = np.frombuffer(base64.b64decode(face["signals"]), np.uint8).reshape(-1, 4)
    assert len(said) == len(base64.b64decode(face["cells"])) / 3
    assert (said[:, 1] == round((5.12 + 10) / 40 * FULL)).all()
    assert (said[:, 2:] == [round(0.25 * FULL), FULL]).all()
    assert np.all(np.diff(said[:, 0].astype(int)) >= 0)
    page = saying.html(tmp_path / "a.html").read_text()
    assert "derived from the ${signal.derived_from}" in page


def test_plots_have_a_row_for_each(saying: Result, tmp_path: Path) -> None:
    saying.save(tmp_path / "talk")
    analysis = read_analysis(tmp_path / "talk")
    assert analysis.signals == (WEATHER, UNITS)
    np.testing.assert_allclose(analysis.beside, saying.frames.column("signals"), atol=1e-4)
    with paper():
        drawn = save(draw_timeline(analysis, COLUMN), tmp_path / "a.svg").read_text()
    for text in ("wind", "rain", "AU12", "(derived)", "weather", "action units"):
        assert f">{text}</text>" in drawn
