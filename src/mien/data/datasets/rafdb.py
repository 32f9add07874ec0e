"""RAF-DB, basic expressions: 15,339 faces from the web, about 40 annotators each (Li & Deng, TIP 2019; CVPR 2017).

The list calls a picture ``train_00001.jpg``; the aligned crop on disk is ``train_00001_aligned.jpg``.
"""

from __future__ import annotations

from pathlib import Path

from mien.core.errors import DataError
from mien.core.labels import LABEL_SPACES
from mien.data.datasets import DataSet
from mien.data.lists import label_of, read_list, unknown_layout
from mien.data.manifest import Manifest, Row, Split

LABELS = LABEL_SPACES["rafdb"]
LIST = "EmoLabel/list_patition_label.txt"  # spelt so in the release
LAYOUT = (
    f'{LIST} ("train_00001.jpg 5", labels from 1)',
    "with Image/aligned/train_00001_aligned.jpg, or Image/original/train_00001.jpg",
)


def read(root: Path) -> Manifest:
    """The rows of the release at ``root`` (or of its folder ``basic``). Raises DataError for another layout."""
    root = root / "basic" if (root / "basic" / LIST).is_file() else root
    if not (root / LIST).is_file():
        raise unknown_layout(root, LAYOUT)
    aligned = (root / "Image" / "aligned").is_dir()
    rows = []
    for item in read_list(root / LIST):
        stem = Path(item.name).stem
        place = f"Image/aligned/{stem}_aligned.jpg" if aligned else f"Image/original/{item.name}"
        rows.append(Row(stem, place, "image", label_of(item, LABELS, root / LIST, 1), _split(stem, root / LIST)))
    note = "aligned crops of the release" if aligned else "whole pictures: Image/aligned is not there"
    return Manifest("rafdb", LABELS, tuple(rows), root, notes=(note,))


def _split(name: str, path: Path) -> Split:
    for split in ("train", "test"):
        if name.startswith(f"{split}_"):
            return split
    raise DataError("names that begin with train_ or test_", f"{name} in {path}", "take the list of the release")


DATASETS = {
    "rafdb": DataSet(
        "rafdb",
        LABELS,
        read,
        published={0: {"train": 12271, "test": 3068}},
        # Table of the release's own list; the sums are the published totals.
        published_classes={
            (0, "train"): dict(zip(LABELS.labels, (1290, 281, 717, 4772, 1982, 705, 2524), strict=True)),
            (0, "test"): dict(zip(LABELS.labels, (329, 74, 160, 1185, 478, 162, 680), strict=True)),
        },
        cropped=True,
        layout=LAYOUT,
    )
}
