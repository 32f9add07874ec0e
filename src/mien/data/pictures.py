"""Folders of labelled pictures as somebody left them: for measuring through everything that use does, detector and all.

``labels.csv`` has the columns ``file`` and ``label``; what other columns it has says which group a picture belongs to.
Without one, pictures are called ``PERSON_label.jpg``, and ``people.csv`` says of every ``face_id`` what groups it
belongs to (the Face Research Lab London Set, doi.org/10.6084/m9.figshare.5047666, comes so).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mien.core.errors import DataError

LABELS, PEOPLE = "labels.csv", "people.csv"


@dataclass(frozen=True)
class Picture:
    """A labelled picture.

    Attributes:
        path: of the file.
        label: as its source has it.
        groups: what is known of who is in it, by column.
    """

    path: Path
    label: str
    groups: dict[str, str] = field(default_factory=dict)


def labelled_pictures(folder: Path) -> list[Picture]:
    """The pictures of a folder, by name.

    Raises:
        DataError: neither table is there, or it lacks a column, or names a file that is not there.
    """
    try:
        if (folder / LABELS).is_file():
            found = list(_by_table(folder))
        elif (folder / PEOPLE).is_file():
            found = list(_by_name(folder))
        else:
            raise DataError(f"{LABELS} or {PEOPLE} in {folder}", "neither", f"write {LABELS}: file,label")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError("a readable table of pictures", f"{folder}: {error}", "mend the table") from error
    if not found:
        raise DataError(f"pictures with labels in {folder}", "none", f"write {LABELS}: file,label")
    return sorted(found, key=lambda picture: picture.path.name)


def _by_table(folder: Path) -> Iterator[Picture]:
    for row in _rows(folder / LABELS, ("file", "label")):
        path = folder / row.pop("file")
        if not path.is_file():
            raise DataError(f"the files that {LABELS} names", f"no {path.name} in {folder}", "leave its row out")
        yield Picture(path, row.pop("label").lower(), row)


def _by_name(folder: Path) -> Iterator[Picture]:
    people = {row.pop("face_id"): row for row in _rows(folder / PEOPLE, ("face_id",))}
    for path in sorted(folder.iterdir()):
        person, _, label = path.stem.partition("_")
        if label and person in people:
            yield Picture(path, label.lower(), people[person])


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"the columns {', '.join(columns)} in {path}", f"no {missing[0]}", "add it")
        for row in reader:
            yield {name: value or "" for name, value in row.items() if name}
