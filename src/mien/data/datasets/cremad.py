"""CREMA-D: 7,442 clips of 91 actors who say twelve sentences in six expressions (Cao et al., IEEE TAFFC 5(4), 2014).

A clip's label is the expression the actor was asked for. There is no official split; ours keeps actors apart.
"""

from __future__ import annotations

import re
from pathlib import Path

from mien.core.labels import LABEL_SPACES
from mien.data.datasets import DataSet
from mien.data.lists import find_clips, number_split, unknown_layout
from mien.data.manifest import Manifest, Row

LABELS = LABEL_SPACES["crema-d"]
CODES = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
# Actor, sentence, expression, level; the release itself has one name with a level of a single letter.
NAME = re.compile(rf"(?P<actor>1\d{{3}})_[A-Z]{{3}}_(?P<code>{'|'.join(CODES)})_[A-Z]{{1,2}}")
LAYOUT = ("VideoFlash/1001_DFA_ANG_XX.flv (or another video suffix)",)
CLIPS = 7442


def read(root: Path) -> Manifest:
    """The release at ``root``, or the folder of its videos. Raises DataError when there is no video."""
    clips = find_clips(root, ("VideoFlash", "."), LAYOUT)
    rows = []
    for entry, kind in clips.entries.values():
        stem = entry.split(".")[0]
        match = NAME.fullmatch(stem)
        if match and kind == "video":
            path = entry if clips.folder == "." else f"{clips.folder}/{entry}"
            split = number_split(int(match["actor"]))
            rows.append(Row(stem, path, kind, CODES[match["code"]], split, subject=match["actor"]))
    if not rows:
        raise unknown_layout(root, LAYOUT)
    return Manifest("crema-d", LABELS, tuple(rows), root, notes=_notes(rows))


def _notes(rows: list[Row]) -> tuple[str, ...]:
    actors = len({row.subject for row in rows})
    return (
        f"{len(rows)} of the {CLIPS} published clips, of {actors} of 91 actors",
        "no official split: actors whose number is a multiple of 5 test, the others train",
        "labels are the expressions that actors were asked for, not what viewers named",
    )


DATASETS = {"crema-d": DataSet("crema-d", LABELS, read, layout=LAYOUT)}
