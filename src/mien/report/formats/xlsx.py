"""Excel: a workbook with the spans, the totals a person, every face in every frame, and where it all comes from.

Texts are written as texts: a label that begins with ``=`` is shown, not computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.files import whole_file
from mien.core.names import printable
from mien.report.formats.base import Format, named, with_people
from mien.report.tables import Column, frame_columns, plain, span_columns, track_totals

if TYPE_CHECKING:
    from mien.report.findings import Findings

MOST_ROWS = 1_048_575
"""Of a sheet, below its first; more go to a further sheet."""
MOST_LETTERS = 32_767
"""Of a cell."""


def write(result: Findings, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.xlsx``."""
    from openpyxl import Workbook

    path = folder / f"{stem}.xlsx"
    labels = result.labels.labels
    book = Workbook(write_only=True)
    _add(book, "spans", _table(with_people(span_columns(result.spans), result)))
    _add(book, "people", _people(result))
    _add(book, "frames", _table(with_people(frame_columns(result.frames, result.spans, labels), result)))
    edits = result.edits
    if edits.marks:
        _add(
            book,
            "marks",
            [("time", "person", "text"), *((one.time, _who(result, one.track), one.text) for one in edits.marks)],
        )
    if edits.excluded:
        rows = ((one.start, one.end, _who(result, one.track), one.reason) for one in edits.excluded)
        _add(book, "excluded", [("start", "end", "person", "reason"), *rows])
    _add(book, "about", [("what", "value"), *_facts(plain(result.provenance))])
    with whole_file(path) as draft:
        book.save(draft)
    return [path]


def _table(columns: dict[str, Column]) -> Iterator[Sequence[Any]]:
    yield list(columns)
    lists = (values if isinstance(values, list) else values.tolist() for values in columns.values())
    yield from zip(*lists, strict=True)


def _who(result: Findings, track: int | None) -> str | None:
    return None if track is None else named(result, track)


def _people(result: Findings) -> Iterator[Sequence[Any]]:
    shown, totals = result.labels.labels, track_totals(result.frames, result.spans)
    reasons = sorted({reason for one in totals for reason in one["unclear_seconds"]})
    kinds = [*(f"seconds of {label}" for label in shown), *(f"seconds unclear: {reason}" for reason in reasons)]
    yield ["track", "frames", "start", "end", *kinds]
    for one in totals:
        seconds = [one["shown_seconds"].get(label, 0.0) for label in shown]
        unclear = [one["unclear_seconds"].get(reason, 0.0) for reason in reasons]
        yield [*(one[name] for name in ("track", "frames", "start", "end")), *seconds, *unclear]


def _facts(content: dict[str, Any], before: str = "") -> Iterator[Sequence[Any]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _facts(value, f"{before}{name}.")
        else:
            yield [f"{before}{name}", value if value is None or isinstance(value, int | float) else str(value)]


def _add(book: Any, title: str, rows: Iterable[Sequence[Any]]) -> None:
    head: Sequence[Any] = []
    sheet, count = None, 0
    for place, row in enumerate(rows):
        if place == 0:
            head = row
        if sheet is None or count == MOST_ROWS:
            again = len([one for one in book.worksheets if one.title.startswith(title)])
            sheet, count = book.create_sheet(f"{title} {again + 1}" if again else title), 0
            sheet.freeze_panes = "A2"
            sheet.append([_cell(sheet, value) for value in head])
        if place:
            sheet.append([_cell(sheet, value) for value in row])
            count += 1


def _cell(sheet: Any, value: Any) -> Any:
    if not isinstance(value, str):
        return None if value is None or value != value else value  # NaN is an empty cell
    from openpyxl.cell import WriteOnlyCell

    cell = WriteOnlyCell(sheet, printable(value)[:MOST_LETTERS])
    cell.data_type = "s"
    return cell


FORMAT = Format(write, packages=("openpyxl",))
