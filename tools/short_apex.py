"""Is an expression that a film ends on named? Asked of rendered clips that stop at its height.

    mien prepare people --model head.npz --size 48 --count 300 --frames 24 --each 1 --course onset --low 0.8 --seed 42 \
        --test 1 -o ending
    python tools/short_apex.py WEIGHTS ending

Of the clips that show an expression's height for 0.3 to 1.8 s and then end, the share

* read: of whose height alone the network says the expression, whatever the threshold;
* sure: and so surely that the threshold lets it be named;
* named: whose height a span names, after windows, their overlap and the decision over the whole track.

What is lost from read to sure is the threshold's, from sure to named the smoothing's; what is not read, the network's.
Crops go in as they are: nothing is detected. Intervals are Wilson's, 95 %.
"""

import argparse
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from mien.analysis.answers import Answers
from mien.analysis.filters import filtered
from mien.analysis.settings import AnalysisSettings
from mien.analysis.smoothing import SpanRule, TrackReadings, frame_probabilities, track_spans
from mien.clips.windows import Windows
from mien.core.types import Face, FaceCrop, Quality, Span
from mien.data.manifest import load_manifest
from mien.data.people.exact import load_exact
from mien.data.pixels import read_clip
from mien.evaluation.runs import open_run
from mien.models.network import Network

SHORTEST, LONGEST = 0.3, 1.8
"""Seconds at the height that count."""
HEIGHT = 0.95
"""Share of its strength from which on an expression is said to be at its height."""
EDGES = (0.3, 0.6, 1.0, 1.4, 1.8)
FACE = Face(np.array([0, 0, 100, 100], np.float32), 1.0, np.zeros((5, 2), np.float32))
GOOD = Quality(100.0, 1000.0, 0.0)


@dataclass(frozen=True)
class Found:
    """One clip: seconds at its height, and what became of its expression."""

    seconds: float
    label: str
    read: bool
    sure: bool
    named: bool


def height(strength: np.ndarray) -> int:
    """The frame from which on a clip stays at its height, up to its end."""
    below = np.flatnonzero(strength < HEIGHT * strength.max())
    return int(below[-1]) + 1 if len(below) else 0


def spans_of(network: Network, crops: np.ndarray, rate: float, settings: AnalysisSettings) -> list[Span]:
    """What an analysis says of the crops (t, 3, s, s) of one face, ``rate`` a second."""
    pace = settings.pace(network.record)
    windows = Windows(*pace, settings.faces.max_gap)
    answers = Answers(network, settings.batch, pace.window + settings.faces.max_gap)
    clips = []
    for index, image in enumerate(crops):
        clips += windows.push(FaceCrop(1, index, index / rate, FACE, image, GOOD))
    predictions = [*answers.push([*clips, *windows.finish()]), *answers.finish()]
    starts = np.arange(len(crops)) / rate
    ends = starts + 1 / rate
    calibration = network.record.calibration
    threshold = calibration.threshold if settings.threshold is None else settings.threshold
    rule = SpanRule(network.record.labels.labels, threshold, settings.min_span, settings.faces.max_gap)
    rows = frame_probabilities(starts, ends, predictions)
    readings = TrackReadings(1, starts, ends, rows, [None] * len(crops))
    return track_spans(filtered(readings, rule, settings.filter, settings.filter_width), rule)


def measure(network: Network, folder: Path, settings: AnalysisSettings) -> list[Found]:
    """Every clip of the test split that stops at the height of an expression, shown for the seconds that count."""
    manifest, exact = load_manifest(folder), load_exact(folder)
    rate = float(json.loads((folder / "people.json").read_text())["rate"])
    labels = network.record.labels.labels
    least = network.record.calibration.threshold if settings.threshold is None else settings.threshold
    found = []
    for row, course, shares, strength in zip(
        manifest.rows, exact.course, exact.shares.astype(float), exact.strength.astype(float), strict=True
    ):
        first = height(strength)
        seconds = (len(strength) - first) / rate
        label = manifest.labels.labels[int(shares[-1].argmax())]
        if row.split != "test" or course != "onset" or label == "neutral" or not SHORTEST <= seconds <= LONGEST:
            continue
        crops = read_clip(manifest, row)
        answer = network.probabilities(crops[None, first:])[0]
        read = labels[int(answer.argmax())] == label
        spans = spans_of(network, crops, rate, settings)
        named = any(span.label == label and span.end > first / rate for span in spans)
        found.append(Found(seconds, label, read, bool(read and answer.max() >= least), named))
    return found


def share(hits: list[bool]) -> str:
    """In per cent with its interval."""
    low, high = binomtest(sum(hits), len(hits)).proportion_ci(method="wilson")
    return f"{100 * sum(hits) / len(hits):.0f} ({100 * low:.0f} to {100 * high:.0f})"


def table(found: list[Found]) -> str:
    """By seconds at the height, by expression, and of all."""
    groups = [
        (
            f"{low:g} to {high:g} s",
            [one for one in found if low <= one.seconds < high or one.seconds == high == LONGEST],
        )
        for low, high in pairwise(EDGES)
    ]
    groups += [(label, [one for one in found if one.label == label]) for label in sorted({one.label for one in found})]
    lines = ["| | clips | read, % | sure | named |", "|---|---|---|---|---|"]
    for name, some in [*groups, ("all", found)]:
        if some:
            cells = [share([getattr(one, stage) for one in some]) for stage in ("read", "sure", "named")]
            lines.append(f"| {name} | {len(some)} | {' | '.join(cells)} |")
    kept = [one.named for one in found if one.sure]
    return "\n".join([*lines, "", f"Of those that are sure, named: {share(kept)} %" if kept else ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("people", type=Path)
    parser.add_argument("--prior")
    parser.add_argument("--window", type=float, default=AnalysisSettings.window)
    parser.add_argument("--step", type=float)
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--min-span", type=float, default=AnalysisSettings.min_span)
    parser.add_argument("--filter", default=AnalysisSettings.filter)
    given = parser.parse_args()
    network = open_run(given.weights, "cpu", "torch", given.prior).model
    chosen = {name: getattr(given, name) for name in ("window", "step", "threshold", "min_span", "filter")}
    print(table(measure(network, given.people, AnalysisSettings(**chosen))))


if __name__ == "__main__":
    main()
