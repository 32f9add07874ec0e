"""Signals: what a model says of a face beside the expression, as a name, its columns, and what a number in them means.

Tables, pages, the server and exported files carry whatever signals a model has; none of them knows one by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Float64

from mien.core import checks
from mien.core.softmax import softmax

Kind = Literal["classes", "flags", "scale"]
EXPRESSION = "expression"
"""The signal that every model has: its labels, one of which is shown. Spans come from it alone."""
TAKEN = (EXPRESSION, "probabilities", "logits", "clips")
"""Names that mean something else, in tables or in exported files."""
MOST_SIGNALS, MOST_COLUMNS, MOST_VALUE, MOST_NOTE = 16, 256, 1e6, 300
NEVER = {"race", "races", "racial", "ethnicity", "ethnic", "ethnicities"}
"""Words in a name or a label of what mien says of nobody, see docs/intended-use.md."""


@dataclass(frozen=True)
class Signal:
    """One thing that a model says of a face.

    Attributes:
        name: small letters, digits and underlines, such as ``action_units``.
        labels: its columns, distinct, such as ``("valence", "arousal")``; in tables ``affect.valence``.
        kind: ``classes``: one of the labels, probabilities that sum to 1; ``flags``: each label by itself, a
            probability; ``scale``: a number for every label.
        low: least value; 0 unless a scale.
        high: largest value; 1 unless a scale.
        derived_from: the signal it is computed from; empty where the network itself says it.
        note: what else a reader must know of it, shown wherever it is explained.
    """

    name: str
    labels: tuple[str, ...]
    kind: Kind
    low: float = 0.0
    high: float = 1.0
    derived_from: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        plain = isinstance(self.name, str) and re.fullmatch("[a-z][a-z0-9_]{0,39}", self.name) is not None
        expected = f"small letters, digits and _, and none of {', '.join(TAKEN)}"
        checks.demand(plain and self.name not in TAKEN, "name of a signal", expected, self.name)
        listed = isinstance(self.labels, tuple) and 0 < len(self.labels) <= MOST_COLUMNS
        checks.demand(listed, f"labels of {self.name}", f"1 to {MOST_COLUMNS} names", self.labels)
        for label in self.labels:
            checks.label(f"a label of {self.name}", label)
        checks.demand(len(set(self.labels)) == len(self.labels), f"labels of {self.name}", "distinct", self.labels)
        never = self.words & NEVER
        checks.demand(not never, f"signal {self.name}", "nothing of race, which mien says of nobody", sorted(never))
        checks.demand(self.kind in get_args(Kind), f"kind of {self.name}", ", ".join(get_args(Kind)), self.kind)
        checks.real(f"low of {self.name}", self.low, -MOST_VALUE, MOST_VALUE)
        checks.real(f"high of {self.name}", self.high, -MOST_VALUE, MOST_VALUE)
        ranged = self.low < self.high if self.kind == "scale" else (self.low, self.high) == (0, 1)
        checks.demand(ranged, f"range of {self.name}", "low < high; 0 to 1 unless a scale", (self.low, self.high))
        checks.text(f"derived_from of {self.name}", self.derived_from, checks.MOST_LABEL)
        checks.text(f"note of {self.name}", self.note, MOST_NOTE)

    @property
    def words(self) -> set[str]:
        """Of its name and its labels, in small letters."""
        return {word for text in (self.name, *self.labels) for word in re.split("[^a-z]+", text.lower())}

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns in tables."""
        return tuple(f"{self.name}.{label}" for label in self.labels)

    def values(self, raw: Float64[np.ndarray, "b k"]) -> Float64[np.ndarray, "b k"]:
        """What a head's numbers say: softmax over classes, a sigmoid a flag, a scale's numbers held in its range."""
        if self.kind == "classes":
            return softmax(raw)
        if self.kind == "flags":
            raw = np.exp(-np.logaddexp(0.0, -raw))
        return raw.clip(self.low, self.high)

    def to_dict(self) -> dict[str, Any]:
        """In the types of JSON, as records, results and pages have it."""
        said = {name: getattr(self, name) for name in ("derived_from", "note")}
        derived = {name: text for name, text in said.items() if text}
        span = [self.low, self.high]
        return {"name": self.name, "kind": self.kind, "labels": list(self.labels), "range": span, **derived}


def parse_signals(listed: Any) -> tuple[Signal, ...]:
    """The inverse of :meth:`Signal.to_dict`, for a list of them.

    Raises:
        ConfigError: values out of their range, a name twice, or more than a table bears.
        LookupError, TypeError, ValueError: something else altogether.
    """
    if not isinstance(listed, list):
        raise TypeError("signals that are no list")
    return distinct(tuple(_parsed(**one) for one in listed))


def _parsed(name: Any, kind: Any, labels: Any, range: Any, derived_from: Any = "", note: Any = "") -> Signal:
    low, high = range
    return Signal(name, tuple(labels), kind, low, high, derived_from, note)


def distinct(signals: tuple[Signal, ...]) -> tuple[Signal, ...]:
    """``signals`` themselves. Raises ConfigError for a name twice, or more than a table bears."""
    names = [signal.name for signal in signals]
    checks.demand(len(set(names)) == len(names), "names of signals", "distinct", names)
    checks.demand(len(names) <= MOST_SIGNALS, "signals", f"at most {MOST_SIGNALS}", len(names))
    return signals


def width(signals: Sequence[Signal]) -> int:
    """How many columns they have together."""
    return sum(len(signal.labels) for signal in signals)


def columns(signals: Sequence[Signal]) -> tuple[str, ...]:
    """Names of all their columns in tables, in order."""
    return tuple(name for signal in signals for name in signal.columns)


def places(signals: Sequence[Signal]) -> dict[str, slice]:
    """Where each stands in a row of all their columns, by name."""
    ends = np.cumsum([len(signal.labels) for signal in signals]).tolist()
    return {signal.name: slice(end - len(signal.labels), end) for signal, end in zip(signals, ends, strict=True)}


def by_name(
    signals: Sequence[Signal], row: Float[np.ndarray, " k"], digits: int = 4
) -> Mapping[str, dict[str, float | None]]:
    """A row of all their columns as ``{"affect": {"valence": 0.31, ...}}``, rounded; None where it is no number."""
    numbers = [round(float(value), digits) if np.isfinite(value) else None for value in row]
    return {
        signal.name: dict(zip(signal.labels, numbers[places(signals)[signal.name]], strict=True)) for signal in signals
    }
