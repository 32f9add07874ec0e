"""CSV tables of published data sets, a row at a time: AffectNet's has 400,000 of them, each with 68 landmarks."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from mien.core.errors import DataError


def table_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number, from 1, and stripped cells of every row that is not blank; a byte order mark is no part of them.

    Raises:
        DataError: missing, or no CSV table in UTF-8.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for row in reader:
                cells = [cell.strip() for cell in row]
                if any(cells):
                    yield reader.line_num, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        fix = "save it as UTF-8, or take a new copy"
        raise DataError("a CSV table in UTF-8", f"{path}: {error}", fix) from error
