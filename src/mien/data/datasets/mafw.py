"""MAFW: clips of films, series and short videos with 11 expressions and 32 of their combinations, in five folds
(Liu et al., arXiv 2208.00847).

Two tasks. ``mafw``: every clip has one of 11 expressions. ``mafw-compound``: every clip has one of 43 classes, the 11
single expressions and the 32 combinations that the paper's filter leaves, such as ``fear_surprise``. The paper scores
the second as a choice of one class in 43, so a combination is a class of its own here; :func:`parts` takes it apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mien.core.labels import LABEL_SPACES, LabelSpace
from mien.data.datasets import DataSet
from mien.data.lists import Item, find_clips, find_lists, label_of, padded, read_list
from mien.data.manifest import Manifest, Row

LABELS = LABEL_SPACES["mafw"]
COMBINATIONS = (
    *("anger_anxiety", "anger_disgust", "anger_disgust_anxiety", "anger_disgust_contempt", "anger_helplessness"),
    *("anger_sadness", "anger_surprise", "anxiety_helplessness", "anxiety_helplessness_disappointment"),
    *("disgust_anxiety", "disgust_anxiety_helplessness", "disgust_contempt", "disgust_disappointment"),
    *("disgust_helplessness", "disgust_helplessness_disappointment", "disgust_sadness", "disgust_surprise"),
    *("fear_anxiety", "fear_sadness", "fear_sadness_anxiety", "fear_surprise", "fear_surprise_anxiety"),
    *("happiness_contempt", "happiness_surprise", "helplessness_disappointment", "sadness_anxiety"),
    *("sadness_anxiety_helplessness", "sadness_disappointment", "sadness_helplessness"),
    *("sadness_helplessness_disappointment", "sadness_surprise", "surprise_anxiety"),
)
"""As the released lists spell them. The paper gives the 43 classes no order: ours is the 11, then these by letter."""
COMPOUND = LabelSpace("mafw-compound", (*LABELS.labels, *COMBINATIONS))
FOLDS = range(1, 6)
# Named labels first: numbers, as in S2D's single-label csv, have to be taken on trust.
SINGLE_LISTS = tuple(
    f"{folder}/single/no_caption/set_{{fold}}/{{split}}.{suffix}"
    for folder in ("Train & Test Set", "anno")
    for suffix in ("txt", "csv")
)
COMPOUND_LISTS = tuple(path.replace("/single/", "/compound/") for path in SINGLE_LISTS if path.endswith("txt"))
CLIPS = ("data/frames/frames_crop_align_224", "data/frames", "data/clips")
PLACES = "with data/frames/<00025>/*.png or data/clips/<00025>.mp4 (S2D: data/frames/frames_crop_align_224)"
SINGLE_LAYOUT = (
    "Train & Test Set/single/no_caption/set_<1-5>/{train,test}.txt with lines such as '00025.mp4 anger'",
    "or, from S2D, anno/single/no_caption/set_<1-5>/{train,test}.csv with lines such as '00025,0'",
    PLACES,
)
COMPOUND_LAYOUT = (
    "Train & Test Set/compound/no_caption/set_<1-5>/{train,test}.txt (S2D: anno/compound/...)"
    " with lines such as '00025.mp4 anger_disgust'",
    PLACES,
)


def read_single(root: Path) -> Manifest:
    """All folds of the single-label task. Raises DataError for another layout or a label that is no expression."""
    return _read(root, LABELS, SINGLE_LISTS, SINGLE_LAYOUT)


def read_compound(root: Path) -> Manifest:
    """All folds of the 43-class task. Raises DataError for another layout or an unknown combination."""
    return _read(root, COMPOUND, COMPOUND_LISTS, COMPOUND_LAYOUT)


def parts(label: str) -> tuple[str, ...]:
    """The single expressions in a class of either task: ``fear_surprise`` -> ``("fear", "surprise")``."""
    return tuple(label.split("_"))


def _read(root: Path, labels: LabelSpace, patterns: Sequence[str], layout: Sequence[str]) -> Manifest:
    lists = find_lists(root, patterns, FOLDS, layout)
    clips = find_clips(root, CLIPS, layout)
    rows: list[Row] = []
    numbered = False
    for (fold, split), path in lists.items():
        for item in read_list(path, ("video_name", "labels")):
            number = padded(item.name)
            place, kind = clips.place(number)
            numbered = numbered or item.label.isdecimal()
            rows.append(Row(number, place, kind, _label(item, labels, path), split, fold))
    how = "numbered by letter from 0, as in the S2D repository's lists" if numbered else "named, as in the release"
    return Manifest(labels.name, labels, tuple(rows), root, notes=(f"labels {how}", f"clips read from {clips.folder}"))


def _label(item: Item, labels: LabelSpace, path: Path) -> str:
    """Numbers stand for single expressions only: nobody has numbered the 43 classes for all."""
    return label_of(item, labels, path, 0 if labels is LABELS else None)


DATASETS = {
    "mafw": DataSet(
        "mafw",
        LABELS,
        read_single,
        # Lines of the released lists; the five test lists hold 9,172 clips once.
        published={
            1: {"train": 7333, "test": 1839},
            2: {"train": 7335, "test": 1837},
            3: {"train": 7339, "test": 1833},
            4: {"train": 7340, "test": 1832},
            5: {"train": 7341, "test": 1831},
        },
        layout=SINGLE_LAYOUT,
    ),
    "mafw-compound": DataSet("mafw-compound", COMPOUND, read_compound, layout=COMPOUND_LAYOUT),
}
