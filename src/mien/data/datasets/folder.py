"""Any set that lies in folders: ``<split>/<class>/<image, video or folder of frames>``; the classes are the folders."""

from __future__ import annotations

from pathlib import Path

from mien.core.errors import DataError
from mien.core.labels import LabelSpace, canonical
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
)


def read(root: Path) -> Manifest:
    """The rows under ``root``; classes are canonical names in alphabetical order.

    Raises:
        DataError: no train folder, or nothing in it.
    """
    folders = {path.name.lower(): path for path in root.iterdir() if path.is_dir()} if root.is_dir() else {}
    splits = [(SPLIT_NAMES[name], path) for name, path in sorted(folders.items()) if name in SPLIT_NAMES]
    if "train" not in dict(splits):
        raise unknown_layout(root, LAYOUT)
    found = [(split, *item) for split, path in splits for item in _items(path)]
    names = sorted({canonical(folder.name) for _, folder, _, _ in found})
    if len(names) < 2:
        got = f"{', '.join(names) or 'none'} in {root}"
        raise DataError("at least two classes with an image, video or frame folder each", got, "see `--help`")
    rows = [
        Row(path.relative_to(root).as_posix(), path.relative_to(root).as_posix(), kind, canonical(folder.name), split)
        for split, folder, path, kind in found
    ]
    without = [] if any(split == "test" for split, _ in splits) else ["there is no test split"]
    return Manifest(
        root.resolve().name, LabelSpace(root.resolve().name, tuple(names)), tuple(rows), root, notes=tuple(without)
    )


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
