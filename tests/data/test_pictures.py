"""Folders of labelled pictures: by a table, or by name with a table of people."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien.core.errors import DataError
from mien.data.pictures import Picture, labelled_pictures


def write(folder: Path, **tables: str) -> Path:
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
    return folder


def test_a_table_names_files_labels_and_groups(tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg"):
        (tmp_path / name).touch()
    write(tmp_path, labels="file,label,light\nb.jpg,Fear,dim\na.jpg,anger,bright\n")
    assert labelled_pictures(tmp_path) == [
        Picture(tmp_path / "a.jpg", "anger", {"light": "bright"}),
        Picture(tmp_path / "b.jpg", "fear", {"light": "dim"}),
    ]


def test_without_one_the_names_say_who_shows_what(tmp_path: Path) -> None:
    for name in ("001_neutral.jpg", "002_happiness.jpg", "003_happiness.jpg", "cover.jpg"):
        (tmp_path / name).touch()
    write(tmp_path, people="face_id,age\n001,24\n002,61\n")
    assert labelled_pictures(tmp_path) == [
        Picture(tmp_path / "001_neutral.jpg", "neutral", {"age": "24"}),
        Picture(tmp_path / "002_happiness.jpg", "happiness", {"age": "61"}),
    ]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({}, "neither"),
        ({"labels": "file,name\na.jpg,fear\n"}, "no label"),
        ({"labels": "file,label\ngone.jpg,fear\n"}, "no gone.jpg"),
        ({"labels": "file,label\n"}, "none"),
        ({"people": "id\n001\n"}, "no face_id"),
    ],
    ids=str,
)
def test_a_folder_that_says_too_little_is_refused(tmp_path: Path, tables: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        labelled_pictures(write(tmp_path, **tables))
