"""InFER: seven expressions, posed by 600 people of India and gathered from the web (Rizvi et al., arXiv 2310.00287).

The release comes on request and no public text says how it lies on disk: what is read is **a table that you write of
your copy**, and this was not run on the release itself. Groups (the release's age, gender, ethnicity) stay in that
table and never enter a set or a model: ``mien evaluate runs/mine --by age --groups labels.csv`` measures each of them
(docs/intended-use.md). No official split, the paper takes ten folds; ours keeps people apart.
"""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

from mien.core.errors import DataError
from mien.core.labels import LabelSpace
from mien.core.sheets import read_rows
from mien.data.datasets import DataSet
from mien.data.lists import Item, label_of, number_split, unknown_layout
from mien.data.manifest import Kind, Manifest, Row
from mien.media.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES

LABELS = LabelSpace("infer", ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"))
TABLE = "labels.csv"
LAYOUT = (
    f"{TABLE}, written by you: id (a picture or film, from this folder), expression, person (blank: nobody knows); "
    "other columns, such as age, are for `mien evaluate --by`",
)


def read(root: Path) -> Manifest:
    """What the table lists. Raises DataError without one, or for a line that names no picture, film or expression."""
    path = root / TABLE
    if not path.is_file():
        raise unknown_layout(root, LAYOUT)
    rows = [_row(path, line, cells) for line, cells in read_rows(path, ("id", "expression", "person"))]
    people = {row.subject for row in rows if row.subject}
    alone = sum(not row.subject for row in rows)
    notes = (
        f"{len(rows)} of 14,400 published pictures and films, of {len(people)} people and {alone} of nobody known",
        "no official split: a fifth of the people, and of items of nobody known, test, by their names",
    )
    return Manifest("infer", LABELS, tuple(rows), root, notes=notes)


def _row(path: Path, line: int, cells: dict[str, str]) -> Row:
    place = cells["id"].strip()
    suffix = Path(place).suffix.lower()
    if (
        suffix not in IMAGE_SUFFIXES | VIDEO_SUFFIXES
        or "\\" in place
        or place.startswith("/")
        or ".." in place.split("/")
    ):
        got = f"{place[:120]!r} in {path}, line {line}"
        raise DataError("a picture or film, from the folder of the table, with /", got, "mend that line")
    kind: Kind = "image" if suffix in IMAGE_SUFFIXES else "video"
    label = label_of(Item(place, cells["expression"]), LABELS, path)
    person = cells["person"].strip()
    # By name, not by place in the table, so that an incomplete copy keeps the split of those who are there.
    return Row(place, place, kind, label, number_split(crc32((person or place).encode())), subject=person)


DATASETS = {"infer": DataSet("infer", LABELS, read, layout=LAYOUT)}
