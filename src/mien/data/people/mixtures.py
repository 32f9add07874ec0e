"""Expressions as real faces showed them, with the votes that those faces got.

A tracker (MediaPipe's or ARKit's 52 coefficients) reads the movements of labelled training faces; the same movements
are rendered on other people, in other light and pose, and keep those faces' votes. So the words mean what the crowd
meant by them. Only numbers come from the faces: nobody's looks do.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from mien.core.errors import DataError
from mien.data.people.apex import LABELS, Apex
from mien.data.people.units import Names, mirrored, possible, to_model

Generator = np.random.Generator

JITTER = 0.08
"""Standard deviation of the factor, in logarithms, by which every movement is varied."""
SPEAKS_NOT = ("eyeLook", "eyeBlink", "PupilDilate")
"""Movements that do not count for the strength."""


@dataclass(frozen=True, eq=False)
class Mixtures:
    """Mixtures as a source: item k takes one at random.

    Attributes:
        coefficients: of the model's movements, in [0, 1].
        votes: shares of FERPlus' eight labels; rows sum to 1.
        names: the model's movements.
    """

    coefficients: Float32[np.ndarray, "n m"]
    votes: Float32[np.ndarray, "n c"]
    names: Names

    def draw(self, number: int, rng: Generator) -> Apex:
        """A face's movements, mirrored or not, a little varied."""
        row = int(rng.integers(len(self.votes)))
        moves = self.coefficients[row] * np.exp(rng.normal(0, JITTER, len(self.names)))
        if rng.random() < 0.5:
            moves = mirrored(moves, self.names)
        moves = possible(moves, self.names)
        speaking = [place for place, name in enumerate(self.names) if not name.startswith(SPEAKS_NOT)]
        votes = self.votes[row]
        strength = float(moves[speaking].max()) if speaking else 0.0
        return Apex(LABELS.labels[int(votes.argmax())], moves, strength, "crowd", votes)


def mixtures(
    given: Names, coefficients: Float[np.ndarray, "n g"], votes: Float[np.ndarray, "n c"], model: Names
) -> Mixtures:
    """Mixtures from a tracker's coefficients and vote shares.

    Args:
        given: names of the coefficients, in ARKit's or MediaPipe's spelling or the model's own.
        coefficients: in [0, 1].
        votes: of FERPlus' labels in their order, at least 0; each row is brought to a sum of 1.
        model: the model's movements.

    Raises:
        DataError: no rows, rows that do not fit each other, values out of range, or a name the model does not have.
    """
    coefficients, votes = np.asarray(coefficients, np.float32), np.asarray(votes, np.float32)
    expected = f"coefficients (n, {len(given)}) in [0, 1] and votes (n, {len(LABELS)}) of {', '.join(LABELS.labels)}"
    fix = "write one row a face in both"
    n = len(votes)
    if not n or coefficients.shape != (n, len(given)) or votes.shape != (n, len(LABELS)):
        raise DataError(expected, f"{coefficients.shape} and {votes.shape}", fix)
    if not (np.isfinite(coefficients).all() and coefficients.min() >= 0 and coefficients.max() <= 1 + 1e-4):
        raise DataError(expected, "coefficients out of [0, 1]", "clip them, or scale percentages down")
    if not (np.isfinite(votes).all() and votes.min() >= 0 and votes.sum(1).min() > 0):
        raise DataError(expected, "votes below 0, or a face without any", "leave such faces out")
    moves = possible(coefficients @ to_model(given, model), model)
    return Mixtures(moves, votes / votes.sum(1, keepdims=True), tuple(model))


def load_mixtures(path: Path, model: Names) -> Mixtures:
    """Read an ``.npz`` with ``names`` (g), ``coefficients`` (n, g) and ``votes`` (n, 8).

    Raises:
        DataError: not such a file, or as :func:`mixtures`.
    """
    expected, fix = "an .npz file with names, coefficients and votes", "see docs/rendered-people.md"
    if not path.is_file():
        raise DataError(expected, f"no file at {path}", fix)
    try:
        with np.load(path) as archive:
            given = [str(name) for name in archive["names"]]
            return mixtures(given, archive["coefficients"], archive["votes"], model)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(expected, f"{path}: {error}", fix) from error
