"""Blinks: short closings are counted, hanging lids and closed eyes are not."""

from __future__ import annotations

import numpy as np
import pytest

from mien.core.facial import EYES_CLOSED, POSE
from mien.core.table import FaceTable
from mien.core.types import Face, FaceRow, Quality
from mien.report.blinks import NOT_WATCHED, blinks, blinks_of_tracks

TIMES = np.arange(0, 10, 0.1)
FACE = Face(np.array([0, 0, 100, 100], np.float32), 1.0, np.zeros((5, 2), np.float32))


def shut(*stretches: tuple[float, float], usual: float = 0.05, to: float = 0.9) -> np.ndarray:
    """How far eyes are shut at :data:`TIMES`: ``to`` from one time up to another, else ``usual``."""
    inside = [(begin - 0.05 < TIMES) & (end - 0.05 > TIMES) for begin, end in stretches]
    return np.where(np.any(inside, axis=0), to, usual) if inside else np.full(len(TIMES), usual)


@pytest.mark.parametrize("usual", [0.05, 0.5])
def test_short_closings_are_found_where_they_are(usual: float) -> None:
    found = blinks(TIMES, shut((1.0, 1.2), (4.0, 4.1), (7.0, 7.4), usual=usual))
    assert found == [pytest.approx(one) for one in [(1.0, 1.2), (4.0, 4.1), (7.0, 7.4)]]


def test_what_is_no_blink() -> None:
    assert blinks(TIMES, shut(usual=0.6)) == [], "lids that hang"
    assert blinks(TIMES, shut((2.0, 5.0))) == [], "eyes shut for seconds"
    assert blinks(TIMES, shut((2.0, 2.2), to=0.25)) == [], "a flutter"
    assert blinks(TIMES, shut((0.0, 0.2))) == [], "nobody saw it begin"
    assert blinks(TIMES[:2], np.array([0.0, 1.0])) == []


def table(rows: list[tuple[int, float, float | None]], signals: tuple = (POSE, EYES_CLOSED)) -> FaceTable:
    """Rows of (track, time, how far the eyes are shut; None: unread)."""
    made = FaceTable(2, signals)
    for track, time, closed in rows:
        said = None if closed is None else np.array([0.0, 0.0, 0.0, closed, closed])
        quality = Quality(100, 50, 0, None if closed is not None else "blurred")
        probabilities = None if closed is None else np.array([0.5, 0.5])
        made.append(FaceRow(round(time * 10), time, track, FACE, quality, probabilities, said))
    return made


def test_they_are_counted_a_face_over_the_time_it_was_watched() -> None:
    first, second = shut((1.0, 1.2), (5.0, 5.2)), shut((3.0, 3.1))
    rows = [(1, t, float(c)) for t, c in zip(TIMES, first, strict=True)]
    rows += [(2, t, float(c)) for t, c in zip(TIMES[:50], second[:50], strict=True)]
    found = blinks_of_tracks(table(rows))
    assert found[1] == {"count": 2, "per_minute": round(120 / 9.9, 2)}
    assert found[2] == {"count": 1, "per_minute": round(60 / 4.9, 2)}


def test_a_gap_ends_the_watching() -> None:
    """Eyes seen shut before a gap and open after it, or the other way round, are no blink."""
    rows = [(1, t, float(c)) for t, c in zip(TIMES, shut((3.0, 3.3)), strict=True) if not 3.2 < t < 4.0]
    rows += [(1, 12.0, None)]
    assert blinks_of_tracks(table(rows))[1]["count"] == 0
    assert blinks_of_tracks(table([(4, 0.0, None)]))[4] == NOT_WATCHED
    once_a_second = [(1, float(second), 0.1) for second in range(9)]
    assert blinks_of_tracks(table(once_a_second))[1] == NOT_WATCHED, "a blink would be over"


def test_without_closed_eyes_nothing_is_said() -> None:
    assert blinks_of_tracks(table([(1, 0.0, None)], (POSE,))) == {}
