"""A saved result comes back as it was saved, and a torn one not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien
from mien.core.errors import DataError
from mien.core.signals import Signal
from mien.core.table import FaceTable
from mien.report.read import read
from mien.report.result import Result


@pytest.fixture
def saved(result: Result, tmp_path: Path) -> Path:
    settings = {"frame_rate": None, "every": 2, "start": 0.5, "end": None, "stream": None, "max_pixels": 99_999}
    facts = {"source": {"path": "noise.mp4", "bytes": (tmp_path / "noise.mp4").stat().st_size}, "settings": settings}
    replace(result, provenance=facts).save(tmp_path / "out" / "noise")
    return tmp_path / "out" / "noise"


def test_what_was_saved_comes_back(result: Result, saved: Path, tmp_path: Path) -> None:
    again = mien.read(saved)
    assert type(again) is Result
    assert again.to_dict() == json.loads((saved / "result.json").read_text())
    assert [one.label for one in again.spans] == [one.label for one in result.spans]
    for name in ("frames.csv", "spans.csv", "result.json"):
        again.save(tmp_path / "copy")
        assert (tmp_path / "copy" / name).read_bytes() == (saved / name).read_bytes()
    assert again.frames.reasons == (None, "turned away")
    assert np.isnan(again.frames.column("points")).all()


def test_tables_are_those_of_the_analysis(result: Result, saved: Path) -> None:
    again = read(saved)
    assert again.frames.to_pandas().equals(result.frames.to_pandas())
    assert again.frames.to_polars().equals(result.frames.to_polars())
    assert again.to_pandas().equals(result.to_pandas())


def test_what_a_model_says_beside_the_expression_comes_back(result: Result, tmp_path: Path) -> None:
    frames = FaceTable(len(result.labels), (Signal("affect", ("valence", "arousal"), "scale", -1.0, 1.0),))
    for row in result.frames:
        frames.append(replace(row, signals=None if row.probabilities is None else np.array([-0.25, 0.5])))
    spans = tuple(replace(span, intensity=None if span.abstained else 0.75) for span in result.spans)
    replace(result, frames=frames, spans=spans).save(tmp_path / "out")
    again = read(tmp_path / "out")
    assert again.signals == frames.signals
    assert again.spans[0].intensity == 0.75
    again.save(tmp_path / "copy")
    assert (tmp_path / "copy/frames.csv").read_bytes() == (tmp_path / "out/frames.csv").read_bytes()
    assert again.to_dict() == json.loads((tmp_path / "out/result.json").read_text())
    for tear in (rewrite("frames.csv", "-0.2500", "-2.5000"), change("spans.0.intensity", 2)):
        tear(tmp_path / "copy")
        with pytest.raises(DataError):
            read(tmp_path / "copy")


def test_the_film_and_what_was_chosen_of_it_are_found_again(saved: Path, tmp_path: Path) -> None:
    again = read(saved)
    assert again.origin == tmp_path / "noise.mp4"  # from here, two folders up
    assert (again.selection.every, again.selection.start, again.selection.max_pixels) == (2, 0.5, 99_999)
    assert again.draw(tmp_path / "drawn.mp4").is_file()
    (tmp_path / "noise.mp4").write_bytes(b"another film")
    assert read(saved).origin == "noise.mp4"


def test_the_only_result_of_a_folder_is_meant(saved: Path, result: Result) -> None:
    assert read(saved.parent).to_dict() == read(saved).to_dict()
    result.save(saved.parent / "second")
    with pytest.raises(DataError, match="2 of them"):
        read(saved.parent)
    with pytest.raises(DataError, match="no such folder"):
        read(saved / "nowhere")
    with pytest.raises(DataError, match=r"no result\.json"):
        read(saved.parent.parent / "out" / "..")


def test_a_result_without_faces_comes_back(nobody: Result, tmp_path: Path) -> None:
    nobody.save(tmp_path / "out")
    again = read(tmp_path / "out")
    assert (len(again.frames), again.spans) == (0, ())
    assert len(again.frames.to_pandas().columns) == 18


def change(key: str, value: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "result.json"
        content: dict[str, Any] = json.loads(path.read_text())
        holder: Any = content
        *way, last = key.split(".")
        for step in way:
            holder = holder[int(step) if step.isdigit() else step]
        holder[last] = value
        path.write_text(json.dumps(content))

    return edit


def rewrite(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return edit


@pytest.mark.parametrize(
    "tear",
    [
        lambda folder: (folder / "frames.csv").unlink(),
        lambda folder: (folder / "result.json").write_text('{"schema": 2,'),
        lambda folder: (folder / "result.json").write_text("[" * 100_000),
        lambda folder: (folder / "result.json").write_bytes(b"\xff\xfe\x00"),
        change("schema", 1),
        change("labels", []),
        change("labels", ["neutral", "=1+1", "sadness"]),
        change("spans.0.label", "hungry"),
        change("spans.0.start", "soon"),
        change("spans.0.start", float("nan")),
        change("spans.0.more", 1),
        change("spans.2.label", "<b>"),
        change("source.kind", "dream"),
        change("source.width", "wide"),
        change("source.sizes", [[1]]),
        change("provenance", None),
        change("provenance.settings", {"every": "all"}),
        rewrite("frames.csv", "p_sadness", "p_other"),
        rewrite("frames.csv", ",0.1000,0.8000", ",0.1000,8.0000"),
        rewrite("frames.csv", "0.0000,1,", "soon,1,"),
        rewrite("frames.csv", "0,0.0000,1,", "99999999999,0.0000,1,"),
        rewrite("frames.csv", "true", "true,true"),
    ],
)
def test_a_torn_folder_is_refused_in_words(saved: Path, tear: Callable[[Path], Any]) -> None:
    tear(saved)
    with pytest.raises(DataError) as told:
        read(saved)
    assert told.value.fix


def test_a_long_result_is_read_in_time_and_whole(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path / "out")
    lines = (tmp_path / "out/frames.csv").read_text().splitlines()
    (tmp_path / "out/frames.csv").write_text("\n".join([lines[0], *lines[1:] * 60]) + "\n")
    assert len(read(tmp_path / "out").frames) == 60 * len(result.frames)  # more than one chunk of the table
