"""Hugging Rain Man (HRM): action units of 98 children, coded by hand (Ji et al., arXiv 2411.13797).

Flags of every frame: units and descriptors of FACS, on either side or both; a blank cell is not known. What the release
says of the children's health and of "atypical" faces, and expressions that other programs named, is not read: mien has
no clinical reading. Its pictures are not public; whoever holds them puts them beside the tables. Read after the coding
tool and the reader of github.com/Jonas-DL/Hugging-Rain-Man; **not run on the release itself**, and where it has the
pictures of the children of its second folder is a guess. No split that can be had again; ours keeps children apart.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from mien.core.errors import DataError
from mien.core.labels import LabelSpace
from mien.core.sheets import read_rows
from mien.core.signals import Signal
from mien.data.beside import Numbers
from mien.data.datasets import DataSet
from mien.data.lists import number_split, unknown_layout
from mien.data.manifest import Manifest, Row

UNLABELLED = LabelSpace("hrm", ("unlabelled",))
"""No expressions; a set has a label at least."""
UNIT_CODES = (1, 2, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 17, 18, 20, 22, 23, 24, 25, "2X", 28, 43)
UNITS = Signal(
    "units", tuple(f"AU{code}" for code in UNIT_CODES), "flags", note="coded by hand, of children; AU2X is AU26 or AU27"
)
DESCRIPTOR_CODES = (19, 29, 30, 32, 33, 34, 35, 36, 37)
DESCRIPTORS = Signal("descriptors", tuple(f"AD{code}" for code in DESCRIPTOR_CODES), "flags", note="coded by hand")
SIGNALS = (UNITS, DESCRIPTORS)
NEEDED = ("frame", *(unit for unit in UNITS.labels if unit not in ("AU5", "AU8", "AU13", "AU22")), "AD19", "AD32")
"""The 22 that the paper's networks find; the others may lack."""
FOLDERS = {"ASD": "", "TD": "TD"}
"""Where the tables lie, and what the release's reader puts behind a child's number so that no two are the same."""
CODES = {"0": 0.0, "1": 1.0, "2": 1.0, "3": 1.0, "4": 1.0, "5": 1.0}
"""Absent; there; and on the left, right, top or bottom alone."""
PICTURES = "origin"
LAYOUT = (
    f"{' and '.join(f'{name}/S<number>.csv' for name in FOLDERS)}, in the folder or one further down, with the columns "
    "frame, AU1, AU2 ... and AD19",
    f"{PICTURES}/S<number>/<frame>_0.jpg, S<number>TD for the second folder, in the folder",
)


def read(root: Path) -> Manifest:
    """The tables under ``root``. Raises DataError for another layout, or a cell that is no code."""
    tables = [(path, FOLDERS[path.parent.name]) for path in _tables(root)]
    if not tables:
        raise unknown_layout(root, LAYOUT)
    rows = [row for path, mark in tables for row in _rows(path, mark)]
    notes = (
        f"{len(tables)} of 98 children; no official split: every fifth number tests",
        "units alone are read: nothing of health, of 'atypical' ratings or of other programs' expressions",
    )
    return Manifest("hrm", UNLABELLED, tuple(rows), root, notes=notes, signals=SIGNALS)


def _tables(root: Path) -> list[Path]:
    found = (path for name in FOLDERS for depth in ("", "*/") for path in root.glob(f"{depth}{name}/S*.csv"))
    return sorted(
        (path for path in found if re.fullmatch(r"S\d+", path.stem)),
        key=lambda path: (path.parent.name, int(path.stem[1:])),
    )


def _rows(path: Path, mark: str) -> list[Row]:
    child, split = path.stem + mark, number_split(int(path.stem[1:]))
    rows = []
    for line, cells in read_rows(path, NEEDED):
        frame = cells["frame"].strip()
        try:
            if not (frame.isdecimal() and frame.isascii()):
                raise ValueError(f"frame {frame[:80]!r}")
            known = _flags(cells)
        except ValueError as error:
            raise DataError("a frame's number and codes 0 to 5", f"{path}, line {line}: {error}", "mend it") from error
        rows.append(
            Row(
                f"{child}/{int(frame)}",
                f"{PICTURES}/{child}/{int(frame)}_0.jpg",
                "image",
                "",
                split,
                subject=child,
                beside=known,
            )
        )
    return rows


def _flags(cells: dict[str, str]) -> Numbers:
    found = []
    for column in (label for signal in SIGNALS for label in signal.labels):
        cell = cells.get(column, "").strip().removesuffix(".0")
        if cell and cell not in CODES:
            raise ValueError(f"{column} {cell[:80]!r}")
        found.append(CODES[cell] if cell else math.nan)
    return tuple(found)


DATASETS = {"hrm": DataSet("hrm", UNLABELLED, read, layout=LAYOUT)}
