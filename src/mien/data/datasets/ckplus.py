"""CK+: 593 posed sequences of 123 people from a neutral face to the peak, 327 of them of 118 people with an expression
(Lucey et al., CVPR workshops 2010).

Only the 327 are read, whole, as clips; their neutral first frames make no class of their own. There are no official
folds. As is customary, people in ascending order are dealt out to ten folds, so that nobody is in train and test.
"""

from __future__ import annotations

from pathlib import Path

from mien.core.errors import DataError
from mien.core.labels import LABEL_SPACES
from mien.data.datasets import DataSet
from mien.data.lists import read_lines, unknown_layout
from mien.data.manifest import Manifest, Row

LABELS = LABEL_SPACES["ck+"]
CODES: dict[float, str] = {
    1: "anger",
    2: "contempt",
    3: "disgust",
    4: "fear",
    5: "happiness",
    6: "sadness",
    7: "surprise",
}
FOLDS = 10
FRAMES = ("cohn-kanade-images", "extended-cohn-kanade-images/cohn-kanade-images")
EMOTIONS = ("Emotion", "Emotion_labels/Emotion")
LAYOUT = (
    "cohn-kanade-images/S005/001/S005_001_00000001.png with Emotion/S005/001/S005_001_00000011_emotion.txt",
    "or with the folders of the archives around them: extended-cohn-kanade-images/ and Emotion_labels/",
)


def read(root: Path) -> Manifest:
    """The release at ``root``. Raises DataError for another layout or an emotion file without a number from 1 to 7."""
    frames = next((folder for folder in FRAMES if (root / folder).is_dir()), None)
    found = [path for folder in EMOTIONS for path in sorted((root / folder).glob("S*/*/S*_emotion.txt"))]
    if frames is None or not found:
        raise unknown_layout(root, LAYOUT)
    labels = {(path.parts[-3], path.parts[-2]): _label(path) for path in found}
    people = sorted({person for person, _ in labels})
    test_folds = {person: place % FOLDS + 1 for place, person in enumerate(people)}
    rows = tuple(
        Row(
            f"{person}_{sequence}",
            f"{frames}/{person}/{sequence}",
            "frames",
            label,
            "test" if test_folds[person] == fold else "train",
            fold,
            person,
        )
        for fold in sorted(set(test_folds.values()))
        for (person, sequence), label in labels.items()
    )
    notes = (
        f"{len(labels)} of the 327 published sequences with an expression, of {len(people)} of 118 people",
        "no official folds: people in ascending order are dealt out to ten, the first to fold 1, the eleventh again",
    )
    return Manifest("ck+", LABELS, rows, root, notes=notes)


def _label(path: Path) -> str:
    lines = read_lines(path)
    try:
        return CODES[float(lines[0])]
    except (IndexError, KeyError, ValueError) as error:
        got = f"{lines[:1]} in {path}"
        raise DataError("one number from 1 to 7 in an emotion file", got, "take a new copy of that file") from error


DATASETS = {"ck+": DataSet("ck+", LABELS, read, layout=LAYOUT)}
