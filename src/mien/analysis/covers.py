"""What weights that know of covers (:mod:`mien.models.covered`) do to an analysis: abstaining, and a warning."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Float64

from mien.core.errors import ConfigError
from mien.core.facial import COVERED
from mien.core.signals import Signal, places
from mien.core.table import FaceTable

REASON = "covered"
WARNED = 0.2
"""Of the face, on average over a track. One clean face of FERPlus in 20 has more, half of those with a mask."""


def demand_known(signals: Iterable[Signal], limit: float | None) -> None:
    """Raise ConfigError where a limit is asked of a model that does not say what is covered."""
    if limit is not None and COVERED.name not in (signal.name for signal in signals):
        fix = "add --signals covered if the weights have it; else `mien train covered` gives it, or leave --covered out"
        raise ConfigError("a model that says what is covered, for --covered", "one that does not", fix)


def too_covered(
    signals: Sequence[Signal], values: Float64[np.ndarray, "n k"], limit: float | None
) -> Bool[np.ndarray, " n"]:
    """Which rows of signals say that more than ``limit`` of the face is covered; None: none."""
    if limit is None:
        return np.zeros(len(values), np.bool_)
    found: Bool[np.ndarray, " n"] = values[:, places(signals)[COVERED.name].start] > limit
    return found


def warnings(table: FaceTable) -> list[str]:
    """A line for every face that seems covered a good part of the time it was read."""
    if COVERED.name not in (signal.name for signal in table.signals):
        return []
    shares, tracks = table.signal(COVERED.name)[:, 0], table.column("track")
    lines = []
    for track in np.unique(tracks).tolist():
        own = shares[(tracks == track) & ~np.isnan(shares)]
        if len(own) and (mean := float(own.mean())) > WARNED:
            lines.append(f"face {track}: {mean:.0%} seems covered; its answers rest on the rest of it")
    return lines
