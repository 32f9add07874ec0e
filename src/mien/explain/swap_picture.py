"""Causal swaps as a sheet: the two crops, and what every part of the face carries over, block by block."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

import numpy as np

from mien.core.types import FaceClip
from mien.explain.picture import MOST_SIDE, grey
from mien.explain.swap import Swaps
from mien.report.plots.style import COLUMN, paper, save, sheet

ROW, HEAD = 0.2, 0.45
"""Inches: of a part's row, and of the title."""


def write_swaps(found: Swaps, a: FaceClip, b: FaceClip, path: Path, heading: str = "") -> Path:
    """Write the sheet: PNG, PDF or SVG, as the path's suffix says. It shows the faces.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ConfigError: another suffix.
    """
    with paper():
        names, values = list(found.effects), np.stack(list(found.effects.values()))
        figure = sheet(COLUMN, HEAD + MOST_SIDE + ROW * (len(names) + 3))
        figure.suptitle(fill(heading, 68), fontsize=8)
        grid = figure.add_gridspec(2, 1, height_ratios=(MOST_SIDE, ROW * (len(names) + 3)))
        crops, table = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
        for axes, clip, name in zip(crops.subplots(1, 2), (a, b), ("into this", "from this"), strict=True):
            axes.imshow(grey(clip.images[len(clip.images) // 2]), cmap="gray", vmin=0, vmax=255)
            axes.set_title(name, fontsize=7)
            axes.set_axis_off()
        axes = table.subplots()
        # Blue to red are in order for colour-blind readers; what lies beyond -1 or 1 is drawn as these and written.
        drawn = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        axes.set_yticks(range(len(names)), names)
        axes.set_xticks(range(values.shape[1]))
        axes.set_xlabel("swapped before block")
        for (row, column), value in np.ndenumerate(values):
            ink = "white" if abs(value) > 0.6 else "black"
            axes.text(column, row, _short(float(value)), fontsize=5, ha="center", va="center", color=ink)
        table.colorbar(drawn, ax=axes, ticks=[-1, 0, 1], fraction=0.05).set_label("effect", fontsize=6)
        return save(figure, path)


def _short(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.1f}".replace("-0.0", "0.0").replace("0.", ".")
