"""Can one tell that a model has seen these items? The attack that measures forgetting, and the score of the protocol of
machine unlearning for faces (MUFAC, Choi and Na, arXiv 2311.02240).

Somebody who sees a model's losses guesses which items it learnt: logistic regression on the loss, of listed items
against unseen ones with the same true classes, each half of what is guessed on, cross-validated. An AUC of .5 says that
the losses give nothing away. That is this attack alone: another may find more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int64

from mien.core.errors import DataError
from mien.data.manifest import Manifest, Row
from mien.evaluation.metrics import Interval
from mien.evaluation.report import write_report
from mien.evaluation.runs import Ground, open_data
from mien.evaluation.signal_metrics import auc
from mien.evaluation.views import Progress, predict_clips

if TYPE_CHECKING:
    from mien.evaluation.predictions import Predictions
    from mien.evaluation.runs import Run

FOLDS, DRAWS, LEAST = 5, 1000, 20


@dataclass(frozen=True)
class Forgotten:
    """What the attack finds.

    Attributes:
        model: its name.
        items: listed, and as many unseen.
        accuracy: on the unseen items.
        auc: of the attack, and its 95 % interval; .5: it finds nothing.
        attack: share of items that it guesses right.
        losses: mean loss of listed and of unseen items.
    """

    model: str
    items: int
    accuracy: float
    auc: Interval
    attack: float
    losses: tuple[float, float]

    @property
    def score(self) -> float:
        """Accuracy / 2 + (1 - 2 |attack - .5|) / 2."""
        return self.accuracy / 2 + (1 - 2 * abs(self.attack - 0.5)) / 2

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "model": self.model,
            "items": self.items,
            "accuracy": self.accuracy,
            "attack_auc": self.auc._asdict(),
            "attack_accuracy": self.attack,
            "score": self.score,
            "loss_listed": self.losses[0],
            "loss_unseen": self.losses[1],
        }

    def to_markdown(self) -> str:
        """A table for people."""
        rows = [f"{self.model}: {self.items} listed items, and as many unseen ones with the same true classes.", ""]
        rows += ["| figure | value |", "|---|---|"]
        rows += [
            f"| AUC of the attack | {self.auc.value:.3f} ({self.auc.low:.3f} to {self.auc.high:.3f}) |",
            f"| accuracy of the attack | {self.attack:.3f} |",
            f"| accuracy on unseen items | {self.accuracy:.3f} |",
            f"| score | {self.score:.3f} |",
            f"| mean loss, listed and unseen | {self.losses[0]:.3f}, {self.losses[1]:.3f} |",
        ]
        return "\n".join(rows)

    def save(self, folder: Path) -> None:
        """Write ``report.json`` and ``report.md``."""
        write_report(self, folder)


def read_names(path: Path) -> frozenset[str]:
    """Ids or subjects, one a line. Raises DataError for a file that has none."""
    try:
        names = frozenset(line.strip() for line in path.read_text("utf-8-sig").splitlines()) - {""}
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("a list of ids or subjects, one a line", f"{path}: {error}", "check the path") from error
    if not names:
        raise DataError("a list of ids or subjects, one a line", f"{path} without one", "name some")
    return names


def listed(rows: Manifest, names: Collection[str]) -> tuple[Row, ...]:
    """The rows whose id or subject is among the names. Raises DataError for a name that there is not."""
    found = tuple(row for row in rows.rows if row.id in names or (row.subject and row.subject in names))
    there = {row.id for row in found} | {row.subject for row in found}
    missing = sorted(set(names) - there)
    if missing:
        others = f", and {len(missing) - 1} others, which are" if missing[1:] else ", which is"
        got = f"{missing[0]!r}{others} none of them"
        raise DataError(f"ids or subjects of the training split of {rows.name}", got, "take them off the list")
    return found


def measure_forgotten(
    run: Run, ground: Ground, data: Path, names: Collection[str], progress: Progress | None = None, seed: int = 0
) -> Forgotten:
    """Attack a model.

    Args:
        run: the weights.
        ground: the split of unseen items, the fold, the views.
        data: a prepared set, or the FERPlus .npz.
        names: ids or subjects of training items.
        progress: told how many items of how many are done.
        seed: of which unseen items are taken, of the folds and of the interval.

    Raises:
        DataError: fewer than 20 items, or no unseen ones of their classes.
    """
    whole = open_data(data).select(fold=ground.fold)
    seen = listed(whole.select("train"), names)
    strangers = whole.select(ground.split).rows
    mine, theirs = _alike(seen, strangers, np.random.default_rng(seed))
    if len(mine) < LEAST:
        raise DataError(f"at least {LEAST} items with unseen ones of their class", str(len(mine)), "list more")
    sides = [
        predict_clips(run.model, replace(whole, rows=rows), ground.views, progress=progress) for rows in (mine, theirs)
    ]
    one, other = (_losses(side) for side in sides)
    auc, right = attack(one, other, seed)
    accuracy = float((sides[1].answers == sides[1].targets).mean())
    means = float(one.mean()), float(other.mean())
    return Forgotten(run.model.record.name, len(mine), accuracy, auc, right, means)


def _alike(
    seen: Sequence[Row], strangers: Sequence[Row], rng: np.random.Generator
) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """As many of both in every class."""
    mine: list[Row] = []
    theirs: list[Row] = []
    for label in sorted({row.label for row in seen} - {""}):
        ours, others = ([row for row in rows if row.label == label] for rows in (seen, strangers))
        count = min(len(ours), len(others))
        mine += [ours[place] for place in rng.permutation(len(ours))[:count]]
        theirs += [others[place] for place in rng.permutation(len(others))[:count]]
    return tuple(mine), tuple(theirs)


def _losses(side: Predictions) -> Float64[np.ndarray, " n"]:
    losses: Float64[np.ndarray, " n"] = -np.log(side.probabilities[np.arange(len(side)), side.targets].clip(1e-12))
    return losses


def attack(
    listed_losses: Float64[np.ndarray, " n"], unseen_losses: Float64[np.ndarray, " m"], seed: int = 0
) -> tuple[Interval, float]:
    """AUC with its 95 % interval (items drawn anew), and accuracy, of the guess that a small loss was learnt."""
    x = np.concatenate([listed_losses, unseen_losses])
    y = np.repeat([1, 0], [len(listed_losses), len(unseen_losses)])
    rng = np.random.default_rng(seed)
    fold, guess = np.empty(len(x), np.int64), np.empty(len(x))
    for side in (0, 1):
        members = rng.permutation(np.flatnonzero(y == side))
        fold[members] = np.arange(len(members)) % FOLDS
    for number in range(FOLDS):
        guess[fold == number] = _Logistic(x[fold != number], y[fold != number])(x[fold == number])
    drawn = []
    for _ in range(DRAWS):
        some = np.concatenate([rng.choice(np.flatnonzero(y == side), (y == side).sum()) for side in (0, 1)])
        drawn.append(auc(guess[some], y[some] == 1))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(auc(guess, y == 1), float(low), float(high)), float(((guess > 0.5) == y).mean())


class _Logistic:
    """Logistic regression on one number, by Newton's steps, with a little weight decay as scikit-learn has it."""

    def __init__(self, x: Float64[np.ndarray, " n"], y: Int64[np.ndarray, " n"]) -> None:
        self.mean, self.spread = x.mean(), x.std() + 1e-12
        design = self._design(x)
        self.weights = np.zeros(2)
        decay = np.diag([0.0, 1.0])
        for _ in range(25):
            p = 1 / (1 + np.exp(-design @ self.weights))
            slope = design.T @ (p - y) + decay @ self.weights
            self.weights -= np.linalg.solve((design.T * (p * (1 - p) + 1e-9)) @ design + decay, slope)

    def _design(self, x: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "n 2"]:
        return np.stack([np.ones(len(x)), (x - self.mean) / self.spread], 1)

    def __call__(self, x: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        guess: Float64[np.ndarray, " n"] = 1 / (1 + np.exp(-self._design(x) @ self.weights))
        return guess
