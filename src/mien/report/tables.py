"""spans.csv, frames.csv and result.json: columns and keys here are a promise to other programs.

spans.csv, one row a span:
    track, start, end, duration, label, score, abstained, reason, intensity

frames.csv, one row a face and frame, by frame, then track:
    frame, time, track, x0, y0, x1, y1, detector_score, measured, size, sharpness, yaw, reason, label, score,
    then p_<label> for every label in the model's order, then <signal>.<label> for what the model says beside

Times are seconds (0.1 ms), boxes pixels of the frame, scores and probabilities in [0, 1], yaw degrees. ``label`` is the
span's; a face that could not be read in this one frame is ``unclear`` with its own reason and without probabilities,
even inside a named span. ``measured`` is false where the face was carried between two detections. A label that a
spreadsheet would run as a formula has an apostrophe before it (:mod:`mien.core.sheets`).
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from mien.core.checks import parse_json
from mien.core.files import whole_file
from mien.core.names import printable
from mien.core.sheets import escaped
from mien.core.signals import by_name, columns
from mien.core.table import FaceTable
from mien.core.types import UNCLEAR, FaceRow, Span
from mien.report.blinks import blinks_of_tracks

SCHEMA = 2
SPAN_COLUMNS = ("track", "start", "end", "duration", "label", "score", "abstained", "reason", "intensity")
SIDES = ("x0", "y0", "x1", "y1")
FRAME_COLUMNS = (
    *("frame", "time", "track", *SIDES, "detector_score", "measured"),
    *("size", "sharpness", "yaw", "reason", "label", "score"),
)
TIME_DIGITS, SCORE_DIGITS, PIXEL_DIGITS = 4, 4, 1
Column = Int[np.ndarray, " n"] | Float64[np.ndarray, " n"] | Bool[np.ndarray, " n"] | list[str | None]
"""Values of a table's column: NaN and None where its cells are empty."""


def span_of_rows(table: FaceTable, spans: Sequence[Span]) -> Int[np.ndarray, " n"]:
    """For every row the position in ``spans`` of the span it lies in, -1 where there is none."""
    times, tracks = table.column("time"), table.column("track")
    answer = np.full(len(table), -1)
    by_track: dict[int, list[int]] = {}
    for place, span in enumerate(spans):
        by_track.setdefault(span.track, []).append(place)
    for track, places in by_track.items():
        ordered = np.array(sorted(places, key=lambda place: spans[place].start))
        starts = np.array([spans[place].start for place in ordered])
        rows = np.flatnonzero(tracks == track)
        found = np.searchsorted(starts, times[rows], side="right") - 1
        answer[rows] = np.where(found < 0, -1, ordered[found])
    return answer


def row_verdict(row: FaceRow, span: Span | None, labels: Sequence[str]) -> tuple[str, float | None, str | None]:
    """Label, its probability in this frame (None when unclear) and reason (None when named) of one face and frame."""
    if row.probabilities is None or span is None or span.abstained:
        return UNCLEAR, None, row.quality.reason or (span.reason if span else None)
    return span.label, float(row.probabilities[labels.index(span.label)]), None


def write_spans(path: Path, spans: Iterable[Span]) -> None:
    """Write spans.csv (columns: :data:`SPAN_COLUMNS`)."""
    _write_csv(path, SPAN_COLUMNS, (_span_cells(span) for span in spans))


def write_frames(path: Path, table: FaceTable, spans: Sequence[Span], labels: Sequence[str]) -> None:
    """Write frames.csv (columns: :data:`FRAME_COLUMNS`, ``p_<label>`` each, ``<signal>.<label>`` each)."""
    places = span_of_rows(table, spans)
    unread = [None] * len(value_columns(table, labels))
    rows = (
        _frame_cells(row, spans[place] if place >= 0 else None, labels, unread)
        for row, place in zip(table, places, strict=True)
    )
    _write_csv(path, (*FRAME_COLUMNS, *value_columns(table, labels)), rows)


def value_columns(table: FaceTable, labels: Sequence[str]) -> list[str]:
    """Names of the columns that hold what the model said."""
    return [*(f"p_{label}" for label in labels), *columns(table.signals)]


def frame_columns(table: FaceTable, spans: Sequence[Span], labels: Sequence[str]) -> dict[str, Column]:
    """The columns of frames.csv with its values, as rounded there."""
    places = span_of_rows(table, spans)
    probabilities = table.column("probabilities")
    # One more at the end, for rows in no span (-1).
    abstained = np.array([*(span.abstained for span in spans), True])
    named = np.array([*(0 if span.abstained else labels.index(span.label) for span in spans), 0])
    span_reasons = [*(span.reason for span in spans), None]
    clear = ~np.isnan(probabilities).any(axis=1) & ~abstained[places]
    score = np.where(clear, probabilities[np.arange(len(places)), named[places]], np.nan)
    own = [table.reasons[code] for code in table.column("reason")]
    verdicts = list(zip(clear.tolist(), places.tolist(), own, strict=True))
    cells: dict[str, Column] = {
        "frame": table.column("index").astype(np.int64),
        "time": _rounded(table.column("time"), TIME_DIGITS),
        "track": table.column("track").astype(np.int64),
        **{name: _rounded(side, PIXEL_DIGITS) for name, side in zip(SIDES, table.column("box").T, strict=True)},
        "detector_score": _rounded(table.column("score"), SCORE_DIGITS),
        "measured": table.column("measured"),
        **{name: _rounded(table.column(name), PIXEL_DIGITS) for name in ("size", "sharpness", "yaw")},
        "reason": [None if sure else reason or span_reasons[place] for sure, place, reason in verdicts],
        "label": [spans[place].label if sure else UNCLEAR for sure, place, _ in verdicts],
        "score": _rounded(score, SCORE_DIGITS),
    }
    every = [
        _rounded(column, SCORE_DIGITS) for values in (probabilities, table.column("signals")) for column in values.T
    ]
    return cells | dict(zip(value_columns(table, labels), every, strict=True))


def span_columns(spans: Sequence[Span]) -> dict[str, Column]:
    """The columns of spans.csv with its values, as rounded there."""
    starts, ends, scores = (np.array([getattr(span, name) for span in spans]) for name in ("start", "end", "score"))
    return {
        "track": np.array([span.track for span in spans], np.int64),
        "start": _rounded(starts, TIME_DIGITS),
        "end": _rounded(ends, TIME_DIGITS),
        "duration": _rounded(ends - starts, TIME_DIGITS),
        "label": [span.label for span in spans],
        "score": _rounded(scores, SCORE_DIGITS),
        "abstained": np.array([span.abstained for span in spans], np.bool_),
        "reason": [span.reason for span in spans],
        "intensity": _rounded(
            np.array([np.nan if span.intensity is None else span.intensity for span in spans], np.float64), SCORE_DIGITS
        ),
    }


def _rounded(values: Float[np.ndarray, " n"], digits: int) -> Float64[np.ndarray, " n"]:
    """What :func:`_fixed` writes, read again; NaN where it writes nothing."""
    numbers = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    scaled = numbers * 10.0**digits
    rounded = np.rint(scaled) / 10.0**digits
    # Scaling is inexact: near a half, and where numbers are huge, it decides the last digit by chance.
    unsure = np.flatnonzero((np.abs(np.abs(scaled - np.trunc(scaled)) - 0.5) < 1e-6) | (np.abs(scaled) > 1e9))
    rounded[unsure] = [round(value, digits) for value in numbers[unsure].tolist()]
    return rounded


def write_json(path: Path, content: dict[str, Any] | list[Any]) -> None:
    """Write ``content`` as indented UTF-8 JSON; numbers that are not finite become null."""
    with whole_file(path) as draft:
        draft.write_text(json.dumps(plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file whose top is an object; raises OSError or ValueError."""
    content = parse_json(path.read_text("utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not an object")
    return content


def span_record(span: Span) -> dict[str, Any]:
    """A span as result.json has it."""
    rounded = {
        "start": round(span.start, TIME_DIGITS),
        "end": round(span.end, TIME_DIGITS),
        "score": round(span.score, SCORE_DIGITS),
    }
    return {**asdict(span), **rounded}


def track_totals(table: FaceTable, spans: Sequence[Span]) -> list[dict[str, Any]]:
    """For every track: when it was seen, in how many frames, and for how many seconds it showed what.

    Beside, where the model says more: the mean of every column over the frames in which the face could be read, and of
    closed eyes the blinks.
    """
    tracks, frames = np.unique(table.column("track"), return_counts=True)
    totals = [_totals(int(track), int(count), spans) for track, count in zip(tracks, frames, strict=True)]
    if table.signals:
        for one, means in zip(totals, _track_means(table), strict=True):
            one["signals"] = by_name(table.signals, means, SCORE_DIGITS)
        blinks = blinks_of_tracks(table)
        for one in totals:
            one |= {"blinks": blinks[one["track"]]} if blinks else {}
    return totals


def _track_means(table: FaceTable) -> Float64[np.ndarray, "n k"]:
    """A row a track, by number; NaN where none of its frames could be read."""
    tracks, track_of = np.unique(table.column("track"), return_inverse=True)
    return readable_means(table.column("signals"), track_of, len(tracks))


def readable_means(
    values: Float[np.ndarray, "r k"], group: Int[np.ndarray, " r"], groups: int
) -> Float64[np.ndarray, "n k"]:
    """A row a group: the mean over its rows without NaN; NaN where it has none.

    Args:
        values: of every row.
        group: of every row, its number; -1 for none.
        groups: how many there are.
    """
    read = (group >= 0) & ~np.isnan(values).any(axis=1)
    count = np.bincount(group[read], minlength=groups)
    sums = [np.bincount(group[read], column, groups) for column in values[read].T]
    return np.column_stack(sums) / np.where(count, count, np.nan)[:, None]


def _totals(track: int, frames: int, spans: Sequence[Span]) -> dict[str, Any]:
    own = [span for span in spans if span.track == track]
    shown: dict[str, float] = {}
    unclear: dict[str, float] = {}
    for span in own:
        into, key = (unclear, span.reason or UNCLEAR) if span.abstained else (shown, span.label)
        into[key] = into.get(key, 0.0) + span.end - span.start
    return {
        "track": track,
        "frames": frames,
        "start": round(min((span.start for span in own), default=0.0), TIME_DIGITS),
        "end": round(max((span.end for span in own), default=0.0), TIME_DIGITS),
        "shown_seconds": {label: round(seconds, TIME_DIGITS) for label, seconds in sorted(shown.items())},
        "unclear_seconds": {reason: round(seconds, TIME_DIGITS) for reason, seconds in sorted(unclear.items())},
    }


def plain(value: Any) -> Any:
    """``value`` in the types of JSON: NumPy scalars and arrays, paths and tuples unwrapped, NaN and infinity None.

    Texts become printable: a file's name may hold bytes that are no UTF-8, which nothing could write.
    """
    if isinstance(value, dict):
        return {printable(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, int) else printable(str(value))


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _span_cells(span: Span) -> tuple[object, ...]:
    times = (_fixed(span.start, TIME_DIGITS), _fixed(span.end, TIME_DIGITS), _fixed(span.end - span.start, TIME_DIGITS))
    score, intensity = _fixed(span.score, SCORE_DIGITS), _fixed(span.intensity, SCORE_DIGITS)
    reason = escaped(span.reason or "")
    return (span.track, *times, escaped(span.label), score, _truth(span.abstained), reason, intensity)


def _frame_cells(row: FaceRow, span: Span | None, labels: Sequence[str], unread: Sequence[None]) -> tuple[object, ...]:
    face, quality = row.face, row.quality
    label, score, reason = row_verdict(row, span, labels)
    values: Sequence[float | None] = unread
    if row.probabilities is not None and row.signals is not None:
        values = [*row.probabilities.tolist(), *row.signals.tolist()]
    return (
        *(row.index, _fixed(row.time, TIME_DIGITS), row.track),
        *(_fixed(side, PIXEL_DIGITS) for side in face.box.tolist()),
        *(_fixed(face.score, SCORE_DIGITS), _truth(face.measured)),
        *(_fixed(number, PIXEL_DIGITS) for number in (quality.size, quality.sharpness, quality.yaw)),
        *(escaped(reason or ""), escaped(label), _fixed(score, SCORE_DIGITS)),
        *(_fixed(value, SCORE_DIGITS) for value in values),
    )


def _fixed(value: float | None, digits: int) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _truth(value: bool) -> str:
    # Read as a logical by R, pandas, Excel and JSON alike.
    return "true" if value else "false"
