"""Two expressions at once, span by span, where an analysis was asked for them (:mod:`mien.core.compound`).

They rest on the frames' probabilities alone, so a saved result, and one that a person edited, says them anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mien.core.compound import Compound, compounds
from mien.report.tables import SCORE_DIGITS, TIME_DIGITS, readable_means, span_of_rows

if TYPE_CHECKING:
    from mien.report.findings import Findings


def compounds_of(result: Findings) -> list[Compound | None] | None:
    """Of every span, by the mean over its readable frames; None for one without such a frame.

    None altogether where the analysis was not asked for them.
    """
    if result.compound is None:
        return None
    labels, rows = result.labels.labels, span_of_rows(result.frames, result.spans)
    means = readable_means(result.frames.column("probabilities"), rows, len(result.spans))
    return compounds(means, labels, result.compound)


def compound_record(found: Compound | None) -> dict[str, Any] | None:
    """In the types of JSON."""
    if found is None:
        return None
    return {**asdict(found), "score": round(found.score, SCORE_DIGITS), "least": round(found.least, SCORE_DIGITS)}


def compound_seconds(result: Findings, found: Sequence[Compound | None]) -> dict[int, dict[str, float]]:
    """Of every track the seconds of each pair that is named, by name."""
    seconds: dict[int, dict[str, float]] = {span.track: {} for span in result.spans}
    for span, one in zip(result.spans, found, strict=True):
        if one is not None and one.name is not None:
            own = seconds[span.track]
            own[one.name] = own.get(one.name, 0.0) + span.end - span.start
    return {
        track: {name: round(length, TIME_DIGITS) for name, length in sorted(own.items())}
        for track, own in seconds.items()
    }
