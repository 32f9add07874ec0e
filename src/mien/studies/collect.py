"""Film by film: read, correct, measure, and keep only sums. Memory does not grow with the films' length."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mien.analysis.smoothing import SpanRule
from mien.core.errors import DataError
from mien.report.edited import EXCLUDED
from mien.studies.baseline import ENOUGH, Baseline, Resting, baseline_of, corrected
from mien.studies.course import Course, course_of
from mien.studies.curves import Curves
from mien.studies.films import Film, Head, read_film, threshold_of
from mien.studies.measures import Measured, measure
from mien.studies.plan import Note, Plan
from mien.studies.sheets import WHOLE_FILM, Appearance, Event, Exclusion, Range

Progress = Callable[[str, int, int], None]
"""Called after every film with: stage, films done, films in all."""
Open = Callable[[Head], Film]

LATE = 0.5
"""Seconds by which a stretch at rest may end after the film, unsaid."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One person in one stretch of one film: the whole of it, or one event.

    Attributes:
        appearance: who, where, in which condition.
        trial_type: what happens; ``whole film``.
        number: of the event in the film, from 1, in order of time; 0 for the whole film.
        onset: seconds of the film.
        duration: seconds.
        measured: what is shown.
    """

    appearance: Appearance
    trial_type: str
    number: int
    onset: float
    duration: float
    measured: Measured


@dataclass(frozen=True, eq=False)
class Quality:
    """How well a person could be read in a film.

    Attributes:
        appearance: who, where.
        tracks: the person's faces.
        faces: how many faces are in the film.
        seconds: how long the film is.
        seen: seconds in which the person is in sight.
        readable: seconds in which the face counts.
        named: seconds in which an expression is named.
        excluded: seconds in sight that exclude.csv takes out.
        unclear: reason -> seconds without a name, the excluded ones left out.
        losses: how often the person goes out of sight between two frames.
        longest_loss: seconds of the longest.
        frame_rate: frames a second that were looked at; 0 of nothing.
        text: what else is to be known.
    """

    appearance: Appearance
    tracks: tuple[int, ...]
    faces: int
    seconds: float
    seen: float = 0.0
    readable: float = 0.0
    named: float = 0.0
    excluded: float = 0.0
    unclear: Mapping[str, float] = field(default_factory=dict)
    losses: int = 0
    longest_loss: float = 0.0
    frame_rate: float = 0.0
    text: str = ""


@dataclass(frozen=True, eq=False)
class Strip:
    """What a person shows along a film, to be drawn: spans as start, end, number of the label; and onsets."""

    appearance: Appearance
    end: float
    spans: Sequence[tuple[float, float, int]]
    onsets: Sequence[float]


@dataclass(eq=False)
class Collected:
    """All that is kept of the films.

    Attributes:
        plan: what was asked.
        curves: around events, or from the beginning of the films where there are none.
        baseline: rest of the people; None where nobody's is known.
        trials: in the order of the films.
        quality: a row a person and film.
        strips: likewise.
        excluded: which stretch took how many seconds of whom.
    """

    plan: Plan
    curves: Curves
    baseline: Baseline | None = None
    trials: list[Trial] = field(default_factory=list)
    quality: list[Quality] = field(default_factory=list)
    strips: list[Strip] = field(default_factory=list)
    excluded: list[tuple[Exclusion, str, float]] = field(default_factory=list)


def collect(
    plan: Plan, curves: Curves, window: Range, progress: Progress | None = None, open_film: Open = read_film
) -> Collected:
    """Read all films of ``plan``, one at a time.

    Args:
        plan: who is where.
        curves: empty ones, with the edges of their bins.
        window: from, to, in seconds from an event: to where an event of no duration is measured.
        progress: called after every film.
        open_film: reads a film.

    Raises:
        DataError: a result is torn, or a track of people.csv is not in its film.
    """
    found = Collected(plan, curves)
    found.baseline = _rest(plan, open_film, progress)
    for done, (head, rows) in enumerate(plan.films, 1):
        film = open_film(head)
        for row in rows:
            _add(found, film, head, row, window)
        if progress is not None:
            progress("films", done, len(plan.films))
    return found


def _rest(plan: Plan, open_film: Open, progress: Progress | None) -> Baseline | None:
    if not plan.with_baseline:
        return None
    heads = {head.folder: head for head, _ in plan.films} | {head.folder: head for head in plan.resting}
    gathered = {row.person: Resting() for _, rows in plan.films for row in rows}
    for done, (folder, people) in enumerate(plan.rest.items(), 1):
        film = open_film(heads[folder])
        for row, stretch in people:
            tracks, _ = tracks_of(film, row)
            course = course_of(film, tracks, _of(row, tracks, plan.excluded.get(folder, ())))
            gathered[row.person].add(course, plan.columns, stretch)
            if stretch is not None and stretch[1] > film.end + LATE:
                text = f"rest is to last until {stretch[1]:g} s, the film ends at {film.end:.1f} s: rest until then"
                plan.notes.append(Note("films", 0, row.file, row.person, text))
        if progress is not None:
            progress("baselines", done, len(plan.rest))
    for person, one in gathered.items():
        if not one.told:
            plan.notes.append(Note("people.csv", 0, "", person, "no rest is known: corrected columns stay empty"))
        elif not one.frames:
            text = "nothing could be read at rest: corrected columns stay empty"
            plan.notes.append(Note("films", 0, "", person, text))
        elif one.seconds < ENOUGH:
            text = f"only {one.seconds:.2f} s could be read at rest: corrected columns are doubtful"
            plan.notes.append(Note("films", 0, "", person, text))
    return baseline_of(gathered, plan.columns)


def _of(row: Appearance, tracks: Sequence[int], excluded: Iterable[Exclusion]) -> list[Exclusion]:
    return [one for one in excluded if one.person in ("", row.person) and one.track in (0, *tracks)]


def tracks_of(film: Film, row: Appearance) -> tuple[tuple[int, ...], str]:
    """Which faces of ``film`` are the person's, and what is to be said of it.

    Those that people.csv names; else all, where no two are in sight at once: one person who left and came back. Else
    the face that is in sight the longest.

    Raises:
        DataError: a face that people.csv names is not in the film.
    """
    there, counts = np.unique(film.tracks, return_counts=True)
    if row.tracks:
        strangers = sorted(set(row.tracks) - set(there.tolist()))
        if strangers:
            got = f"people.csv, row {row.line}: {strangers[0]}; {film.name} has {', '.join(map(str, there[:20]))}"
            raise DataError("the number of a face in that film", got, "look it up in spans.csv")
        return row.tracks, ""
    if len(there) < 2:
        return tuple(there.tolist()), ""
    if len(film.moments) == len(film.times):
        return tuple(there.tolist()), f"{len(there)} faces, never two at once, are taken for one person"
    longest = int(there[counts.argmax()])
    text = f"face {longest} of {len(there)}, the longest in sight, is taken for the person; name another under track"
    return (longest,), text


def _add(found: Collected, film: Film, head: Head, row: Appearance, window: Range) -> None:
    plan = found.plan
    tracks, text = tracks_of(film, row)
    if text:
        plan.notes.append(Note("films", 0, row.file, row.person, text))
    excluded = _of(row, tracks, plan.excluded.get(head.folder, ()))
    course = course_of(film, tracks, excluded)
    if found.baseline is not None and row.person in found.baseline.people:
        threshold, min_span, max_gap = threshold_of(film)
        rule = SpanRule(plan.columns.labels, threshold, min_span, max_gap)
        course = corrected(course, row.person, found.baseline, rule)
    for one in excluded:
        held = np.minimum(course.ends, one.stretch[1]) - np.maximum(course.starts, one.stretch[0])
        found.excluded.append((one, row.person, float(held.clip(0.0).sum())))
    found.quality.append(_quality(film, course, row, tracks, text))
    if not len(course.starts):
        plan.notes.append(Note("films", 0, row.file, row.person, "no face was found: nothing is known"))
    whole = measure(course, plan.columns, film.start, film.end)
    found.trials.append(Trial(row, WHOLE_FILM, 0, film.start, film.end - film.start, whole))
    onsets = _events(found, film, head, row, course, window)
    if not any(plan.events.values()):
        found.curves.add((row.condition, WHOLE_FILM), row.person, course, film.start)
    found.strips.append(Strip(row, film.end, _stretches(course), onsets))


def _events(found: Collected, film: Film, head: Head, row: Appearance, course: Course, window: Range) -> list[float]:
    """Measure what happens in the film; returns the onsets."""
    plan, onsets = found.plan, []
    events = [event for event in plan.events.get(head.folder, ()) if event.person in ("", row.person)]
    for number, event in enumerate(sorted(events, key=lambda event: event.onset), 1):
        begin, end = event.onset + row.offset, event.onset + row.offset + (event.duration or window[1])
        problem = _outside(event, begin, film)
        if problem:
            plan.notes.append(Note("events.csv", event.line, row.file, row.person, problem))
        if begin >= film.end or begin < film.start:
            continue
        measured = measure(course, plan.columns, begin, end)
        found.trials.append(Trial(row, event.trial_type, number, begin, end - begin, measured))
        found.curves.add((row.condition, event.trial_type), row.person, course, begin)
        onsets.append(begin)
    return onsets


def _outside(event: Event, begin: float, film: Film) -> str:
    if begin >= film.end:
        return f"begins at {begin:g} s, after the film's end at {film.end:.2f} s: it does not count"
    if begin < film.start:
        return f"begins at {begin:g} s, before the film's beginning at {film.start:.2f} s: it does not count"
    over = begin + event.duration - film.end
    return f"lasts {over:.2f} s beyond the film's end: what is in the film counts" if over > film.step else ""


def _quality(film: Film, course: Course, row: Appearance, tracks: tuple[int, ...], text: str) -> Quality:
    seconds = course.seconds
    unclear: Counter[str] = Counter()
    for reason, held, shown in zip(course.reasons, seconds.tolist(), course.raw.shown.tolist(), strict=True):
        if shown < 0 and reason != EXCLUDED:
            unclear[reason or "unclear"] += held
    out = np.array([reason == EXCLUDED for reason in course.reasons], np.bool_)
    gaps = course.starts[1:] - course.ends[:-1]
    lost = gaps[gaps > film.step / 2]
    return Quality(
        appearance=row,
        tracks=tracks,
        faces=len(np.unique(film.tracks)),
        seconds=film.end - film.start,
        seen=float(seconds.sum()),
        readable=float(seconds[course.readable].sum()),
        named=float(seconds[course.raw.shown >= 0].sum()),
        excluded=float(seconds[out].sum()),
        unclear=dict(unclear),
        losses=len(lost),
        longest_loss=float(lost.max(initial=0.0)),
        frame_rate=1 / film.step if len(film.times) else 0.0,
        text=text if len(course.starts) else "no face was found",
    )


def _stretches(course: Course) -> list[tuple[float, float, int]]:
    """Runs of one label, without what is unclear."""
    shown = course.raw.shown
    if not len(shown):
        return []
    apart = (np.diff(shown) != 0) | (course.starts[1:] > course.ends[:-1] + 1e-6)
    firsts = np.concatenate([[0], np.flatnonzero(apart) + 1])
    lasts = np.append(firsts[1:], len(shown)) - 1
    return [
        (float(course.starts[first]), float(course.ends[last]), int(shown[first]))
        for first, last in zip(firsts, lasts, strict=True)
        if shown[first] >= 0
    ]
