"""The table of frames as arrays, read fast: numbers from their bytes, all cells of a column at once.

A cell such as ``-0.1234`` is its digits as a whole number by a power of ten: exact both, so that their quotient is the
float that :func:`float` makes of it (Clinger, "How to read floating point numbers accurately", 1990, section 3). Cells
of another kind are left to :func:`float`; a table with quotation marks, or a torn one, is read by
:mod:`mien.core.sheets`, which names the row that is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from mien.core.sheets import read_rows, unescaped

Table = tuple[Float64[np.ndarray, "n c"], list[list[str]]]
"""Columns of numbers, NaN where a cell is empty; columns of texts."""
Places = Int64[np.ndarray, "n c"]

LONGEST = 17
"""Characters of a number that is read from its bytes: with sign and point, 15 digits."""
TENS = np.array([float(10**power) for power in range(LONGEST)])
COMMA, LINE_END, MINUS, POINT, ZERO = (ord(sign) for sign in ",\n-.0")


def read_table(path: Path, numbers: Sequence[str], texts: Sequence[str]) -> Table:
    """The columns called ``numbers`` and ``texts``.

    Raises:
        DataError: no such table, or no whole one; it names the row.
        ValueError: a number that is none.
    """
    try:
        return _quickly(path.read_bytes(), numbers, texts)
    except ValueError:
        rows = [row for _, row in read_rows(path, (*numbers, *texts))]
        table = [[float(row[name]) if row[name] else math.nan for name in numbers] for row in rows]
        return np.array(table, np.float64).reshape(len(rows), len(numbers)), [[r[name] for r in rows] for name in texts]


def _quickly(table: bytes, numbers: Sequence[str], texts: Sequence[str]) -> Table:
    """The columns asked for. Raises ValueError where the table is not plainly as mien writes it."""
    first, _, rest = table.partition(b"\n")
    header = [unescaped(name) for name in first.decode("utf-8").split(",")]
    if b'"' in table:
        raise ValueError("quotation marks")
    data = np.frombuffer(rest if rest.endswith(b"\n") or not rest else rest + b"\n", np.uint8)
    starts, ends = _cells(data, len(header))
    places = [header.index(name) for name in numbers]
    values = _numbers(data, starts[:, places], ends[:, places])
    return values, [_texts(rest, starts[:, at], ends[:, at]) for at in map(header.index, texts)]


def _cells(data: UInt8[np.ndarray, " bytes"], columns: int) -> tuple[Places, Places]:
    """Where each cell begins and ends. Raises ValueError where a row has not ``columns`` cells."""
    marks = np.flatnonzero((data == COMMA) | (data == LINE_END))
    rows = int(np.count_nonzero(data == LINE_END))
    if len(marks) != rows * columns or (data[marks[columns - 1 :: columns]] != LINE_END).any():
        raise ValueError("rows of another length")
    ends = marks.reshape(rows, columns)
    return np.append(-1, marks)[:-1].reshape(rows, columns) + 1, ends


def _texts(table: bytes, starts: Int64[np.ndarray, " n"], ends: Int64[np.ndarray, " n"]) -> list[str]:
    cells = [table[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    names = {cell: unescaped(cell.decode("utf-8")) for cell in set(cells)}
    return [names[cell] for cell in cells]


def _numbers(data: UInt8[np.ndarray, " bytes"], starts: Places, ends: Places) -> Float64[np.ndarray, "n c"]:
    """The cells as numbers. Raises ValueError where one is none."""
    lengths = ends - starts
    digits, decimals = np.zeros(starts.shape, np.int64), np.zeros(starts.shape, np.int8)
    minus = (lengths > 1) & (data[starts] == MINUS)
    pointed, plain = np.zeros(starts.shape, np.bool_), lengths <= LONGEST
    padded = np.append(data, np.zeros(LONGEST, np.uint8))
    for place in range(min(LONGEST, int(lengths.max(initial=0)))):
        inside = place < lengths
        signs = padded[place:][starts]
        figures = signs - np.uint8(ZERO)  # what is no digit wraps round to 10 and more
        is_digit, is_point = inside & (figures < 10), inside & (signs == POINT)
        np.copyto(digits, digits * 10 + figures, where=is_digit)
        decimals += is_digit & pointed
        plain &= ~inside | is_digit | (is_point & ~pointed) | (minus if place == 0 else False)
        pointed |= is_point
    # A point alone, or none but a sign, has no digit; more than 15 of them may not be exact.
    plain &= (lengths > minus.astype(np.int64) + pointed) & (lengths - minus - pointed <= LONGEST - 2)
    values: Float64[np.ndarray, "n c"] = np.where(minus, -1.0, 1.0) * (digits / TENS[decimals])
    values[lengths == 0] = np.nan
    for at in zip(*np.nonzero(~plain & (lengths > 0)), strict=True):
        values[at] = float(data[starts[at] : ends[at]].tobytes())
    return values
