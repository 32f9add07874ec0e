"""Clips of drawn faces as :func:`mien.data.synthetic.write_synthetic` writes them: a data set that needs no licence."""

from __future__ import annotations

from pathlib import Path

from mien.core import checks
from mien.core.checks import parse_json
from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace
from mien.core.sheets import read_rows
from mien.data.datasets import DataSet
from mien.data.manifest import MOST_SIDE, Manifest, Row
from mien.data.synthetic import ABOUT, COLUMNS, ITEMS

LAYOUT = (
    f"{ABOUT}: the classes and how the clips were drawn",
    f"{ITEMS}: id,split,label,mixture",
    "frames/<id>/000.png and on: the pictures of a clip",
)


def read(raw: Path) -> Manifest:
    """The rows of a folder of drawn clips.

    Raises:
        DataError: not such a folder.
    """
    fix = "write one with mien.data.synthetic.write_synthetic"
    if not (raw / ABOUT).is_file() or not (raw / ITEMS).is_file():
        raise DataError(f"a folder with {ABOUT} and {ITEMS}", f"{raw} without them", fix)
    try:
        about = parse_json((raw / ABOUT).read_bytes())
        kind, labels = str(about["kind"]), LabelSpace(f"synthetic-{about['kind']}", tuple(about["labels"]))
        single = about["frames"] == 1
        rows = tuple(_row(cells, labels, single) for _, cells in read_rows(raw / ITEMS, COLUMNS))
        size, ambiguous = about.get("size"), float(about.get("ambiguous") or 0)
        if size is not None:
            checks.whole("size", size, 1, MOST_SIDE)
    except (KeyError, TypeError, ValueError, OSError, ConfigError) as error:
        raise DataError(f"{ABOUT} and {ITEMS} as mien writes them", f"{type(error).__name__}: {error}", fix) from error
    notes = [f"drawn faces, {kind} classes, seed {about.get('seed')}"]
    if ambiguous:
        notes.append(f"{ambiguous:.0%} of the training clips blend two expressions and are labelled with one")
    return Manifest("synthetic", labels, rows, raw, size, tuple(notes))


def _row(cells: dict[str, str], labels: LabelSpace, single: bool) -> Row:
    name, split, label = cells["id"], cells["split"], cells["label"]
    if split not in ("train", "valid", "test") or label not in labels.labels:
        raise ValueError(f"item {name}: split {split}, label {label}")
    if single:
        return Row(name, f"frames/{name}/000.png", "image", label, split)  # type: ignore[arg-type]
    return Row(name, f"frames/{name}", "frames", label, split)  # type: ignore[arg-type]


DATASETS = {"synthetic": DataSet("synthetic", None, read, cropped=True, layout=LAYOUT)}
