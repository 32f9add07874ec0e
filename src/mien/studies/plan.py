"""Who is in which film, what happens there and what does not count: the tables of a study joined with its results.

What does not fit together (a film without people, people without a film, an event of neither) is a note: written into
notes.csv and said, never dropped silently. What contradicts itself is an error.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from mien.core.errors import ConfigError, DataError
from mien.core.names import printable
from mien.studies.editing import edited_exclusions, edited_row, edited_rows
from mien.studies.films import Columns, Head, demand_alike
from mien.studies.sheets import Appearance, Event, Exclusion, Range

PERSON = "{person}"
"""In the name of a baseline file: the person's name."""


@dataclass(frozen=True)
class Note:
    """What a reader of the figures must know.

    Attributes:
        table: where it comes from: ``people.csv``, ``events.csv``, ``exclude.csv``, ``edits``, ``films``.
        line: its row there; 0 for none.
        file: of which film; empty for none.
        person: of whom; empty for none.
        text: what is so, and what follows from it.
    """

    table: str
    line: int
    file: str
    person: str
    text: str

    def __str__(self) -> str:
        row = f", row {self.line}" if self.line else ""
        about = ", ".join(part for part in (self.file, self.person) if part)
        return f"{self.table}{row}: {about}{': ' if about else ''}{self.text}"


@dataclass(frozen=True, eq=False)
class Plan:
    """A study before any film is read.

    Attributes:
        columns: of all films.
        films: each film with the people in it, in the order of people.csv.
        lost: rows of people.csv whose film has no result.
        events: folder -> what happens in the film.
        excluded: folder -> what does not count.
        rest: folder -> who is at rest in the film, and when (None: all the time).
        resting: the films in ``rest``.
        with_baseline: whether anybody's rest was told.
        notes: as they came.
    """

    columns: Columns
    films: list[tuple[Head, list[Appearance]]]
    lost: list[Appearance]
    events: dict[Path, list[Event]]
    excluded: dict[Path, list[Exclusion]]
    rest: dict[Path, list[tuple[Appearance, Range | None]]]
    resting: list[Head]
    with_baseline: bool
    notes: list[Note] = field(default_factory=list)


class Finder:
    """Films by what tables call them: path, name, name without its suffix, or folder of results."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self.heads = heads
        self.spelled: dict[Path, str] = {}
        """Folder -> what people.csv calls the film; first come, first served."""

    def called(self, head: Head) -> str:
        """What the study's files call a film: as people.csv does, else its file, or its folder where two are alike."""
        alike = sum(other.name == head.name for other in self.heads)
        return printable(self.spelled.get(head.folder) or (head.name if alike == 1 else head.folder.name))

    def find(self, file: str, where: str) -> Head | None:
        """The film that ``file`` is. Raises DataError where it is more than one."""
        given = PurePosixPath(Path(file).as_posix())
        for match in (_by_path, _by_name, _by_stem):
            fitting = [head for head in self.heads if match(head, given)]
            if len(fitting) == 1:
                return fitting[0]
            if fitting:
                folders = ", ".join(str(head.folder) for head in fitting[:5])
                raise DataError("the name of one film", f"{where}: {file!r} fits {folders}", "write more of its path")
        return None

    def hint(self, file: str) -> str:
        """What may have been meant."""
        near = difflib.get_close_matches(Path(file).name, [head.name for head in self.heads], n=3, cutoff=0.8)
        return f"did you mean {' or '.join(near)}?" if near else f"one that is there: {self.heads[0].name}"


def _by_path(head: Head, given: PurePosixPath) -> bool:
    path = PurePosixPath(Path(head.path).as_posix())
    return path == given or (len(given.parts) > 1 and path.parts[-len(given.parts) :] == given.parts)


def _by_name(head: Head, given: PurePosixPath) -> bool:
    return given.name == head.name or str(given) == head.folder.name


def _by_stem(head: Head, given: PurePosixPath) -> bool:
    return given.name in (PurePosixPath(head.name).stem, head.folder.name) or given.stem == head.folder.name


def make_plan(
    heads: Sequence[Head],
    people: Sequence[Appearance] | None,
    events: Sequence[Event] = (),
    excluded: Sequence[Exclusion] = (),
    baseline: Range | None = None,
    baseline_file: str | None = None,
) -> Plan:
    """Join the tables.

    Args:
        heads: the results.
        people: rows of people.csv; None: every film is a person of its own.
        events: rows of events.csv.
        excluded: rows of exclude.csv.
        baseline: seconds at which people are at rest in each of their films, where people.csv says nothing.
        baseline_file: film in which people are at rest, likewise; ``{person}`` in it is the person's name.

    Raises:
        DataError: no row of people.csv has a film, a name that fits several, or two people in a film without tracks.
        ConfigError: results of different models, or one baseline film for several people.
    """
    columns, finder = demand_alike(heads), Finder(heads)
    excluded = [*excluded, *(one for head in heads for one in edited_exclusions(head))]
    told = people is not None
    rows = [row for head in heads for row in edited_rows(head, _own_name(head, heads))] if people is None else people
    notes: list[Note] = []
    seats, lost = _seats(rows, finder, told, notes)
    if not seats:
        raise DataError(
            "a film of people.csv among the results", f"none; the first is {rows[0].file!r}", "correct file"
        )
    rest = _rest(seats, finder, baseline, baseline_file, notes)
    films = _films(seats)
    for head in heads:
        if told and head.folder not in {one.folder for one, _ in films} and head.folder not in rest:
            notes.append(Note("films", 0, finder.called(head), "", "nobody in people.csv is in it: left out"))
    if told:
        notes += [note for head in heads for note in _strange_names(head, films, rest, finder)]
    if len({head.model for head in heads}) > 1:
        notes.append(Note("films", 0, "", "", "were analysed with different weights: do not compare them"))
    return Plan(
        columns=columns,
        films=films,
        lost=lost,
        events=_events(events, films, finder, notes),
        excluded=_excluded(excluded, films, finder, rest, notes),
        rest=rest,
        resting=[head for head in heads if head.folder in rest],
        with_baseline=bool(rest) or any(row.baseline or row.baseline_file for row in rows) or baseline_file is not None,
        notes=notes,
    )


def _own_name(head: Head, heads: Sequence[Head]) -> str:
    stem = PurePosixPath(head.name).stem
    return stem if sum(PurePosixPath(other.name).stem == stem for other in heads) == 1 else head.folder.name


def _seats(
    rows: Sequence[Appearance], finder: Finder, told: bool, notes: list[Note]
) -> tuple[list[tuple[Head, Appearance]], list[Appearance]]:
    seats, lost = [], []
    for row in rows:
        head = finder.find(row.file, f"people.csv, row {row.line}")
        if head is None:
            lost.append(row)
            text = f"there is no result of that film; {finder.hint(row.file)}"
            notes.append(Note("people.csv", row.line, row.file, row.person, text))
        else:
            if told:
                finder.spelled.setdefault(head.folder, row.file)
            seats.append((head, edited_row(replace(row, file=finder.called(head)), head)))
    return seats, lost


def _strange_names(
    head: Head,
    films: Sequence[tuple[Head, list[Appearance]]],
    rest: dict[Path, list[tuple[Appearance, Range | None]]],
    finder: Finder,
) -> list[Note]:
    """Notes on names that edits give to faces of a film and people.csv to nobody in it."""
    rows = [row for one, those in films if one.folder == head.folder for row in those]
    known = {row.person.lower() for row in [*rows, *(row for row, _ in rest.get(head.folder, ()))]}
    names = head.edits.names.items() if head.edits is not None else ()
    text = "nobody in people.csv has this name, which edits give to face {}: it does not count"
    return [
        Note("edits", 0, finder.called(head), name, text.format(track))
        for track, name in names
        if name.lower() not in known
    ]


def _films(seats: Sequence[tuple[Head, Appearance]]) -> list[tuple[Head, list[Appearance]]]:
    found: dict[Path, tuple[Head, list[Appearance]]] = {}
    for head, row in seats:
        found.setdefault(head.folder, (head, []))[1].append(row)
    for head, rows in found.values():
        bare = next((row for row in rows if not row.tracks), None)
        if len(rows) > 1 and bare is not None:
            got = f"people.csv, row {bare.line}: none for {bare.person} in {head.name}"
            raise DataError("a track for each of several people in one film", got, "look it up in spans.csv")
        if head.edits is not None:
            _demand_own_faces(head, rows)
    return list(found.values())


def _demand_own_faces(head: Head, rows: Sequence[Appearance]) -> None:
    """Raise DataError where edits merge the faces of two people."""
    whose: dict[int, str] = {}
    for row in rows:
        for track in row.tracks:
            if whose.setdefault(track, row.person) != row.person:
                got = f"{whose[track]} and {row.person} for face {track} of {head.name}, as merged"
                raise DataError("faces that are one person's", got, "take that merge back, or correct people.csv")


def _rest(
    seats: Sequence[tuple[Head, Appearance]],
    finder: Finder,
    baseline: Range | None,
    baseline_file: str | None,
    notes: list[Note],
) -> dict[Path, list[tuple[Appearance, Range | None]]]:
    """Who is at rest in which film, when: by the row's own columns, else as the command says."""
    people = {row.person for _, row in seats}
    if baseline_file is not None and PERSON not in baseline_file and len(people) > 1:
        fix = f"write {PERSON} where the name is, as in {PERSON}-rest.mp4, or fill baseline_file in people.csv"
        raise ConfigError("a baseline film for each person", f"{baseline_file!r} for {len(people)} people", fix)
    found: dict[Path, dict[tuple[str, tuple[int, ...], Range | None], Appearance]] = defaultdict(dict)
    own = {row.person for _, row in seats if row.baseline is not None or row.baseline_file}
    for head, row in seats:
        file, stretch = row.baseline_file, row.baseline
        if not file and stretch is None and row.person not in own:
            file, stretch = (baseline_file or "").replace(PERSON, row.person), baseline
        if file:
            rested = finder.find(file, f"people.csv, row {row.line}")
            if rested is None:
                text = f"there is no result of the baseline film {file!r}; {finder.hint(file)}"
                notes.append(Note("people.csv", row.line, row.file, row.person, text))
                continue
            tracks = row.tracks if rested.folder == head.folder else ()
            found[rested.folder][row.person, tracks, stretch] = Appearance(
                finder.called(rested), row.person, tracks=tracks
            )
        elif stretch is not None:
            found[head.folder][row.person, row.tracks, stretch] = row
    return {folder: [(row, key[2]) for key, row in rows.items()] for folder, rows in found.items()}


def _events(
    events: Sequence[Event], films: Sequence[tuple[Head, list[Appearance]]], finder: Finder, notes: list[Note]
) -> dict[Path, list[Event]]:
    found: dict[Path, list[Event]] = {head.folder: [] for head, _ in films}
    people = {head.folder: {row.person for row in rows} for head, rows in films}
    for event in events:
        head = finder.find(event.file, f"events.csv, row {event.line}") if event.file else None
        problem = _stranger("events.csv", event.line, event.file, event.person, head, people, finder)
        if problem is not None:
            notes.append(problem)
            continue
        for folder in list(found) if head is None else [head.folder]:
            if not event.person or event.person in people[folder]:
                found[folder].append(event)
    return found


def _excluded(
    excluded: Sequence[Exclusion],
    films: Sequence[tuple[Head, list[Appearance]]],
    finder: Finder,
    rest: dict[Path, list[tuple[Appearance, Range | None]]],
    notes: list[Note],
) -> dict[Path, list[Exclusion]]:
    found: dict[Path, list[Exclusion]] = defaultdict(list)
    people = {folder: {row.person for row, _ in rows} for folder, rows in rest.items()}
    for there, rows in films:
        people.setdefault(there.folder, set()).update(row.person for row in rows)
    for one in excluded:
        head = finder.find(one.file, f"exclude.csv, row {one.line}" if one.line else "edits")
        problem = _stranger("exclude.csv", one.line, one.file, one.person, head, people, finder)
        if problem is not None:
            notes.append(problem)
        elif head is not None:
            found[head.folder].append(replace(one, file=finder.called(head)))
    return found


def _stranger(
    table: str, line: int, file: str, person: str, head: Head | None, people: dict[Path, set[str]], finder: Finder
) -> Note | None:
    """A note on a row that belongs to no film or nobody of the study; None where all is well."""
    if file and head is None:
        return Note(table, line, file, person, f"there is no result of that film; {finder.hint(file)}")
    file = file if head is None else finder.called(head)
    if head is not None and head.folder not in people:
        return Note(table, line, file, person, "nobody of the study is in that film: the row does not count")
    known = people[head.folder] if head is not None else set().union(*people.values())
    if person and person not in known:
        where = "in that film" if head is not None else "in the study"
        return Note(table, line, file, person, f"nobody of that name is {where}: the row does not count")
    return None
