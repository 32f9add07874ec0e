"""Splits by face: items that may show one person lie in one split, where a release does not say who is who.

By a network of the user's (:mod:`mien.faces.embedders`): items whose vectors' cosine reaches a threshold, and those
that are joined to them through others, are one person, and so are items of one subject of the release. Nothing of it is
kept but the splits themselves: no vector, and no number of a person.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from mien.core.errors import DataError
from mien.data.manifest import SPLITS, Manifest
from mien.data.pixels import frame_count, read_clip
from mien.data.splits import hold_out
from mien.faces.embedders import Embedder

AT_ONCE = 256
"""Items compared with all others in one step."""


@dataclass(frozen=True)
class ByFace:
    """How items are told apart.

    Attributes:
        embed: the network.
        least: cosine from which on two items are one person's, in (0, 1].
    """

    embed: Embedder
    least: float

    def split(self, manifest: Manifest, progress: Callable[[int, int], None] | None = None) -> tuple[Manifest, str]:
        """``manifest`` with nobody in two splits, and a sentence on what was moved; see :func:`apart`.

        Args:
            manifest: of aligned crops; of a clip the middle frame is looked at.
            progress: called after every item with the items done and in all.

        Raises:
            DataError: an item cannot be read, or a split would lose all its items.
        """
        vectors = vectors_of(manifest, self.embed, progress)
        persons = persons_of(vectors, self.least, [row.subject for row in manifest.rows])
        after = apart(manifest, persons)
        moved = sum(a.split != b.split for a, b in zip(manifest.rows, after.rows, strict=True))
        count = len(set(persons.tolist()))
        return after, f"splits by face: {count} faces at a likeness of {self.least:g}, {moved} items in another split"


def vectors_of(
    manifest: Manifest, embed: Embedder, progress: Callable[[int, int], None] | None = None
) -> Float64[np.ndarray, "n d"]:
    """A vector of length 1 for every row; an item in several folds is looked at once."""
    known: dict[tuple[str, str], Float64[np.ndarray, " d"]] = {}
    for done, row in enumerate(manifest.rows, 1):
        if (row.kind, row.path) not in known:
            middle = np.array([frame_count(manifest, row) // 2])
            known[row.kind, row.path] = embed(read_clip(manifest, row, middle))[0]
        if progress is not None:
            progress(done, len(manifest))
    return np.stack([known[row.kind, row.path] for row in manifest.rows])


def persons_of(
    vectors: Float64[np.ndarray, "n d"], least: float, subjects: Sequence[str] | None = None
) -> Int64[np.ndarray, " n"]:
    """Connected components: numbers from 0 in order of their first rows.

    Args:
        vectors: of length 1.
        least: cosine from which on two rows are connected.
        subjects: rows of one name are connected, too; empty: not known.
    """
    names, who = np.unique(subjects if subjects is not None else [""] * len(vectors), return_inverse=True)
    who = np.where(names[who] == "", -1, who)
    found = np.full(len(vectors), -1, np.int64)
    for first in range(len(vectors)):
        if found[first] >= 0:
            continue
        number, waiting = int(found.max()) + 1, [first]
        found[first] = number
        while waiting:
            some, waiting = waiting[:AT_ONCE], waiting[AT_ONCE:]
            left = np.flatnonzero(found < 0)
            named = np.isin(who[left], who[some]) & (who[left] >= 0)
            near = left[named | (vectors[left] @ vectors[some].T >= least).any(1)]
            found[near] = number
            waiting += near.tolist()
    return found


def apart(manifest: Manifest, persons: Int64[np.ndarray, " n"], fraction: float = 0.1, seed: int = 0) -> Manifest:
    """``manifest`` with nobody in two splits of a fold.

    All of a person who lies in two goes into the first of them (train, valid, test): a test set gets smaller, and never
    sees anybody anew. A fold without valid rows gets some as :func:`mien.data.splits.hold_out` takes them, by person.

    Args:
        manifest: rows in their splits.
        persons: a number for every row.
        fraction: of the train rows that are held out.
        seed: of that draw.

    Raises:
        DataError: a split would lose all its rows, or nobody can be held out.
    """
    first: dict[tuple[int, int], int] = {}
    for row, person in zip(manifest.rows, persons.tolist(), strict=True):
        place = SPLITS.index(row.split)
        first[row.fold, person] = min(place, first.get((row.fold, person), place))
    rows = tuple(
        dataclasses.replace(row, split=SPLITS[first[row.fold, person]], subject=f"{person}")
        for row, person in zip(manifest.rows, persons.tolist(), strict=True)
    )
    if lost := {(row.fold, row.split) for row in manifest.rows} - {(row.fold, row.split) for row in rows}:
        got = f"{len(set(persons.tolist()))} faces, and nobody left in {', '.join(split for _, split in sorted(lost))}"
        raise DataError("splits with people of their own", got, "raise --same-person: strangers are taken for one")
    held = hold_out(dataclasses.replace(manifest, rows=rows), fraction, seed).rows
    kept = tuple(
        dataclasses.replace(row, subject=before.subject) for row, before in zip(held, manifest.rows, strict=True)
    )
    return dataclasses.replace(manifest, rows=kept)
