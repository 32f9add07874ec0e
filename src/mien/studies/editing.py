"""What a person corrected in a result, in the words of a study's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mien.report.edits import demand_used, edits_of, read_edits
from mien.studies.films import Head
from mien.studies.sheets import Appearance, Exclusion


def with_edits(heads: Sequence[Head], files: Sequence[str | Path]) -> list[Head]:
    """The results, each with the edits that are of it. Raises DataError for a file that is of none, or two of one."""
    edits = [read_edits(file) for file in files]
    demand_used(edits, [(head.name, head.facts) for head in heads])
    return [replace(head, edits=edits_of(edits, head.name, head.facts)) for head in heads]


def edited_rows(head: Head, own_name: str) -> list[Appearance]:
    """Whom a film shows where no people.csv says so: those who were named, else one person."""
    names = head.edits.names if head.edits is not None else {}
    file = str(head.folder.name) if names else own_name
    return [Appearance(file, name, tracks=(track,)) for track, name in names.items()] or [Appearance(file, own_name)]


def edited_row(row: Appearance, head: Head) -> Appearance:
    """A row with the faces of the person who was named so, and merged ones by the number that remains."""
    if head.edits is None:
        return row
    named = [track for track, name in head.edits.names.items() if name.lower() == row.person.lower()]
    tracks = row.tracks or tuple(named)
    return replace(row, tracks=tuple(sorted({head.edits.merged(track) for track in tracks})))


def edited_exclusions(head: Head) -> list[Exclusion]:
    """What was excluded, as rows of exclude.csv."""
    told = head.edits.excluded if head.edits is not None else ()
    return [Exclusion(str(head.folder.name), (one.start, one.end), one.reason, track=one.track or 0) for one in told]
