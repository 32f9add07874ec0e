"""Coders beside coders, and the model beside coders, on the moments that coders looked at.

Time is cut into steps, and every step's middle is a moment: whoever has a label there is a rater of it. A moment at
which somebody has no label, or two at once, is none for that rater; so is what the model calls unclear.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int

from mien.agreement.codes import Codes, Stretch
from mien.agreement.matching import NUMBERED, Found, Labels, match_films, match_labels, match_people, read_people
from mien.agreement.report import Agreement, All, Pair, Unit
from mien.agreement.statistics import (
    coincidences,
    common_events,
    confusion_counts,
    fleiss_counts,
)
from mien.core.errors import ConfigError, DataError
from mien.core.labels import canonical
from mien.core.names import counted
from mien.report.edited import inside, without

MODEL = "mien"
MOST_MOMENTS = 20_000_000


@dataclass(frozen=True)
class Comparing:
    """How codes are compared. The docstrings below the fields are the command's help."""

    map: Path | None = None
    """CSV with the columns code and label: what a code, or a label of the model, counts as; an empty label leaves it
    out. None: codes are the model's labels (happy and happiness are the same)."""
    people: Path | None = None
    """CSV with the columns person and track, and file where they differ: which of mien's persons a coded one is."""
    tiers: tuple[str, ...] = ()
    """Patterns, such as 'expression*': in files with tiers only those count. None: all."""
    step: float = 0.1
    """Seconds from one compared moment to the next."""
    tolerance: float = 0.5
    """Seconds that the beginnings of the same event may lie apart."""
    gaps: str | None = None
    """What a coder means by no code between two: a label, such as neutral. None: nothing was looked at there."""

    def __post_init__(self) -> None:
        if not 0.001 <= self.step <= 10:
            raise ConfigError(
                "a step from 0.001 to 10 s", str(self.step), "use 0.1, or a film's time from frame to frame"
            )
        if not 0 <= self.tolerance <= 60:
            raise ConfigError("a tolerance from 0 to 60 s", str(self.tolerance), "use 0.5")


@dataclass(frozen=True)
class _Rated:
    """One person of one film, as everybody sees them.

    Attributes:
        unit: who it is.
        cluster: name of the person, the same in several films where codes name people.
        ratings: a row a rater, -1 for none.
        events: onsets a rater and class, seconds.
    """

    unit: Unit
    cluster: str
    ratings: Int[np.ndarray, "r n"]
    events: list[list[Float64[np.ndarray, " k"]]]


def compare(results: Sequence[Found], files: Sequence[tuple[str, Codes]], how: Comparing) -> Agreement:
    """How far coders agree with each other and with the model.

    Args:
        results: of the films.
        files: what was coded, each with the coder's name; empty: as the file itself says, else all are one coder's,
            or, where two files are of the same film, each is of one who is called as it.
        how: they are compared.

    Raises:
        DataError: codes that cannot be placed, or that have no moment in common with the results.
        ConfigError: labels that do not fit, or too many moments.
    """
    codes, notes = _placed(results, files)
    space = results[0].result.labels
    if any(one.result.labels.labels != space.labels for one in results):
        raise ConfigError("results of the same labels", "several models'", "compare them apart")
    labels = match_labels(codes, space, how.map)
    gaps = None if how.gaps is None else canonical(how.gaps)
    if gaps is not None and gaps not in labels.names:
        raise ConfigError(f"a label for gaps among {', '.join(labels.names)}", repr(how.gaps), "use one of them")
    raters = (MODEL, *dict.fromkeys(one.coder for one in codes))
    rated, told = _rated(results, codes, labels, raters, how)
    notes += told
    if not any((one.ratings[0] >= 0).any() and (one.ratings[1:] >= 0).any() for one in rated):
        raise DataError("codes and results of the same people and times", "none", "check films, times and --people")
    clusters = sorted({one.cluster for one in rated})
    pairs = [
        _pair(rated, clusters, labels, (raters[first], raters[second]), (first, second), how.tolerance)
        for first, second in combinations(range(len(raters)), 2)
    ]
    return Agreement(
        labels=labels.names,
        raters=raters,
        step=how.step,
        tolerance=how.tolerance,
        gaps=gaps,
        people=len(clusters),
        units=tuple(one.unit for one in rated),
        pairs=tuple(pair for pair in pairs if pair.matrices.sum()),
        coders=_all(rated, clusters, labels, range(1, len(raters))),
        everybody=_all(rated, clusters, labels, range(len(raters))),
        notes=tuple(notes),
    )


def _placed(results: Sequence[Found], files: Sequence[tuple[str, Codes]]) -> tuple[list[Stretch], list[str]]:
    """All codes, each with the folder of its film and a coder; and what is to be said."""
    placed: list[tuple[str, Path, list[Stretch]]] = []
    notes: list[str] = []
    for name, codes in files:
        found, told = match_films(codes.stretches, results, codes.path.stem)
        placed.append((name, codes.path, found))
        notes += [*codes.notes, *told]
    films = [film for _, _, found in placed for film in {one.film for one in found}]
    apart = len(set(films)) < len(films)
    answer: list[Stretch] = []
    for name, path, found in placed:
        for one in found:
            coder = name or one.coder or (path.stem if apart else "coder")
            answer.append(replace(one, coder=f"{coder} (coder)" if coder == MODEL else coder))
    uncoded = [one.name for one in results if one.name not in {code.film for code in answer}]
    if uncoded:
        shown = ", ".join(uncoded[:5]) + (", ..." if len(uncoded) > 5 else "")
        notes.append(f"{counted(len(uncoded), 'film')} without codes left out: {shown}.")
    return answer, notes


def _rated(
    results: Sequence[Found], codes: Sequence[Stretch], labels: Labels, raters: Sequence[str], how: Comparing
) -> tuple[list[_Rated], list[str]]:
    rated, notes, moments = [], [], 0
    table = read_people(how.people)
    for film in results:
        coded = [one for one in codes if one.film == film.name]
        tracks, told = match_people(coded, film, table)
        notes += told
        for track in sorted(set(tracks.values())):
            names = [name for name, number in tracks.items() if number == track]
            excluded = film.result.edits.excluded_of(track)
            own = [
                replace(one, start=start, end=end)
                for one in coded
                if one.person in names
                for start, end in without(one.start, one.end, excluded)
            ]
            if not own:
                notes.append(f"{film.name}, person {track}: all that was coded is excluded.")
                continue
            begin, end = min(one.start for one in own), max(one.end for one in own)
            moments += int((end - begin) / how.step) + 1
            if moments > MOST_MOMENTS:
                raise ConfigError(f"at most {MOST_MOMENTS:,} moments", f"{moments:,} or more", "use a longer --step")
            one, doubled = _rate(film, track, own, labels, raters, how)
            rated.append(replace(one, cluster=_cluster(film.name, track, own)))
            if doubled:
                seconds = doubled * how.step
                notes.append(f"{film.name}, person {track}: {seconds:.1f} s with two codes at once left out.")
    return rated, notes


def _cluster(film: str, track: int, own: Sequence[Stretch]) -> str:
    """A name with letters of its own is a person's in every film; a number, or a tier's name, is one of this film."""
    for one in own:
        if one.person not in ("", one.tier) and not NUMBERED.fullmatch(one.person):
            return one.person.lower()
    return f"{film}/{track}"


def _rate(
    film: Found, track: int, own: Sequence[Stretch], labels: Labels, raters: Sequence[str], how: Comparing
) -> tuple[_Rated, int]:
    begin, end = min(one.start for one in own), max(one.end for one in own)
    moments = max(1, round((end - begin) / how.step))
    spans = [span for span in film.result.spans if span.track == track and not span.abstained]
    # An event that had begun before anybody looked begins with the looking.
    shown = [Stretch(max(span.start, begin), min(span.end, end), span.label) for span in spans]
    shown = [one for one in shown if one.end > one.start]
    ratings, events, doubled = [], [], 0
    for place, rater in enumerate(raters):
        stretches = shown if place == 0 else [one for one in own if one.coder == rater]
        row, twice = _sampled(stretches, labels, begin, how.step, moments)
        doubled += twice
        if place and how.gaps is not None and stretches:
            first, last = (round((time - begin) / how.step) for time in _extent(stretches))
            between = row[first:last]
            between[between == -1] = labels.names.index(canonical(how.gaps))
        middles = begin + how.step * (np.arange(moments) + 0.5)
        row[inside(middles, film.result.edits.excluded_of(track))] = -1
        row[row == -2] = -1
        ratings.append(row)
        events.append([_onsets(stretches, labels, place) for place in range(len(labels.names))])
    coders = tuple(rater for rater, row in zip(raters[1:], ratings[1:], strict=True) if (row >= 0).any())
    answered = float((ratings[0] >= 0).mean())
    unit = Unit(film.name, track, begin, end, coders, answered)
    return _Rated(unit, "", np.stack(ratings), events), doubled


def _extent(stretches: Sequence[Stretch]) -> tuple[float, float]:
    return min(one.start for one in stretches), max(one.end for one in stretches)


def _sampled(
    stretches: Iterable[Stretch], labels: Labels, begin: float, step: float, moments: int
) -> tuple[Int[np.ndarray, " n"], int]:
    """The class at the middle of every step; -1: none, -2: two at once. And how many of these there are."""
    row = np.full(moments, -1)
    for one in stretches:
        place = labels.place(one.label)
        first, last = (max(0, int(np.ceil((time - begin) / step - 0.5))) for time in (one.start, one.end))
        if place >= 0:
            there = row[first:last]
            there[:] = np.where((there == -1) | (there == place), place, -2)
    return row, int((row == -2).sum())


def _onsets(stretches: Sequence[Stretch], labels: Labels, place: int) -> Float64[np.ndarray, " k"]:
    """Where events of a class begin: stretches of it that touch are one."""
    onsets: list[float] = []
    last = -np.inf
    own = [one for one in stretches if labels.place(one.label) == place]
    for one in sorted(own, key=lambda one: one.start):
        if one.start > last + 1e-6:
            onsets.append(one.start)
        last = max(last, one.end)
    return np.array(onsets, np.float64)


def _pair(
    rated: Sequence[_Rated],
    clusters: Sequence[str],
    labels: Labels,
    names: tuple[str, str],
    places: tuple[int, int],
    tolerance: float,
) -> Pair:
    classes = len(labels.names)
    matrices = np.zeros((len(clusters), classes, classes))
    events = np.zeros((len(clusters), classes, 3))
    for one in rated:
        first, second = (one.ratings[place] for place in places)
        if not (first >= 0).any() or not (second >= 0).any():
            continue
        at = clusters.index(one.cluster)
        matrices[at] += confusion_counts(first, second, classes)
        for label in range(classes):
            mine, theirs = (one.events[place][label] for place in places)
            events[at, label] += [common_events(mine, theirs, tolerance), len(mine), len(theirs)]
    some = matrices.any((1, 2))
    return Pair(names, matrices[some], events[some])


def _all(rated: Sequence[_Rated], clusters: Sequence[str], labels: Labels, places: Iterable[int]) -> All | None:
    """Of three raters and more, or of two by alpha; None of fewer."""
    rows = list(places)
    if len(rows) < 2:
        return None
    classes = len(labels.names)
    fleiss = np.zeros((len(clusters), classes + 2))
    pairs = np.zeros((len(clusters), classes, classes))
    for one in rated:
        at = clusters.index(one.cluster)
        fleiss[at] += fleiss_counts(one.ratings[rows], classes)
        pairs[at] += coincidences(one.ratings[rows], classes)
    some = pairs.any((1, 2))
    return All(len(rows), fleiss[some], pairs[some])
