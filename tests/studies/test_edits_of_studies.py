"""A study follows what people corrected in its films."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_results import read_table, shares, write_result

import mien
from mien.core.errors import DataError
from mien.studies.settings import StudySettings


def studied(folder: Path, people: Path | None = None, **parts: Any) -> Path:
    """Face 1, then face 2, then face 3 for two seconds each; all smile in the last two."""
    happy = np.repeat([0.1, 0.1, 0.8], 20)
    write_result(folder / "out" / "talk", shares(happy), track=np.repeat([1, 2, 3], 20).tolist())
    edits = {"format": "mien edits", "version": 1, "source": {"name": "talk.mp4"}, **parts}
    (folder / "talk.edits.json").write_text(json.dumps(edits))
    how = StudySettings(formats=())
    mien.study(folder / "out", folder / "study", people, settings=how, edits=[folder / "talk.edits.json"])
    return folder / "study"


def test_names_merges_and_exclusions_hold(tmp_path: Path) -> None:
    names = [{"track": 1, "name": "Anna"}, {"track": 2, "name": "Bea"}]
    excluded = [{"start": 0, "end": 1, "track": 1, "reason": "talking"}, {"start": 5, "end": 6, "track": 3}]
    out = studied(tmp_path, names=names, merges=[{"track": 3, "into": 1}], excluded=excluded)
    anna, bea = read_table(out / "quality.csv")
    assert (anna["person"], anna["tracks"], bea["person"], bea["tracks"]) == ("Anna", "1", "Bea", "2")
    assert [float(anna[f"{name}_seconds"]) for name in ("seen", "readable", "excluded")] == pytest.approx([4, 2, 2])
    assert float(bea["excluded_seconds"]) == 0
    happy = {row["person"]: row for row in read_table(out / "summary.csv") if row["label"] == "happiness"}
    assert float(happy["Anna"]["share"]) == pytest.approx(0.5)
    assert {row["reason"] for row in read_table(out / "excluded.csv")} == {"talking", "excluded"}


def test_edits_of_no_film_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="edits of one of the results"):
        studied(tmp_path, source={"name": "other.mp4"})


def test_people_of_the_table_are_found_by_name_and_merged_ones_are_one(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("file,person,track\ntalk.mp4,anna,\ntalk.mp4,Cy,3\n")
    parts = {"names": [{"track": 1, "name": "Anna"}], "merges": [{"track": 2, "into": 1}]}
    rows = read_table(studied(tmp_path, people, **parts) / "quality.csv")
    assert [(row["person"], row["tracks"], float(row["seen_seconds"])) for row in rows] == [
        ("anna", "1", 4),
        ("Cy", "3", 2),
    ]


def test_a_merge_of_two_people_is_an_error(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("file,person,track\ntalk.mp4,anna,1\ntalk.mp4,Cy,3\n")
    with pytest.raises(DataError, match="anna and Cy for face 1"):
        studied(tmp_path, people, merges=[{"track": 3, "into": 1}])


def test_a_name_that_is_nobodys_is_said(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("file,person,track\ntalk.mp4,anna,\ntalk.mp4,Cy,3\n")
    out = studied(tmp_path, people, names=[{"track": 1, "name": "Anna"}, {"track": 2, "name": "Bea"}])
    (note,) = [row for row in read_table(out / "notes.csv") if row["table"] == "edits"]
    assert (note["file"], note["person"]) == ("talk.mp4", "Bea")
    assert "nobody in people.csv has this name, which edits give to face 2" in note["note"]
    assert "edits: talk.mp4, Bea: nobody in people.csv" in (out / "study.html").read_text()


def test_without_people_every_name_is_somebodys(tmp_path: Path) -> None:
    out = studied(tmp_path, names=[{"track": 1, "name": "Anna"}])
    assert "edits" not in {row["table"] for row in read_table(out / "notes.csv")}
