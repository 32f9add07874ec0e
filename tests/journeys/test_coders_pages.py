"""docs/formats.md and docs/agree.md work as written, on a second of film, a coder's file and a picture."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from cuts import frames_of, write_video

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"<!-- test \w+ -->\n```(bash|python)\n(.*?)```", re.DOTALL)
EAF = """<ANNOTATION_DOCUMENT><HEADER TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MEDIA_URL="file:///x/talk.mp4"/></HEADER>
<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="b" TIME_VALUE="2000"/></TIME_ORDER>
<TIER TIER_ID="expression"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="a" TIME_SLOT_REF2="b">
<ANNOTATION_VALUE>happy</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>"""


def run_blocks(desk, page: str) -> str:
    said = ""
    for language, text in BLOCK.findall((DOCS / page).read_text("utf-8")):
        command = ("bash", "-euc") if language == "bash" else (sys.executable, "-c")
        ran = desk.run(*command, text)
        assert ran.returncode == 0, ran.stderr[-3000:]
        said += ran.stdout
    return said


@pytest.mark.slow
def test_results_for_other_programs(furnished, short_clip: Path) -> None:
    for package in ("openpyxl", "pyreadstat", "pyarrow"):
        pytest.importorskip(package)
    write_video(furnished.folder / "talk.mp4", frames_of(short_clip)[-12:])
    assert "happiness" in run_blocks(furnished, "formats.md")
    told = {path.name for path in furnished.folder.rglob("*") if path.is_file()}
    listed = re.findall(r"`((?:sub-)?talk\.?[^`]*\.\w+)`", (DOCS / "formats.md").read_text("utf-8"))
    assert len(listed) > 10
    assert {name.rpartition("/")[2] for name in listed} <= told


@pytest.mark.slow
def test_agreement_with_people(furnished, short_clip: Path) -> None:
    write_video(furnished.folder / "talk.mp4", frames_of(short_clip)[-12:])
    (furnished.folder / "ann.eaf").write_text(EAF)
    (furnished.folder / "bo.csv").write_text("start,end,label\n0,0.2,neutral\n0.2,2,joy\n")
    (furnished.folder / "map.csv").write_text("code,label\njoy,happiness\n")
    (furnished.folder / "pictures").mkdir()
    shutil.copy(furnished.folder / "shots" / "portrait.jpg", furnished.folder / "pictures")
    (furnished.folder / "pictures" / "labels.csv").write_text(
        "file,label,votes\nportrait.jpg,happy,happy:9;neutral:1\n"
    )
    said = run_blocks(furnished, "agree.md")
    assert "| mien and ann |" in said
    assert "| happiness | 1 | 100.0" in said
    told = json.loads((furnished.folder / "agreement" / "agree.json").read_text())
    assert told["raters"] == ["mien", "ann", "bo"]
