"""What a person corrected: the file, and a result that follows it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from noise_video import TIMES

from mien.core.errors import ConfigError, DataError, InputError
from mien.core.table import FaceTable
from mien.core.types import Span
from mien.report.edited import edited, without
from mien.report.edits import Edits, edits_of, parse_edits, read_edits
from mien.report.formats import export
from mien.report.formats.base import Mark, all_tiers
from mien.report.read import read, read_edited
from mien.report.result import Result

AT = [float(time) for time in TIMES]


def content(**parts: Any) -> dict[str, Any]:
    return {"format": "mien edits", "version": 1, "source": {"name": "noise.mp4"}, **parts}


def told(**parts: Any) -> Edits:
    return parse_edits(content(**parts))


def written(folder: Path, **parts: Any) -> Path:
    path = folder / "talk.edits.json"
    path.write_text(json.dumps(content(**parts)), "utf-8")
    return path


@pytest.fixture
def parted(result: Result) -> Result:
    """Track 2 is only seen until frame 20, then as track 3."""
    records = [replace(row, track=3) if row.track == 2 and row.index >= 20 else row for row in result.frames]
    spans = [span for span in result.spans if span.track == 1]
    old = next(span for span in result.spans if span.track == 2)
    spans += [replace(old, end=AT[20]), replace(old, start=AT[20], track=3)]
    table = FaceTable(len(result.labels))
    for row in records:
        table.append(row)
    return replace(result, spans=tuple(sorted(spans, key=lambda one: (one.start, one.track))), frames=table)


def test_the_file_comes_back_as_it_was(tmp_path: Path) -> None:
    parts = {
        "names": [{"track": 1, "name": "Anna"}],
        "merges": [{"track": 3, "into": 2}],
        "marks": [{"time": 1.5, "track": None, "text": "door opens"}, {"time": 1.0, "track": 1, "text": "laughs"}],
        "excluded": [{"start": 1, "end": 2, "track": 2, "reason": "talking"}],
    }
    found = read_edits(written(tmp_path, **parts))
    assert [one.text for one in found.marks] == ["laughs", "door opens"]
    assert parse_edits(found.to_dict()) == found
    assert found


def test_merges_lead_to_the_last_and_take_names_and_ranges_along() -> None:
    found = told(
        merges=[{"track": 4, "into": 3}, {"track": 3, "into": 1}],
        names=[{"track": 4, "name": " Anna  B. "}],
        excluded=[{"start": 1, "end": 2, "track": 3}, {"start": 1.5, "end": 3}],
    )
    assert (found.merges, found.names) == ({4: 1, 3: 1}, {1: "Anna B."})
    assert (found.excluded_of(1), found.excluded_of(2)) == ([(1.0, 3.0)], [(1.5, 3.0)])


@pytest.mark.parametrize(
    ("parts", "wording"),
    [
        ({"format": "elan"}, "format"),
        ({"version": 2}, "version: 1, which this mien reads"),
        ({"source": {}}, "KeyError"),
        ({"source": "noise.mp4"}, "TypeError"),
        ({"names": {"1": "Anna"}}, "names: a list"),
        ({"names": [{"track": 0, "name": "Anna"}]}, "track of a name"),
        ({"names": [{"track": 1, "name": "  "}]}, "some letters"),
        ({"names": [{"track": 1, "name": "person 2"}]}, "not a number as mien gives them"),
        ({"names": [{"track": 1, "name": "Anna"}, {"track": 2, "name": "anna"}]}, "a name of its own"),
        ({"names": [{"track": 1, "name": "Anna"}, {"track": 1, "name": "Bea"}]}, "one name for face 1"),
        ({"merges": [{"track": 1, "into": 1}]}, "not into itself"),
        ({"merges": [{"track": 1, "into": 2}, {"track": 2, "into": 1}]}, "not into itself"),
        ({"merges": [{"track": 1, "into": 2}, {"track": 1, "into": 3}]}, "merged once"),
        ({"marks": [{"time": -1, "text": "x"}]}, "time of a mark"),
        ({"marks": [{"time": float("nan"), "text": "x"}]}, "time of a mark"),
        ({"marks": [{"time": 1, "text": "a\u0000b"}]}, "control characters"),
        ({"excluded": [{"start": 2, "end": 2}]}, "an end after its start"),
        ({"excluded": [7]}, "TypeError"),
        ({"marks": [{"time": 1, "text": "x"}] * 5001}, "length of marks"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(tmp_path: Path, parts: dict[str, Any], wording: str) -> None:
    with pytest.raises(DataError) as caught:
        read_edits(written(tmp_path, **parts))
    assert wording in str(caught.value)
    assert "talk.edits.json" in str(caught.value)


@pytest.mark.parametrize("text", ["", "[1]", "{", "[" * 100_000, "\udcff", " " * (1 << 20) + "{}"])
def test_what_is_no_file_of_edits_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "talk.edits.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError):
        read_edits(path)
    with pytest.raises(DataError, match="check the path"):
        read_edits(tmp_path / "nowhere.json")


def test_names_leave_everything_else_as_it_is(result: Result) -> None:
    found = edited(result, told(names=[{"track": 2, "name": "Bea"}]))
    assert found.spans == result.spans
    assert found.frames.to_pandas().equals(result.frames.to_pandas())
    assert found.edits.names == {2: "Bea"}


def test_merged_tracks_are_one(parted: Result, result: Result) -> None:
    found = edited(parted, told(merges=[{"track": 3, "into": 2}]))
    assert {span.track for span in found.spans} == {1, 2}
    assert found.frames.column("track").tolist() == result.frames.column("track").tolist()
    back = edited(parted, told(merges=[{"track": 2, "into": 3}]))
    assert set(back.frames.column("track").tolist()) == {1, 3}
    assert np.all(np.diff(back.frames.column("index")) >= 0)


def test_a_span_over_a_gap_makes_way_for_what_fills_it(parted: Result) -> None:
    long = Span(2, AT[10], AT[30], "sadness", 0.6)
    short = Span(3, AT[20], AT[25], "happiness", 0.7)
    found = edited(replace(parted, spans=(long, short)), told(merges=[{"track": 3, "into": 2}]))
    assert [(span.start, span.end, span.label) for span in found.spans] == [
        (AT[10], AT[20], "sadness"),
        (AT[20], AT[25], "happiness"),
        (AT[25], AT[30], "sadness"),
    ]


def test_faces_in_one_frame_are_two_people(result: Result) -> None:
    with pytest.raises(DataError, match="faces 1 and 2 in one frame"):
        edited(result, told(merges=[{"track": 2, "into": 1}]))


def test_what_is_excluded_is_neither_shown_nor_read(result: Result) -> None:
    found = edited(result, told(excluded=[{"start": AT[12], "end": AT[40], "track": 2, "reason": "talking"}]))
    mine = [span for span in found.spans if span.track == 2]
    assert [(span.start, span.end) for span in mine] == [(AT[10], AT[12]), (AT[40], result.spans[1].end)]
    assert [span for span in found.spans if span.track == 1] == [span for span in result.spans if span.track == 1]
    table = found.frames.to_pandas()
    out = table[(table.track == 2) & (table.time >= round(AT[12], 4)) & (table.time < round(AT[40], 4))]
    assert set(out.reason) == {"excluded"}
    assert out.filter(like="p_").isna().all(axis=None)
    assert len(table) == len(result.frames)
    probabilities = result.frames.to_pandas().query("track == 2 and frame >= 40")[f"p_{mine[1].label}"]
    assert mine[1].score == pytest.approx(probabilities.mean(), abs=1e-4)


def test_stretches_are_cut_at_both_ends() -> None:
    assert list(without(0, 10, [(2, 3), (5, 6)])) == [(0, 2), (3, 5), (6, 10)]
    assert list(without(2, 4, [(1, 3)])) == [(3, 4)]
    assert list(without(2, 4, [(2, 4)])) == []
    assert list(without(2, 2, [(2, 4)])) == []
    assert list(without(4, 4, [(2, 4)])) == [(4, 4)]


@pytest.mark.parametrize(
    ("source", "facts", "wording"),
    [
        ({"name": "other.mp4"}, {}, "edits of 'other.mp4' for 'noise.mp4'"),
        ({"name": "noise.mp4", "sha256": "ab"}, {"source": {"sha256": "cd"}}, "sha256 'ab'"),
        ({"name": "noise.mp4", "bytes": 7}, {"source": {"bytes": 8}}, "bytes 7"),
        ({"name": "noise.mp4", "analysed": "2026-01-01"}, {"date": "2026-01-02"}, "date of the analysis"),
    ],
)
def test_edits_of_another_result_are_refused(result: Result, source: Any, facts: Any, wording: str) -> None:
    with pytest.raises(DataError) as caught:
        edited(replace(result, provenance=facts), told(source=source))
    assert wording in str(caught.value)


def test_a_file_under_another_name_is_known_by_its_hash(result: Result) -> None:
    facts = {"source": {"sha256": "ab"}}
    edits = told(source={"name": "old.mp4", "sha256": "ab"}, names=[{"track": 1, "name": "Anna"}])
    assert edited(replace(result, provenance=facts), edits).edits.names == {1: "Anna"}
    assert edits_of([edits], "noise.mp4", facts) is edits
    assert edits_of([edits], "noise.mp4", {}) is None
    with pytest.raises(DataError, match="one file of edits"):
        edits_of([edits, edits], "noise.mp4", facts)


def test_a_face_that_is_not_there_is_named(result: Result) -> None:
    with pytest.raises(DataError, match=r"face 7; noise.mp4 has 1, 2"):
        edited(result, told(names=[{"track": 7, "name": "Anna"}]))


def test_an_edited_result_is_saved_and_read_with_its_names(result: Result, tmp_path: Path) -> None:
    result.save(tmp_path / "out")
    path = written(tmp_path, names=[{"track": 1, "name": "Anna"}], excluded=[{"start": 0, "end": AT[5]}])
    found = read(tmp_path / "out", edits=path)
    found.save(tmp_path / "again")
    again = read(tmp_path / "again")
    assert again.edits == found.edits
    assert min(span.start for span in again.spans) == round(AT[5], 4)
    with pytest.raises(InputError, match="a result without edits"):
        read(tmp_path / "again", edits=path)
    with pytest.raises(ConfigError):
        edited(again, found.edits)


def test_formats_call_people_by_name_and_have_marks_and_what_is_excluded(result: Result, tmp_path: Path) -> None:
    parts = {
        "names": [{"track": 1, "name": "Anna"}],
        "marks": [{"time": 0.5, "text": "door"}, {"time": 0.5, "track": 1, "text": "laughs"}],
        "excluded": [{"start": 1, "end": 2, "reason": "talking"}, {"start": 1.5, "end": 2.5, "track": 2}],
    }
    found = edited(result, told(**parts))
    tiers = {tier.name: tier.marks for tier in all_tiers(found)}
    assert list(tiers) == ["Anna expression", "person 2 expression", "marks", "excluded"]
    assert [(one.start, one.text) for one in tiers["marks"]] == [(500, "door; Anna: laughs")]
    assert tiers["excluded"] == (
        Mark(1000, 1500, "talking"),
        Mark(1500, 2000, "talking; person 2: excluded"),
        Mark(2000, 2500, "person 2: excluded"),
    )
    export(found, tmp_path, ["eaf", "textgrid", "vtt", "srt", "boris", "bids", "labelstudio", "cvat"], "talk")
    assert "NOTE marks: 00:00:00.500" in (tmp_path / "talk.vtt").read_text()
    assert "Anna: happiness" in (tmp_path / "talk.srt").read_text()
    assert "Anna" in (tmp_path / "talk.labelstudio.json").read_text()
    assert "excluded: 1.000 to 2.000 s, talking" in (tmp_path / "talk.boris").read_text()
    events = (tmp_path / "sub-talk/beh/sub-talk_task-film_events.tsv").read_text()
    assert "0.5000\t0.0000\tmarks\tn/a\tn/a\tdoor; Anna: laughs" in events


MARKED = {
    "names": [{"track": 1, "name": "Anna"}],
    "marks": [{"time": 1.5, "text": "door"}, {"time": 0.5, "track": 1, "text": "laughs"}],
    "excluded": [{"start": 1, "end": 2, "track": 2, "reason": "talking"}],
}


def test_elan_has_them_as_tiers_by_pympi(result: Result, tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan")
    eaf = elan.Eaf(str(export(edited(result, told(**MARKED)), tmp_path, ["eaf"], "talk")[0]))
    assert list(eaf.get_tier_names()) == ["Anna expression", "person 2 expression", "marks", "excluded"]
    assert eaf.get_parameters_for_tier("Anna expression")["PARTICIPANT"] == "Anna"
    frame = round(1000 / (result.source.frame_rate or 25))
    assert sorted(eaf.get_annotation_data_for_tier("marks")) == [
        (500, 500 + frame, "Anna: laughs"),
        (1500, 1500 + frame, "door"),
    ]
    assert eaf.get_annotation_data_for_tier("excluded") == [(1000, 2000, "person 2: talking")]
    kinds = {eaf.get_parameters_for_tier(name)["LINGUISTIC_TYPE_REF"] for name in eaf.get_tier_names()}
    assert kinds <= set(eaf.get_linguistic_type_names())


def test_boris_has_a_point_event_a_mark_between_whole_states(result: Result, tmp_path: Path) -> None:
    found = edited(result, told(**MARKED))
    project = json.loads(export(found, tmp_path, ["boris"], "talk")[0].read_text("utf-8"))
    kinds = {one["code"]: one["type"] for one in project["behaviors_conf"].values()}
    assert [code for code, kind in kinds.items() if kind == "Point event"] == ["mark"]
    observed = project["observations"]["talk"]
    assert observed["description"] == "excluded: 1.000 to 2.000 s, person 2: talking"
    events = observed["events"]
    points = [event for event in events if kinds[event[2]] == "Point event"]
    assert points == [[0.5, "", "mark", "", "Anna: laughs", "NA"], [1.5, "", "mark", "", "door", "NA"]]
    assert [event[0] for event in events] == sorted(event[0] for event in events)
    states = Counter((subject, code) for _, subject, code, *_ in events if kinds[code] == "State event")
    assert all(count % 2 == 0 for count in states.values())
    assert {subject for subject, _ in states} == {"Anna", "person 2"}
    assert "mark" not in json.dumps(json.loads(export(result, tmp_path / "plain", ["boris"], "talk")[0].read_text()))


@pytest.mark.parametrize(
    ("parts", "wording"),
    [
        (MARKED, "1 name, 0 merges, 2 marks, 1 excluded stretch"),
        ({"excluded": [{"start": 1, "end": 2}] * 2}, "0 names, 0 merges, 0 marks, 2 excluded stretches"),
    ],
)
def test_how_much_it_is_is_said(parts: dict[str, Any], wording: str) -> None:
    assert str(told(**parts)) == wording


def test_each_file_goes_to_its_own_result(result: Result, tmp_path: Path) -> None:
    folders = [tmp_path / "out" / name for name in ("one", "two")]
    for folder in folders:
        replace(result, source=replace(result.source, name=f"{folder.name}.mp4")).save(folder)
    path = written(tmp_path, source={"name": "two.mp4"}, names=[{"track": 1, "name": "Anna"}])
    assert [one.edits.names for _, one in read_edited(folders, [path])] == [{}, {1: "Anna"}]
    with pytest.raises(DataError, match="edits of one of the results"):
        list(read_edited(folders[:1], [path]))


def test_tables_have_a_column_of_names_and_sheets_of_notes(result: Result, tmp_path: Path) -> None:
    openpyxl, pyreadstat = pytest.importorskip("openpyxl"), pytest.importorskip("pyreadstat")
    parquet = pytest.importorskip("pyarrow.parquet")
    marks, excluded = [{"time": 0.5, "track": 1, "text": "=1+1"}], [{"start": 1, "end": 2}]
    found = edited(result, told(names=[{"track": 1, "name": "Anna"}], marks=marks, excluded=excluded))
    export(found, tmp_path, ["xlsx", "sav", "parquet"], "talk")
    book = openpyxl.load_workbook(tmp_path / "talk.xlsx")
    assert [cell.value for cell in book["marks"][2]] == [0.5, "Anna", "=1+1"]
    assert [cell.value for cell in book["excluded"][2]] == [1, 2, None, "excluded"]
    assert [cell.value for cell in book["spans"][1]][:2] == ["track", "person"]
    spans = parquet.read_table(tmp_path / "talk.spans.parquet").to_pylist()
    assert {(row["track"], row["person"]) for row in spans} == {(1, "Anna"), (2, None)}
    frame, _ = pyreadstat.read_sav(str(tmp_path / "talk.spans.sav"))
    assert set(frame["person"]) == {"Anna", ""}
