"""What the action units of a span say beside its expression, in three sentences: seen, read, concluded.

No language model: every word follows from a number. Which units make which expression is what people used when posing
it (:data:`mien.core.action_units.EXPECTATIONS`). Units that say otherwise do not prove an expression wrong: people
show expressions in many ways, and the units are a model's, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from mien.core.action_units import EXPECTATIONS
from mien.core.facial import ACTION_UNITS, UNITS
from mien.core.labels import canonical
from mien.core.table import FaceTable
from mien.core.types import NEUTRAL, Span
from mien.report.tables import readable_means, span_of_rows

SEEN = 0.3
"""Strength from which a unit is spoken of."""
LEVELS = ((0.75, "strongly"), (0.5, "clearly"), (SEEN, "slightly"))
FITS = 0.4
"""Least share of common units by which an expression fits."""
DIGITS = 2
EXPECTED = {unit for one in EXPECTATIONS.values() for unit in one.units}
"""Units that make some expression; others say nothing of which one it is."""
Verdict = Literal["agrees", "contradicts", "open"]


@dataclass(frozen=True)
class SpanReading:
    """Of one span.

    Attributes:
        seen: strength of every unit from :data:`SEEN` on, the strongest first; of two sides the stronger.
        fits: common units by all units of both (Jaccard), for every expression that the model knows and of which it is
            known what makes it; neutral is no unit. Empty where the face could not be read.
        verdict: whether the named expression fits best; ``open`` where none was named, or none fits.
        text: the three sentences.
    """

    seen: dict[str, float]
    fits: dict[str, float]
    verdict: Verdict
    text: str

    def to_dict(self) -> dict[str, Any]:
        """In the types of JSON."""
        return {"seen": self.seen, "fits": self.fits, "verdict": self.verdict, "text": self.text}


def readings_of(table: FaceTable, spans: Sequence[Span], labels: Sequence[str]) -> list[SpanReading] | None:
    """A reading of every span; None where the model knows no action units."""
    if ACTION_UNITS not in table.signals:
        return None
    means = readable_means(table.signal(ACTION_UNITS.name), span_of_rows(table, spans), len(spans))
    return [reading(span, row, labels) for span, row in zip(spans, means, strict=True)]


def reading(span: Span, strengths: Float64[np.ndarray, " u"], labels: Sequence[str]) -> SpanReading:
    """Of a span.

    Args:
        span: as analysed.
        strengths: of the columns of :data:`mien.core.facial.ACTION_UNITS`, means over the span; NaN where the face
            could not be read.
        labels: of the model.
    """
    if not np.isfinite(strengths).all():
        return SpanReading({}, {}, "open", f"Seen: nothing, the face could not be read. {_concluded(span, 'open')}")
    strongest: dict[str, float] = {}
    for column, value in zip(ACTION_UNITS.labels, strengths.tolist(), strict=True):
        unit = column.partition("_")[0]
        strongest[unit] = max(strongest.get(unit, 0.0), round(value, DIGITS))
    order = sorted(strongest, key=lambda unit: -strongest[unit])
    seen = {unit: strongest[unit] for unit in order if strongest[unit] >= SEEN}
    fits = _fits(seen, labels)
    best = max(fits.values(), default=0.0)
    verdict: Verdict = "open"
    if not span.abstained and span.label in fits and best >= FITS:
        verdict = "agrees" if fits[span.label] == best else "contradicts"
    text = " ".join([_seen(seen), f"Read: {read_of(fits)}", _concluded(span, verdict)])
    return SpanReading(seen, fits, verdict, text)


def _fits(seen: dict[str, float], labels: Sequence[str]) -> dict[str, float]:
    there = {int(unit.removeprefix("AU")) for unit in seen} & EXPECTED
    found = {}
    for label in labels:
        if canonical(label) == NEUTRAL:
            found[label] = float(not there)
        elif (expected := EXPECTATIONS.get(canonical(label))) is not None:
            units = set(expected.units)
            found[label] = round(len(units & there) / len(units | there), DIGITS)
    return found


def _seen(seen: dict[str, float]) -> str:
    if not seen:
        return f"Seen: no action unit of {SEEN:g} or more."
    return f"Seen: {'; '.join(clues_of(seen))}."


def clues_of(seen: Mapping[str, float]) -> list[str]:
    """Every unit in words: ``lip corner puller (AU12) strongly, 0.91``."""
    return [f"{UNITS[unit]} ({unit}) {_level(value)}, {value:.2f}" for unit, value in seen.items()]


def _level(strength: float) -> str:
    return next(word for least, word in LEVELS if strength >= least)


def read_of(fits: Mapping[str, float]) -> str:
    """What the units of a :class:`SpanReading` that could be read fit, in a sentence."""
    best = max(fits.values(), default=0.0)
    named = [label for label, value in fits.items() if value == best]
    if best < FITS:
        return "they fit no expression that people agree on how to pose."
    return f"that fits {' and '.join(named)} best, with {best:.2f} of the units in common."


def _concluded(span: Span, verdict: Verdict) -> str:
    if span.abstained:
        return f"Concluded: mien names no expression ({span.reason or 'unclear'})."
    said = f"Concluded: mien says {span.label}, {span.score:.2f}"
    return {
        "agrees": f"{said}; the units agree.",
        "contradicts": f"{said}; the units say otherwise.",
        "open": f"{said}; the units do not decide.",
    }[verdict]
