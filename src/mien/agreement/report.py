"""What a comparison of raters found, as values, as a text for a paper, and as files."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from mien.agreement.statistics import agreement, cohen_kappa, f1, fleiss_kappa, interval, krippendorff_alpha
from mien.core.files import whole_file
from mien.core.names import counted, file_name
from mien.core.sheets import escaped
from mien.evaluation.metrics import Interval
from mien.report.tables import plain, write_json


@dataclass(frozen=True)
class Unit:
    """A person of a film that was compared.

    Attributes:
        film: name of the result's folder.
        track: number of the person there.
        start: seconds of the first code.
        end: seconds of the last one's end.
        coders: who coded it.
        answered: share of this time for which the model names a label.
    """

    film: str
    track: int
    start: float
    end: float
    coders: tuple[str, ...]
    answered: float


@dataclass(frozen=True, eq=False)
class Pair:
    """Two raters.

    Attributes:
        names: the model comes first where it is one of them.
        matrices: moments by label of the first and of the second, a matrix a person.
        events: of every person and class: paired, of the first, of the second.
    """

    names: tuple[str, str]
    matrices: Float64[np.ndarray, "g c c"]
    events: Float64[np.ndarray, "g c 3"]

    @property
    def kappa(self) -> Interval:
        """Cohen's, with its interval."""
        return interval(cohen_kappa, self.matrices)

    @property
    def alike(self) -> Interval:
        """Share of the moments with the same label."""
        return interval(agreement, self.matrices)

    def by_class(self, place: int) -> dict[str, Interval | int]:
        """F1 over moments and over events of a class, and how many events either has."""
        counts = np.stack(
            [self.matrices[:, place, place], self.matrices.sum(2)[:, place], self.matrices.sum(1)[:, place]], axis=1
        )
        events = self.events[:, place]
        paired, first, second = events.sum(0).astype(int).tolist()
        of = {"events_of_first": first, "events_of_second": second, "events_paired": paired}
        return {"f1": interval(f1, counts), "event_f1": interval(f1, events), **of}


@dataclass(frozen=True, eq=False)
class All:
    """Several raters together.

    Attributes:
        raters: how many.
        fleiss: counts a person (:func:`mien.agreement.statistics.fleiss_counts`).
        pairs: coincidences a person.
    """

    raters: int
    fleiss: Float64[np.ndarray, "g k"]
    pairs: Float64[np.ndarray, "g c c"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "raters": self.raters,
            "fleiss_kappa": _told(interval(fleiss_kappa, self.fleiss)),
            "moments_of_all": int(self.fleiss[:, -1].sum()),
            "krippendorff_alpha": _told(interval(krippendorff_alpha, self.pairs)),
        }


@dataclass(frozen=True, eq=False)
class Agreement:
    """Everything that was compared.

    Attributes:
        labels: the classes.
        raters: the model, then the coders.
        step: seconds from moment to moment.
        tolerance: seconds that the beginnings of paired events may lie apart.
        gaps: the label that coders mean by no code; None: none.
        people: over whom intervals are drawn.
        units: what was compared.
        pairs: those that have moments in common.
        coders: all coders together; None of one.
        everybody: the model and all coders.
        notes: what a reader must know, a sentence each.
    """

    labels: tuple[str, ...]
    raters: tuple[str, ...]
    step: float
    tolerance: float
    gaps: str | None
    people: int
    units: tuple[Unit, ...]
    pairs: tuple[Pair, ...]
    coders: All | None
    everybody: All | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: figures as value, low and high; null where there is none."""
        content = {
            **{name: getattr(self, name) for name in ("labels", "raters", "step", "tolerance", "gaps", "people")},
            "units": [asdict(unit) for unit in self.units],
            "pairs": [self._pair(pair) for pair in self.pairs],
            "coders": self.coders and self.coders.to_dict(),
            "everybody": self.everybody and self.everybody.to_dict(),
            "notes": self.notes,
        }
        unwrapped: dict[str, Any] = plain(content)
        return unwrapped

    def _pair(self, pair: Pair) -> dict[str, Any]:
        classes = {
            label: {
                name: _told(value) if isinstance(value, Interval) else value
                for name, value in pair.by_class(place).items()
            }
            for place, label in enumerate(self.labels)
        }
        matrix = pair.matrices.sum(0)
        return {
            "raters": pair.names,
            "seconds": round(float(matrix.sum()) * self.step, 3),
            "kappa": _told(pair.kappa),
            "agreement": _told(pair.alike),
            "classes": classes,
            "confusion_seconds": (matrix * self.step).round(3),
        }

    def to_markdown(self) -> str:
        """Tables of all pairs, of all raters together, and of every pair's classes."""
        found = self.to_dict()
        total = sum(unit.end - unit.start for unit in self.units)
        named = sum(unit.answered * (unit.end - unit.start) for unit in self.units) / total if total else 0.0
        films = len({unit.film for unit in self.units})
        lines = [
            f"{counted(films, 'film')}, {counted(len(self.units), 'face')}, {total:.1f} s coded, of which "
            f"{self.raters[0]} names a label for "
            f"{100 * named:.0f} %. Moments every {self.step:g} s; events begin within {self.tolerance:g} s; "
            f"intervals (95 %) by drawing {counted(self.people, 'person', 'people')}.",
            "",
            "| raters | seconds | kappa (Cohen) | same label |",
            "|---|---|---|---|",
        ]
        for pair in found["pairs"]:
            cells = f"{pair['seconds']:.1f} | {_cell(pair['kappa'])} | {_cell(pair['agreement'])}"
            lines.append(f"| {' and '.join(pair['raters'])} | {cells} |")
        lines += ["", "| all | kappa (Fleiss) | alpha (Krippendorff, nominal) |", "|---|---|---|"]
        for name, of in (("coders", found["coders"]), (f"coders and {self.raters[0]}", found["everybody"])):
            if of:
                lines.append(f"| {name} | {_cell(of['fleiss_kappa'])} | {_cell(of['krippendorff_alpha'])} |")
        for pair in found["pairs"]:
            lines += self._classes(pair)
        lines += ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines)

    def _classes(self, pair: dict[str, Any]) -> Iterator[str]:
        first, second = pair["raters"]
        yield from ("", f"| {first} and {second} | F1, time | F1, events | events {first} | events {second} |")
        yield "|---|---|---|---|---|"
        for label, of in pair["classes"].items():
            events = f"{of['events_of_first']} | {of['events_of_second']}"
            if of["events_of_first"] or of["events_of_second"]:
                yield f"| {label} | {_cell(of['f1'])} | {_cell(of['event_f1'])} | {events} |"

    def save(self, folder: Path) -> list[Path]:
        """Write ``agree.json``, ``agree.md``, and a ``confusion-A-B.csv`` a pair: seconds by label of A and of B."""
        told, text = folder / "agree.json", folder / "agree.md"
        write_json(told, self.to_dict())
        with whole_file(text) as draft:
            draft.write_text(self.to_markdown() + "\n", "utf-8")
        return [told, text, *(self._confusion(folder, pair) for pair in self.pairs)]

    def _confusion(self, folder: Path, pair: Pair) -> Path:
        path = folder / f"{file_name('confusion-' + '-'.join(pair.names))}.csv"
        with whole_file(path) as draft, draft.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([escaped(" / ".join(pair.names)), *map(escaped, self.labels)])
            for label, row in zip(self.labels, pair.matrices.sum(0), strict=True):
                writer.writerow([escaped(label), *(f"{cell * self.step:.3f}" for cell in row)])
        return path


def _told(figure: Interval) -> dict[str, float | None]:
    return {name: round(value, 4) if np.isfinite(value) else None for name, value in figure._asdict().items()}


def _cell(figure: dict[str, float | None] | Sequence[float]) -> str:
    assert isinstance(figure, dict)
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    if value is None:
        return ""
    return f"{value:.2f}" if low is None or high is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"
