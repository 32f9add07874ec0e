"""Parquet, for data frames in any language: the spans and the frames, with types; the provenance in the metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.files import whole_file
from mien.report.formats.base import Format, with_people
from mien.report.tables import Column, frame_columns, plain, span_columns

if TYPE_CHECKING:
    import pyarrow

    from mien.report.findings import Findings

KEY = b"mien"
"""Under which a file's metadata hold the provenance, as JSON."""


def write(result: Findings, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.spans.parquet`` and ``<stem>.frames.parquet``."""
    about = json.dumps(plain(result.provenance), ensure_ascii=False).encode()
    tables = {
        "spans": with_people(span_columns(result.spans), result),
        "frames": with_people(frame_columns(result.frames, result.spans, result.labels.labels), result),
    }
    return [_write(folder / f"{stem}.{name}.parquet", columns, about) for name, columns in tables.items()]


def as_table(columns: dict[str, Column], about: dict[bytes, bytes]) -> pyarrow.Table:
    """Columns with their types, and what is to stand in the metadata."""
    import pyarrow

    arrays = {
        # A column that is empty throughout has a type all the same; NaN is null.
        name: pyarrow.array(values, pyarrow.string() if isinstance(values, list) else None, from_pandas=True)
        for name, values in columns.items()
    }
    return pyarrow.table(arrays).replace_schema_metadata(about)


def _write(path: Path, columns: dict[str, Column], about: bytes) -> Path:
    from pyarrow import parquet

    with whole_file(path) as draft:
        parquet.write_table(as_table(columns, {KEY: about}), str(draft))
    return path


FORMAT = Format(write, packages=("pyarrow",))
