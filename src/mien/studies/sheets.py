"""What a study is told: people.csv, events.csv, exclude.csv. A cell that cannot be used is named by its row.

Events are in the words of BIDS (Brain Imaging Data Structure, "Task events"): ``onset`` and ``duration`` in seconds,
``trial_type``. All times are seconds on the film's own clock; events may run on another clock, whose zero is at
``offset`` seconds of the film.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mien.core.errors import DataError
from mien.core.names import printable
from mien.core.sheets import read_rows

ALL = "all"
"""The condition of people of whom none is told."""
WHOLE_FILM = "whole film"
"""What takes the place of a trial type where no event is meant."""
EVENT = "event"
"""The trial type of events of which none is told."""
NOT_APPLICABLE = ("", "n/a", "NA")
NAMES = {"participant_id": "person", "participant": "person", "source": "file", "film": "file", "video": "file"}
OWN = ("file", "person", "condition", "track", "offset", "baseline_start", "baseline_end", "baseline_file")
Range = tuple[float, float]
"""From, to: seconds on the film's clock."""


@dataclass(frozen=True)
class Appearance:
    """A row of people.csv: one person in one film.

    Attributes:
        file: the film, as written.
        person: whose face.
        condition: which part of the design the film is.
        tracks: numbers of the person's faces in the film; empty: whoever is there.
        offset: seconds of the film at which the clock of its events is 0.
        baseline: stretch of this film in which the person is at rest; None: not told here.
        baseline_file: film in which the person is at rest; empty: not told.
        more: the other columns.
        line: in people.csv, from 1; 0 where there is none.
    """

    file: str
    person: str
    condition: str = ALL
    tracks: tuple[int, ...] = ()
    offset: float = 0.0
    baseline: Range | None = None
    baseline_file: str = ""
    more: Mapping[str, str] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True)
class Event:
    """A row of events.csv.

    Attributes:
        file: the film, as written; empty: every film.
        onset: seconds on the clock of the events.
        duration: seconds; 0 for a moment.
        trial_type: what happened.
        person: to whom, of several in the film; empty: to all.
        line: in events.csv.
    """

    file: str
    onset: float
    duration: float
    trial_type: str
    person: str = ""
    line: int = 0


@dataclass(frozen=True)
class Exclusion:
    """A row of exclude.csv: a stretch that does not count.

    Attributes:
        file: the film, as written.
        stretch: seconds on the film's clock.
        reason: why, such as ``talking``.
        person: whose face, of several in the film; empty: all.
        line: in exclude.csv; 0 of edits.
        track: whose face, by number; 0: all.
    """

    file: str
    stretch: Range
    reason: str
    person: str = ""
    line: int = 0
    track: int = 0


def read_people(path: Path) -> list[Appearance]:
    """The rows of people.csv.

    Raises:
        DataError: no such table, a column lacks, a cell cannot be used, or a row comes twice; it names the row.
    """
    found: list[Appearance] = []
    seen: dict[tuple[str, str, tuple[int, ...]], int] = {}
    for line, row in read_rows(path, ("file", "person"), other_names=NAMES, ragged=True):
        where = f"{path}, row {line}"
        one = _appearance(row, where, line)
        key = (one.file, one.person, one.tracks)
        if key in seen:
            raise DataError("each person once a film", f"{where}, as row {seen[key]}", "remove one, or name the track")
        seen[key] = line
        found.append(one)
    if not found:
        raise DataError("a row a person and film", f"{path} without any", "add them below the first line")
    return found


def _appearance(row: Mapping[str, str], where: str, line: int) -> Appearance:
    for name in ("file", "person"):
        if not row[name].strip():
            raise DataError(f"a {name} in every row", f"{where}: none", "fill it in, or remove the row")
    told = [row.get(name, "").strip() not in NOT_APPLICABLE for name in ("baseline_start", "baseline_end")]
    if told[0] != told[1]:
        raise DataError("baseline_start and baseline_end, or neither", f"{where}: one of them", "fill in the other")
    baseline = _stretch(row, ("baseline_start", "baseline_end"), where) if all(told) else None
    return Appearance(
        file=row["file"].strip(),
        person=printable(row["person"].strip()),
        condition=printable(row.get("condition", "").strip()) or ALL,
        tracks=_tracks(row.get("track", ""), where),
        offset=_number(row, "offset", where, 0.0),
        baseline=baseline,
        baseline_file=row.get("baseline_file", "").strip(),
        more={name: printable(cell) for name, cell in row.items() if name and name not in OWN},
        line=line,
    )


def read_events(path: Path) -> list[Event]:
    """The rows of events.csv. Raises DataError as :func:`read_people`."""
    found = []
    for line, row in read_rows(path, ("onset", "duration"), ragged=True):
        where = f"{path}, row {line}"
        duration = _number(row, "duration", where, 0.0)
        if duration < 0:
            raise DataError("a duration of at least 0 s", f"{where}: {duration:g}", "correct it")
        kind = row.get("trial_type", "").strip()
        kind = EVENT if kind in NOT_APPLICABLE else printable(kind)
        if kind == WHOLE_FILM:
            raise DataError(f"a trial_type other than {WHOLE_FILM!r}", where, "that name is mien's own; choose another")
        file = next((row[name].strip() for name in ("file", "source", "film", "video") if name in row), "")
        person = printable(row.get("person", row.get("participant_id", "")).strip())
        file = "" if file == "*" else file
        found.append(Event(file, _number(row, "onset", where), duration, kind, person, line))
    if not found:
        raise DataError("a row an event", f"{path} without any", "add them, or leave the table out")
    return found


def read_exclusions(path: Path) -> list[Exclusion]:
    """The rows of exclude.csv. Raises DataError as :func:`read_people`."""
    return [
        Exclusion(
            file=row["file"].strip(),
            stretch=_stretch(row, ("start", "end"), f"{path}, row {line}"),
            reason=printable(row.get("reason", "").strip()) or "excluded",
            person=printable(row.get("person", "").strip()),
            line=line,
        )
        for line, row in read_rows(path, ("file", "start", "end"), other_names=NAMES, ragged=True)
    ]


def read_range(text: str) -> Range:
    """``0-10`` or ``2.5-12`` as seconds. Raises DataError for anything else."""
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*-\s*(\d+\.?\d*|\.\d+)\s*", text)
    if match is None or not float(match[1]) < float(match[2]):
        raise DataError("seconds from-to, such as 0-10", repr(text), "write the start, a hyphen, and a later end")
    return float(match[1]), float(match[2])


def _number(row: Mapping[str, str], name: str, where: str, default: float | None = None) -> float:
    cell = row.get(name, "").strip()
    if cell in NOT_APPLICABLE and default is not None:
        return default
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"seconds in {name}", f"{where}: {cell!r}", "write a number with a point, such as 12.5")
    return value


def _stretch(row: Mapping[str, str], names: Sequence[str], where: str) -> Range:
    start, end = (_number(row, name, where) for name in names)
    if not start < end:
        raise DataError(f"{names[0]} before {names[1]}", f"{where}: {start:g} to {end:g}", "correct them")
    return start, end


def _tracks(cell: str, where: str) -> tuple[int, ...]:
    numbers = re.split(r"[\s;,+]+", cell.strip()) if cell.strip() else []
    if not all(re.fullmatch(r"[1-9]\d{0,8}", number) for number in numbers):
        fix = "write the number of the face in spans.csv, or several, such as 1;4"
        raise DataError("numbers of faces in track", f"{where}: {cell!r}", fix)
    return tuple(sorted({int(number) for number in numbers}))
