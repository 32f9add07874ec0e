"""CSV tables: read whatever somebody else wrote, and written so that no spreadsheet computes them.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line end as a formula. A text that
does is written with an apostrophe before it, which spreadsheets take for "this is text" (OWASP, "CSV Injection"); a
number stays a number. :func:`unescaped` is the inverse: a text with apostrophes before such a beginning gets one more.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mien.core.errors import DataError
from mien.core.files import whole_file

STARTS = "=+\\-@\t\r\n＝＋－＠"
FORMULA, ESCAPED = re.compile(f"'*[{STARTS}]"), re.compile(f"'+[{STARTS}]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def escaped(text: str) -> str:
    """A text as a cell that spreadsheets show as it is."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def unescaped(cell: str) -> str:
    """The text that :func:`escaped` made a cell of."""
    return cell[1:] if cell[:1] == "'" and ESCAPED.match(cell) else cell


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a table, whole or not at all: texts :func:`escaped`, floats to six digits, NaN and None empty."""
    with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(escaped, columns))
        writer.writerows([_cell(value) for value in row] for row in rows)
    return path


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else ""
    return "" if value is None else value if isinstance(value, int) else escaped(str(value))


def read_cells(path: Path, errors: str = "strict") -> Iterator[tuple[int, list[str]]]:
    """Line number, from 1, and cells of every row; a byte order mark is no part of them.

    Args:
        path: the table.
        errors: what becomes of bytes that are not UTF-8, as ``open`` takes it.

    Raises:
        DataError: missing, no CSV table in UTF-8, or a quotation mark that nothing closes.
    """
    line = 0
    try:
        with path.open(newline="", encoding="utf-8-sig", errors=errors) as file:
            reader = csv.reader(file, strict=True)
            for row in reader:
                line = reader.line_num
                yield line, [unescaped(cell) for cell in row]
    except OSError as error:
        raise DataError("a CSV table", f"{path}: {error.strerror or error}", "check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        fix = "close the quotation mark, or save it as UTF-8 with commas"
        raise DataError("a CSV table in UTF-8", f"{path}, after line {line}: {error}", fix) from error


def read_rows(
    path: Path,
    needed: Sequence[str],
    *,
    other_names: Mapping[str, str] = {},
    ragged: bool = False,
    errors: str = "strict",
) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells, by the names in the first line, of every row that is not blank.

    Args:
        path: the table.
        needed: columns that must be there; others may be.
        other_names: what a needed column may be called as well -> its name here.
        ragged: take rows as people write them: empty cells at the end may lack, or be too many.
        errors: see :func:`read_cells`.

    Raises:
        DataError: as :func:`read_cells`; columns that lack or come twice; a row of another number of cells.
    """
    columns: list[str] | None = None
    for line, cells in read_cells(path, errors):
        if columns is None:
            columns = _columns(path, cells, needed, other_names)
            continue
        if ragged:
            while len(cells) > len(columns) and not cells[-1]:
                cells.pop()
            cells += [""] * (len(columns) - len(cells)) if any(cells) else []
        if any(cells) and len(cells) != len(columns):
            got = f"{len(cells)} at {path}, row {line}"
            raise DataError(f"as many cells in a row as columns, {len(columns)}", got, "mend that row")
        if any(cells):
            yield line, dict(zip(columns, cells, strict=True))
    if columns is None:
        raise DataError(f"a line with the columns {', '.join(needed)}", f"{path}, which is empty", "add it")


def _columns(path: Path, cells: list[str], needed: Sequence[str], other_names: Mapping[str, str]) -> list[str]:
    given = set(cells)
    cells = [needed_as if (needed_as := other_names.get(name, name)) not in given else name for name in cells]
    there = f"{path} with the columns {', '.join(cells)[:200]}"
    missing = [name for name in needed if name not in cells]
    if missing:
        expected = f"a table with the columns {', '.join(needed)}"
        raise DataError(expected, f"{there}: no {', '.join(missing)}", "name them in the first line")
    named = [name for name in cells if name]
    if len(set(named)) < len(named):
        raise DataError("every column once", there, "name them apart")
    return cells
