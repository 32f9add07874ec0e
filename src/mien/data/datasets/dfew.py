"""DFEW: 16,372 clips of films, 11,697 of them with a single label, in five folds (Jiang et al., arXiv 2008.05924).

The release counts labels from 1 and its lists may drop the leading zeros of clip names; the lists of the S2D repository
(github.com/MSA-LMC/S2D) count from 0 and keep them. The reader tells the two apart by the labels in each list, never by
its name, and refuses a list in which neither the release's 7 nor S2D's 0 occurs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mien.core.errors import DataError
from mien.core.labels import LABEL_SPACES
from mien.data.datasets import DataSet
from mien.data.lists import Item, find_clips, find_lists, label_of, padded, read_list
from mien.data.manifest import Manifest, Row

LABELS = LABEL_SPACES["dfew"]
FOLDS = range(1, 6)
LISTS = (
    "EmoLabel_DataSplit/{split}(single-labeled)/set_{fold}.csv",
    "EmoLabel_DataSplit/{split}(single-labeled)/{split}_set_{fold}.csv",
)
# The 16 frames the release samples are what S2D and others train on; whole pictures come last.
CLIPS = ("Clip/clip_224x224_16f", "Clip/clip_224x224", "Clip/clip_224x224_avi", "Clip/original")
LAYOUT = (
    "EmoLabel_DataSplit/{train,test}(single-labeled)/set_<1-5>.csv (S2D: {train,test}_set_<1-5>.csv)",
    "with Clip/clip_224x224_16f/<00001>/*.jpg, Clip/clip_224x224/<00001>/*.jpg or Clip/original/<1>.mp4",
)
SOURCES = {0: "as in the lists of the S2D repository", 1: "as in the release's own lists"}


def read(root: Path) -> Manifest:
    """All folds of the release at ``root``. Raises DataError for another layout or labels of neither numbering."""
    lists = find_lists(root, LISTS, FOLDS, LAYOUT)
    clips = find_clips(root, CLIPS, LAYOUT)
    rows: list[Row] = []
    starts: dict[int, list[str]] = {}
    for (fold, split), path in lists.items():
        items = read_list(path, ("video_name", "label"))
        start = first_number(items, path)
        starts.setdefault(start, []).append(f"{split} {fold}")
        for item in items:
            number = padded(item.name)
            place, kind = clips.place(number)
            rows.append(Row(number, place, kind, label_of(item, LABELS, path, start), split, fold))
    return Manifest("dfew", LABELS, tuple(rows), root, notes=tuple(_notes(starts, clips.folder)))


def first_number(items: Sequence[Item], path: Path) -> int:
    """The number that the list gives to happiness: 0 or 1.

    Raises:
        DataError: the labels fit neither numbering, or both.
    """
    labels = {item.label for item in items}
    for start, telling in ((0, "0"), (1, "7")):
        if telling in labels and labels <= {str(start + place) for place in range(len(LABELS))}:
            return start
    expected = "labels from 1 to 7 (the release) or from 0 to 6 (S2D), with a 7 or a 0 among them"
    raise DataError(expected, f"{', '.join(sorted(labels))} in {path}", "take the whole list from either source")


def _notes(starts: dict[int, list[str]], folder: str) -> list[str]:
    whole = len(starts) == 1
    notes = [
        f"labels counted from {start}, {SOURCES[start]}" + ("" if whole else f": lists {', '.join(names)}")
        for start, names in sorted(starts.items())
    ]
    uncut = ", whole pictures not cut to the face" if folder == CLIPS[-1] else ""
    return [*notes, f"clips read from {folder}{uncut}"]


DATASETS = {
    "dfew": DataSet(
        "dfew",
        LABELS,
        read,
        # Lines of the released lists; the five test lists hold the 11,697 clips once.
        published={
            1: {"train": 9356, "test": 2341},
            2: {"train": 9356, "test": 2341},
            3: {"train": 9357, "test": 2340},
            4: {"train": 9358, "test": 2339},
            5: {"train": 9361, "test": 2336},
        },
        published_classes={
            (1, "test"): dict(zip(LABELS.labels, (489, 379, 534, 435, 294, 29, 181), strict=True)),
        },
        cropped=True,
        layout=LAYOUT,
    )
}
