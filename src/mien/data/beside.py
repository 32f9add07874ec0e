"""What a set says of its items beside the expression: signals, whose numbers stand in columns as in frames.csv.

A blank cell is not known, and is masked out of losses and figures. A user says such numbers of a set of folders by two
files at its root: ``signals.json``, a list of signals (:meth:`mien.core.signals.Signal.to_dict`; only a scale needs a
range), and ``signals.csv`` with the column ``path`` and those of the signals.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mien.core.checks import parse_json
from mien.core.errors import ConfigError, DataError
from mien.core.sheets import read_rows
from mien.core.signals import Signal, columns, parse_signals, places, width

DECLARED, TABLE = "signals.json", "signals.csv"
SUM_SLACK = 0.01
"""By which the shares of classes may miss 1: rounding."""
Numbers = tuple[float, ...]
"""One a column of all signals, NaN where it is not known."""


def parse_numbers(cells: Mapping[str, str], signals: Sequence[Signal]) -> Numbers:
    """The numbers in a row of a table; columns that lack are not known.

    Of classes a cell under the signal's own name may give the label instead of a share a label.

    Raises:
        ValueError: no number, one out of its signal's range, or shares of classes that do not sum to 1.
    """
    return tuple(number for signal in signals for number in _numbers(cells, signal))


def _numbers(cells: Mapping[str, str], signal: Signal) -> list[float]:
    named = cells.get(signal.name, "").strip() if signal.kind == "classes" else ""
    if named:
        if named not in signal.labels:
            raise ValueError(f"{signal.name} {named[:80]!r} instead of {', '.join(signal.labels)[:200]}")
        return [float(label == named) for label in signal.labels]
    numbers = [_number(cells.get(column, ""), column, signal) for column in signal.columns]
    known = [number for number in numbers if not math.isnan(number)]
    if signal.kind == "classes" and known and not (len(known) == len(numbers) and abs(sum(known) - 1) <= SUM_SLACK):
        raise ValueError(f"shares of {signal.name} that do not sum to 1")
    return numbers


def _number(cell: str, column: str, signal: Signal) -> float:
    if not cell.strip():
        return math.nan
    number = float(cell)
    if not signal.low <= number <= signal.high:  # NaN lies nowhere
        raise ValueError(f"{column} {cell[:80]!r} outside {signal.low:g} to {signal.high:g}")
    return number


def number_cells(numbers: Numbers, signals: Sequence[Signal]) -> list[str]:
    """The inverse of :func:`parse_numbers`; no numbers at all are blank cells."""
    texts = ["" if math.isnan(number) else f"{number:.6g}" for number in numbers]
    return texts or [""] * width(signals)


def note_of(signal: Signal, rows: Collection[Numbers], signals: Sequence[Signal]) -> str:
    """Of how many items something is known, in a sentence."""
    part = places(signals)[signal.name]
    known = sum(any(not math.isnan(number) for number in row[part]) for row in rows)
    return f"{signal.name}: known of {known} of {len(rows)} items"


def read_beside(root: Path, paths: Collection[str]) -> tuple[tuple[Signal, ...], dict[str, Numbers]]:
    """The signals of a set of folders and, by path, what is known; of a set without the two files, nothing.

    Args:
        root: of the set.
        paths: of its items from there, with ``/``.

    Raises:
        DataError: one file without the other, files that do not say what they must, or an item that is not there.
    """
    declared, table = root / DECLARED, root / TABLE
    if not declared.is_file() and not table.is_file():
        return (), {}
    signals = _declared(declared)
    found: dict[str, Numbers] = {}
    for line, cells in read_rows(table, ("path",)):
        path = cells.pop("path").replace("\\", "/").strip("/")
        try:
            strange = cells.keys() - set(columns(signals)) - {one.name for one in signals if one.kind == "classes"}
            if strange:
                raise ValueError(f"columns of no signal of {DECLARED}: {', '.join(sorted(strange))[:200]}")
            if path not in paths or path in found:
                raise ValueError(f"{path[:200]!r}, {'which comes twice' if path in found else 'which is no item'}")
            found[path] = parse_numbers(cells, signals)
        except ValueError as error:
            raise DataError("the numbers of an item", f"{table}, line {line}: {error}", "mend that line") from error
    return signals, found


def _declared(path: Path) -> tuple[Signal, ...]:
    expected = "a list of signals, each with name, kind, labels and, of a scale, range"
    try:
        listed = parse_json(path.read_bytes())
        full = [one if one.get("kind") == "scale" else {"range": [0, 1], **one} for one in listed]
        signals = parse_signals(full)
    except ConfigError as error:
        raise DataError(error.expected, f"{path}: {error.got}", "mend that file") from error
    except (OSError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise DataError(expected, f"{path}: {type(error).__name__}: {error}", "write it beside the table") from error
    if not signals:
        raise DataError(expected, f"{path}: an empty list", "mend that file")
    return signals
