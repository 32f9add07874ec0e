"""Any set that lies in folders: ``<split>/<class>/<image, video or folder of frames>``; the classes are the folders.

What else is known of the items may stand beside them, see :mod:`mien.data.beside`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mien.core.errors import DataError
from mien.core.labels import LabelSpace, canonical
from mien.data.beside import DECLARED, TABLE, note_of, read_beside
from mien.data.datasets import DataSet
from mien.data.lists import unknown_layout
from mien.data.manifest import Kind, Manifest, Row, Split
from mien.media.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES

SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "valid": "valid",
    "val": "valid",
    "validation": "valid",
    "test": "test",
}
LAYOUT = (
    "train/<class>/<image, video or folder of frames>, and test/<class>/... likewise",
    "valid/<class>/... (or val, validation) where there is one",
    f"{DECLARED} and {TABLE} where more is known of the items than their class",
)


def read(root: Path) -> Manifest:
    """The rows under ``root``; classes are in alphabetical order, under the names :func:`class_names` gives them.

    Raises:
        DataError: no train or no test folder, fewer than two classes in them, or signals that cannot be read.
    """
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    splits = [(SPLIT_NAMES[path.name.lower()], path) for path in folders if path.name.lower() in SPLIT_NAMES]
    if not {"train", "test"} <= {split for split, _ in splits}:
        raise unknown_layout(root, LAYOUT)
    found = [(split, *item) for split, path in splits for item in _items(path)]
    names = class_names({(split, folder.name) for split, folder, _, _ in found})
    classes = tuple(sorted(set(names.values())))
    if len(classes) < 2:
        got = f"{', '.join(classes) or 'none'} in {root}"
        raise DataError("at least two classes with an image, video or frame folder each", got, "see `--help`")
    places = [path.relative_to(root).as_posix() for _, _, path, _ in found]
    signals, beside = read_beside(root, set(places))
    rows = [
        Row(place, place, kind, names[folder.name], split, beside=beside.get(place, ()))
        for place, (split, folder, _, kind) in zip(places, found, strict=True)
    ]
    name, notes = root.resolve().name, [note_of(signal, [row.beside for row in rows], signals) for signal in signals]
    return Manifest(name, LabelSpace(name, classes), tuple(rows), root, notes=tuple(notes), signals=signals)


def class_names(folders: Collection[tuple[Split, str]]) -> dict[str, str]:
    """The class of every folder name: its canonical one, so that ``Happy`` in train is ``happiness`` in test.

    Names that one split tells apart, as ``calm`` and ``neutral``, stay apart: lower case, as they are.

    Args:
        folders: split and name of every class folder.
    """
    words: dict[tuple[Split, str], set[str]] = {}
    for split, name in folders:
        words.setdefault((split, canonical(name)), set()).add(name.strip().lower())
    apart = {one for (_, one), among in words.items() if len(among) > 1}
    return {name: name.strip().lower() if canonical(name) in apart else canonical(name) for _, name in folders}


def _items(split: Path) -> list[tuple[Path, Path, Kind]]:
    """Class folder, path and kind of every item of a split."""
    items: list[tuple[Path, Path, Kind]] = []
    for folder in sorted(path for path in split.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for path in sorted(folder.iterdir()):
            kind = _kind(path)
            if kind is not None:
                items.append((folder, path, kind))
    return items


def _kind(path: Path) -> Kind | None:
    if path.name.startswith("."):
        return None
    if path.is_dir():
        return "frames"
    suffix = path.suffix.lower()
    return "image" if suffix in IMAGE_SUFFIXES else "video" if suffix in VIDEO_SUFFIXES else None


DATASETS = {"folder": DataSet("folder", None, read, layout=LAYOUT)}
