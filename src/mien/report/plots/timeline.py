"""Who showed what, when: a person has a row of spans and, below it, the probabilities they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float64

from mien.core.types import UNCLEAR
from mien.report.palette import INK, PALE, WHITE, colours, hex_colour, text_colour
from mien.report.plots.analyses import Analysis
from mien.report.plots.style import HATCHING, MUTED, legend, legend_height, nobody, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STEPS = 800
"""Columns of probabilities along the whole time: as fine as the print of a page shows."""
SEEN = 0.1
"""Probability from which a colour needs its name."""
ROW = 0.42
LETTER = 0.062
"""Inches that a letter of the labels takes, about."""


def draw_timeline(analysis: Analysis, width: float) -> Figure:
    """The timeline of one source, ``width`` inches wide."""
    people = analysis.people
    if not people:
        return nobody(analysis.source, width)
    shown = shown_labels(analysis)
    figure = sheet(width, 0.45 + legend_height(len(shown), width) + ROW * len(people))
    axes = figure.subplots(len(people), 1, sharex=True, squeeze=False)[:, 0]
    for place, person in zip(axes, people, strict=True):
        _draw_person(place, analysis, person, width)
    for place in axes[:-1]:
        place.tick_params(axis="x", length=0)
    axes[-1].set_xlabel("time, s" if analysis.duration else "one picture")
    if not analysis.duration:
        axes[-1].set_xticks([])
    legend(figure, shown, analysis.labels, width)
    return figure


def shown_labels(analysis: Analysis) -> list[str]:
    """Labels that a reader sees in the picture: those of spans, and those that ever reach :data:`SEEN` below them."""
    most = np.nanmax(analysis.probabilities, axis=0, initial=0.0) if len(analysis.times) else np.zeros(0)
    named = {span.label for span in analysis.spans}
    named |= {label for label, value in zip(analysis.labels, most, strict=False) if value >= SEEN}
    return [label for label in (*analysis.labels, UNCLEAR) if label in named]


def _draw_person(axes: Axes, analysis: Analysis, person: int, width: float) -> None:
    shades = colours(analysis.labels)
    length = analysis.duration or 1.0
    for span in (span for span in analysis.spans if span.track == person):
        start, end = (span.start, span.end) if analysis.duration else (0.0, 1.0)
        hatch = HATCHING if span.abstained else None
        look: dict[str, Any] = {"facecolor": hex_colour(PALE if span.abstained else shades[span.label]), "hatch": hatch}
        axes.broken_barh([(start, end - start)], (1.08, 0.92), edgecolor=hex_colour(WHITE), linewidth=0.3, **look)
        if not span.abstained and len(span.label) * LETTER < (end - start) / length * (width - 0.7):
            ink = hex_colour(text_colour(shades[span.label]))
            axes.text((start + end) / 2, 1.52, span.label, color=ink, fontsize=6, ha="center", va="center")
    edges, means = binned(analysis, person)
    tops = np.cumsum(means, axis=1)
    for place, label in enumerate(analysis.labels):
        low = tops[:, place] - means[:, place]
        axes.stairs(tops[:, place], edges, baseline=low, fill=True, color=hex_colour(shades[label]), linewidth=0)
    axes.set(ylim=(0, 2), xlim=(0, length), yticks=[])
    axes.set_ylabel(f"face {person}", rotation=0, ha="right", va="center")
    axes.spines[["left", "bottom"]].set_color(hex_colour(MUTED))
    axes.axhline(1.04, color=hex_colour(INK), linewidth=0.3)


def binned(
    analysis: Analysis, person: int, steps: int = STEPS
) -> tuple[Float64[np.ndarray, " k+1"], Float64[np.ndarray, "k c"]]:
    """Mean probabilities of ``person`` in equal steps of the whole time: edges in seconds, and a row a step.

    A step between two of a face's frames takes the frame before, as a frame lasts until the next; NaN where the face
    is out of sight or could not be read.
    """
    length = analysis.duration or 1.0
    edges = np.linspace(0, length, steps + 1)
    own = np.flatnonzero(analysis.tracks == person)
    times, values = analysis.times[own], analysis.probabilities[own]
    places = np.clip((times / length * steps + 1e-6).astype(int), 0, steps - 1)
    readable = ~np.isnan(values).any(axis=1)
    count = np.bincount(places[readable], minlength=steps)
    sums = np.stack([np.bincount(places[readable], column, steps) for column in values[readable].T], axis=1)
    means = np.divide(sums, count[:, None], out=np.full(sums.shape, np.nan), where=count[:, None] > 0)
    middles = (edges[1:] + edges[:-1]) / 2 if analysis.duration else np.zeros(steps)
    last = np.searchsorted(times, middles, side="right") - 1
    empty = (np.bincount(places, minlength=steps) == 0) & (last >= 0) & _in_sight(analysis, person, middles)
    means[empty] = values[last[empty]]
    return edges, means


def _in_sight(analysis: Analysis, person: int, times: Float64[np.ndarray, " k"]) -> Bool[np.ndarray, " k"]:
    spans = [span for span in analysis.spans if span.track == person]
    starts, ends = (np.sort([getattr(span, edge) for span in spans]) for edge in ("start", "end"))
    begun, over = np.searchsorted(starts, times, side="right"), np.searchsorted(ends, times, side="right")
    seen: Bool[np.ndarray, " k"] = begun > over if analysis.duration else begun > 0
    return seen
