"""The how-tos work as written: their blocks are run one after the other, on what they speak of."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from cuts import frames_of, write_video
from helps import help_of

from mien.core.errors import DataError

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "data"))

import video_trees

DOCS = Path(__file__).resolve().parents[2] / "docs"


def blocks(document: str) -> list[str]:
    found = re.findall(r"<!-- test \w+ -->\n```bash\n(.*?)```", (DOCS / document).read_text("utf-8"), re.DOTALL)
    assert found
    return found


@pytest.mark.slow
def test_train_on_my_own_videos(furnished, short_clip: Path) -> None:
    frames = frames_of(short_clip)
    cuts = {"calm": frames[:12], "joy": frames[-12:]}
    for split, number in (("train", 2), ("test", 1)):
        for name, images in cuts.items():
            for i in range(number):
                folder = furnished.folder / "my-videos" / split / name
                folder.mkdir(parents=True, exist_ok=True)
                shift = i + (split == "test") * 3
                write_video(folder / f"{i}.mp4", [(time, image) for time, image in images[shift : shift + 8]])
    write_video(furnished.folder / "talk.mp4", frames[-12:])
    for text in blocks("train-your-own.md"):
        ran = furnished.run("bash", "-euc", text)
        assert ran.returncode == 0, ran.stderr[-3000:]
    assert (furnished.folder / "report" / "report.md").is_file()
    spans = (furnished.folder / "out" / "talk" / "spans.csv").read_text()
    assert "joy" in spans or "happiness" in spans or "unclear" in spans


def test_reproduce_on_dfew_begins_as_written(desk) -> None:
    video_trees.dfew_tree(desk.folder / "DFEW", 1)
    for text in blocks("reproduce-dfew.md"):
        ran = desk.run("bash", "-euc", text)
        assert ran.returncode == 0, ran.stderr[-3000:]
    assert (desk.folder / "prepared" / "dfew" / "manifest.csv").is_file()
    assert "9356" in (desk.folder / "prepared" / "dfew" / "report.md").read_text()


@pytest.mark.slow
def test_a_study_of_two_films(furnished) -> None:
    (text,) = blocks("study.md")
    ran = furnished.run("bash", "-euc", text)
    assert ran.returncode == 0, ran.stderr[-3000:]
    rows = (furnished.folder / "study" / "tests.csv").read_text().splitlines()
    assert len(rows) > 1, "a contrast of calm and funny, if of one person"
    summary = (furnished.folder / "study" / "summary.csv").read_text()
    assert "ann,funny,31,joke,expression,happiness,1,1,0.4,0.4,1" in summary
    assert "talking,0.1" in (furnished.folder / "study" / "excluded.csv").read_text()


@pytest.mark.scale
@pytest.mark.slow
def test_a_sweep_of_a_folder_and_its_tables(furnished) -> None:
    told = ""
    for text in blocks("scale.md"):
        ran = furnished.run("bash", "-euc", text)
        assert ran.returncode == 0, ran.stderr[-3000:]
        told += ran.stdout
    assert "0 of 0 films done" in told
    assert "seconds" in told
    assert {path.name for path in (furnished.folder / "results").iterdir()} >= {"manifest", "videos", "frames", "spans"}


VERBS = (
    *("train videos", "train dfew", "train ferplus", "train landmarks", "train smoke"),
    *("evaluate", "prepare", "prepare people", "analyze", "convert", "study", "export-result", "agree", "validate"),
    "relabel",
)


FLAG = re.compile(r"(?<![\w-])--[a-z][a-z.0-9-]+")


@pytest.mark.parametrize(
    "document", ["reproduce-dfew.md", "train-your-own.md", "add-a-loss.md", "train-ferplus.md", "study.md"]
)
def test_every_flag_that_a_howto_names_exists(document: str) -> None:
    helps = "".join(map(help_of, VERBS))
    text = (DOCS / document).read_text("utf-8")
    for script, given in re.findall(r"python (tools/\w+\.py)([^\n]*)", text):
        source = (DOCS.parent / script).read_text("utf-8")
        assert all(f'"{flag}"' in source for flag in FLAG.findall(given)), script
    named = set(FLAG.findall(re.sub(r"python tools/[^\n]*", "", text)))
    assert {flag for flag in named if not re.search(rf"{re.escape(flag)}(?![\w-])", helps)} == set()


def test_the_data_set_that_a_howto_adds_is_read(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "add-a-data-set.md").read_text("utf-8"), re.DOTALL)
    space: dict[str, Any] = {}
    exec(code, space)
    (tmp_path / "clips").mkdir()
    for name in ("ann_H_1", "ann_N_2", "bob_C_1"):
        (tmp_path / "clips" / f"{name}.mp4").touch()
    with pytest.raises(DataError, match=r"split\.txt"):
        space["read"](tmp_path)
    (tmp_path / "split.txt").write_text("bob\n")
    rows = space["DATASETS"]["myset"].read(tmp_path).rows
    assert [(row.label, row.split, row.subject) for row in rows] == [
        ("happiness", "train", "ann"),
        ("neutral", "train", "ann"),
        ("contempt", "test", "bob"),
    ]
    for stranger in ("ann", "ann_X_1", "ann_HC_1"):
        (tmp_path / "clips" / f"{stranger}.mp4").touch()
        with pytest.raises(DataError, match=stranger):
            space["read"](tmp_path)
        (tmp_path / "clips" / f"{stranger}.mp4").unlink()
