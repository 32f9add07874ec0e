"""Studies of drawn people with known onsets and effects, as films in memory: what is planted must be found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from made_results import LABELS

from mien.studies.collect import Collected, collect
from mien.studies.curves import Curves
from mien.studies.films import Columns, Film, Head
from mien.studies.plan import make_plan
from mien.studies.sheets import Appearance, Event
from mien.studies.summary import Test, Unit, tests_of, units_of

COLUMNS = Columns(tuple(("expression", label) for label in LABELS))
RATE, SECONDS = 10.0, 10.0
ONSETS, LASTS = (2.0, 6.0), 2.0
LEVEL, SAD = 0.3, 0.1
"""Mean probabilities of happiness and sadness outside of events."""
EDGES = np.arange(-1.0, 3.01, 0.5)


@dataclass(frozen=True)
class Simulation:
    """What came out."""

    found: Collected
    units: list[Unit]
    tests: list[Test]

    def test(self, within: str, label: str) -> Test:
        (one,) = [test for test in self.tests if (test.within, test.label) == (within, label)]
        return one


def simulate(seed: int, effect: float, people: int = 14, groups: bool = False) -> Simulation:
    """``effect`` more happiness in every event of the condition ``funny``; sadness never differs.

    People differ in both levels and in the effect, and each frame in noise that lasts a few frames.
    """
    rng = np.random.default_rng(seed)
    films: dict[Path, Film] = {}
    rows: list[Appearance] = []
    for number in range(people * (2 if groups else 1)):
        levels, own = rng.normal([LEVEL, SAD], [0.05, 0.02]), rng.normal(effect, 0.04)
        for condition in ("funny", "calm")[number % 2 :][:1] if groups else ("funny", "calm"):
            name = f"p{number:02d}-{condition}"
            films[Path(name)] = _film(name, rng, levels, own if condition == "funny" else rng.normal(0, 0.04))
            rows.append(Appearance(f"{name}.mp4", f"p{number:02d}", condition))
    heads = [Head(folder, f"{folder}.mp4", "", SECONDS, "", COLUMNS) for folder in films]
    plan = make_plan(heads, rows, [Event("", onset, LASTS, "joke") for onset in ONSETS])
    found = collect(plan, Curves(COLUMNS, EDGES), (-1.0, 3.0), open_film=lambda head: films[head.folder])
    units = units_of(found.trials)
    return Simulation(found, units, tests_of(found, units, ("mean",)))


def _film(name: str, rng: np.random.Generator, levels: np.ndarray, effect: float) -> Film:
    n = int(RATE * SECONDS)
    times = np.arange(n) / RATE
    noise = np.zeros((n, 2))
    pushes = rng.normal(0, 0.015, (n, 2))
    for row in range(1, n):
        noise[row] = 0.7 * noise[row - 1] + pushes[row]
    values = levels + noise + rng.normal(0, 0.02, 2)
    for onset in ONSETS:
        values[(times >= onset) & (times < onset + LASTS), 0] += effect
    rows = np.column_stack([1 - values.sum(axis=1), values])
    shown = rows.argmax(axis=1)
    unread = rng.random(n) < 0.05
    rows[unread], shown[unread] = np.nan, -1
    facts: Mapping[str, object] = {"model": {"threshold": 0.5}}
    tracks = np.ones(n, np.int64)
    return Film(name, name, COLUMNS, 0.0, SECONDS, (), tracks, times, rows, shown, ("",) * n, facts)
