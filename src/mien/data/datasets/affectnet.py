"""AffectNet with 7 or 8 expressions: faces from the web, annotated by hand (Mollahosseini et al., arXiv 1708.03985).

Two layouts exist. The original has lists (``training.csv``) of pictures under ``Manually_Annotated_Images``; the newer
pack has crops under ``train_set/images`` with one ``.npy`` of the label each. The official test labels are not public:
as everywhere, the validation list is what is tested on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from mien.core.errors import DataError
from mien.core.labels import LABEL_SPACES, LabelSpace
from mien.data.datasets import DataSet
from mien.data.lists import unknown_layout
from mien.data.manifest import Manifest, Row, Split
from mien.data.tables import table_rows

IMAGES = ("Manually_Annotated_Images", "Manually_Annotated/Manually_Annotated_Images")
LISTS: dict[Split, str] = {"train": "training", "test": "validation"}
LIST_NAMES = ("{}.csv", "{}_with_header.csv")
LIST_FOLDERS = ("", "Manually_Annotated_file_lists")
PACKS: dict[Split, str] = {"train": "train_set", "test": "val_set"}
COLUMNS = (
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks"),
    *("expression", "valence", "arousal"),
)
CODES = 11
"""0 to 7 are expressions; 8 none, 9 uncertain and 10 no face are left out."""
LAYOUT = (
    f"training.csv and validation.csv, with a header or without, or in {LIST_FOLDERS[1]}/, with {IMAGES[0]}/<n>/<file>",
    "train_set and val_set with images/<id>.jpg and annotations/<id>_exp.npy",
)


def read(root: Path, labels: LabelSpace) -> Manifest:
    """The rows with one of ``labels``, whose order is that of the codes. Raises DataError for another layout."""
    lists = _find_lists(root)
    if lists:
        images = next((folder for folder in IMAGES if (root / folder).is_dir()), IMAGES[0])
        items, note = _listed(lists, images), f"original release: lists, whole pictures of {images}"
    elif all((root / name / "annotations").is_dir() for name in PACKS.values()):
        items, note = _packed(root), "newer pack: crops with an .npy each"
    else:
        raise unknown_layout(root, LAYOUT)
    rows = [
        Row(name, path, "image", labels.labels[code], split) for name, path, code, split in items if code < len(labels)
    ]
    if not rows:
        raise DataError("lists or annotations with expressions", f"none in {root}", "take a new copy of the release")
    return Manifest(labels.name, labels, tuple(rows), root, notes=(note, "validation list as test split, as published"))


def _find_lists(root: Path) -> dict[Split, Path]:
    """Both lists, from the first folder that has them; nothing if none does."""
    for folder in LIST_FOLDERS:
        found: dict[Split, Path] = {}
        for split, stem in LISTS.items():
            there = [path for name in LIST_NAMES if (path := root / folder / name.format(stem)).is_file()]
            if there:
                found[split] = there[0]
        if len(found) == len(LISTS):
            return found
    return {}


def _listed(lists: Mapping[Split, Path], images: str) -> Iterator[tuple[str, str, int, Split]]:
    for split, path in lists.items():
        for line, cells in table_rows(path):
            where = f"{path}, line {line}"
            header = cells[0] == COLUMNS[0]
            if len(cells) < len(COLUMNS) or (header and tuple(cells[: len(COLUMNS)]) != COLUMNS):
                expected = f"the {len(COLUMNS)} columns {', '.join(COLUMNS)}"
                raise DataError(expected, f"{', '.join(cells)[:80]} in {where}", "take the released list")
            if header:
                continue
            place = cells[0].replace("\\", "/").strip("/")
            yield place, f"{images}/{place}", _code(cells[6], where), split


def _packed(root: Path) -> Iterator[tuple[str, str, int, Split]]:
    for split, name in PACKS.items():
        for path in sorted((root / name / "annotations").glob("*_exp.npy"), key=_number):
            stem = path.name.removesuffix("_exp.npy")
            try:
                value = str(np.load(path, allow_pickle=False).item())
            except (OSError, ValueError, EOFError) as error:
                raise DataError("an .npy file with one label", f"{path}: {error}", "take a new copy") from error
            yield f"{split}-{stem}", f"{name}/images/{stem}.jpg", _code(value, str(path)), split


def _number(path: Path) -> tuple[int, str]:
    stem = path.name.removesuffix("_exp.npy")
    return (int(stem) if stem.isdecimal() else 0, stem)


def _code(text: str, where: str) -> int:
    if not text.isdecimal() or int(text) >= CODES:
        raise DataError(f"an expression code from 0 to {CODES - 1}", f"{text!r} in {where}", "take the released file")
    return int(text)


def _dataset(name: str, train: int, test: int, classes: tuple[int, ...], tested: tuple[int, ...]) -> DataSet:
    labels = LABEL_SPACES[name]
    return DataSet(
        name,
        labels,
        partial(read, labels=labels),
        published={0: {"train": train, "test": test}},
        published_classes={
            (0, "train"): dict(zip(labels.labels, classes, strict=True)),
            (0, "test"): dict(zip(labels.labels, tested, strict=True)),
        },
        layout=LAYOUT,
    )


# Training: faces of each category in the paper (134,915 happy) less the 500 that validate; the sums are the published
# totals. Validation: 500 of each, of contempt one less in the released list.
TRAIN = (74874, 134415, 25459, 14090, 6378, 3803, 24882, 3750)
DATASETS = {
    "affectnet7": _dataset("affectnet7", 283901, 3500, TRAIN[:7], (500,) * 7),
    "affectnet8": _dataset("affectnet8", 287651, 3999, TRAIN, (*(500,) * 7, 499)),
}
