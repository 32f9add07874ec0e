"""Curves with bands, a heat map of people over time, and a raster of everybody's spans."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.report.palette import FREE_COLOURS, INK, WHITE, colours, hex_colour
from mien.report.plots.style import PAGE, legend, legend_height, sheet
from mien.studies.collect import Collected
from mien.studies.curves import Band, Series, band_of
from mien.studies.films import EXPRESSION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 4
MOST_LINES, MOST_ROWS, MOST_NAMES = 8, 200, 40
MARGIN = 0.05
"""Above the highest and below the lowest of a panel, as a share of what is between them."""
DASHES = ("-", "--", ":", "-.")


def draw_all(found: Collected) -> Iterator[tuple[str, Figure]]:
    """Name and picture of all that there is to draw; corrected scores are drawn where there are any, and it is said."""
    if found.curves.people:
        yield "curves", draw_curves(found)
        yield "heatmap", draw_heat(found)
    if found.strips:
        yield "raster", draw_raster(found)


def draw_curves(found: Collected) -> Figure:
    """A panel an expression or signal: mean over people and its 95 % interval, a line a condition and trial type.

    Panels of one signal have the same limits.
    """
    series = found.curves.series()[:MOST_LINES]
    names = found.plan.columns.names
    across, down = _grid(len(names))
    figure = sheet(PAGE, 0.6 + 1.35 * down + 0.17 * math.ceil(len(series) / 3))
    axes = figure.subplots(down, across, squeeze=False, sharex=True).ravel()
    middles = (found.curves.edges[1:] + found.curves.edges[:-1]) / 2
    handles, bands = [], []
    for number, one in enumerate(series):
        band = band_of(found.curves.people[one], found.plan.columns, _is_corrected(found, one))
        if band is None:
            continue
        bands.append(band)
        shade = hex_colour(FREE_COLOURS[number % len(FREE_COLOURS)])
        for place in range(len(names)):
            axes[place].fill_between(
                middles, band.low[:, place], band.high[:, place], color=shade, alpha=0.25, linewidth=0
            )
            style: dict[str, Any] = {"color": shade, "linewidth": 1.0, "linestyle": DASHES[number % len(DASHES)]}
            (line,) = axes[place].plot(middles, band.mean[:, place], label=_title(one), **style)
        handles.append(line)
    for place, (signal, label) in enumerate(names):
        axes[place].set_title(label if signal == EXPRESSION else f"{signal}: {label}")
        if found.curves.edges[0] < 0:
            axes[place].axvline(0, color=hex_colour(INK), linewidth=0.4)
    _share_limits(list(axes), bands, found)
    _blank(list(axes), len(names), across)
    figure.supxlabel(_time(found), fontsize=7)
    figure.supylabel(f"{_score(found)}, mean and 95 % interval", fontsize=7)
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
    return figure


def _share_limits(axes: Sequence[Axes], bands: Sequence[Band], found: Collected) -> None:
    """Panels of one signal go from 0, or the lowest of what may lie below it, to the highest of them all."""
    columns = found.plan.columns
    for signal, place in columns.blocks.items():
        parts = [part[:, place] for band in bands for part in (band.low, band.mean, band.high)]
        reached = np.concatenate([part[np.isfinite(part)] for part in parts] or [np.zeros(0)])
        positive = columns.kind(signal) != "scale" and _score(found) == "probability"
        low = 0.0 if positive else float(reached.min(initial=0.0))
        high = float(reached.max(initial=0.0))
        room = MARGIN * (high - low)
        for panel in axes[place] if high > low else ():
            panel.set_ylim(low - room * (low < 0), high + room)


def draw_heat(found: Collected) -> Figure:
    """A panel an expression: a row a person and series, from left to right the bins."""
    rows = [(one, who) for one in found.curves.series() for who in found.curves.people[one]][:MOST_ROWS]
    labels = found.plan.columns.labels
    scored = all(_is_corrected(found, one) for one, _ in rows)
    curves = [found.curves.people[one][who].mean(scored) for one, who in rows]
    across, down = _grid(len(labels))
    height = max(0.9, min(0.09 * len(rows), 3.5))
    figure = sheet(PAGE, 0.7 + (height + 0.3) * down)
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True).ravel()
    edges = found.curves.edges
    look: dict[str, Any] = (
        {"cmap": "RdBu_r", "vmin": -1, "vmax": 1} if scored else {"cmap": "viridis", "vmin": 0, "vmax": 1}
    )
    extent = (edges[0], edges[-1], len(rows) - 0.5, -0.5)
    for place, label in enumerate(labels):
        cells = np.ma.masked_invalid(np.stack([curve[:, place] for curve in curves]))
        image = axes[place].imshow(cells, aspect="auto", extent=extent, interpolation="nearest", **look)
        axes[place].set_title(label)
        if edges[0] < 0:
            axes[place].axvline(0, color=hex_colour(INK), linewidth=0.4)
    _name_rows(axes[0], [f"{who}  {_title(one)}".strip() for one, who in rows])
    _blank(list(axes), len(labels), across)
    figure.supxlabel(_time(found), fontsize=7)
    bar = figure.colorbar(image, ax=list(axes), shrink=0.8, aspect=40)
    bar.set_label("corrected score" if scored else "probability")
    bar.outline.set_visible(False)
    return figure


def draw_raster(found: Collected) -> Figure:
    """A row a person and film: what is shown when, with a tick at every event."""
    strips = found.strips[:MOST_ROWS]
    labels = found.plan.columns.labels
    shades = colours(labels)
    shown = [label for code, label in enumerate(labels) if any(code == span[2] for one in strips for span in one.spans)]
    figure = sheet(PAGE, 0.55 + legend_height(max(len(shown), 1), PAGE) + max(0.5, min(0.14 * len(strips), 8.0)))
    axes = figure.add_subplot()
    for row, one in enumerate(strips):
        for code in sorted({span[2] for span in one.spans}):
            bars = [(start, end - start) for start, end, label in one.spans if label == code]
            axes.broken_barh(bars, (row - 0.4, 0.8), facecolor=hex_colour(shades[labels[code]]), linewidth=0)
        axes.vlines(list(one.onsets), row - 0.5, row + 0.5, color=hex_colour(INK), linewidth=0.5)
    axes.set(ylim=(len(strips) - 0.5, -0.5), xlim=(0, max((one.end for one in strips), default=1.0) or 1.0))
    axes.set_xlabel("time of the film, s; a line is an event")
    axes.set_facecolor(hex_colour(WHITE))
    _name_rows(axes, [f"{one.appearance.person}  {one.appearance.condition}" for one in strips])
    if shown:
        legend(figure, shown, labels, PAGE)
    return figure


def _grid(panels: int) -> tuple[int, int]:
    across = min(panels, ACROSS)
    return across, math.ceil(panels / across)


def _blank(axes: Sequence[Axes], panels: int, across: int) -> None:
    """Hide the places without a panel; whoever is lowest in its column shows the times."""
    for axis in axes[panels:]:
        axis.set_visible(False)
    for axis in axes[max(0, panels - across) : panels]:
        axis.tick_params(labelbottom=True)


def _name_rows(axes: Axes, names: list[str]) -> None:
    if len(names) <= MOST_NAMES:
        axes.set_yticks(range(len(names)), names, fontsize=5, parse_math=False)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(names)} rows, in the order of summary.csv")


def _is_corrected(found: Collected, series: Series) -> bool:
    return all(one.corrected is not None for one in found.curves.people[series].values())


def _score(found: Collected) -> str:
    scored = [_is_corrected(found, one) for one in found.curves.series()]
    return "corrected score" if all(scored) else "probability" if not any(scored) else "score"


def _time(found: Collected) -> str:
    return "time from the event, s" if any(found.plan.events.values()) else "time from the film's beginning, s"


def _title(series: Series) -> str:
    # A dollar sign would begin a formula.
    return ", ".join(part.replace("$", r"\$") for part in series)
