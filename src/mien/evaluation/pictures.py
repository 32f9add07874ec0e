"""Pictures of a report, by matplotlib without its global state: confusion, and what the probabilities are worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.core.errors import MissingDependencyError
from mien.core.files import whole_file
from mien.evaluation.metrics import BINS
from mien.evaluation.report import Calibration, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, BAR, WARN = "#101010", "#0072b2", "#d55e00"
"""Okabe and Ito's blue and vermilion, told apart by colour-blind readers."""


def write_pictures(report: Report, folder: Path) -> None:
    """``confusion.png``, and ``reliability.png`` where there are probabilities. Raises as :func:`draw_confusion`."""
    _save(draw_confusion(report), folder / "confusion.png")
    if report.calibration is not None:
        _save(draw_reliability(report), folder / "reliability.png")


def draw_confusion(report: Report) -> Figure:
    """Share (colour) and number of the answers to every true class; rows without items stay white.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    names, matrix = report.labels.labels, report.confusion
    totals = matrix.sum(1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    side = 2.6 + 0.62 * len(names)
    figure = _figure(side + 1, side)
    axes: Axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(matrix.shape):
        if matrix[row, column]:
            text = f"{100 * shares[row, column]:.0f} %\n{matrix[row, column]}"
            ink = "white" if shares[row, column] > 0.5 else INK
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=ink)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_title(_heading(report), fontsize=9)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    return figure


def draw_reliability(report: Report) -> Figure:
    """Left: accuracy by confidence, which should follow the diagonal. Right: errors when only the surest are answered.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        ValueError: a report without probabilities.
    """
    if (calibration := report.calibration) is None:
        raise ValueError("a report of answers alone has no reliability")
    figure = _figure(9, 4.4)
    left, right = figure.subplots(1, 2)
    figure.suptitle(_heading(report), fontsize=9)
    _draw_bins(left, calibration)
    right.plot(100 * calibration.covered, 100 * calibration.risk, color=BAR)
    if np.isfinite(calibration.precision_answered) and calibration.threshold > 0:
        place = 100 * calibration.answered, 100 * (1 - calibration.precision_answered)
        right.plot(*place, "o", color=WARN, label=f"threshold {calibration.threshold:.2f}")
        right.legend(loc="upper left", frameon=False, fontsize=7)
    right.set(xlabel="answered, %", ylabel="wrong among those, %", xlim=(0, 100))
    right.set_title("risk and coverage: only the surest are answered", fontsize=9)
    right.set_ylim(bottom=0)
    return figure


def _draw_bins(axes: Axes, calibration: Calibration) -> None:
    width, bins = 1 / BINS, calibration.bins
    filled = bins.items > 0
    left, heights = np.arange(BINS)[filled] * width, bins.accuracy[filled]
    axes.bar(left, heights, width, align="edge", color=BAR, edgecolor="white", label="accuracy")
    axes.plot([0, 1], [0, 1], "--", color=INK, linewidth=1, label="accuracy = confidence")
    for edge, height, items in zip(left, heights, bins.items[filled], strict=True):
        axes.text(edge + width / 2, height + 0.01, str(items), ha="center", fontsize=5, color=INK)
    ece = calibration.ece
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.05))
    axes.set_title(f"ECE {ece.value:.3f} ({ece.low:.3f} to {ece.high:.3f}); items on the bars", fontsize=9)
    axes.legend(loc="upper left", frameon=False, fontsize=7)


def _heading(report: Report) -> str:
    return f"{report.predictions.title}\nWAR {100 * report.war.value:.2f} %, UAR {100 * report.uar.value:.2f} %"


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure as Sheet
    except ImportError as error:
        fix = "pip install 'mien[plots]'; everything but the pictures is written"
        raise MissingDependencyError("matplotlib for the pictures", "no such package", fix) from error
    return Sheet((width, height), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    with whole_file(path) as draft:
        # No time stamp: the same report gives the same bytes.
        figure.savefig(draft, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else {})
