"""methods.md: a paragraph for the paper, with versions, hashes, settings and limits, out of what the results say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.files import whole_file
from mien.core.names import counted
from mien.core.version import __version__
from mien.studies.collect import Collected
from mien.studies.contrasts import DRAWS, SEED
from mien.studies.sheets import Range
from mien.studies.summary import Test

LIMITS = (
    "The figures describe which expression faces *show*, as people asked to name it would; they say nothing of what "
    "anybody feels (Barrett et al., 2019). How well the model does on the people, cameras and expressions of this "
    "study was not measured by it: compare a part with human codes. Rare expressions (contempt, disgust, fear) are "
    "mostly missed, and talking, eating and faces that droop or smile at rest are mistaken for expressions."
)


@dataclass(frozen=True)
class Asked:
    """How the study was made.

    Attributes:
        bin: seconds.
        window: seconds from an event.
        tables: name -> SHA-256 of the tables it was told.
        measures: that were compared.
    """

    bin: float
    window: Range
    tables: dict[str, str]
    measures: Sequence[str]


def methods_text(found: Collected, tests: Sequence[Test], asked: Asked, facts: dict[str, Any]) -> str:
    """The paragraph, in Markdown.

    Args:
        found: the films.
        tests: of tests.csv.
        asked: how the study was made.
        facts: provenance of one of the results.
    """
    parts = [_films(found, facts), _scores(found, asked), _baseline(found), _inference(found, tests, asked), LIMITS]
    tables = "; ".join(f"{name} {digest[:16]}" for name, digest in asked.tables.items()) or "none"
    settings = json.dumps(facts.get("settings", {}), sort_keys=True)
    return (
        "# Methods\n\n"
        + "\n\n".join(part for part in parts if part)
        + f"\n\nTables told (SHA-256, first 16 digits): {tables}. Settings of the analysis: `{settings}`.\n"
    )


def write_methods(path: Path, text: str) -> Path:
    """Write methods.md."""
    with whole_file(path) as draft:
        draft.write_text(text, "utf-8")
    return path


def _films(found: Collected, facts: dict[str, Any]) -> str:
    people = {one.appearance.person for one in found.quality}
    films, model = len(found.plan.films), facts.get("model") or {}
    shares = [one.readable / one.seconds for one in found.quality if one.seconds]
    rates = [one.frame_rate for one in found.quality if one.frame_rate]
    engine = facts.get("engine") or {}
    read = f"the median share of readable time was {np.median(shares):.1%} (least {min(shares):.1%})" if shares else ""
    rate = f"at a median of {np.median(rates):.3g} frames a second" if rates else ""
    return (
        f"Facial expressions of {counted(len(people), 'person', 'people')} in {counted(films, 'film')} were named by "
        f"mien {facts.get('mien', __version__)} (model {model.get('name')}, SHA-256 {str(model.get('sha256'))[:16]}, "
        f"prior {model.get('prior')}, threshold {_short(model.get('threshold'))}, engine {engine.get('name')}) {rate}: "
        f"probabilities of {', '.join(found.plan.columns.labels)} a frame, smoothed over time, and spans in which one "
        f"expression is shown. Frames in which the face was too small, blurred or turned away were not read; {read}. "
        f"{counted(len(found.excluded), 'stretch', 'stretches')} of people in films were excluded by hand "
        f"({sum(held for *_, held in found.excluded):.1f} s)"
        + (f", and {counted(len(found.plan.lost), 'row')} of people.csv had no result." if found.plan.lost else ".")
    )


def _short(number: Any) -> str:
    return f"{number:.3g}" if isinstance(number, float) else str(number)


def _scores(found: Collected, asked: Asked) -> str:
    events = sum(bool(trial.number) for trial in found.trials)
    text = (
        "Per person, condition and expression, over readable time: share of time shown, number of spans, mean, least, "
        "largest and integrated probability, time to the first span and to the peak."
    )
    beside = [f"{name.replace('_', ' ')} ({note})" for name, note in found.plan.columns.notes.items()]
    if beside:
        text += f" The same of what the model says beside, where it applies: {'; '.join(beside)}."
    if events:
        start, end = asked.window
        text += (
            f" Around {counted(events, 'event')} the mean a bin of {asked.bin:g} s from {start:g} to {end:g} s was "
            "taken for each person over trials, then over people, with Student's 95 % interval for each bin by itself."
        )
    return text


def _baseline(found: Collected) -> str:
    if found.baseline is None:
        return "Scores are not corrected for faces at rest." if not found.plan.with_baseline else ""
    seconds = [one.seconds for one in found.baseline.gathered.values() if one.frames]
    return (
        f"Faces at rest ({len(seconds)} people, median {np.median(seconds):.1f} s) were taken out on the logarithmic "
        "scale: p' = softmax(log p - b + g), with b a person's mean log p at rest and g the mean of b over people; the "
        "corrected score p' - softmax(g) lies in [-1, 1] and is 0 at rest. Raw and corrected scores are both given."
    )


def _inference(found: Collected, tests: Sequence[Test], asked: Asked) -> str:
    if not tests:
        return ""
    tested = [test for test in tests if np.isfinite(test.found.p)]
    few = f"{counted(len(tests) - len(tested), 'contrast')} could not be tested, for want of people or of differences."
    if not tested:
        return few
    designs = sorted({test.found.design for test in tested})
    return (
        f"{counted(len(tested), 'contrast')} ({', '.join(designs)}; of {', '.join(asked.measures)}) were tested by "
        f"two-sided permutation over people (exact, or {DRAWS} draws, seed {SEED}; Welch's t for groups), with 95 % "
        "intervals by the studentised bootstrap (Student's or Welch's below ten people), d_z or Hedges' g, and p "
        "values corrected by Holm and by Benjamini and Hochberg over all pairs and expressions of one question. "
        f"NumPy {version('numpy')}, SciPy {version('scipy')}." + (f" {few}" if len(tested) < len(tests) else "")
    )
