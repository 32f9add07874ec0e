"""One number a person, condition, trial type and expression; and what the people's numbers say of two conditions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations, product

import numpy as np

from mien.studies.collect import Collected, Trial
from mien.studies.contrasts import Contrast, false_discovery, groups, holm, paired
from mien.studies.films import EXPRESSION, Columns
from mien.studies.measures import AFTER, CORRECTED, OF_LABELS, RAW, Measured, together
from mien.studies.plan import Note
from mien.studies.sheets import WHOLE_FILM, Appearance


@dataclass(frozen=True, eq=False)
class Unit:
    """One person in one condition, in events of one kind or over whole films.

    Attributes:
        person: who.
        condition: in which.
        trial_type: in what; ``whole film``.
        films: how many.
        more: the other columns of people.csv that are the same in all of its rows.
        measured: over all stretches.
    """

    person: str
    condition: str
    trial_type: str
    films: int
    more: Mapping[str, str]
    measured: Measured


def units_of(trials: Sequence[Trial]) -> list[Unit]:
    """Trials put together, in the order in which they came."""
    by_unit: dict[tuple[str, str, str], list[Trial]] = defaultdict(list)
    for trial in trials:
        by_unit[trial.appearance.person, trial.appearance.condition, trial.trial_type].append(trial)
    return [
        Unit(
            *key,
            films=len({one.appearance.file for one in parts}),
            more=_constant([one.appearance for one in parts]),
            measured=together([one.measured for one in parts]),
        )
        for key, parts in by_unit.items()
    ]


def _constant(rows: Sequence[Appearance]) -> dict[str, str]:
    return {name: cell for name, cell in rows[0].more.items() if all(row.more.get(name) == cell for row in rows)}


@dataclass(frozen=True)
class Test:
    """A row of tests.csv.

    Attributes:
        contrast: ``condition`` or ``trial_type``: what differs.
        within: the trial type, or the condition, that is the same.
        a: the one side.
        b: the other.
        measure: of which measure.
        score: ``raw`` or ``corrected``.
        signal: of which signal.
        label: of which label.
        found: the figures.
        p_holm: p by Holm over the family: all pairs and labels of the same contrast, within, measure, score and signal.
        p_fdr: p by Benjamini and Hochberg over the same.
    """

    contrast: str
    within: str
    a: str
    b: str
    measure: str
    score: str
    signal: str
    label: str
    found: Contrast
    p_holm: float = float("nan")
    p_fdr: float = float("nan")

    def cells(self) -> dict[str, object]:
        """As tests.csv has it."""
        where = {name: getattr(self, name) for name in HEAD}
        return where | asdict(self.found) | {"p_holm": self.p_holm, "p_fdr": self.p_fdr}


HEAD = ("contrast", "within", "a", "b", "measure", "score", "signal", "label")
Side = Mapping[str, Measured]


def tests_of(found: Collected, units: Sequence[Unit], measures: Sequence[str]) -> list[Test]:
    """Every two conditions, and every two trial types, against each other. Adds to the notes of the plan."""
    sides: dict[tuple[str, str], dict[str, Measured]] = defaultdict(dict)
    for unit in units:
        sides[unit.condition, unit.trial_type][unit.person] = unit.measured
    conditions = list(dict.fromkeys(unit.condition for unit in units))
    types = list(dict.fromkeys(unit.trial_type for unit in units if unit.trial_type != WHOLE_FILM))
    pairs: list[tuple[tuple[str, str, str, str], Side, Side]] = []
    for within in (WHOLE_FILM, *types):
        for a, b in combinations(conditions, 2):
            pairs.append((("condition", within, a, b), sides[a, within], sides[b, within]))
    for within in conditions:
        for a, b in combinations(types, 2):
            pairs.append((("trial_type", within, a, b), sides[within, a], sides[within, b]))
    tests: list[Test] = []
    scores = (RAW, CORRECTED) if found.baseline is not None else (RAW,)
    questions = dict.fromkeys(head[:2] for head, _, _ in pairs)
    for measure, score, question in product(measures, scores, questions):
        family: list[Test] = []
        for head, one, other in pairs:
            if head[:2] == question:
                family += _family(head, one, other, measure, score, found.plan.columns)
        tests += _corrected_for_many(family)
    for head, one, other in pairs:
        if text := _left_out(one, other):
            found.plan.notes.append(Note("tests.csv", 0, f"{head[2]} - {head[3]}", head[1], text))
    return tests


def _family(
    head: tuple[str, str, str, str], a: Side, b: Side, measure: str, score: str, columns: Columns
) -> Iterator[Test]:
    both = [person for person in a if person in b]
    if not a or not b:
        return
    compare = paired if len(both) >= 2 else groups
    one, other = (both, both) if len(both) >= 2 else tuple([p for p in side if p not in both] for side in (a, b))
    name = measure if score == RAW else f"{measure}{AFTER}"
    for place, (signal, label) in enumerate(columns.names):
        if measure in OF_LABELS and signal != EXPRESSION:
            continue
        figures = compare(_numbers(a, one, name, place), _numbers(b, other, name, place))
        yield Test(*head, measure, score, signal, label, figures)


def _numbers(side: Side, people: Sequence[str], name: str, place: int) -> np.ndarray:
    rows = [side[person].values.get(name) for person in people]
    return np.array([np.nan if row is None else row[place] for row in rows], np.float64)


def _left_out(a: Side, b: Side) -> str:
    both = set(a) & set(b)
    if len(both) >= 2 and len(set(a) ^ set(b)):
        return f"{len(set(a) ^ set(b))} people are on one side only: left out of the paired contrast"
    if len(both) == 1 and a and b:
        return f"only {next(iter(both))} is on both sides: nothing to pair, and left out of the contrast of groups"
    if (not a) != (not b):
        return "nobody is on one of the sides: no contrast"
    return ""


def _corrected_for_many(tests: list[Test]) -> list[Test]:
    """In the same order; each signal is a family of its own, so that one more costs the others nothing."""
    answer = list(tests)
    for signal in {test.signal for test in tests}:
        places = [place for place, test in enumerate(tests) if test.signal == signal]
        p = np.array([tests[place].found.p for place in places], np.float64)
        for place, one, other in zip(places, holm(p).tolist(), false_discovery(p).tolist(), strict=True):
            answer[place] = replace(tests[place], p_holm=one, p_fdr=other)
    return answer
