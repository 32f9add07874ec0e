"""Counts from rows to columns, as numbers on colours."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from mien.report.palette import GREY, INK, WHITE, hex_colour
from mien.report.plots.style import COLUMN, MUTED, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL = 0.34
SHADES = "Blues"
ROOMY = 0.3
"""Inches from which a cell takes two lines of a size that print can show."""
DARK = 0.55
"""Share from which white letters read better."""


def draw_matrix(
    counts: Int64[np.ndarray, "r c"],
    shares: Float64[np.ndarray, "r c"],
    rows: Sequence[str],
    columns: Sequence[str],
    axes_names: tuple[str, str],
    note: str,
    width: float,
    blank: bool = False,
) -> Figure:
    """Share of the row in whole per cent, and below it the count, where there is room for both; every row has its n.

    Args:
        counts: numbers.
        shares: of the row; NaN in an empty row, which stays white.
        rows: their names.
        columns: their names.
        axes_names: what rows and columns are.
        note: what a reader must know of the numbers.
        width: inches the picture may take; it takes less where there are few columns.
        blank: the diagonal has no meaning and is left out.
    """
    cell = min(CELL * max(width / COLUMN, 1) ** 0.5, (width - 1.75) / max(len(columns), 1))
    taken = min(width, max(2.0 + cell * len(columns), 2.6))
    figure = sheet(taken, 1.15 + cell * len(rows))
    axes = figure.add_subplot()
    image = axes.imshow(np.nan_to_num(shares), cmap=SHADES, vmin=0, vmax=1)
    roomy = cell >= ROOMY
    size = 6.5 if roomy else min(6.5, 72 * cell / 2.4)
    for row, column in np.ndindex(counts.shape):
        if blank and row == column:
            axes.plot(column, row, marker="_", markersize=4, color=hex_colour(GREY))
        elif counts[row, column]:
            ink = WHITE if shares[row, column] > DARK else INK
            share = f"{100 * shares[row, column]:.0f}"
            text = f"{share} %\n{counts[row, column]}" if roomy else share
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color=hex_colour(ink))
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [f"{name} ({n})" for name, n in zip(rows, counts.sum(axis=1), strict=True)])
    axes.set(ylabel=axes_names[0], xlabel=axes_names[1])
    axes.set_title(fill(note, round(cell * len(columns) * 20) + 10), fontsize=6.5, color=hex_colour(MUTED), loc="left")
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(len(columns) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color=hex_colour(WHITE), linewidth=0.8)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=5 * len(rows), ticks=[0, 0.5, 1])
    bar.set_label("share of the row (n)")
    bar.outline.set_visible(False)
    return figure
