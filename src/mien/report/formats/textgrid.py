"""Praat's TextGrid, as text in UTF-8: an interval tier a person; where no face was seen, an interval without text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.files import whole_file
from mien.report.formats.base import Format, Mark, Tier, all_tiers, milliseconds

if TYPE_CHECKING:
    from mien.report.findings import Findings


def write(result: Findings, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.TextGrid``."""
    path = folder / f"{stem}.TextGrid"
    found = all_tiers(result)
    end = max([1, milliseconds(result.end), *(mark.end for tier in found for mark in tier.marks[-1:])])
    with whole_file(path) as draft:
        draft.write_text("\n".join(_lines(found, end)) + "\n", "utf-8", newline="\n")
    return [path]


def _lines(found: Sequence[Tier], end: int) -> Iterator[str]:
    yield from ('File type = "ooTextFile"', 'Object class = "TextGrid"', "")
    yield from ("xmin = 0", f"xmax = {end / 1000:.3f}", "tiers? <exists>", f"size = {len(found)}", "item []:")
    for number, tier in enumerate(found, 1):
        marks = list(filled(tier.marks, end))
        yield f"    item [{number}]:"
        yield from ('        class = "IntervalTier"', f"        name = {quoted(tier.name)}")
        yield from ("        xmin = 0", f"        xmax = {end / 1000:.3f}", f"        intervals: size = {len(marks)}")
        for place, mark in enumerate(marks, 1):
            yield f"        intervals [{place}]:"
            yield from (f"            xmin = {mark.start / 1000:.3f}", f"            xmax = {mark.end / 1000:.3f}")
            yield f"            text = {quoted(mark.text)}"


def filled(marks: Sequence[Mark], end: int) -> Iterator[Mark]:
    """The same with marks without text where there was none, from 0 to ``end`` (milliseconds)."""
    last = 0
    for mark in marks:
        if mark.start > last:
            yield Mark(last, mark.start, "")
        yield mark
        last = mark.end
    if last < end:
        yield Mark(last, end, "")


def quoted(text: str) -> str:
    """A text as Praat has it: a quotation mark in it comes twice."""
    return '"{}"'.format(text.replace('"', '""'))


FORMAT = Format(write, timed=True)
