"""Codes in tables: The Observer's event logs, BORIS' two exports, or plain columns.

==============  ==========================================================================================
The Observer    Time_Relative_sf, Duration_sf, Behavior, Event_Type; Subject and Observation where there
BORIS, tabular  Behavior, Behavior type (START, STOP), Time or Start (s); Subject, Media file name
BORIS, totals   Behavior, Start (s), Stop (s); Subject, Media file name
plain           start, end, label; file, person (or track) and coder where there
==============  ==========================================================================================

Between commas, semicolons or tabs, numbers with a point or a comma; what stands above the line of names is passed over.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from mien.agreement.boris import paired
from mien.agreement.codes import Codes, Stretch, base_name, torn
from mien.core.errors import DataError
from mien.core.markup import read_text
from mien.core.sheets import unescaped

WHAT = "a table of codes"
OBSERVER = ("time_relative_sf", "duration_sf", "behavior", "event_type")
TOTALS, TABULAR = ("behavior", "start (s)", "stop (s)"), ("behavior", "behavior type", "time")
PLAIN = ("start", "end", "label")
MOST_ABOVE = 60
"""Lines that may stand above the names of the columns."""


def read(path: Path) -> Codes:
    """The stretches of a table, of the first kind whose columns are there."""
    text = read_text(path, WHAT)
    try:
        columns, rows = _rows(text)
        for needed, parse in ((OBSERVER, _observer), (TOTALS, _totals), (TABULAR, _tabular), (PLAIN, _plain)):
            if set(needed) <= set(columns):
                return Codes(path, tuple(parse(rows)))
    except (ValueError, csv.Error, KeyError) as error:
        raise torn(path, WHAT, error) from error
    raise DataError("a table with the columns start, end, label", str(path), "name them in the first line")


def _rows(text: str) -> tuple[list[str], list[dict[str, str]]]:
    """Names of the columns, in small letters, and a dictionary a row that is not blank."""
    for delimiter in (",", ";", "\t"):
        cells = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        for place, row in enumerate(cells[:MOST_ABOVE]):
            names = [cell.strip().lower() for cell in row]
            if any(set(needed) <= set(names) for needed in (OBSERVER, TOTALS, TABULAR, PLAIN)):
                return names, [_named(names, row) for row in cells[place + 1 :] if any(row)]
    return [], []


def _named(names: list[str], row: list[str]) -> dict[str, str]:
    if len(row) < len(names):
        row = [*row, *[""] * (len(names) - len(row))]
    # Where a name comes twice, the first one counts.
    return dict(reversed([(name, unescaped(cell).strip()) for name, cell in zip(names, row, strict=False)]))


def _number(cell: str) -> float:
    return float(cell.replace(",", "."))


def _observer(rows: list[dict[str, str]]) -> Iterator[Stretch]:
    for row in rows:
        if row["event_type"].lower() == "state start":
            start = _number(row["time_relative_sf"])
            end = start + _number(row["duration_sf"])
            yield Stretch(start, end, row["behavior"], row.get("subject", ""), base_name(row.get("observation", "")))


def _film(row: dict[str, str]) -> str:
    return base_name(row.get("media file name") or row.get("media file path") or row.get("observation id") or "")


def _totals(rows: list[dict[str, str]]) -> Iterator[Stretch]:
    for row in rows:
        if row.get("behavior type", "STATE").upper() != "POINT":
            times = _number(row["start (s)"]), _number(row["stop (s)"])
            yield Stretch(*times, row["behavior"], row.get("subject", ""), _film(row))


def _tabular(rows: list[dict[str, str]]) -> Iterator[Stretch]:
    events: dict[str, list[tuple[float, str, str]]] = {}
    for row in rows:
        if row["behavior type"].upper() in ("START", "STOP", "STATE START", "STATE STOP"):
            event = _number(row["time"]), row.get("subject", ""), row["behavior"]
            events.setdefault(_film(row), []).append(event)
    for film, some in events.items():
        yield from paired(some, film, film or "the table")


def _plain(rows: list[dict[str, str]]) -> Iterator[Stretch]:
    for row in rows:
        if row["label"]:
            who, film = row.get("person") or row.get("track") or "", base_name(row.get("file", ""))
            yield Stretch(_number(row["start"]), _number(row["end"]), row["label"], who, film, row.get("coder", ""))
