from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.core.sheets import escaped, read_rows
from mien.report import tables
from mien.report.result import Result
from mien.report.tables import FRAME_COLUMNS, SPAN_COLUMNS


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_save_writes_the_three_files(result: Result, tmp_path: Path) -> None:
    paths = result.save(tmp_path / "new" / "out")
    assert [path.name for path in paths] == ["spans.csv", "frames.csv", "result.json"]
    assert sorted(paths) == sorted((tmp_path / "new" / "out").iterdir())


def test_columns_are_a_promise(result: Result, tmp_path: Path) -> None:
    spans, frames, _ = result.save(tmp_path)
    assert spans.read_text().splitlines()[0] == "track,start,end,duration,label,score,abstained,reason,intensity"
    assert frames.read_text().splitlines()[0] == (
        "frame,time,track,x0,y0,x1,y1,detector_score,measured,size,sharpness,yaw,reason,label,score,"
        "p_neutral,p_happiness,p_sadness"
    )


def test_spans_csv_has_a_row_a_span(result: Result, tmp_path: Path) -> None:
    rows = read(result.save(tmp_path)[0])
    assert [row["label"] for row in rows] == ["happiness", "sadness", "unclear", "happiness"]
    assert rows[2]["reason"] == "turned away"
    assert [row["abstained"] for row in rows] == ["false", "false", "true", "false"]
    for row, span in zip(rows, result.spans, strict=True):
        assert float(row["end"]) - float(row["start"]) == pytest.approx(float(row["duration"]), abs=2e-4)
        assert float(row["start"]) == pytest.approx(span.start, abs=5e-5)


def test_frames_csv_has_a_row_a_face_and_frame(result: Result, tmp_path: Path) -> None:
    rows = read(result.save(tmp_path)[1])
    assert len(rows) == len(result.frames)
    first = rows[0]
    assert first == {
        "frame": "0",
        "time": "0.0000",
        "track": "1",
        "x0": "20.0",
        "y0": "30.0",
        "x1": "60.0",
        "y1": "80.0",
        "detector_score": "0.9870",
        "measured": "true",
        "size": "39.8",
        "sharpness": "123.5",
        "yaw": "-3.2",
        "reason": "",
        "label": "happiness",
        "score": "0.8000",
        "p_neutral": "0.1000",
        "p_happiness": "0.8000",
        "p_sadness": "0.1000",
    }


def test_an_unread_face_is_unclear_with_its_reason_and_empty_probabilities(result: Result, tmp_path: Path) -> None:
    rows = [row for row in read(result.save(tmp_path)[1]) if row["track"] == "1" and 20 <= int(row["frame"]) < 30]
    assert len(rows) == 10
    for row in rows:
        assert (row["label"], row["reason"], row["score"], row["p_happiness"]) == ("unclear", "turned away", "", "")


def test_every_row_carries_the_label_of_its_span(result: Result) -> None:
    places = tables.span_of_rows(result.frames, result.spans)
    for row, place in zip(result.frames, places, strict=True):
        span = result.spans[place]
        assert span.track == row.track
        assert span.start <= row.time <= span.end


def test_no_face_gives_headers_only(nobody: Result, tmp_path: Path) -> None:
    spans, frames, report = nobody.save(tmp_path)
    assert spans.read_text() == ",".join(SPAN_COLUMNS) + "\n"
    assert frames.read_text() == ",".join((*FRAME_COLUMNS, "p_neutral", "p_happiness", "p_sadness")) + "\n"
    content = json.loads(report.read_text("utf-8"))
    assert (content["spans"], content["tracks"]) == ([], [])


def test_result_json_is_strict_json_with_null_for_what_is_no_number(result: Result, tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    content = json.loads(result.save(tmp_path)[2].read_text("utf-8"), parse_constant=refuse)
    assert content["schema"] == 2
    assert content["provenance"] == {"mien": "0", "nothing": None, "path": "a/b"}
    assert content["source"]["name"] == "noise.mp4"
    assert content["labels"] == ["neutral", "happiness", "sadness"]
    assert content["spans"][2] == {
        "track": 1,
        "start": 1.16,
        "end": 1.8,
        "label": "unclear",
        "score": 0.0,
        "abstained": True,
        "reason": "turned away",
        "intensity": None,
    }
    assert content == result.to_dict()


def test_totals_add_up_to_the_time_a_track_was_seen(result: Result) -> None:
    first, second = result.to_dict()["tracks"]
    assert (first["track"], first["frames"], second["frames"]) == (1, 43, 38)
    assert first["unclear_seconds"] == {"turned away": pytest.approx(0.64)}
    shown = sum(first["shown_seconds"].values()) + sum(first["unclear_seconds"].values())
    assert shown == pytest.approx(first["end"] - first["start"], abs=1e-3)
    assert second["shown_seconds"] == {"sadness": pytest.approx(second["end"] - second["start"], abs=1e-3)}


def test_a_failed_write_leaves_the_old_file(result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result.save(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(tables, "_frame_cells", broken)
    with pytest.raises(OSError, match="disk full"):
        tables.write_frames(tmp_path / "frames.csv", result.frames, result.spans, result.labels.labels)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_plain_unwraps_numpy() -> None:
    wrapped = {"a": np.float32(0.5), "b": np.array([1, 2]), 3: (np.bool_(True), float("inf"))}
    assert tables.plain(wrapped) == {"a": 0.5, "b": [1, 2], "3": [True, None]}


def test_a_label_that_is_a_formula_stays_a_text(result: Result, tmp_path: Path) -> None:
    odd = [replace(span, label="=cmd()", reason="@SUM(1)") for span in result.spans]
    tables.write_spans(tmp_path / "spans.csv", odd)
    tables.write_frames(tmp_path / "frames.csv", result.frames, odd, ("=cmd()", "happiness", "sadness"))
    for path in (tmp_path / "spans.csv", tmp_path / "frames.csv"):
        cells = [cell for row in read(path) for cell in row.values()]
        assert "'=cmd()" in cells
        assert not [cell for cell in cells if cell[:1] in ("=", "@", "+")]
    assert next(read_rows(tmp_path / "spans.csv", ("label",)))[1]["label"] == "=cmd()"
    # A number below zero is one still: a box may reach over the frame's edge.
    assert escaped("-3.5") == "-3.5"
