"""What a person corrected in a result: names of people, tracks that are one person, moments, stretches to leave out.

The page of a report writes them as JSON (docs/formats.md spells the file). This module reads it and looks at every
value; :mod:`mien.report.edited` applies it to a result, and :mod:`mien.studies.editing` to a study.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.core import checks
from mien.core.errors import ConfigError, DataError
from mien.core.names import counted, printable

FORMAT, VERSION = "mien edits", 1
MOST_BYTES, MOST_ITEMS = 1 << 20, 5000
"""Of a file, and of names, merges, marks or excluded stretches in it."""
MOST_TIME, MOST_TRACK, MOST_WORDS = 1e9, 2**31 - 1, 200
OURS = ("person", "face", "track")
"""What mien calls those who have no name, with a number behind."""
REMEDY = "download it again from the report, or mend it as docs/formats.md spells it"


@dataclass(frozen=True)
class EditedSource:
    """Which result is edited: what is None, nobody knows.

    Attributes:
        name: of the file that was looked at.
        sha256: of the file.
        bytes: its size.
        analysed: date of the analysis, as the provenance has it; another one may number the faces otherwise.
    """

    name: str
    sha256: str | None = None
    bytes: int | None = None
    analysed: str | None = None


@dataclass(frozen=True)
class Moment:
    """A moment that was marked.

    Attributes:
        time: seconds on the film's own clock.
        text: what is there to be seen.
        track: whose; None: of the film.
    """

    time: float
    text: str
    track: int | None = None


@dataclass(frozen=True)
class Excluded:
    """A stretch that does not count.

    Attributes:
        start: seconds on the film's own clock.
        end: seconds, > start.
        reason: why, such as ``talking``.
        track: whose face; None: everybody's.
    """

    start: float
    end: float
    reason: str = "excluded"
    track: int | None = None


@dataclass(frozen=True)
class Edits:
    """What was corrected; tracks are numbers of the result, and the one that remains where several were merged.

    Attributes:
        source: of which result.
        names: track -> what its person is called; no two alike.
        merges: track -> the one that it is the same person as, which is itself merged into none.
        marks: by time.
        excluded: by start.
        path: of the file; None where there is none.
    """

    source: EditedSource = EditedSource("")
    names: Mapping[int, str] = field(default_factory=dict)
    merges: Mapping[int, int] = field(default_factory=dict)
    marks: tuple[Moment, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    path: Path | None = field(default=None, compare=False)

    def __bool__(self) -> bool:
        """Whether anything was corrected."""
        return bool(self.names or self.merges or self.marks or self.excluded)

    def merged(self, track: int) -> int:
        """The number of the person whose face ``track`` is."""
        return self.merges.get(track, track)

    @property
    def tracks(self) -> set[int]:
        """All that are named."""
        told = {*(one.track for one in self.marks), *(one.track for one in self.excluded)}
        return {*self.names, *self.merges, *self.merges.values(), *(track for track in told if track is not None)}

    def excluded_of(self, track: int) -> list[tuple[float, float]]:
        """Start and end of what does not count of a person, without overlaps, in order of time."""
        found: list[tuple[float, float]] = []
        for one in self.excluded:  # by start
            if one.track not in (None, track):
                continue
            if found and one.start <= found[-1][1]:
                found[-1] = (found[-1][0], max(found[-1][1], one.end))
            else:
                found.append((one.start, one.end))
        return found

    def to_dict(self) -> dict[str, Any]:
        """The content of the file, in the types of JSON."""
        source = self.source
        return {
            "format": FORMAT,
            "version": VERSION,
            "source": {name: getattr(source, name) for name in ("name", "sha256", "bytes", "analysed")},
            "names": [{"track": track, "name": name} for track, name in self.names.items()],
            "merges": [{"track": track, "into": into} for track, into in self.merges.items()],
            "marks": [{"time": one.time, "track": one.track, "text": one.text} for one in self.marks],
            "excluded": [
                {"start": one.start, "end": one.end, "track": one.track, "reason": one.reason} for one in self.excluded
            ],
        }

    def __str__(self) -> str:
        """How much was corrected, for a line of notes."""
        parts = {"name": self.names, "merge": self.merges, "mark": self.marks}
        excluded = counted(len(self.excluded), "excluded stretch", "excluded stretches")
        return ", ".join([*(counted(len(part), what) for what, part in parts.items()), excluded])


def read_edits(path: str | Path) -> Edits:
    """The edits in a file.

    Raises:
        DataError: there is none, it is larger than a MiB, or it is none of today's version or torn.
    """
    place = Path(path)
    try:
        with place.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DataError("a file of edits", f"{place}: {error.strerror or error}", "check the path") from error
    if len(text) > MOST_BYTES:
        raise DataError(f"edits of at most {MOST_BYTES:,} bytes", f"{place}, which is larger", REMEDY)
    try:
        return parse_edits(checks.parse_json(text), place)
    except (ValueError, LookupError, TypeError, AttributeError, ConfigError) as error:
        got = f"{place}: {error!s}" if isinstance(error, ConfigError) else f"{place}: {error!r}"
        raise DataError(f"edits as a report of mien writes them, version {VERSION}", got, REMEDY) from error


def parse_edits(content: Any, path: Path | None = None) -> Edits:
    """The edits in the content of a file.

    Raises:
        ConfigError: a value that cannot be; it says which.
        ValueError, LookupError, TypeError, AttributeError: a value that is not there, or of another type.
    """
    checks.demand(content["format"] == FORMAT, "format", repr(FORMAT), content["format"])
    checks.demand(content["version"] == VERSION, "version", f"{VERSION}, which this mien reads", content["version"])
    lists = {name: content.get(name, []) for name in ("names", "merges", "marks", "excluded")}
    for name, items in lists.items():
        checks.demand(isinstance(items, list), name, "a list", items)
        checks.whole(f"length of {name}", len(items), 0, MOST_ITEMS)
    merges = _merges(lists["merges"])
    marks = [
        Moment(_time("time of a mark", one["time"]), _words("text of a mark", one["text"]), _track(one, merges))
        for one in lists["marks"]
    ]
    excluded = [_excluded(one, merges) for one in lists["excluded"]]
    return Edits(
        source=_source(content["source"]),
        names=_names(lists["names"], merges),
        merges=merges,
        marks=tuple(sorted(marks, key=lambda one: one.time)),
        excluded=tuple(sorted(excluded, key=lambda one: one.start)),
        path=path,
    )


def _source(given: Mapping[str, Any]) -> EditedSource:
    source = EditedSource(given["name"], given.get("sha256"), given.get("bytes"), given.get("analysed"))
    for name in ("name", "sha256", "analysed"):
        if getattr(source, name) is not None or name == "name":
            checks.text(f"{name} of the source", getattr(source, name))
    if source.bytes is not None:
        checks.whole("bytes of the source", source.bytes, 0, 2**63)
    return source


def _merges(given: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Track -> the one that remains in the end."""
    told: dict[int, int] = {}
    for one in given:
        track, into = (_number(f"{name} of a merge", one[name]) for name in ("track", "into"))
        checks.demand(track not in told, "merges", "every track merged once", track)
        told[track] = into
    found = {}
    for track in told:
        passed, last = {track}, told[track]
        while last in told and last not in passed:
            passed.add(last)
            last = told[last]
        checks.demand(last not in passed, "merges", "a track that is merged into another one, not into itself", track)
        found[track] = last
    return found


def _names(given: Sequence[Mapping[str, Any]], merges: Mapping[int, int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for one in given:
        track, name = _number("track of a name", one["track"]), _words("name of a person", one["name"])
        track = merges.get(track, track)
        first, _, number = name.lower().rpartition(" ")
        free = not number.isdecimal() or (first and first not in OURS)
        checks.demand(bool(free), "name of a person", "a name, not a number as mien gives them", name)
        checks.demand(found.get(track, name) == name, "names", f"one name for face {track}", name)
        found[track] = name
    twice = [name for name, count in Counter(map(str.lower, found.values())).items() if count > 1]
    checks.demand(not twice, "names", "a name of its own for every person; merge tracks of one", twice)
    return found


def _excluded(one: Mapping[str, Any], merges: Mapping[int, int]) -> Excluded:
    start, end = (_time(f"{name} of an excluded stretch", one[name]) for name in ("start", "end"))
    checks.demand(start < end, "excluded stretch", "an end after its start", (start, end))
    reason = _words("reason of an excluded stretch", one.get("reason") or Excluded.reason)
    return Excluded(start, end, reason, _track(one, merges))


def _track(one: Mapping[str, Any], merges: Mapping[int, int]) -> int | None:
    if one.get("track") is None:
        return None
    track = _number("track", one["track"])
    return merges.get(track, track)


def _number(name: str, value: Any) -> int:
    checks.whole(name, value, 1, MOST_TRACK)
    return int(value)


def _time(name: str, value: Any) -> float:
    checks.real(name, value, 0, MOST_TIME)
    return float(value)


def _words(name: str, value: Any) -> str:
    checks.text(name, value, MOST_WORDS)
    words = printable(" ".join(value.split()))
    checks.demand(bool(words), name, "some letters", value)
    return words


def fits(edits: Edits, name: str, facts: Any) -> bool:
    """Whether the edits are of the result of a source with this name and these facts of the provenance."""
    return not _contradiction(edits.source, name, facts)


def _contradiction(source: EditedSource, name: str, facts: Any) -> str:
    """In what the source of edits and that of a result differ; empty where in nothing that both know."""
    facts = facts if isinstance(facts, Mapping) else {}
    file = facts.get("source") if isinstance(facts.get("source"), Mapping) else {}
    told = {"sha256": source.sha256, "bytes": source.bytes, "date of the analysis": source.analysed}
    own = {"sha256": file.get("sha256"), "bytes": file.get("bytes"), "date of the analysis": facts.get("date")}
    same_file = source.sha256 is not None and source.sha256 == own["sha256"]
    if printable(source.name) != printable(name) and not same_file:
        return f"edits of {source.name!r} for {name!r}"
    for what, value in told.items():
        if value is not None and own[what] is not None and value != own[what]:
            return f"{what} {value!r} in the edits, {own[what]!r} in the result of {name!r}"
    return ""


def demand_fit(edits: Edits, name: str, facts: Any, tracks: Iterable[int]) -> None:
    """Look whether edits are of a result.

    Args:
        edits: as read.
        name: of the result's source.
        facts: the provenance of the result.
        tracks: numbers of the faces in it.

    Raises:
        DataError: they are of another source or analysis, or name a face that is not there.
    """
    where = f"{edits.path}: " if edits.path is not None else ""
    if found := _contradiction(edits.source, name, facts):
        fix = "give the edits that were made in the report of this very result"
        raise DataError("edits of this source and analysis", f"{where}{found}", fix)
    there = set(tracks)
    if strangers := sorted(edits.tracks - there):
        got = f"{where}face {strangers[0]}; {name} has {', '.join(map(str, sorted(there)[:20])) or 'none'}"
        raise DataError("numbers of faces in that film", got, "give the edits of this very result, or correct them")


def edits_of(given: Sequence[Edits], name: str, facts: Any) -> Edits | None:
    """Those among several that are of this result; None where none are.

    Raises:
        DataError: two are.
    """
    found = [one for one in given if fits(one, name, facts)]
    if len(found) > 1:
        raise DataError(f"one file of edits for {name}", f"{found[0].path} and {found[1].path}", "leave one out")
    return found[0] if found else None


def demand_used(given: Sequence[Edits], sources: Iterable[tuple[str, Any]]) -> None:
    """Raise DataError for edits that are of none of the results, each given by name and provenance."""
    results = list(sources)
    for one in given:
        said = [_contradiction(one.source, name, facts) for name, facts in results]
        if all(said):
            near = next((text for text in said if not text.startswith("edits of")), said[0] if said else "no result")
            fix = "give the results that these edits were made in, or leave the file out"
            raise DataError("edits of one of the results", f"{one.path}: {near}", fix)
