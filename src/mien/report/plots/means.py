"""What each person showed on the whole: the mean probability of every expression over the frames that could be read.

The frames of a video are no independent samples, so no interval is drawn; n is the number of frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from mien.report.palette import colours, hex_colour, text_colour
from mien.report.plots.analyses import Analysis
from mien.report.plots.style import legend, legend_height, nobody, sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROW = 0.24
LEAST_NUMBER = 0.08
"""Probability from which a segment has room for its number."""


@dataclass(frozen=True, eq=False)
class PersonMean:
    """A person on the whole.

    Attributes:
        source: name of the folder of results.
        person: number in that source.
        frames: that could be read.
        unread: frames that could not.
        means: of the probabilities, one a label; NaN without a frame.
    """

    source: str
    person: int
    frames: int
    unread: int
    means: Float64[np.ndarray, " c"]


def person_means(analyses: Sequence[Analysis]) -> list[PersonMean]:
    """One entry a person, by source, then number."""
    answer = []
    for analysis in analyses:
        for person in analysis.people:
            rows = analysis.probabilities[analysis.tracks == person]
            readable = rows[~np.isnan(rows).any(axis=1)]
            means = readable.mean(axis=0) if len(readable) else np.full(len(analysis.labels), np.nan)
            answer.append(PersonMean(analysis.name, person, len(readable), len(rows) - len(readable), means))
    return answer


def draw_means(analyses: Sequence[Analysis], width: float) -> Figure:
    """A bar a person, ``width`` inches wide."""
    people, labels = person_means(analyses), analyses[0].labels
    if not people:
        return nobody("", width)
    figure = sheet(width, 0.55 + legend_height(len(labels), width) + ROW * len(people))
    axes = figure.add_subplot()
    shades = colours(labels)
    for place, person in enumerate(people):
        left = 0.0
        for label, mean in zip(labels, np.nan_to_num(person.means), strict=True):
            axes.barh(place, mean, 0.78, left, color=hex_colour(shades[label]), edgecolor="white", linewidth=0.3)
            if mean >= LEAST_NUMBER * 3.5 / width:
                ink = hex_colour(text_colour(shades[label]))
                number = f"{mean:.2f}".removeprefix("0")
                axes.text(left + mean / 2, place, number, ha="center", va="center", fontsize=6, color=ink)
            left += mean
        axes.text(1.01, place, f"{person.frames}", va="center", fontsize=6)
    axes.text(1.01, -0.85, "n", fontsize=6, style="italic")
    axes.set_yticks(range(len(people)), [_name(person, len(analyses) > 1) for person in people])
    axes.set(xlim=(0, 1), xlabel="mean probability", ylim=(len(people) - 0.5, -0.5))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    legend(figure, labels, labels, width)
    return figure


def _name(person: PersonMean, many: bool) -> str:
    source = person.source if len(person.source) <= 22 else f"{person.source[:10]}...{person.source[-9:]}"
    return f"{source}, face {person.person}" if many else f"face {person.person}"
