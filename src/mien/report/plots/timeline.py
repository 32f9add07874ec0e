"""Who showed what, when: a person has a row of spans and, below it, the probabilities they rest on.

What the model says beside the expression has a row of its own below: lines for a scale, strips for anything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float64

from mien.core.signals import Signal, places
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
BESIDE, STRIP = 0.34, 0.08
"""Inches of a scale's row, and of a label's strip."""
LINES = (("#0072b2", "-"), ("#b34700", "--"), ("#00785a", ":"), ("#a0447a", "-."))
"""Colours and dashes of a scale's labels, in turn."""
LETTER = 0.062
"""Inches that a letter of the labels takes, about."""


def draw_timeline(analysis: Analysis, width: float) -> Figure:
    """The timeline of one source, ``width`` inches wide."""
    people = analysis.people
    if not people:
        return nobody(analysis.source, width)
    shown = shown_labels(analysis)
    rows = [ROW, *(BESIDE if one.kind == "scale" else STRIP * len(one.labels) for one in analysis.signals)]
    ratios = rows * len(people) if analysis.signals else None
    figure = sheet(width, 0.45 + legend_height(len(shown), width) + sum(rows) * len(people))
    axes = figure.subplots(len(rows) * len(people), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    for place, person in zip(axes[:: len(rows)], people, strict=True):
        _draw_person(place, analysis, person, width)
    for number, signal in enumerate(analysis.signals, 1):
        for place, person in zip(axes[number :: len(rows)], people, strict=True):
            _draw_signal(place, analysis, person, signal)
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
    edges, means = binned(analysis, person, analysis.probabilities)
    tops = np.cumsum(means, axis=1)
    for place, label in enumerate(analysis.labels):
        low = tops[:, place] - means[:, place]
        axes.stairs(tops[:, place], edges, baseline=low, fill=True, color=hex_colour(shades[label]), linewidth=0)
    axes.set(ylim=(0, 2), xlim=(0, length), yticks=[])
    axes.set_ylabel(f"face {person}", rotation=0, ha="right", va="center")
    axes.spines[["left", "bottom"]].set_color(hex_colour(MUTED))
    axes.axhline(1.04, color=hex_colour(INK), linewidth=0.3)


def _draw_signal(axes: Axes, analysis: Analysis, person: int, signal: Signal) -> None:
    edges, means = binned(analysis, person, analysis.beside[:, places(analysis.signals)[signal.name]])
    names = range(len(signal.labels))
    if signal.kind == "scale":
        for place in names:
            colour, dash = LINES[place % len(LINES)]
            look: dict[str, Any] = {"color": colour, "linestyle": dash, "linewidth": 0.8}
            axes.plot((edges[1:] + edges[:-1]) / 2, means[:, place], label=signal.labels[place], **look)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=5, handlelength=1.6)
        if signal.low < 0 < signal.high:
            axes.axhline(0, color=hex_colour(MUTED), linewidth=0.3)
        axes.set(ylim=(signal.low, signal.high), yticks=[])
    else:
        strips = (0.0, edges[-1], len(names) - 0.5, -0.5)
        axes.imshow(means.T, cmap="Blues", vmin=0, vmax=1, aspect="auto", extent=strips, interpolation="nearest")
        axes.set_yticks(names, signal.labels, fontsize=4)
        axes.tick_params(axis="y", length=0, pad=1)
    derived = "\n(derived)" if signal.derived_from else ""
    axes.set_ylabel(f"{signal.name.replace('_', ' ')}{derived}", rotation=0, ha="right", va="center", fontsize=6)
    axes.spines[["left", "bottom"]].set_color(hex_colour(MUTED))


def binned(
    analysis: Analysis, person: int, rows: Float64[np.ndarray, "n c"], steps: int = STEPS
) -> tuple[Float64[np.ndarray, " k+1"], Float64[np.ndarray, "k c"]]:
    """Means of the ``rows`` of ``person`` in equal steps of the whole time: edges in seconds, and a row a step.

    A step between two of a face's frames takes the frame before, as a frame lasts until the next; NaN where the face
    is out of sight or could not be read.
    """
    length = analysis.duration or 1.0
    edges = np.linspace(0, length, steps + 1)
    own = np.flatnonzero(analysis.tracks == person)
    times, values = analysis.times[own], rows[own]
    at = np.clip((times / length * steps + 1e-6).astype(int), 0, steps - 1)
    readable = ~np.isnan(values).any(axis=1)
    count = np.bincount(at[readable], minlength=steps)
    sums = np.stack([np.bincount(at[readable], column, steps) for column in values[readable].T], axis=1)
    means = np.divide(sums, count[:, None], out=np.full(sums.shape, np.nan), where=count[:, None] > 0)
    middles = (edges[1:] + edges[:-1]) / 2 if analysis.duration else np.zeros(steps)
    last = np.searchsorted(times, middles, side="right") - 1
    empty = (np.bincount(at, minlength=steps) == 0) & (last >= 0) & _in_sight(analysis, person, middles)
    means[empty] = values[last[empty]]
    return edges, means


def _in_sight(analysis: Analysis, person: int, times: Float64[np.ndarray, " k"]) -> Bool[np.ndarray, " k"]:
    spans = [span for span in analysis.spans if span.track == person]
    starts, ends = (np.sort([getattr(span, edge) for span in spans]) for edge in ("start", "end"))
    begun, over = np.searchsorted(starts, times, side="right"), np.searchsorted(ends, times, side="right")
    seen: Bool[np.ndarray, " k"] = begun > over if analysis.duration else begun > 0
    return seen
