"""SPSS: the spans and the frames as data files, labels as numbers with value labels, 0 for unclear.

SPSS' names have letters, digits, ``_`` and ``.``; the column's own name is the variable's label.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.core.files import whole_file
from mien.core.names import printable
from mien.core.types import UNCLEAR
from mien.report.formats.base import Format, with_people
from mien.report.tables import Column, frame_columns, span_columns

if TYPE_CHECKING:
    from mien.report.findings import Findings

RESERVED = frozenset(("ALL", "AND", "BY", "EQ", "GE", "GT", "LE", "LT", "NE", "NOT", "OR", "TO", "WITH"))
MOST_NAME, MOST_LABEL, MOST_VALUE = 60, 250, 120
"""Bytes of a variable's name, less four for a number; of its label; of a value's label."""


def write(result: Findings, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.spans.sav`` and ``<stem>.frames.sav``."""
    labels = result.labels.labels
    tables = {
        "spans": with_people(span_columns(result.spans), result),
        "frames": with_people(frame_columns(result.frames, result.spans, labels), result),
    }
    return [_write(folder / f"{stem}.{name}.sav", columns, labels) for name, columns in tables.items()]


def _write(path: Path, columns: dict[str, Column], labels: tuple[str, ...]) -> Path:
    import pandas
    import pyreadstat

    codes: dict[str, int] = {UNCLEAR: 0, **{label: number for number, label in enumerate(labels, 1)}}
    names = dict(zip(columns, variable_names(list(columns)), strict=True))
    frame = pandas.DataFrame({names[name]: _values(name, values, codes) for name, values in columns.items()})
    coded: dict[int | float, str] = {code: _cut(label, MOST_VALUE) for label, code in codes.items()}
    with whole_file(path) as draft:
        pyreadstat.write_sav(
            frame,
            str(draft),
            column_labels=[_cut(name, MOST_LABEL) for name in columns],
            variable_value_labels={names["label"]: coded},
        )
    return path


def _values(name: str, values: Column, codes: dict[str, int]) -> Any:
    if name == "label":
        return np.array([codes[value or UNCLEAR] for value in values], np.float64)
    if isinstance(values, list):
        return np.array([printable(value or "") for value in values], dtype=object)
    return values.astype(np.float64)


def variable_names(columns: list[str]) -> list[str]:
    """A name that SPSS takes for every column, each another one."""
    found: list[str] = []
    for column in columns:
        name = re.sub("[^A-Za-z0-9_.]", "_", column)[:MOST_NAME].rstrip(".")
        if not name[:1].isalpha() or name.upper() in RESERVED:
            name = f"v_{name}"
        same = sum(re.sub("~[0-9]+$", "", other).lower() == name.lower() for other in found)
        found.append(f"{name}_{same + 1}" if same else name)
    return found


def _cut(text: str, most: int) -> str:
    return printable(text).encode()[:most].decode("utf-8", "ignore")


FORMAT = Format(write, packages=("pyreadstat", "pandas"))
