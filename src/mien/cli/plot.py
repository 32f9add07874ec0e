"""``mien plot``: pictures for papers of what ``mien analyze`` wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from mien.cli.console import print_json, print_line
from mien.cli.parsing import parse
from mien.core.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mien.report.plots.analyses import Analysis

Kind = Literal["timeline", "means", "transitions", "confusion"]
ALL: tuple[Kind, ...] = ("timeline", "means", "transitions")


@dataclass(frozen=True)
class Plot:
    """Pictures for papers: timelines, mean probabilities, transitions between expressions, confusion.

    Of several sources together: a timeline each, the other pictures over all of them. Widths fit a column; text stays
    text; the same results give the same files.
    """

    results: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="OUT...")]
    """Folders that `mien analyze -o` wrote, of one source or of many."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder for the pictures. None: `plots` in the first OUT."""
    kinds: tuple[Kind, ...] = ALL
    """Which pictures; confusion comes with --labels."""
    formats: tuple[Literal["png", "pdf", "svg"], ...] = ("png", "pdf")
    """In which formats."""
    width: Literal["column", "page"] = "column"
    """3.5 inches, one column of a two-column page, or 7.16, both."""
    labels: Path | None = None
    """CSV of labelled stretches for the confusion: source, start, end, label, and track where several faces are in
    sight. A stretch counts as what mien shows for most of it."""
    json: bool = False
    """Print the paths as JSON."""

    def __post_init__(self) -> None:
        if not self.results:
            raise ConfigError("at least one OUT", "none", "name a folder of results, for example: mien plot out")
        if "confusion" in self.kinds and self.labels is None:
            raise ConfigError("--labels with the kind confusion", "none", "give a labels.csv, or leave confusion out")


def main(args: Sequence[str]) -> int:
    """Run ``mien plot`` and return the exit code."""
    options = parse(Plot, "plot", args)
    from mien.report.plots.analyses import read_analyses
    from mien.report.plots.style import paper, save

    analyses = read_analyses(options.results)
    folder = options.out or options.results[0] / "plots"
    with paper():
        paths = [
            save(figure, folder / f"{name}.{suffix}")
            for name, figure in _figures(options, analyses)
            for suffix in options.formats
        ]
    if options.json:
        print_json([str(path) for path in paths])
    else:
        for path in paths:
            print_line(str(path))
    return 0


def _figures(options: Plot, analyses: list[Analysis]) -> Iterator[tuple[str, Figure]]:
    from mien.report.plots.confusion import draw_confusion, read_labels
    from mien.report.plots.means import draw_means
    from mien.report.plots.style import COLUMN, PAGE
    from mien.report.plots.timeline import draw_timeline
    from mien.report.plots.transitions import draw_transitions

    width = PAGE if options.width == "page" else COLUMN
    # Read first: a bad table of labels stops everything before a picture is written.
    stretches = None if options.labels is None else read_labels(options.labels, analyses)
    if "timeline" in options.kinds:
        for name, analysis in _named(analyses):
            yield name, draw_timeline(analysis, width)
    if "means" in options.kinds:
        yield "means", draw_means(analyses, width)
    if "transitions" in options.kinds:
        yield "transitions", draw_transitions(analyses, width)
    if stretches is not None:
        yield "confusion", draw_confusion(stretches, analyses[0].labels, width)


def _named(analyses: list[Analysis]) -> Iterator[tuple[str, Analysis]]:
    """A file name for every timeline; sources of the same name in different folders are numbered."""
    taken: dict[str, int] = {}
    for analysis in analyses:
        taken[analysis.name] = taken.get(analysis.name, 0) + 1
        again = f"-{taken[analysis.name]}" if taken[analysis.name] > 1 else ""
        yield "timeline" if len(analyses) == 1 else f"timeline-{analysis.name}{again}", analysis
