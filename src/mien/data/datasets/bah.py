"""BAH: is a person ambivalent or hesitant? 1,427 films of 300 people (González-González et al., arXiv 2505.19328).

Three experts said whether ambivalence or hesitancy *shows*, in face, voice, words or posture; a face alone does not
have it all, and nothing is said of anybody's health. A film is one row, its label again a flag of the signal
``states``, for a head beside a model of expressions. Read after what public readers of the release say of its layout;
**not run on the release itself**, which needs an agreement and whose terms hold for what is made of it. Labels of
frames, transcripts and what it says of the people are not read.
"""

from __future__ import annotations

from pathlib import Path

from mien.core.errors import DataError
from mien.core.labels import LabelSpace
from mien.core.signals import Signal
from mien.data.datasets import DataSet
from mien.data.lists import read_lines, unknown_layout
from mien.data.manifest import Manifest, Row, Split

LABELS = LabelSpace("bah", ("absent", "present"))
"""By the numbers of the lists, 0 and 1."""
STATES = Signal("states", ("ambivalence_hesitancy",), "flags", note="whether three experts saw it; no diagnosis")
LISTS: dict[Split, str] = {"train": "train.txt", "valid": "val.txt", "test": "test.txt"}
FOLDERS = ("", "data/")
FILMS = "Videos"
LAYOUT = (
    "split/train.txt, val.txt and test.txt with lines such as 'Videos/<person>/<visit>/<film>.mp4,1,<what is said>'",
    "Videos/<person>/... beside split/, both in the folder or in data/",
)


def read(root: Path) -> Manifest:
    """The release at ``root``. Raises DataError for another layout, or a line that names no film and label."""
    begun = next((name for name in FOLDERS if (root / name / "split" / LISTS["train"]).is_file()), None)
    if begun is None:
        raise unknown_layout(root, LAYOUT)
    rows = [row for split, name in LISTS.items() for row in _rows(root, begun, split, name)]
    notes = (
        "the release's own splits; nobody should be in two",
        "labels say what experts saw in film, voice and words: a face alone does not have it all",
    )
    return Manifest("bah", LABELS, tuple(rows), root, notes=notes, signals=(STATES,))


def _rows(root: Path, begun: str, split: Split, name: str) -> list[Row]:
    path = root / begun / "split" / name
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        film, label, *_ = (cell.strip() for cell in (*line.split(",", 2), ""))
        if number == 1 and label == "label":
            continue
        parts = film.replace("\\", "/").strip("/").split("/")
        if len(parts) < 3 or parts[0] != FILMS or ".." in parts or label not in ("0", "1"):
            raise DataError(LAYOUT[0], f"{line[:120]!r} in {path}, line {number}", "take the release's own list")
        place = "/".join(parts)
        shown = LABELS.labels[int(label)]
        rows.append(
            Row("/".join(parts[1:]), begun + place, "video", shown, split, subject=parts[1], beside=(float(label),))
        )
    return rows


DATASETS = {"bah": DataSet("bah", LABELS, read, layout=LAYOUT)}
