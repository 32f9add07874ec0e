"""Labels as vectors, for a head that names what vectors say (:mod:`mien.models.text_head`). No torch here.

A label's vector comes from any encoder of texts, in a JSON file, or without one from the label's action units in
:mod:`mien.core.action_units`: 1 for each unit that makes the expression, 0 elsewhere, scaled to length 1
(attribute-based zero-shot recognition, Lampert et al., doi 10.1109/TPAMI.2013.140). FACS codes a face at rest as 0, so
neutral has that place to itself.

The file has a label a key. Its value is a vector; several, of as many sentences, whose mean is taken; the same of what
the label does and does not look like, ``{"shows": ..., "shows_not": ...}`` (FineCLIPER, arXiv 2407.02157); or
``{"units": [6, 12]}``, numbers in FACS.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from mien.core import checks
from mien.core.action_units import ACTION_UNITS, expectation
from mien.core.errors import ConfigError
from mien.core.labels import canonical
from mien.core.signals import MOST_COLUMNS, MOST_NOTE

UNITS = "action units"
"""The source of vectors that no text made."""
AT_REST = 0
PLACES = (AT_REST, *ACTION_UNITS)
"""What stands where in a vector of units."""
MOST_LENGTH = 1 << 14
"""Of a vector."""
SAME = 1e-3
"""By how much two vectors of length 1 may differ and be one label's: files keep three digits."""
FORM = "label: vector, vectors, {shows, shows_not} or {units}"
Vector = Float32[np.ndarray, " d"]


@dataclass(frozen=True)
class Texts:
    """What a record says of the vectors of a signal's labels; they themselves are the head's.

    Attributes:
        dim: length of a vector.
        source: what they are: action units, or the name of the file they came from.
        measured: labels that the head learned from labelled items and was judged by. Of others nothing is known.
        opposed: whether there are vectors of what each label does not look like.
    """

    dim: int
    source: str = UNITS
    measured: tuple[str, ...] = ()
    opposed: bool = False

    def __post_init__(self) -> None:
        checks.whole("dim of texts", self.dim, 1, MOST_LENGTH)
        checks.text("source of texts", self.source, checks.MOST_LABEL)
        checks.demand(isinstance(self.opposed, bool), "opposed of texts", "true or false", self.opposed)
        listed = isinstance(self.measured, tuple) and len(self.measured) <= MOST_COLUMNS
        checks.demand(listed, "labels measured", f"at most {MOST_COLUMNS}", self.measured)
        for label in self.measured:
            checks.label("a label measured", label)

    def unmeasured(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Those of ``labels`` that nobody measured."""
        return tuple(label for label in labels if label not in self.measured)

    def note(self, labels: Sequence[str], among: Sequence[str]) -> str:
        """For readers of a signal with these labels, whose measured ones were so ``among`` others."""
        new = ", ".join(self.unmeasured(labels)) or "none"
        said = f"labels measured: {', '.join(self.measured) or 'none'}, among {', '.join(among)}; not measured: {new}"
        return said if len(said) <= MOST_NOTE else f"{len(self.unmeasured(labels))} of {len(labels)} labels unmeasured"


def parse_texts(body: dict[str, Any]) -> Texts:
    """A record's JSON as :class:`Texts`. Raises ConfigError, LookupError or TypeError for anything else."""
    return Texts(**{**body, "measured": tuple(body["measured"])})


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Labels with their vectors, rows of length 1.

    Attributes:
        labels: distinct.
        vectors: of what each looks like.
        opposite: of what each does not look like; None: not said.
        source: see :class:`Texts`.
    """

    labels: tuple[str, ...]
    vectors: Float32[np.ndarray, "k d"]
    opposite: Float32[np.ndarray, "k d"] | None
    source: str

    def texts(self, measured: tuple[str, ...]) -> Texts:
        """For a record."""
        return Texts(self.vectors.shape[1], self.source, measured, self.opposite is not None)

    def of(self, labels: Sequence[str]) -> Vocabulary:
        """The vectors of some labels, in their order. Raises ConfigError for one that is not here."""
        missing = [label for label in labels if label not in self.labels]
        if missing:
            raise ConfigError(
                f"vectors of all labels in {self.source}", f"none of {missing[0]}", "add them to the file"
            )
        rows = [self.labels.index(label) for label in labels]
        opposite = None if self.opposite is None else self.opposite[rows]
        return Vocabulary(tuple(labels), self.vectors[rows], opposite, self.source)

    def same(self, other: Vocabulary) -> tuple[str, ...]:
        """Labels of both that have the same vectors in both."""
        shared = [label for label in self.labels if label in other.labels]
        ours, theirs = self.of(shared), other.of(shared)
        pairs = [(ours.vectors, theirs.vectors)]
        if ours.opposite is not None and theirs.opposite is not None:
            pairs.append((ours.opposite, theirs.opposite))
        apart = np.max([np.abs(mine - your).max(1, initial=0) for mine, your in pairs], 0)
        return tuple(label for label, far in zip(shared, apart, strict=True) if far <= SAME)


def from_units(labels: Sequence[str]) -> Vocabulary:
    """By the action units that make each expression.

    Raises:
        ConfigError: a label of which no source says the units.
    """
    rows = []
    for label in labels:
        found = expectation(label)
        if found is None and canonical(label) != "neutral":
            expected = "labels whose action units are known"
            raise ConfigError(expected, label, "give vectors of texts, or its units, in a JSON file (--recipe.texts)")
        rows.append(units_vector((AT_REST,) if found is None else found.units))
    return Vocabulary(tuple(labels), np.stack(rows), None, UNITS)


def units_vector(units: Sequence[int]) -> Vector:
    """1 for each unit, 0 elsewhere, of length 1. Raises ConfigError for none, or a number that FACS has not here."""
    unknown = [unit for unit in units if unit not in PLACES]
    if unknown or not units:
        got = str(unknown[0]) if unknown else "none"
        raise ConfigError(f"action units among {', '.join(map(str, PLACES))}", got, "change units")
    return _unit(np.isin(PLACES, list(units)).astype(np.float32))


def read_vocabulary(path: Path) -> Vocabulary:
    """Labels and vectors of a JSON file; the module's docstring has its form.

    Raises:
        ConfigError: no such file, another form, vectors of different lengths, or of zeros.
    """
    fix = "see docs/train-your-own.md, New labels"
    try:
        body = checks.parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"a JSON file of {FORM}", f"{path}: {str(error)[:200]}", fix) from error
    if not isinstance(body, dict) or not 1 <= len(body) <= MOST_COLUMNS:
        raise ConfigError(f"1 to {MOST_COLUMNS} labels, {FORM}", str(path), fix)
    shown, hidden, sources = [], [], set()
    for label, value in body.items():
        checks.label(f"a label of {path.name}", label)
        try:
            one, other, source = _entry(value, path.name)
        except (TypeError, ValueError, KeyError) as error:
            raise ConfigError(FORM, f"{path.name}: {label}", fix) from error
        shown.append(one)
        hidden.append(other)
        sources.add(source)
    lengths = {len(one) for one in (*shown, *hidden) if one is not None}
    if len(lengths) > 1 or len(sources) > 1 or len({one is None for one in hidden}) > 1:
        raise ConfigError("labels that all say the same kind of thing, in vectors of one length", str(path), fix)
    opposite = np.stack([one for one in hidden if one is not None]) if hidden[0] is not None else None
    return Vocabulary(tuple(body), np.stack(shown), opposite, sources.pop())


def _entry(value: Any, name: str) -> tuple[Vector, Vector | None, str]:
    """What a label shows, what not, and where that is from."""
    if isinstance(value, dict) and value.keys() == {"units"}:
        return units_vector(value["units"]), None, UNITS
    if isinstance(value, dict):
        if value.keys() != {"shows", "shows_not"}:
            raise KeyError(", ".join(value))
        return _mean(value["shows"]), _mean(value["shows_not"]), name
    return _mean(value), None, name


def _mean(value: Any) -> Vector:
    """Of one vector or several, each of length 1 first."""
    rows = np.atleast_2d(np.array(value, np.float32))
    if rows.ndim != 2 or not 1 <= rows.shape[1] <= MOST_LENGTH or not np.isfinite(rows).all():
        raise ValueError("no vector")
    return _unit(np.mean([_unit(row) for row in rows], 0))


def _unit(row: Vector) -> Vector:
    length = np.linalg.norm(row)
    if length == 0:
        raise ValueError("a vector of zeros")
    scaled: Vector = (row / length).astype(np.float32)
    return scaled
