"""AffectNet with 7 or 8 expressions: faces from the web, annotated by hand (Mollahosseini et al., arXiv 1708.03985).

Two layouts exist. The original has lists (``training.csv``) of pictures under ``Manually_Annotated_Images``; the newer
pack has crops under ``train_set/images`` with one ``.npy`` of the label each. The official test labels are not public:
as everywhere, the validation list is what is tested on.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from mien.core.errors import DataError
from mien.core.labels import LABEL_SPACES, LabelSpace
from mien.data.datasets import DataSet
from mien.data.lists import unknown_layout
from mien.data.manifest import Manifest, Row, Split

IMAGES = "Manually_Annotated_Images"
LISTS: dict[Split, str] = {"train": "training.csv", "test": "validation.csv"}
LIST_FOLDERS = ("", "Manually_Annotated_file_lists")
PACKS: dict[Split, str] = {"train": "train_set", "test": "val_set"}
COLUMNS = (
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks"),
    *("expression", "valence", "arousal"),
)
CODES = 11
"""0 to 7 are expressions; 8 none, 9 uncertain and 10 no face are left out."""
LAYOUT = (
    f"training.csv and validation.csv (or in {LIST_FOLDERS[1]}/) with {IMAGES}/<n>/<file>",
    "train_set and val_set with images/<id>.jpg and annotations/<id>_exp.npy",
)


def read(root: Path, labels: LabelSpace) -> Manifest:
    """The rows with one of ``labels``, whose order is that of the codes. Raises DataError for another layout."""
    for folder in LIST_FOLDERS:
        if all((root / folder / name).is_file() for name in LISTS.values()):
            items = _listed(root / folder)
            note = "original release: lists, whole pictures of Manually_Annotated_Images"
            break
    else:
        if not all((root / name / "annotations").is_dir() for name in PACKS.values()):
            raise unknown_layout(root, LAYOUT)
        items, note = _packed(root), "newer pack: crops with an .npy each"
    rows = [
        Row(name, path, "image", labels.labels[code], split) for name, path, code, split in items if code < len(labels)
    ]
    return Manifest(labels.name, labels, tuple(rows), root, notes=(note, "validation list as test split, as published"))


def _listed(folder: Path) -> Iterator[tuple[str, str, int, Split]]:
    for split, name in LISTS.items():
        path = folder / name
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, cells in enumerate(csv.reader(file), 1):
                if not cells or cells[0] == COLUMNS[0]:
                    continue
                if len(cells) < len(COLUMNS):
                    got = f"{path}, line {number}: {len(cells)}"
                    raise DataError(f"the {len(COLUMNS)} columns {', '.join(COLUMNS)}", got, "take the released list")
                place = cells[0].strip().replace("\\", "/").strip("/")
                yield place, f"{IMAGES}/{place}", _code(cells[6], f"{path}, line {number}"), split


def _packed(root: Path) -> Iterator[tuple[str, str, int, Split]]:
    for split, name in PACKS.items():
        for path in sorted((root / name / "annotations").glob("*_exp.npy"), key=_number):
            stem = path.name.removesuffix("_exp.npy")
            try:
                value = str(np.load(path, allow_pickle=False))
            except (OSError, ValueError) as error:
                raise DataError("an .npy file with one label", f"{path}: {error}", "take a new copy") from error
            yield f"{split}-{stem}", f"{name}/images/{stem}.jpg", _code(value, str(path)), split


def _number(path: Path) -> tuple[int, str]:
    stem = path.name.removesuffix("_exp.npy")
    return (int(stem) if stem.isdecimal() else 0, stem)


def _code(text: str, where: str) -> int:
    if not text.strip().isdecimal() or int(text) >= CODES:
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


# Table 3 of the paper for training; 500 of each class for validation, of contempt one less in the released list.
TRAIN = (74874, 134415, 25459, 14090, 6378, 3803, 24882, 3750)
DATASETS = {
    "affectnet7": _dataset("affectnet7", 283901, 3500, TRAIN[:7], (500,) * 7),
    "affectnet8": _dataset("affectnet8", 287651, 3999, TRAIN, (*(500,) * 7, 499)),
}
