"""CSV tables of published data sets, a row at a time: AffectNet's has 400,000 of them, each with 68 landmarks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mien.core.sheets import read_cells


def table_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number, from 1, and stripped cells of every row that is not blank. Raises DataError as ``read_cells``."""
    for line, row in read_cells(path):
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield line, cells
