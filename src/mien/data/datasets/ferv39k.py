"""FERV39k: 38,935 clips of 22 scenes, one split (Wang et al., "FERV39k", CVPR 2022).

The release's lists name the expression; those of the S2D repository (github.com/MSA-LMC/S2D) number it by letter from
0. Clips lie in folders named after their expression, which every list is checked against.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mien.core.errors import DataError
from mien.core.labels import LABEL_SPACES, canonical
from mien.data.datasets import DataSet
from mien.data.lists import Item, find_lists, label_of, read_list, unknown_layout
from mien.data.manifest import Manifest, Row, Split

LABELS = LABEL_SPACES["ferv39k"]
LISTS = ("4_setups/All_scenes/{split}_All.csv", "Annotation/{split}.csv")
CLIPS = "2_ClipsforFaceCrop"
LAYOUT = (
    "4_setups/All_scenes/{train,test}_All.csv with lines such as 'Action/Happy/0118 Happy'",
    "or, from S2D, Annotation/{train,test}.csv with lines such as 'Action/Happy/0118,3'",
    f"with {CLIPS}/<Scene>/<Expression>/<id>/*.jpg",
)


def read(root: Path) -> Manifest:
    """The release at ``root``. Raises DataError for another layout, or labels that contradict the clips' folders."""
    lists = find_lists(root, LISTS, (0,), LAYOUT)
    if not (root / CLIPS).is_dir():
        raise unknown_layout(root, LAYOUT)
    rows: list[Row] = []
    notes: list[str] = []
    for (_, split), path in lists.items():
        items = read_list(path, ("path", "id"))
        found = [_row(item, split, path) for item in items]
        notes += _notes(found, items[0], path)
        rows += found
    return Manifest("ferv39k", LABELS, tuple(rows), root, notes=tuple(notes))


def _row(item: Item, split: Split, path: Path) -> Row:
    place = "/".join(item.name.split("/")[-3:])
    if place.count("/") != 2:
        raise DataError("clips as <Scene>/<Expression>/<id>", f"{item.name} in {path}", "take the release's own list")
    return Row(place, f"{CLIPS}/{place}", "frames", label_of(item, LABELS, path, 0), split)


def _notes(rows: Sequence[Row], first: Item, path: Path) -> list[str]:
    """How the labels were read. Raises DataError when most contradict the folders: numbers of another order."""
    strange = [row.id for row in rows if canonical(row.id.split("/")[1]) != row.label]
    if 2 * len(strange) > len(rows):
        got = f"{len(strange)} of {len(rows)} clips of another label in {path}, e.g. {strange[0]}"
        raise DataError("labels that are the names of the clips' folders", got, "take the release's own list")
    how = "numbered by letter from 0, as by S2D" if first.label.isdecimal() else "named, as in the release"
    contradictions = f"; {len(strange)} contradict their folder, e.g. {strange[0]}" if strange else ""
    return [f"{rows[0].split}: labels {how}{contradictions}"]


DATASETS = {
    "ferv39k": DataSet(
        "ferv39k",
        LABELS,
        read,
        # Lines of the released All_scenes lists; their sum is the paper's 38,935.
        published={0: {"train": 31088, "test": 7847}},
        cropped=True,
        layout=LAYOUT,
    )
}
