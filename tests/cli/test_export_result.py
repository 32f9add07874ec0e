"""Results for other programs, as they are made and afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien import media

Mien = Callable[..., Any]


@pytest.fixture
def film(portrait: np.ndarray, tmp_path: Path) -> Path:
    """Four frames with a face."""
    path = tmp_path / "films" / "talk.mp4"
    path.parent.mkdir()
    small = np.ascontiguousarray(portrait[:256, 96:352])
    with media.VideoWriter(path, 256, 256, 10.0) as writer:
        for index in range(4):
            writer.write(small, index / 10)
    return path


@pytest.fixture
def out(mien: Mien, tiny: Path, film: Path, picture: Path, tmp_path: Path) -> Path:
    out = tmp_path / "out"
    ran = mien("analyze", film, picture, "-o", out, "--model", tiny, "--threshold", "0", "--export", "eaf,vtt,bids")
    assert ran.code == 0, ran.err
    assert "portrait.png: no eaf, vtt, bids of a still picture" in ran.err
    return out


def test_an_analysis_writes_what_is_asked_for_and_the_verb_the_same_again(mien: Mien, out: Path, film: Path) -> None:
    first = (out / "talk/talk.eaf").read_text("utf-8")
    assert 'RELATIVE_MEDIA_URL="../../films/talk.mp4"' in first
    vtt = (out / "talk/talk.vtt").read_text()
    assert (out / "talk/sub-talk/beh/sub-talk_task-film_events.tsv").is_file()
    assert not list((out / "portrait").glob("*.eaf"))
    ran = mien("export-result", out / "talk", "--to", "vtt,cvat")
    assert (ran.code, len(ran.out.splitlines())) == (0, 3)
    assert (out / "talk/talk.vtt").read_text() == vtt


def test_many_results_go_into_one_folder_under_their_own_names(mien: Mien, out: Path, tmp_path: Path) -> None:
    (out / "talk").rename(out / "talk-2")
    ran = mien("export-result", out, "--to", "srt,labelstudio", "-o", tmp_path / "all", "--json")
    names = [Path(path).name for path in ran.lines[0]]
    assert set(names) == {
        "talk-2.srt",
        *(f"{n}.labelstudio.{s}" for n in ("talk-2", "portrait") for s in ("json", "xml")),
    }
    assert "portrait: no srt of a still picture" in ran.err


def test_analysing_again_replaces_folders_of_files_too(mien: Mien, tiny: Path, out: Path, film: Path) -> None:
    events = out / "talk/sub-talk/beh/sub-talk_task-film_events.tsv"
    events.write_text("old")
    again = ("analyze", film, "-o", out, "--model", tiny, "--threshold", "0", "--export", "bids")
    assert mien(*again).code == 0
    assert events.read_text().startswith("onset\t")
    assert mien(*again, "--skip-existing", "--json").lines[0]["status"] == "skipped"


@pytest.mark.parametrize(
    ("args", "wording"),
    [
        (("export-result", "nowhere", "--to", "eaf"), "no such folder"),
        (("export-result", "nowhere", "--to", "elf"), "did you mean eaf"),
        (("export-result", "nowhere", "--to", ","), "a format"),
        (("export-result", "--to", "eaf"), "at least one OUT"),
        (("analyze", "nowhere.mp4", "-o", "x", "--export", "eaf,vvt"), "did you mean vtt"),
    ],
)
def test_what_can_be_mended_is_said_in_a_line(mien: Mien, args: tuple[str, ...], wording: str) -> None:
    ran = mien(*args)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert wording in ran.err


def test_edits_go_to_the_result_that_they_are_of(mien: Mien, out: Path, tmp_path: Path) -> None:
    edits = tmp_path / "talk.edits.json"
    about = {"format": "mien edits", "version": 1, "names": [{"track": 1, "name": "Anna"}]}
    edits.write_text(json.dumps({**about, "source": {"name": "talk.mp4"}}))
    assert mien("export-result", out, "--to", "vtt", "--edits", edits).code == 0
    assert "<v Anna>" in (out / "talk/talk.vtt").read_text()
    edits.write_text(json.dumps({**about, "source": {"name": "other.mp4"}}))
    ran = mien("export-result", out, "--to", "vtt", "--edits", edits)
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "other.mp4" in ran.err
