"""Every format is opened by a reader that is not ours, and times are those of the film's own clock."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from noise_video import TIMES

from mien.core.errors import ConfigError, MissingDependencyError
from mien.core.labels import LabelSpace
from mien.core.signals import Signal
from mien.core.table import FaceTable
from mien.core.types import Span
from mien.report.formats import FORMATS, chosen, export
from mien.report.formats.base import Format, Mark, all_tiers, tiers
from mien.report.formats.sav import variable_names
from mien.report.result import Result

NASTY = LabelSpace("nasty", ('<b> & "so"', "it's --> é", "\U0001f600 joy"))


@pytest.fixture
def late(result: Result) -> Result:
    """The same film as if its picture had begun two seconds after its sound."""
    spans = tuple(replace(span, start=span.start + 2, end=span.end + 2) for span in result.spans)
    frames = FaceTable(len(result.labels))
    for row in result.frames:
        frames.append(replace(row, time=row.time + 2))
    return replace(result, spans=spans, frames=frames, source=replace(result.source, start=2.0))


@pytest.fixture
def nasty(result: Result) -> Result:
    spans = tuple(
        replace(span, label=span.label if span.abstained else NASTY.labels[result.labels.index(span.label)])
        for span in result.spans
    )
    return replace(result, labels=NASTY, spans=spans)


def written(result: Result, folder: Path, name: str, place: int = 0) -> Path:
    return export(result, folder, [name], "talk")[place]


def told(result: Result) -> list[tuple[str, int, int, str]]:
    """Person, start and end in milliseconds, and label of every span."""
    cells = [(f"person {one.track}", round(one.start * 1000), round(one.end * 1000), one.label) for one in result.spans]
    return sorted(cells)


UNITS = Signal("action_units", ("AU6", "AU12"), "flags")
AFFECT = Signal("affect", ("valence",), "scale", -1.0, 1.0, "expression")
GAZE = Signal("gaze", ("at us", "away"), "classes")


@pytest.fixture
def more(result: Result) -> Result:
    """Person 1 has AU12 in frames 5 to 9, looks away from frame 30 on, and a valence of 0.5."""
    frames = FaceTable(len(result.labels), (UNITS, AFFECT, GAZE))
    for row in result.frames:
        au12, away = 0.9 if 5 <= row.index < 10 else 0.1, 0.8 if row.index >= 30 else 0.3
        values = np.array([0.1, au12, 0.5, 1 - away, away])
        frames.append(replace(row, signals=None if row.probabilities is None else values))
    return replace(result, frames=frames)


def test_what_a_model_says_beside_the_expression_has_tiers_too(more: Result, tmp_path: Path) -> None:
    found = {tier.name: tier.marks for tier in all_tiers(more) if tier.person == 1}
    assert list(found) == [
        "person 1 expression",
        *("person 1 action_units.AU6", "person 1 action_units.AU12", "person 1 affect.valence", "person 1 gaze"),
    ]
    at = [round(1000 * time) for time in TIMES]
    assert found["person 1 action_units.AU12"] == (Mark(at[5], at[10], "AU12"),)
    assert found["person 1 action_units.AU6"] == ()
    # Frames 15 to 19 show nobody and 20 to 29 no face that can be read: the first stretch ends, it does not go on.
    *_, last_seen, away = found["person 1 gaze"]
    assert (last_seen.text, last_seen.start, last_seen.end) == ("at us", 0, at[14] + 40)
    assert (away.text, away.start, away.end) == ("away", at[30], at[47] + 40)
    assert [mark.text for mark in found["person 1 affect.valence"]] == ["0.50"] * 3
    textgrid, elan = pytest.importorskip("textgrid"), pytest.importorskip("pympi.Elan")
    grid = textgrid.TextGrid.fromFile(str(written(more, tmp_path, "textgrid")))
    eaf = elan.Eaf(str(written(more, tmp_path, "eaf")))
    assert len(grid) == len(list(eaf.get_tier_names())) == 10
    assert eaf.get_annotation_data_for_tier("person 1 action_units.AU12") == [(at[5], at[10], "AU12")]


@pytest.mark.parametrize("make", ["late", "nasty"])
def test_elan_by_pympi(make: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan")
    result = request.getfixturevalue(make)
    eaf = elan.Eaf(str(written(result, tmp_path / "out", "eaf")))
    assert list(eaf.get_tier_names()) == ["person 1 expression", "person 2 expression"]
    found = [
        (eaf.get_parameters_for_tier(tier)["PARTICIPANT"], *cells)
        for tier in eaf.get_tier_names()
        for cells in eaf.get_annotation_data_for_tier(tier)
    ]
    assert sorted(found) == told(result)
    (media,) = eaf.get_linked_files()
    assert (media["RELATIVE_MEDIA_URL"], media["MIME_TYPE"]) == ("../noise.mp4", "video/mp4")
    words = [entry[0][0][0] for entry in eaf.controlled_vocabularies["expression"][1].values()]
    assert words == [*result.labels.labels, "unclear"]


def test_elan_has_no_link_where_the_film_is_gone(late: Result, tmp_path: Path) -> None:
    root = ElementTree.parse(written(replace(late, origin=None), tmp_path, "eaf")).getroot()
    assert root.findall(".//MEDIA_DESCRIPTOR") == []


@pytest.mark.parametrize("make", ["late", "nasty", "nobody"])
def test_praat_by_textgrid(make: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    textgrid = pytest.importorskip("textgrid")
    result = request.getfixturevalue(make)
    grid = textgrid.TextGrid.fromFile(str(written(result, tmp_path, "textgrid")))
    found = [
        (tier.name.removesuffix(" expression"), round(one.minTime * 1000), round(one.maxTime * 1000), one.mark)
        for tier in grid
        for one in tier
    ]
    assert sorted(cells for cells in found if cells[3]) == told(result)
    for tier in grid:  # Praat takes no gaps
        assert tier[0].minTime == 0
        assert tier[-1].maxTime == grid.maxTime
        assert all(one.maxTime == after.minTime for one, after in pairwise(tier))


def test_captions_show_everybody_in_sight(late: Result, tmp_path: Path) -> None:
    blocks = written(late, tmp_path, "srt").read_text("utf-8").strip().split("\n\n")
    second = blocks[1].split("\n")
    assert second[0] == "2"
    begin, end = second[1].split(" --> ")
    at = {span.track: span for span in late.spans if span.start <= late.spans[1].start < span.end}
    assert begin == f"00:00:0{at[2].start:.3f}".replace(".", ",")
    assert end == f"00:00:0{at[1].end:.3f}".replace(".", ",")
    assert second[2:] == ["person 1: happiness", "person 2: sadness"]
    assert [block.split("\n")[0] for block in blocks] == ["1", "2", "3", "4"]


def test_webvtt_has_a_cue_a_span_and_no_markup_of_others(nasty: Result, tmp_path: Path) -> None:
    header, note, *cues = written(nasty, tmp_path, "vtt").read_text("utf-8").strip().split("\n\n")
    assert (header, note[:5]) == ("WEBVTT", "NOTE ")
    assert len(cues) == len(nasty.spans)
    assert cues[0].split("\n")[1] == "<v person 1>person 1: it's --&gt; é"
    times = [cue.split(" --> ")[0] for cue in cues]
    assert times == sorted(times)


def test_boris_has_a_start_and_a_stop_of_every_state(late: Result, tmp_path: Path) -> None:
    project = json.loads(written(late, tmp_path / "out", "boris").read_text("utf-8"))
    observed = project["observations"]["talk"]
    assert observed["file"]["1"] == ["../noise.mp4"]
    assert observed["media_info"]["length"] == {"../noise.mp4": pytest.approx(late.end)}
    begun: dict[tuple[str, str], float] = {}
    found = []
    for time, subject, code, *_ in observed["events"]:
        start = begun.pop((subject, code), None)
        if start is None:
            begun[subject, code] = time
        else:
            found.append((subject, round(start * 1000), round(time * 1000), code))
    assert (sorted(found), begun) == (told(late), {})
    codes = {one["code"] for one in project["behaviors_conf"].values()}
    assert {code for *_, code in found} <= codes
    assert {one["name"] for one in project["subjects_conf"].values()} == {"person 1", "person 2"}


def test_label_studio_has_a_control_for_every_region(late: Result, tmp_path: Path) -> None:
    task, settings = export(late, tmp_path, ["labelstudio"], "talk")
    (one,) = json.loads(task.read_text("utf-8"))
    view = ElementTree.parse(settings).getroot()
    controls = {element.get("name"): element for element in view if element.get("toName") == "video"}
    regions = one["predictions"][0]["result"]
    assert one["data"] == {"video": "noise.mp4"}
    for region in regions:
        label = region["value"].get("timelinelabels", region["value"].get("labels"))[0]
        control = controls["person" if region["type"] == "videorectangle" else region["from_name"]]
        assert label in [child.get("value") for child in control]
    spans = [region["value"] for region in regions if region["type"] == "timelinelabels"]
    assert spans[0]["ranges"] == [{"start": 2 * 17 + 1, "end": round(late.spans[0].end * 17)}]
    faces = [region["value"]["sequence"] for region in regions if region["type"] == "videorectangle"]
    begin = {"frame": 2 * 17 + 1, "time": 2.0, "enabled": True, "rotation": 0}
    assert faces[0][0] == begin | {"x": 10.0, "y": 25.0, "width": 20.0, "height": pytest.approx(41.667)}


def test_cvat_has_every_face_where_it_was_and_ends_it_where_it_goes(result: Result, tmp_path: Path) -> None:
    boxes, labels = export(result, tmp_path, ["cvat"], "talk")
    first, second = ElementTree.parse(boxes).getroot().findall("track")
    frames = [(int(box.get("frame", "")), box.get("outside")) for box in first]
    seen = [*range(15), *range(20, 48)]
    assert [frame for frame, outside in frames if outside == "0"] == seen
    assert [frame for frame, outside in frames if outside == "1"] == [15, 48]
    box = second[0]
    assert [box.get(name) for name in ("xtl", "ytl", "xbr", "ybr")] == ["130.25", "40.00", "170.00", "90.00"]
    assert [attribute.text for attribute in box] == ["sadness", "2"]
    (face,) = json.loads(labels.read_text())
    assert face["attributes"][0]["values"] == [*result.labels.labels, "unclear"]


def test_excel_by_openpyxl(nasty: Result, tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    formula = replace(nasty, provenance={"command": "=1+1", "settings": {"every": 2, "none": None}})
    book = openpyxl.load_workbook(written(formula, tmp_path, "xlsx"))
    assert book.sheetnames == ["spans", "people", "frames", "about"]
    head, *rows = list(book["spans"].values)
    assert (head[:3], len(rows)) == (("track", "start", "end"), len(nasty.spans))
    assert [row[4] for row in rows] == [span.label for span in nasty.spans]
    assert len(list(book["frames"].values)) == len(nasty.frames) + 1
    cell = book["about"].cell(2, 2)
    assert (cell.value, cell.data_type) == ("=1+1", "s")


def test_spss_by_pyreadstat(nasty: Result, tmp_path: Path) -> None:
    pyreadstat = pytest.importorskip("pyreadstat")
    spans, frames = export(nasty, tmp_path, ["sav"], "talk")
    table, about = pyreadstat.read_sav(str(spans), apply_value_formats=True)
    assert [str(label) for label in table["label"]] == [span.label for span in nasty.spans]
    assert np.allclose(table["start"], [span.start for span in nasty.spans], atol=5e-5)
    table, about = pyreadstat.read_sav(str(frames))
    assert len(table) == len(nasty.frames)
    assert about.column_names_to_labels["p__b_____so_"] == 'p_<b> & "so"'
    assert table.loc[table["reason"] == "turned away", "score"].isna().all()


def test_parquet_by_pyarrow(late: Result, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    spans, frames = (parquet.read_table(str(path)) for path in export(late, tmp_path, ["parquet"], "talk"))
    assert spans["start"].to_pylist() == [round(span.start, 4) for span in late.spans]
    assert frames.num_rows == len(late.frames)
    assert frames["score"].null_count == 10
    assert json.loads(frames.schema.metadata[b"mien"]) == {"mien": "0", "nothing": None, "path": "a/b"}


def test_bids_has_onsets_and_says_what_its_columns_are(late: Result, tmp_path: Path) -> None:
    events, about, told_of = export(late, tmp_path, ["bids"], "talk")
    assert events.relative_to(tmp_path).as_posix() == "sub-talk/beh/sub-talk_task-film_events.tsv"
    with events.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert list(rows[0])[:3] == ["onset", "duration", "trial_type"]
    assert [float(row["onset"]) for row in rows] == [round(span.start, 4) for span in late.spans]
    assert set(rows[0]) <= set(json.loads(about.read_text()))
    assert json.loads(told_of.read_text())["BIDSVersion"]
    named = [written(late, tmp_path / str(n), "bids").parts[-3] for n in range(2)]
    other = [export(late, tmp_path, ["bids"], stem)[0].parts[-3] for stem in ("a-1", "a1", "a_1")]
    assert (named[0] == named[1], len(set(other)), other[1]) == (True, 3, "sub-a1")


@pytest.mark.parametrize("name", FORMATS)
def test_nobody_and_stills_are_written_or_left_out(name: str, nobody: Result, tmp_path: Path) -> None:
    for package in FORMATS[name].packages:
        pytest.importorskip(package)
    assert all(path.is_file() for path in nobody.export(tmp_path / "film", name))
    still = replace(nobody, source=replace(nobody.source, kind="image", frame_count=None, duration=None))
    made = still.export(tmp_path / "still", name)
    assert bool(made) != FORMATS[name].timed
    assert all(path.name.startswith("noise.") for path in made)


def test_spans_that_meet_after_rounding_stay_in_order(result: Result) -> None:
    short = tuple(Span(1, 1 + k / 10_000, 1 + (k + 1) / 10_000, "happiness", 0.9) for k in range(5))
    (tier,) = tiers(replace(result, spans=short))
    assert [(mark.start, mark.end) for mark in tier.marks] == [(1000 + k, 1001 + k) for k in range(5)]


def test_formats_are_chosen_by_name(result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(" eaf, VTT,eaf,") == ("eaf", "vtt")
    with pytest.raises(ConfigError, match="did you mean eaf"):
        chosen("elf")
    lacking: Callable[..., Any] = lambda *_: []  # noqa: E731
    monkeypatch.setitem(FORMATS._items, "vtt", Format(lacking, packages=("nowhere_to_be_found",)))
    with pytest.raises(MissingDependencyError, match=r"mien\[formats\]"):
        result.export(tmp_path, "eaf", "vtt")
    assert not list(tmp_path.glob("*.eaf"))


def test_names_of_variables_are_what_spss_takes() -> None:
    assert variable_names(["p_a b", "p_a-b", "and", "9", "p_é."]) == ["p_a_b", "p_a_b_2", "v_and", "v_9", "p__"]
