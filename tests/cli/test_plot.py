from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def results(mien: Callable[..., Any], tiny: Path, picture: Path, tmp_path: Path) -> Path:
    """What ``mien analyze`` wrote of a still."""
    out = tmp_path / "out"
    assert mien("analyze", picture, "-o", out, "--model", tiny, "--threshold", "0").code == 0
    return out


def test_pictures_are_written_beside_the_results(mien: Callable[..., Any], results: Path) -> None:
    ran = mien("plot", results, "--formats", "png", "svg")
    assert ran.code == 0, ran.err
    names = {path.name for path in (results / "plots").iterdir()}
    assert names == {f"{kind}.{suffix}" for kind in ("timeline", "means", "transitions") for suffix in ("png", "svg")}
    assert [Path(line).name in names for line in ran.out.splitlines()] == [True] * 6


def test_plotting_again_changes_nothing(mien: Callable[..., Any], results: Path) -> None:
    first = mien("plot", results, "--formats", "svg", "--kinds", "means", "--json")
    before = (results / "plots/means.svg").read_bytes()
    assert mien("plot", results, "--formats", "svg", "--kinds", "means", "--json").lines == first.lines
    assert (results / "plots/means.svg").read_bytes() == before


def test_labels_give_a_confusion(mien: Callable[..., Any], results: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("source,start,end,label\nportrait.png,0,0,happy\n")
    ran = mien("plot", results, "-o", tmp_path / "p", "--kinds", "confusion", "--labels", table, "--formats", "svg")
    assert ran.code == 0, ran.err
    assert ">1 of 1 labelled" in (text := (tmp_path / "p/confusion.svg").read_text()) or ">0 of 1 labelled" in text


def test_a_bad_table_of_labels_stops_before_any_picture(
    mien: Callable[..., Any], results: Path, tmp_path: Path
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("source,start,end,label\nportrait.png,0,0,hungry\n")
    ran = mien("plot", results, "--labels", table)
    assert (ran.code, "line 2" in ran.err, ran.err.count("\n")) == (1, True, 1)
    assert not (results / "plots").exists()


@pytest.mark.parametrize(
    ("args", "wording"),
    [((), "at least one OUT"), (("nowhere",), "no such folder"), (("nowhere", "--kinds", "confusion"), "--labels")],
)
def test_what_can_be_mended_is_said_in_a_line(
    mien: Callable[..., Any], tmp_path: Path, args: tuple[str, ...], wording: str
) -> None:
    ran = mien("plot", *args)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert wording in ran.err
