"""Progress: a bar for a person, a line for a log, nothing on stdout."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mien.cli import progress
from mien.cli.progress import FrameProgress


@pytest.fixture
def terminal(monkeypatch) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda stderr: Console(file=text, force_terminal=True, width=120))
    return text


def watch(bar: FrameProgress, frames: int, total: int | None) -> None:
    for done in range(1, frames + 1):
        bar("talk.mp4", done, total, done / 25)
    bar.finish("talk.mp4", 1)


def test_a_log_gets_a_line_a_source(capsys) -> None:
    watch(FrameProgress(3), 40, 40)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("1/3 talk.mp4: 40 frames, ")
    assert err.endswith(" frames/s\n")
    assert err.count("\n") == 1


def test_a_log_gets_none_for_a_still_or_a_source_that_was_skipped(capsys) -> None:
    bar = FrameProgress(2)
    watch(bar, 1, 1)
    bar.finish("skipped.mp4", 2)
    assert capsys.readouterr().err == ""


def test_a_source_that_is_not_finished_has_no_line(capsys) -> None:
    bar = FrameProgress(2)
    for done in range(1, 41):
        bar("talk.mp4", done, None, done / 25)
    bar.abandon()
    assert capsys.readouterr().err == ""


def test_a_person_gets_a_bar_with_frames_speed_and_time_left(terminal, capsys) -> None:
    watch(FrameProgress(1), 40, 80)
    shown = terminal.getvalue()
    assert "talk.mp4" in shown
    assert "40/80" in shown
    assert "frames/s" in shown
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("claim", [None, 10])
def test_a_header_that_lies_or_says_nothing_stops_no_bar(terminal, claim: int | None) -> None:
    watch(FrameProgress(1), 40, claim)
    assert "40/?" in terminal.getvalue()
