"""How pictures for papers look, and how they are written: matplotlib without its global state."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.errors import ConfigError, MissingDependencyError
from mien.core.files import whole_file
from mien.core.types import UNCLEAR
from mien.report.palette import Colour, colours, hex_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN, PAGE = 3.5, 7.16
"""Inches: one column and both columns of a two-column page (IEEE; Elsevier and ACM differ by less than 2 %)."""
FORMATS = ("png", "pdf", "svg")
DPI = 300
MUTED: Colour = (96, 96, 96)
HATCHING = "//////"
"""For what mien declined to name."""

LOOK: dict[str, Any] = {
    # Text stays text: searchable, and set in the reader's font where the SVG's is missing.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    # Names inside an SVG are drawn at random without it.
    "svg.hashsalt": "mien",
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "DejaVu Sans"],
    "font.size": 7.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.color": hex_colour(MUTED),
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
}


@contextmanager
def paper() -> Iterator[None]:
    """The look, for pictures drawn and written inside.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        fix = "pip install 'mien[plots]'"
        raise MissingDependencyError("matplotlib for the pictures", "no such package", fix) from error
    with matplotlib.rc_context(LOOK):  # type: ignore[arg-type]
        yield


def sheet(width: float, height: float) -> Figure:
    """An empty picture of that many inches."""
    from matplotlib.figure import Figure as Sheet

    return Sheet((width, height), layout="constrained")


def save(figure: Figure, path: Path) -> Path:
    """Write ``figure`` as the path's suffix says, whole or not at all; nothing in it tells when.

    Raises:
        ConfigError: the suffix is none of :data:`FORMATS`.
    """
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in FORMATS:
        raise ConfigError(f"a picture in {', '.join(FORMATS)}", repr(path.name), "change the suffix")
    dates: dict[str, dict[str, None]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}
    with whole_file(path) as draft:
        figure.savefig(draft, dpi=DPI, metadata=dates[suffix])
    return path


def legend_height(count: int, width: float) -> float:
    """Inches that :func:`legend` takes of a picture for ``count`` labels."""
    return 0.17 * math.ceil(count / _columns(count, width)) + 0.08


def _columns(count: int, width: float) -> int:
    return max(1, min(count, int(width / 0.86)))


def legend(figure: Figure, shown: Sequence[str], labels: Sequence[str], width: float) -> None:
    """Chips with the names of the labels ``shown``, above everything, in as many lines as ``width`` inches ask for."""
    from matplotlib.patches import Patch

    shades = colours(labels)
    chips = [
        Patch(facecolor=hex_colour(shades[label]), hatch=HATCHING if label == UNCLEAR else None, label=label)
        for label in shown
    ]
    columns = _columns(len(chips), width)
    look: dict[str, Any] = {"frameon": False, "handlelength": 1.0, "handleheight": 1.0, "columnspacing": 1.2}
    figure.legend(handles=chips, loc="outside upper center", ncols=columns, handletextpad=0.5, **look)


def nobody(source: str, width: float) -> Figure:
    """The picture of a source without a face: no failure, and it says so."""
    figure = sheet(width, 0.5)
    about = f"{source}: " if source else ""
    figure.text(0.5, 0.5, f"{about}no face was found", ha="center", va="center", color=hex_colour(MUTED))
    return figure
