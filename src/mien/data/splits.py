"""A validation split for releases that have none: the ground of the protocol ``clean``.

Taken from train, the same share of every label, nobody in both. Only names and labels are looked at, never pixels.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np

from mien.core.errors import ConfigError, DataError
from mien.data.manifest import Manifest, Row

MOST = 0.5


def hold_out(manifest: Manifest, fraction: float = 0.1, seed: int = 0) -> Manifest:
    """Move a part of the train rows to ``valid``, in every fold that has no valid rows yet.

    Labels keep their shares (at least one item of every label with two or more); the rows of one subject move together
    or not at all; no label loses its last train row. A fold's answer is the same alone and among other folds.

    Args:
        manifest: rows in their official splits.
        fraction: of every label's train rows, in (0, 0.5].
        seed: of the draw.

    Raises:
        ConfigError: fraction out of its range.
        DataError: train rows that cannot be divided, such as a single person's.
    """
    if not 0 < fraction <= MOST:
        raise ConfigError(f"a fraction in (0, {MOST}]", str(fraction), "hold out about 0.1")
    moved: set[int] = set()
    for fold in manifest.folds:
        places = [place for place, row in enumerate(manifest.rows) if row.fold == fold and row.split == "train"]
        if not places or any(row.fold == fold and row.split == "valid" for row in manifest.rows):
            continue
        rng = np.random.default_rng([seed, fold])
        chosen = _draw([manifest.rows[place] for place in places], fraction, rng)
        if not chosen:
            got = f"{len(places)} train rows of {manifest.name}, fold {fold}, that no subject can leave"
            raise DataError("train rows of at least two subjects for every label", got, "use the protocol official")
        moved.update(places[number] for number in chosen)
    rows = tuple(
        dataclasses.replace(row, split="valid") if place in moved else row for place, row in enumerate(manifest.rows)
    )
    return dataclasses.replace(manifest, rows=rows) if moved else manifest


def _draw(rows: Sequence[Row], fraction: float, rng: np.random.Generator) -> set[int]:
    """Places of the rows that move: subjects in random order, each taken if it brings the shares nearer."""
    groups: dict[object, list[int]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(row.subject or place, []).append(place)
    members = list(groups.values())
    totals = Counter(row.label for row in rows)
    goals = {label: max(fraction * count, 1.0) for label, count in totals.items()}
    held: Counter[str] = Counter()

    def gain(count: Counter[str]) -> float:
        """How much nearer to the goals (squared, relative); -inf where a label would have no train row left."""
        if any(held[label] + count[label] >= totals[label] for label in count):
            return -np.inf
        parts = ((goals[label] - held[label], count[label], goals[label]) for label in count)
        return sum((short**2 - (short - more) ** 2) / goal**2 for short, more, goal in parts)

    order = [members[place] for place in rng.permutation(len(members))]
    counts = [Counter(rows[place].label for place in group) for group in order]
    taken: list[int] = []
    for number, count in enumerate(counts):
        if gain(count) > 0:
            taken.append(number)
            held += count
    if not taken:
        gains = [gain(count) for count in counts]
        best = int(np.argmax(gains))
        taken = [best] if np.isfinite(gains[best]) else []
    return {place for number in taken for place in order[number]}
