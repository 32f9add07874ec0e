"""A result as a person corrected it: tracks of one person are one, and what was excluded is neither shown nor read.

Rows of excluded stretches stay in the frames, with their boxes, as faces that could not be read, for the reason
``excluded``. Spans end where an excluded stretch begins; score and intensity of what is left are those of its frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float64, Shaped

from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace
from mien.core.signals import width
from mien.core.table import FaceTable, row_dtype
from mien.core.types import NEUTRAL, Span
from mien.report.edits import Edits, demand_fit
from mien.report.findings import Findings
from mien.report.frames import FrameTable

EXCLUDED = "excluded"
"""Why a face counts as unread that a person excluded, in a result or a study."""
Times = tuple[float, float]
AnyFindings = TypeVar("AnyFindings", bound=Findings)


def edited(found: AnyFindings, edits: Edits) -> AnyFindings:
    """``found`` with ``edits`` applied; the provenance has them as well.

    Raises:
        DataError: they are of another result, name a face that is not there, or merge faces that are in one frame.
        ConfigError: ``found`` was corrected before.
    """
    if found.edits:
        fix = "put both into one file of edits, and apply it to the result as it was analysed"
        raise ConfigError("a result without edits", f"{found.source.name} with some: {found.edits}", fix)
    tracks = found.frames.column("track")
    demand_fit(edits, found.source.name, found.provenance, np.unique(tracks).tolist())
    demand_apart(edits, tracks, found.frames.column("index"))
    table = _table(found.frames, edits)
    spans = tuple(_rescored(span, whole, table, found.labels) for span, whole in edited_spans(found.spans, edits))
    facts = {**found.provenance, "edits": edits.to_dict()}
    return replace(
        found, spans=spans, frames=FrameTable(table, spans, found.labels.labels), provenance=facts, edits=edits
    )


def demand_apart(edits: Edits, tracks: Shaped[np.ndarray, " n"], frames: Shaped[np.ndarray, " n"]) -> None:
    """Look whether merged faces are never in sight at once.

    Args:
        edits: with the merges.
        tracks: of every row.
        frames: of every row, its frame's number or time.

    Raises:
        DataError: two are.
    """
    people = np.array([edits.merged(track) for track in tracks.tolist()], np.int64)
    for into in dict.fromkeys(edits.merges.values()):
        rows = np.flatnonzero(people == into)
        at, counts = np.unique(frames[rows], return_counts=True)
        if (counts > 1).any():
            both = sorted(set(tracks[rows][frames[rows] == at[counts > 1][0]].tolist()))
            got = f"faces {' and '.join(map(str, both))} in one frame{f' ({edits.path})' if edits.path else ''}"
            raise DataError("merged faces that are never in sight at once", got, "take that merge back")


def edited_spans(spans: Iterable[Span], edits: Edits) -> list[tuple[Span, bool]]:
    """The spans by their persons' numbers and without what is excluded, and whether each is still whole."""
    by_track: dict[int, list[Span]] = {}
    for span in spans:
        by_track.setdefault(edits.merged(span.track), []).append(replace(span, track=edits.merged(span.track)))
    found = []
    for track, own in by_track.items():
        ordered = own if track not in edits.merges.values() else _in_turn(own)
        for span in ordered:
            pieces = list(without(span.start, span.end, edits.excluded_of(track)))
            whole = pieces == [(span.start, span.end)]
            found += [(replace(span, start=start, end=end), whole) for start, end in pieces]
    return sorted(found, key=lambda one: (one[0].start, one[0].track))


def _in_turn(spans: Sequence[Span]) -> list[Span]:
    """Spans of several tracks one after another: one that bridges a gap makes way for what fills it."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        if found and span.start < found[-1].end:
            before = found.pop()
            if before.start < span.start:
                found.append(replace(before, end=span.start))
            found.append(span)
            if span.end < before.end:
                found.append(replace(before, start=span.end))
        else:
            found.append(span)
    return found


def without(start: float, end: float, excluded: Sequence[Times]) -> Iterator[Times]:
    """What is left of a stretch; ``excluded`` in order of time, without overlaps."""
    if start == end:
        if not any(first <= start < last for first, last in excluded):
            yield start, end
        return
    for first, last in excluded:
        if last <= start or first >= end:
            continue
        if first > start:
            yield start, first
        start = last
    if start < end:
        yield start, end


def _table(table: FaceTable, edits: Edits) -> FaceTable:
    dtype = row_dtype(table.classes, width(table.signals))
    records: Shaped[np.ndarray, " n"] = np.zeros(len(table), dtype)
    for name in dtype.names or ():
        records[name] = table.column(name)
    reasons = [table.reasons[code] for code in records["reason"].tolist()]
    for track, into in edits.merges.items():
        records["track"][table.column("track") == track] = into
    for track in np.unique(records["track"]).tolist():
        out = (records["track"] == track) & inside(records["time"], edits.excluded_of(track))
        records["probabilities"][out] = records["signals"][out] = np.nan
        for row in np.flatnonzero(out):
            reasons[row] = EXCLUDED
    answer = FaceTable(table.classes, table.signals)
    answer.extend(records, reasons)
    answer.sort()
    return answer


def inside(times: Float64[np.ndarray, " n"], stretches: Sequence[Times]) -> Bool[np.ndarray, " n"]:
    """Which times lie in one of these stretches, their ends excluded."""
    found = np.zeros(len(times), np.bool_)
    for start, end in stretches:
        found |= (times >= start) & (times < end)
    return found


def _rescored(span: Span, whole: bool, table: FaceTable, labels: LabelSpace) -> Span:
    """A span that was cut, with score and intensity of the frames that are left to it."""
    if whole:
        return span
    times = table.column("time")
    rows = (table.column("track") == span.track) & (times >= span.start) & (times < span.end)
    values = table.column("probabilities")[rows].astype(np.float64)
    values = values[~np.isnan(values).any(axis=1)]
    if not len(values):
        return replace(span, score=0.0 if span.abstained else span.score, intensity=None)
    means = values.mean(axis=0)
    score = means.max() if span.abstained else means[labels.index(span.label)]
    known = span.intensity is not None and NEUTRAL in labels.labels
    return replace(span, score=float(score), intensity=float(1 - means[labels.index(NEUTRAL)]) if known else None)
