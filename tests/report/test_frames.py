"""What pandas and polars are given is what the CSV files say, cell by cell, with types."""

from __future__ import annotations

import csv
import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import polars.testing
import pytest

from mien.core.errors import MissingDependencyError
from mien.core.labels import LabelSpace
from mien.core.table import FaceTable
from mien.core.types import Face, FaceRow, Quality, Span
from mien.report.result import Result

REASONS = (None, None, "too small", "blurred", "turned away")


@pytest.fixture
def odd(nobody: Result) -> Result:
    """Hundreds of rows of numbers that round badly, faces in no span, cells that are empty."""
    rng = np.random.default_rng(7)
    table = FaceTable(3)
    for number in range(600):
        index, track = divmod(number, 2)
        reason = REASONS[rng.integers(len(REASONS))]
        box = rng.normal(100, 100, 4) if number % 3 else np.round(rng.normal(100, 100, 4), 1) + 0.05
        probabilities = (
            None if reason else rng.dirichlet(np.ones(3)) if number % 5 else np.array([0.00005, 0.5, 0.49995])
        )
        size, sharpness, yaw = (float(value) for value in (*rng.exponential(50, 2), rng.normal(0, 30)))
        quality = Quality(size, np.inf if number == 7 else sharpness, np.nan if number == 9 else yaw, reason)
        time = index / 23.976 if number % 3 else index / 25 + 0.00005
        face = Face(box.astype(np.float32), float(rng.random()), np.zeros((5, 2), np.float32), bool(number % 2))
        table.append(FaceRow(index, time, track + 1, face, quality, None if reason else probabilities))
    spans = (
        Span(1, 0.5, 4.00005, "happiness", 0.123450001),
        Span(2, 1.0, 30.0, "sadness", 0.5, intensity=0.98765),
        Span(1, 4.00005, 8.0, "unclear", 0.0, True, "low confidence"),
        Span(1, 8.0, 50.0, "neutral", 1 / 3),
    )
    return dataclasses.replace(nobody, frames=table, spans=spans)


def cells(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return header, rows


def value(cell: str, name: str) -> Any:
    """A cell as a person reads it."""
    if name in ("label", "reason"):
        return cell or None
    if name in ("measured", "abstained"):
        return {"true": True, "false": False}[cell]
    if name in ("frame", "track"):
        return int(cell)
    return float(cell) if cell else None


def assert_same(path: Path, pandas_table: pd.DataFrame, polars_table: pl.DataFrame) -> None:
    header, rows = cells(path)
    expected = [[value(cell, name) for cell, name in zip(row, header, strict=True)] for row in rows]
    assert list(pandas_table.columns) == polars_table.columns == header
    assert [list(row) for row in polars_table.rows()] == expected
    plain = pandas_table.astype(object).where(pandas_table.notna(), None)
    assert plain.to_numpy().tolist() == expected


@pytest.mark.parametrize("name", ["odd", "result", "nobody"])
def test_every_cell_is_the_files(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    result: Result = request.getfixturevalue(name)
    spans, frames, _ = result.save(tmp_path)
    assert_same(frames, result.frames.to_pandas(), result.frames.to_polars())
    assert_same(spans, result.to_pandas(), result.to_polars())


def test_reading_the_file_gives_the_same_table(odd: Result, tmp_path: Path) -> None:
    spans, frames, _ = odd.save(tmp_path)
    for path, table in ((frames, odd.frames), (spans, odd)):
        pd.testing.assert_frame_equal(pd.read_csv(path), table.to_pandas())
        pl.testing.assert_frame_equal(pl.read_csv(path), table.to_polars())


@pytest.mark.parametrize("name", ["odd", "nobody"])
def test_columns_have_the_same_types_whatever_is_in_them(name: str, request: pytest.FixtureRequest) -> None:
    frames = request.getfixturevalue(name).frames
    whole, truths, texts = {"frame", "track"}, {"measured"}, {"reason", "label"}
    for column, kind in frames.to_pandas().dtypes.items():
        expected = "int64" if column in whole else "bool" if column in truths else "float64"
        assert pd.api.types.is_string_dtype(kind) if column in texts else kind == expected, column
    for column, kind in frames.to_polars().schema.items():
        expected = pl.Int64 if column in whole else pl.Boolean if column in truths else pl.Float64
        assert kind == (pl.String if column in texts else expected), column


def test_the_frames_are_still_the_table_and_speak_of_the_spans_at_hand(result: Result) -> None:
    assert isinstance(result.frames, FaceTable)
    assert len(result.frames.to_pandas()) == len(result.frames) == len(list(result.frames))
    assert result.frames.column("time").tolist() == [row.time for row in result.frames]
    assert set(result.frames.to_pandas()["label"]) == {"happiness", "sadness", "unclear"}
    without = dataclasses.replace(result, spans=())
    assert set(without.frames.to_pandas()["label"]) == {"unclear"}
    renamed = dataclasses.replace(result, labels=LabelSpace("x", ("a", "happiness", "sadness")))
    assert "p_a" in renamed.frames.to_polars().columns


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_a_package_that_is_not_there(result: Result, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for table in (result, result.frames):
        with pytest.raises(MissingDependencyError, match=rf"pip install 'mien\[{package}\]'"):
            getattr(table, f"to_{package}")()
