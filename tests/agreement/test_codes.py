"""Files of coders, as their programs write them, torn, and with bad intent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mien.agreement.codes import MOST_SECONDS, Stretch, read_codes
from mien.core.errors import DataError
from mien.core.markup import read_xml
from mien.report.result import Result

EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT FORMAT="3.0"><HEADER TIME_UNITS="milliseconds">
<MEDIA_DESCRIPTOR MEDIA_URL="file:///D:/films/talk.mp4" RELATIVE_MEDIA_URL="./talk.mp4" MIME_TYPE="video/mp4"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="500"/><TIME_SLOT TIME_SLOT_ID="ts2"/>
<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="2500"/></TIME_ORDER>
<TIER TIER_ID="expr@ann" PARTICIPANT="Ann" ANNOTATOR="bo" LINGUISTIC_TYPE_REF="x">
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>joy</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2" TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3">
<ANNOTATION_VALUE>sad</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="speech"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a3" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts3">
<ANNOTATION_VALUE>well</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>
"""
SHORT_GRID = """File type = "ooTextFile"
Object class = "TextGrid"

0
2.5
<exists>
2
"IntervalTier"
"Ann"
0
2.5
2
0
1
""
1
2.5
"joy ""and"" more"
"TextTier"
"beeps"
0
2.5
1
0.5
"beep"
"""
OBSERVER = """"Date_dmy";"Time_Relative_sf";"Duration_sf";"Observation";"Subject";"Behavior";"Modifier_1";"Event_Type"
"1-2-2026";"0,5";"1,5";"talk.odx";"Ann";"joy";"";"State start"
"1-2-2026";"2,0";"0";"talk.odx";"Ann";"joy";"";"State stop"
"1-2-2026";"1,0";"0";"talk.odx";"Ann";"blink";"";"Point"
"""
TABULAR = """Observation id,Subject,Behavior,Behavior type,Time,Media file name,Comment
first,Ann,joy,START,0.5,films/talk.mp4,
first,Ann,blink,POINT,0.7,films/talk.mp4,
first,Ann,joy,STOP,2.0,films/talk.mp4,
"""
TOTALS = """Observation id,Subject,Behavior,Behavior type,Start (s),Stop (s),Duration (s),Media file name
first,Ann,joy,STATE,0.5,2.0,1.5,talk.mp4
first,Ann,blink,POINT,0.7,0.7,0,talk.mp4
"""


def write(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_elan(tmp_path: Path) -> None:
    found = read_codes(write(tmp_path, "ann.eaf", EAF), ["expr*"]).stretches
    assert found == (
        Stretch(0.5, 1.5, "joy", "Ann", "talk.mp4", "bo", "expr@ann"),  # a slot without a time lies in the middle
        Stretch(1.5, 2.5, "sad", "Ann", "talk.mp4", "bo", "expr@ann"),
    )
    later = EAF.replace("RELATIVE_MEDIA_URL", 'TIME_ORIGIN="2000" RELATIVE_MEDIA_URL')
    assert read_codes(write(tmp_path, "late.eaf", later)).stretches[0].start == 2.5
    with pytest.raises(DataError, match="speech; name one of them with --tiers"):
        read_codes(tmp_path / "ann.eaf", ["gaze*"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_praat_short(tmp_path: Path, encoding: str) -> None:
    codes = read_codes(write(tmp_path, "talk.TextGrid", SHORT_GRID, encoding))
    assert codes.stretches == (Stretch(1, 2.5, 'joy "and" more', "Ann", tier="Ann"),)
    assert "1 tier of points has" in codes.notes[0]


@pytest.mark.parametrize(("name", "text"), [("o.csv", OBSERVER), ("t.tsv", TABULAR), ("a.csv", TOTALS)])
def test_tables_of_observer_and_boris(tmp_path: Path, name: str, text: str) -> None:
    above = "Observation id,first\n\n" if name == "t.tsv" else ""
    (one,) = read_codes(write(tmp_path, name, above + text)).stretches
    assert (one.start, one.end, one.label, one.person, one.film[:5]) == (0.5, 2.0, "joy", "Ann", "talk.")


def test_plain_tables(tmp_path: Path) -> None:
    text = "file\tperson\tcoder\tstart\tend\tlabel\nC:\\films\\talk.mp4\t2\tbo\t0.5\t2\t'=joy\n"
    assert read_codes(write(tmp_path, "a.txt", text)).stretches == (Stretch(0.5, 2, "=joy", "2", "talk.mp4", "bo"),)


@pytest.mark.parametrize(("name", "suffix"), [("textgrid", "TextGrid"), ("boris", "boris")])
def test_what_mien_writes_can_be_read(talk: Result, tmp_path: Path, name: str, suffix: str) -> None:
    talk.export(tmp_path, name)
    found = read_codes(tmp_path / f"talk.{suffix}").stretches
    assert sorted((one.start, one.end, one.label) for one in found) == [
        (span.start, span.end, span.label) for span in talk.spans
    ]


def test_a_coders_tier_beside_miens_own(talk: Result, tmp_path: Path) -> None:
    (path,) = talk.export(tmp_path, "eaf")
    with pytest.raises(DataError, match="mien's own"):
        read_codes(path)
    text = path.read_text("utf-8").replace('ANNOTATOR="mien ', 'ANNOTATOR="Ann ')
    found = read_codes(write(tmp_path, "ann.eaf", text))
    assert [(one.start, one.end, one.label, one.person) for one in found.stretches] == [
        (span.start, span.end, span.label, "person 1") for span in talk.spans
    ]


BOMB = """<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><b>&b;</b>"""
PEEK = """<?xml version="1.0"?><!DOCTYPE b SYSTEM "file:///etc/passwd"><b/>"""
PROJECT = {
    "behaviors_conf": {"0": {"code": "joy", "type": "State event"}},
    "observations": {"o": {"file": {"1": ["talk.mp4"]}, "events": [[1.0, "", "joy", "", "", 0]]}},
}


@pytest.mark.parametrize(
    ("name", "text", "wording"),
    [
        ("a.eaf", BOMB, "without a document type"),
        ("a.eaf", PEEK, "without a document type"),
        ("a.eaf", EAF[:700], "whole"),
        ("a.eaf", "<b/>", "a document of b"),
        ("a.eaf", EAF.replace('TIME_SLOT_REF2="ts3"', 'TIME_SLOT_REF2="ts9"'), "ts9"),
        ("a.eaf", EAF.replace('"2500"', '"soon"'), "soon"),
        ("a.eaf", EAF.replace('"2500"', '"-2500"'), "end after they start"),
        ("a.eaf", "<a>" * 5000, "deep"),
        ("a.TextGrid", "ooBinaryFile\x08TextGrid", "binary"),
        ("a.TextGrid", SHORT_GRID[:120], "whole"),
        ("a.TextGrid", SHORT_GRID.replace("\n2\n", "\n1e30\n", 1), "count"),
        ("a.TextGrid", "File type", "whole"),
        ("a.boris", json.dumps(PROJECT), "never ends"),
        ("a.boris", "[" * 100_000, "too deep"),
        ("a.boris", '{"observations": []}', "behaviors_conf"),
        ("a.csv", "start,end\n1,2\n", "start, end, label"),
        ("a.csv", "start,end,label\nsoon,2,joy\n", "soon"),
        ("a.csv", f"start,end,label\n1,{MOST_SECONDS * 10},joy\n", "end after they start"),
        ("a.csv", "start,end,label\nnan,2,joy\n", "end after they start"),
        ("a.csv", "start,end,label\n", "labels of people"),
        ("a.csv", f'start,end,label\n1,2,"{"x" * 200_000}"\n', "whole"),
        ("a.docx", "", "suffixes"),
    ],
)
def test_torn_and_hostile_files_are_refused_in_words(tmp_path: Path, name: str, text: str, wording: str) -> None:
    with pytest.raises(DataError) as told:
        read_codes(write(tmp_path, name, text))
    assert wording in str(told.value)
    assert all((told.value.expected, told.value.got, told.value.fix))


def test_other_encodings_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="save it as UTF-8"):
        read_codes(write(tmp_path, "a.csv", "start,end,label\n1,2,fröhlich\n", "latin-1"))
    with pytest.raises(DataError, match="check the path"):
        read_codes(tmp_path / "nowhere.eaf")
    assert (
        read_xml(write(tmp_path, "b.xml", '<?xml version="1.0" encoding="utf-16"?><b>é</b>', "utf-16"), "x").text == "é"
    )
    with pytest.raises(DataError, match="no text"):
        read_codes(write(tmp_path, "c.csv", "\0\1\2"))
