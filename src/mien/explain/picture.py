"""The maps over the face, as a sheet: a column a moment, a row a method, and below what each moment is worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float64, Int, UInt8

from mien.core.types import UNCLEAR
from mien.explain.explanation import Evidence, Explanation
from mien.report.palette import INK, WHITE, hex_colour
from mien.report.plots.style import COLUMN, PAGE, paper, save, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Place = tuple[float, float, float, float]
"""Left, bottom, width and height, as shares of the picture."""
MOST_COLUMNS = 8
MOST_SIDE = 1.2
"""Inches."""
COLOURS = "magma"
"""Perceptually uniform, and in order for colour-blind readers and in print without colour."""
SHOWN_THROUGH = 0.45
BAR, AGAINST = "#0072b2", "#d55e00"
"""Okabe and Ito's blue and vermilion."""


def write_strip(explanation: Explanation, path: Path, heading: str = "") -> Path:
    """Write the sheet of ``explanation``: PNG, PDF or SVG, as the path's suffix says. It shows the face.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ConfigError: another suffix.
    """
    with paper():
        return save(draw_strip(explanation, heading), path)


def draw_strip(explanation: Explanation, heading: str = "") -> Figure:
    """The sheet; the regions that theory expects are outlined."""
    shown = columns(explanation)
    timed = bool(np.isfinite(explanation.importance).all())
    grid = _Grid(len(shown), 1 + len(explanation.evidence), timed)
    figure = sheet(grid.width, grid.height)
    figure.set_layout_engine("none")
    title = fill(title_of(explanation, heading), round(grid.width * 18))
    figure.text(0.06 / grid.width, 1 - 0.06 / grid.height, title, fontsize=8, va="top")
    for row, evidence in enumerate([None, *explanation.evidence]):
        line = [figure.add_axes(grid.cell(row, place)) for place in range(len(shown))]
        _draw_row(line, explanation, shown, evidence)
        if evidence is not None:
            _colour_bar(figure, figure.add_axes(grid.bar(row)), line[-1], evidence)
        elif timed:
            for axes, moment in zip(line, shown, strict=True):
                axes.set_title(f"{explanation.clip.times[moment]:.2f} s", fontsize=7, pad=2)
    if timed:
        _draw_importance(figure.add_axes(grid.below()), explanation)
    return figure


@dataclass(frozen=True)
class _Grid:
    """Where everything stands: inches in here, shares of the picture out."""

    columns: int
    rows: int
    timed: bool
    left: float = 0.62
    right: float = 0.78
    gap: float = 0.04
    head: float = 0.38
    foot: float = 0.9

    @property
    def width(self) -> float:
        return PAGE if self.columns > 2 else COLUMN

    @property
    def side(self) -> float:
        return min(MOST_SIDE, (self.width - self.left - self.right) / self.columns - self.gap)

    @property
    def height(self) -> float:
        return self.head + self.rows * (self.side + self.gap) + (self.foot if self.timed else self.gap)

    def cell(self, row: int, column: int) -> Place:
        """A crop."""
        step = self.side + self.gap
        return self._place(self.left + column * step, self.head + row * step, self.side, self.side)

    def bar(self, row: int) -> Place:
        """The colour bar of a row."""
        step = self.side + self.gap
        return self._place(self.left + self.columns * step + 0.03, self.head + row * step, 0.07, self.side)

    def below(self) -> Place:
        """The bars of the moments, under their crops."""
        step = self.side + self.gap
        top = self.head + self.rows * step + 0.14
        return self._place(self.left - self.gap / 2, top, self.columns * step, self.foot - 0.51)

    def _place(self, left: float, top: float, width: float, height: float) -> Place:
        low = self.height - top - height
        return left / self.width, low / self.height, width / self.width, height / self.height


def columns(explanation: Explanation) -> Int[np.ndarray, " n"]:
    """Places of the clip to show: at most :data:`MOST_COLUMNS`, evenly, none twice, and the one that counts most."""
    moments = np.flatnonzero(explanation.clip.valid)
    if len(moments) <= MOST_COLUMNS:
        return moments
    chosen: Int[np.ndarray, " n"] = moments[np.linspace(0, len(moments) - 1, MOST_COLUMNS).round().astype(int)]
    top: int = moments[np.nan_to_num(explanation.importance[moments]).argmax()]
    if top not in chosen:
        chosen[np.abs(chosen - top).argmin()] = top
    return chosen


def title_of(explanation: Explanation, heading: str = "") -> str:
    """Who, when, and which label, in a line; ``heading`` names the source."""
    clip = explanation.clip
    when = f", {clip.start:.2f} to {clip.end:.2f} s" if clip.end > clip.start else ""
    named = f"{UNCLEAR}, likeliest {explanation.label}" if explanation.unclear else explanation.label
    source = f"{heading}: " if heading else ""
    return f"{source}face {clip.track}{when}, shown: {named} ({explanation.probability:.2f})"


def _draw_row(line: list[Axes], explanation: Explanation, shown: Int[np.ndarray, " n"], what: Evidence | None) -> None:
    theory = explanation.theory
    for axes, moment in zip(line, shown, strict=True):
        axes.imshow(grey(explanation.clip.images[moment]), cmap="gray", vmin=0, vmax=255, interpolation="bicubic")
        if what is not None:
            _lay_over(axes, what.values, moment)
            if theory is not None:
                _outline(axes, theory[moment])
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
    line[0].set_ylabel("crop" if what is None else what.title, fontsize=7)


def grey(image: UInt8[np.ndarray, "3 s s"]) -> Float64[np.ndarray, "s s"]:
    """Luma of a crop, 0 to 255."""
    luma: Float64[np.ndarray, "s s"] = np.asarray(np.tensordot((0.299, 0.587, 0.114), image, axes=1))
    return luma


def _lay_over(axes: Axes, values: Float64[np.ndarray, "t s s"], moment: int) -> None:
    most = float(values.max()) or 1.0
    axes.imshow(
        values[moment], cmap=COLOURS, vmin=0, vmax=most, alpha=1 - SHOWN_THROUGH, interpolation="bicubic", zorder=2
    )


def _outline(axes: Axes, mask: Bool[np.ndarray, "s s"]) -> None:
    if mask.any() and not mask.all():
        axes.contour(mask.astype(float), levels=[0.5], colors=[hex_colour(WHITE)], linewidths=0.7, zorder=3)


def _colour_bar(figure: Figure, place: Axes, axes: Axes, evidence: Evidence) -> None:
    drawn = axes.get_images()[-1]
    most = drawn.get_clim()[1]
    bar = figure.colorbar(drawn, cax=place, ticks=[0, most])
    low, high = bar.ax.set_yticklabels(["0", f"{most:.2g}"])
    # Inside their own row: the bars of two rows nearly touch.
    low.set_verticalalignment("bottom")
    high.set_verticalalignment("top")
    place.set_facecolor("0.5")
    bar.set_label(evidence.unit.replace(" an ", " an\n").replace(" lost", "\nlost"), fontsize=6, labelpad=1)


def _draw_importance(axes: Axes, explanation: Explanation) -> None:
    moments = np.flatnonzero(explanation.clip.valid)
    worth = explanation.importance[moments]
    axes.bar(range(len(moments)), worth, 0.7, color=[BAR if one >= 0 else AGAINST for one in worth])
    axes.axhline(0, color=hex_colour(INK), linewidth=0.6)
    step = -(-len(moments) // MOST_COLUMNS)
    ticks = range(0, len(moments), step)
    axes.set_xticks(ticks, [f"{explanation.clip.times[moments[tick]]:.2f}" for tick in ticks])
    axes.set(xlabel="moment taken out, s", xlim=(-0.5, len(moments) - 0.5))
    axes.set_ylabel("probability\nlost")
    axes.locator_params(axis="y", nbins=3)
    axes.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
