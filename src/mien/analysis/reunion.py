"""People who come back in a film: tracks that a cut or a long absence separates get one number where faces are alike.

By a network of the user's (:mod:`mien.faces.embedders`), off by default. Decided when the film has ended: tracks whose
mean vectors are likest come together first, and never two whose times overlap, nor anybody with either of them. So two
people who are seen at once stay two, whatever the network says. Vectors are let go of with the film.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from mien.core.types import FaceCrop, Prediction
from mien.faces.embedders import Embedder

MOST_LOOKS, APART = 8, 0.4
"""Of a track that are embedded, and seconds from one to the next at least: a few tell as much as all."""


@dataclass
class _Seen:
    """One track: when it was seen, and the sum of some looks' vectors."""

    first: float
    last: float
    looked: float = -np.inf
    looks: int = 0
    total: Float64[np.ndarray, " d"] | float = 0.0


class Reunion:
    """Takes the faces of a film frame by frame, and says in the end who is who.

    Args:
        embed: the network.
        least: cosine from which on two faces are one person's, in (0, 1].
    """

    def __init__(self, embed: Embedder, least: float) -> None:
        self._embed, self._least = embed, least
        self._tracks: dict[int, _Seen] = {}

    def see(self, crops: Sequence[FaceCrop]) -> None:
        """The faces of the next frame; those that could not be read are not compared."""
        for crop in crops:
            seen = self._tracks.setdefault(crop.track, _Seen(crop.time, crop.time))
            seen.last = crop.time
            due = crop.looked and seen.looks < MOST_LOOKS and crop.time - seen.looked >= APART
            if due and crop.quality.reason is None:
                seen.total = seen.total + self._embed(crop.image[None])[0]
                seen.looks, seen.looked = seen.looks + 1, crop.time

    def persons(self) -> dict[int, int]:
        """The number of a person for every track, from 1 in order of the tracks' numbers."""
        groups = {track: {track} for track in self._tracks}
        for one, other in self._alike():
            mine, theirs = groups[one], groups[other]
            if mine is not theirs and not any(self._at_once(a, b) for a in mine for b in theirs):
                mine |= theirs
                groups |= dict.fromkeys(theirs, mine)
        firsts = sorted({min(group) for group in groups.values()})
        return {track: firsts.index(min(group)) + 1 for track, group in groups.items()}

    def _alike(self) -> list[tuple[int, int]]:
        """Pairs of tracks that are alike enough, likest first."""
        known = [track for track, seen in self._tracks.items() if seen.looks]
        if not known:
            return []
        totals = np.stack([self._tracks[track].total for track in known])
        vectors = totals / np.maximum(np.linalg.norm(totals, axis=1, keepdims=True), 1e-12)
        alike = []
        for place, track in enumerate(known):
            likeness = vectors[place + 1 :] @ vectors[place]
            alike += [(-likeness[at], track, known[place + 1 + at]) for at in np.flatnonzero(likeness >= self._least)]
        return [(one, other) for _, one, other in sorted(alike)]

    def _at_once(self, one: int, other: int) -> bool:
        a, b = self._tracks[one], self._tracks[other]
        return max(a.first, b.first) <= min(a.last, b.last)


def renamed(predictions: Mapping[int, Sequence[Prediction]], persons: Mapping[int, int]) -> dict[int, list[Prediction]]:
    """What was said of every track, by person and in order of time."""
    found: dict[int, list[Prediction]] = {}
    for one in sorted((one for track in predictions.values() for one in track), key=lambda one: one.start):
        number = persons[one.track]
        found.setdefault(number, []).append(replace(one, track=number))
    return found
