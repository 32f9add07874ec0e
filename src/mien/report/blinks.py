"""Blinks of a face: short closings of its eyes, counted over the time in which they could be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from mien.core.facial import EYES_CLOSED
from mien.core.table import FaceTable

RISE = 0.25
"""How much further than around it the eyes are shut in a blink: lids that hang, or look down, are none."""
LONGEST = 0.5
"""Seconds; eyes that stay shut for longer are closed, not blinking."""
AROUND = 1.0
"""Seconds before and after, whose median is how far the eyes are shut otherwise."""
GAP = 0.25
"""Seconds without a reading that end a stretch of watching."""
NOT_WATCHED = {"count": None, "per_minute": None}


def blinks_of_tracks(table: FaceTable) -> dict[int, dict[str, Any]]:
    """Count and rate a minute of every face's blinks, by track; empty where the model does not know closed eyes.

    The rate is over the seconds in which the eyes could be watched; both are None where there are none. A blink shorter
    than the time from one look to the next (0.1 s as a rule) may be missed.
    """
    if EYES_CLOSED not in table.signals:
        return {}
    tracks, times = table.column("track"), table.column("time")
    closed = table.signal(EYES_CLOSED.name).mean(axis=1)
    found = {}
    for track in np.unique(tracks):
        rows = np.flatnonzero((tracks == track) & np.isfinite(closed))
        count, seconds = 0, 0.0
        for part in np.split(rows, np.flatnonzero(np.diff(times[rows]) > GAP) + 1):
            count += len(blinks(times[part], closed[part]))
            seconds += float(np.ptp(times[part])) if len(part) else 0.0
        watched = {"count": count, "per_minute": round(60 * count / seconds, 2)} if seconds else NOT_WATCHED
        found[int(track)] = dict(watched)
    return found


def blinks(times: Float[np.ndarray, " n"], closed: Float[np.ndarray, " n"]) -> list[tuple[float, float]]:
    """When each blink begins and ends.

    Args:
        times: seconds, ascending, without a gap.
        closed: how far both eyes are shut, 0 to 1.
    """
    if len(times) < 3:
        return []
    first, last = np.searchsorted(times, times - AROUND), np.searchsorted(times, times + AROUND, side="right")
    usual = np.array([np.median(closed[a:b]) for a, b in zip(first, last, strict=True)])
    shut: Bool[np.ndarray, " n"] = closed - usual >= RISE
    edges = np.flatnonzero(np.diff(np.concatenate([[False], shut, [False]]).astype(np.int8)))
    runs = [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]
    # A run at either end may be the rest of eyes that were shut all along.
    whole = [(begin, end) for begin, end in runs if begin > 0 and end < len(times)]
    return [(float(times[a]), float(times[b])) for a, b in whole if times[b] - times[a] <= LONGEST]
