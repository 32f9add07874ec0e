"""One model on everything that tells how it will do elsewhere: held-out faces, spoilt ones, strangers, rendered people.

A validation split of the training set is not the world. Every measure here goes the way use goes: pictures through
detector, alignment and gate, crops through the network, probabilities as the weights read their logits; a face that is
not found counts as a wrong answer. Which set may choose and which only measures is the user's to keep apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64

from mien.core.errors import DataError, InputError
from mien.core.labels import canonical
from mien.data.manifest import Manifest, load_manifest
from mien.data.people.exact import EXACT, load_exact
from mien.data.pictures import LABELS, PEOPLE, labelled_pictures
from mien.evaluation.calibration import coverage
from mien.evaluation.corruptions import CORRUPTIONS
from mien.evaluation.metrics import Interval, bootstrap, confusion, expected_calibration_error, uar, war
from mien.evaluation.report import number, percent, write_report
from mien.evaluation.runs import open_data
from mien.evaluation.views import Progress, predict_clips

if TYPE_CHECKING:
    from mien.evaluation.runs import Run

SPOILT = ("mouth hidden", "eyes hidden", "blur 6 %")
"""What is shown of :data:`mien.evaluation.corruptions.CORRUPTIONS`; ``--robustness`` shows all."""
FERPLUS = "ferplus_48.npz"
FILMS = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v")
AGES, STRENGTHS, TURNS = (30, 45), (0.35, 0.65), (10, 20)
"""Where numbers are cut into groups."""
LEAST_GROUP = 10
"""Items of a group worth a figure."""


class Reader(Protocol):
    """What :class:`mien.analysis.expressions.ExpressionModel` does, a room further up."""

    def analyze(self, source: Path) -> Any:
        """``frames``, a :class:`mien.core.table.FaceTable`, and ``spans``. Raises InputError for what is no source."""


@dataclass(frozen=True, eq=False)
class Measure:
    """What a model does on one set.

    Attributes:
        name: of the set.
        labels: the model's expressions.
        targets: true class of every item, as a place in ``labels``.
        probabilities: of every item; NaN where no face was found or could be read.
        threshold: confidence from which the model answers in use.
        groups: name of each item's group, by what groups are made of.
    """

    name: str
    labels: tuple[str, ...]
    targets: Int64[np.ndarray, " n"]
    probabilities: Float64[np.ndarray, "n c"]
    threshold: float
    groups: dict[str, list[str]] = field(default_factory=dict)

    @property
    def seen(self) -> Bool[np.ndarray, " n"]:
        """Whether there is an answer, of every item."""
        seen: Bool[np.ndarray, " n"] = np.isfinite(self.probabilities).all(1)
        return seen

    @property
    def right(self) -> Bool[np.ndarray, " n"]:
        """Whether the likeliest expression is the true one; without a face it is not."""
        right: Bool[np.ndarray, " n"] = self._said == self.targets
        return right

    @property
    def _said(self) -> Int64[np.ndarray, " n"]:
        """The likeliest expression of every item; without a face one more than there are."""
        return np.where(self.seen, np.nan_to_num(self.probabilities).argmax(1), len(self.labels))

    def interval(self, figure: Callable[[Int[np.ndarray, "c c"]], float]) -> Interval:
        """A figure of the confusion matrix and its 95 % interval, items drawn anew; no face is a wrong answer."""
        given = self.targets, self._said, len(self.labels) + 1
        return Interval(figure(confusion(*given)), *bootstrap(figure, *given))

    @property
    def recall(self) -> dict[str, float]:
        """Share of right answers among the items of each class that there is."""
        right = self.right
        return {
            label: float(right[self.targets == place].mean())
            for place, label in enumerate(self.labels)
            if (self.targets == place).any()
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; shares in [0, 1]."""
        seen, probabilities, targets = self.seen, self.probabilities, self.targets
        accuracy, recall = self.interval(war), self.interval(uar)
        answered, precision = (
            coverage(self.threshold, probabilities[seen], targets[seen]) if seen.any() else (0.0, np.nan)
        )
        ece = expected_calibration_error(probabilities[seen], targets[seen]) if seen.any() else np.nan
        return {
            "items": len(targets),
            "no_face": int((~seen).sum()),
            "accuracy": accuracy.value,
            "accuracy_interval": accuracy[1:],
            "mean_recall": recall.value,
            "mean_recall_interval": recall[1:],
            "ece": number(ece),
            "answered": answered * float(seen.mean()),
            "right_when_answered": number(precision),
            "recall": self.recall,
            "groups": {kind: self._by_group(names) for kind, names in self.groups.items()},
        }

    def _by_group(self, names: list[str]) -> dict[str, dict[str, float]]:
        """Recall of each class in every group of at least :data:`LEAST_GROUP` items of the class."""
        given, right, found = np.array(names), self.right, {}
        for name in sorted(set(names)):
            within = {}
            for place, label in enumerate(self.labels):
                items = (given == name) & (self.targets == place)
                if items.sum() >= LEAST_GROUP:
                    within[label] = float(right[items].mean())
            if within:
                found[name] = within
        return found


@dataclass(frozen=True, eq=False)
class World:
    """Everything measured of one model.

    Attributes:
        model: its name.
        sha256: of its weights.
        prior: how its logits were read.
        measures: by set.
        clips: seconds of each label, by film: no truth is known of these, they tell when a change moves them.
    """

    model: str
    sha256: str
    prior: str
    measures: tuple[Measure, ...]
    clips: dict[str, dict[str, float]]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {
            "model": self.model,
            "sha256": self.sha256,
            "prior": self.prior,
            "measures": {measure.name: measure.to_dict() for measure in self.measures},
            "clips": self.clips,
        }

    def to_markdown(self) -> str:
        """A table of all sets, one of recalls, one a set of its groups, and the films."""
        facts = [(measure, measure.to_dict()) for measure in self.measures]
        what = f"{self.model} (prior: {self.prior}; weights {self.sha256[:16]})"
        lines = [
            f"{what}. In percent, with 95 % intervals; no face counts as wrong.",
            "",
            "| faces | items | no face | right | mean recall | ECE | answered | right when answered |",
            "|---|---|---|---|---|---|---|---|",
        ]
        lines += [f"| {measure.name} | {_cells(found)} |" for measure, found in facts]
        labels = self.measures[0].labels if self.measures else ()
        lines += ["", f"| recall | {' | '.join(labels)} |", "|---" * (1 + len(labels)) + "|"]
        for measure, found in facts:
            cells = [f"{100 * found['recall'][label]:.1f}" if label in found["recall"] else "" for label in labels]
            lines.append(f"| {measure.name} | {' | '.join(cells)} |")
        for measure, found in facts:
            lines += _grouped(measure, found["groups"])
        if self.clips:
            lines += ["", "| film | seconds |", "|---|---|"]
            lines += [
                f"| {name} | {', '.join(f'{label} {seconds:.1f}' for label, seconds in shown.items()) or 'no face'} |"
                for name, shown in self.clips.items()
            ]
        return "\n".join(lines)

    def save(self, folder: Path) -> None:
        """Write ``report.json`` and ``report.md``."""
        write_report(self, folder)


def _cells(found: dict[str, Any]) -> str:
    shares = [(found[name], found[f"{name}_interval"]) for name in ("accuracy", "mean_recall")]
    ece = "" if found["ece"] is None else f"{found['ece']:.3f}"
    precision = percent(np.nan if found["right_when_answered"] is None else found["right_when_answered"])
    return " | ".join(
        [
            *(str(found[name]) for name in ("items", "no_face")),
            *(f"{100 * share:.1f} ({100 * low:.1f} to {100 * high:.1f})" for share, (low, high) in shares),
            *(ece, f"{100 * found['answered']:.1f}", precision.removesuffix(" %")),
        ]
    )


def _grouped(measure: Measure, groups: dict[str, dict[str, dict[str, float]]]) -> Iterator[str]:
    for kind, found in groups.items():
        present = [label for label in measure.labels if any(label in within for within in found.values())]
        yield from ("", f"| {measure.name}, by {kind} | {' | '.join(present)} |", "|---" * (1 + len(present)) + "|")
        for name, within in found.items():
            cells = [f"{100 * within[label]:.1f}" if label in within else "" for label in present]
            yield f"| {name} | {' | '.join(cells)} |"


def measure_world(run: Run, reader: Reader, folder: Path, progress: Progress | None = None) -> World:
    """Every set that is in ``folder``.

    Args:
        run: the weights, on an engine.
        reader: what analyses pictures and films with them.
        folder: holds any of: the FERPlus ``.npz``; folders of labelled pictures (:mod:`mien.data.pictures`); sets of
            rendered people with a test split; folders of films. They may lie one folder deeper.
        progress: told how many items of how many of a set are done.

    Raises:
        DataError: none of these is there, or one is torn.
    """
    measures: list[Measure] = []
    clips: dict[str, dict[str, float]] = {}
    say = progress or (lambda done, total: None)
    if not folder.is_dir():
        raise DataError("a folder of sets to measure on", f"no folder at {folder}", "see docs/world.md")
    for place in [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]:
        if (place / FERPLUS).is_file():
            measures += _faces(run, place / FERPLUS, say)
        if (place / LABELS).is_file() or (place / PEOPLE).is_file():
            measures.append(measure_pictures(run, reader, place, say))
        elif (place / EXACT).is_file():
            measures.append(_people(run, place, say))
        elif films := [path for path in sorted(place.iterdir()) if path.suffix.lower() in FILMS]:
            clips |= {path.name: _seconds(reader, path) for path in films}
    if not measures and not clips:
        raise DataError(f"sets to measure on in {folder}", "none", "see docs/world.md for what is looked for")
    record = run.model.record
    return World(record.name, record.sha256, record.prior, tuple(measures), clips)


def _faces(run: Run, archive: Path, say: Progress) -> list[Measure]:
    rows = open_data(archive).select("valid")
    changes = {"": None, **{name: CORRUPTIONS[name] for name in SPOILT}}
    return [
        _crops(run, rows, f"FERPlus validation{name and ', '}{name}", say, change) for name, change in changes.items()
    ]


def _crops(run: Run, rows: Manifest, name: str, progress: Progress, change: Any = None) -> Measure:
    found = predict_clips(run.model, rows, progress=progress, change=change)
    record = run.model.record
    return Measure(name, found.labels.labels, found.targets, found.probabilities, record.calibration.threshold)


def _people(run: Run, folder: Path, progress: Progress) -> Measure:
    """Rendered people, by how strong the expression is, how far the head is turned, and how light the skin is."""
    manifest, exact = load_manifest(folder), load_exact(folder)
    test = np.array([row.split == "test" for row in manifest.rows])
    measure = _crops(run, manifest.select("test"), f"rendered people ({folder.name})", progress)
    strength = exact.strength[test].max(1).astype(float)
    yaw = np.abs(exact.pose[test, :, 0].mean(1).astype(float))
    tone = exact.tone[test].astype(float)
    groups = {
        "strength": _binned(strength, STRENGTHS),
        "turn of the head, degrees": _binned(yaw, TURNS),
        "light of the skin": _binned(tone, tuple(np.quantile(tone, [1 / 3, 2 / 3]).round(2).tolist())),
    }
    # An expression of no strength is neutral: only the others are graded.
    neutral = measure.labels.index("neutral")
    groups["strength"] = [
        name if target != neutral else "none" for name, target in zip(groups["strength"], measure.targets, strict=True)
    ]
    return replace(measure, groups=groups)


def _binned(values: Float64[np.ndarray, " n"], edges: Sequence[float]) -> list[str]:
    names = [f"under {edges[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(edges))]
    names.append(f"{edges[-1]:g} and more")
    return [names[place] for place in np.digitize(values, edges)]


def measure_pictures(run: Run, reader: Reader, folder: Path, progress: Progress) -> Measure:
    """The labelled pictures of a folder through detector, alignment and gate. Raises DataError for a torn folder."""
    record = run.model.record
    labels = tuple(canonical(name) for name in record.labels.labels)
    pictures = [one for one in labelled_pictures(folder) if canonical(one.label) in labels]
    if not pictures:
        raise DataError(f"pictures labelled {', '.join(labels)}", f"none in {folder}", "mend its table")
    rows = []
    for done, picture in enumerate(pictures, 1):
        rows.append(_answer(reader, picture.path, len(labels)))
        progress(done, len(pictures))
    return Measure(
        folder.name,
        record.labels.labels,
        np.array([labels.index(canonical(one.label)) for one in pictures], np.int64),
        np.stack(rows),
        record.calibration.threshold,
        _groups([one.groups for one in pictures]),
    )


def _groups(given: Sequence[dict[str, str]]) -> dict[str, list[str]]:
    """Columns of words as they are, columns of numbers cut at :data:`AGES`, columns of nothing but names not at all."""
    found = {}
    for kind in given[0]:
        values = [groups.get(kind, "") for groups in given]
        if all(value.isdigit() for value in values):
            values = _binned(np.array(values, float), AGES)
        if 1 < len(set(values)) <= LEAST_GROUP:
            found[kind] = values
    return found


def _answer(reader: Reader, picture: Path, classes: int) -> Float64[np.ndarray, " c"]:
    """Of the largest face; NaN where there is none, or none that can be read."""
    nothing = np.full(classes, np.nan)
    try:
        table = reader.analyze(picture).frames
    except InputError:
        return nothing
    if not len(table):
        return nothing
    boxes = table.column("box")
    largest = int(((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).argmax())
    found: Float64[np.ndarray, " c"] = table.column("probabilities")[largest].astype(np.float64)
    return found


def _seconds(reader: Reader, film: Path) -> dict[str, float]:
    """Of each label, most first."""
    seconds: dict[str, float] = {}
    for span in reader.analyze(film).spans:
        seconds[span.label] = round(seconds.get(span.label, 0.0) + span.end - span.start, 2)
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))
