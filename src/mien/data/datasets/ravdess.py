"""RAVDESS: 24 actors speak and sing two sentences in eight expressions (Livingstone and Russo, PLoS ONE 13(5), 2018).

Every recording comes with sound, without sound and as sound alone; the pictures are the same, so one video of each is
read, with sound where it is there. ``calm`` stays a class of its own, as in the release and in published results;
:meth:`LabelSpace.to` counts it as ``neutral`` towards a model without it. No official split; ours keeps actors apart.
"""

from __future__ import annotations

import re
from pathlib import Path

from mien.core.labels import LABEL_SPACES
from mien.data.datasets import DataSet
from mien.data.lists import number_split, unknown_layout
from mien.data.manifest import Manifest, Row
from mien.media.files import VIDEO_SUFFIXES

LABELS = LABEL_SPACES["ravdess"]
CODES = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
# Modality (01 with sound, 02 without), voice (01 speech, 02 song), expression, strength, sentence, repetition, actor.
NAME = re.compile(r"(?P<modality>0[12])-(?P<take>(?P<voice>0[12])-(?P<code>0[1-8])-0[12]-0[12]-0[12]-(?P<actor>\d\d))")
LAYOUT = (
    "Actor_<01-24>/01-01-06-01-02-01-12.mp4 with modality 01 or 02, speech and song together",
    "or the same one folder down, as the archives unpack: Video_Speech_Actor_<01-24>/Actor_<01-24>/*.mp4",
)


def read(root: Path) -> Manifest:
    """The release at ``root``. Raises DataError when no folder of an actor has a video of its naming."""
    takes: dict[str, tuple[str, re.Match[str]]] = {}
    for path in sorted((*root.glob("Actor_*/*"), *root.glob("*/Actor_*/*")), key=lambda one: one.name):
        match = NAME.fullmatch(path.stem)
        if match and path.suffix.lower() in VIDEO_SUFFIXES:
            # Modality leads the name, so the video with sound comes first.
            takes.setdefault(match["take"], (path.relative_to(root).as_posix(), match))
    if not takes:
        raise unknown_layout(root, LAYOUT)
    rows = tuple(_row(path, match) for path, match in (takes[take] for take in sorted(takes, key=_by_actor)))
    songs = sum(match["voice"] == "02" for _, match in takes.values())
    notes = (
        f"{len(takes) - songs} of 1440 published takes of speech, {songs} of 1012 of song, one video a take",
        "no official split: actors 05, 10, 15 and 20 test, the others train",
    )
    return Manifest("ravdess", LABELS, rows, root, notes=notes)


def _by_actor(take: str) -> tuple[str, str]:
    return take[-2:], take


def _row(path: str, match: re.Match[str]) -> Row:
    split = number_split(int(match["actor"]))
    return Row(match[0], path, "video", CODES[match["code"]], split, subject=f"Actor_{match['actor']}")


# zenodo.org/records/1188976: 60 takes of speech an actor, 44 of song of all but actor 18. Speech has 8 takes of every
# expression but 4 of neutral; song likewise, without disgust and surprise. Four of the 24 actors test.
_TRAIN = (156, 312, 312, 312, 312, 312, 160, 160)
_TEST = (32, 64, 64, 64, 64, 64, 32, 32)
DATASETS = {
    "ravdess": DataSet(
        "ravdess",
        LABELS,
        read,
        published={0: {"train": sum(_TRAIN), "test": sum(_TEST)}},
        published_classes={
            (0, "train"): dict(zip(LABELS.labels, _TRAIN, strict=True)),
            (0, "test"): dict(zip(LABELS.labels, _TEST, strict=True)),
        },
        layout=LAYOUT,
    )
}
