"""Labelled pictures: how often the model names what people named, beside how often people name it themselves.

The matching score of an expression is the share of its pictures that the model gives the same label; a picture without
a face that can be read counts as wrong. Where the votes of several raters are known, the human rate stands beside it:
how often one rater says what most of the others say, over all pictures and raters (ties of the others count in parts).
So the model and a person are measured by the same rule, a label that they had no part in.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64, Int
from scipy.stats import binomtest

from mien.core.errors import DataError
from mien.core.labels import canonical
from mien.data.archives import read_members
from mien.data.ferplus import LABELS as FERPLUS_LABELS
from mien.data.pictures import labelled_pictures
from mien.evaluation.report import write_report
from mien.evaluation.runs import open_data
from mien.evaluation.views import Progress, predict_clips
from mien.evaluation.world import FERPLUS, Measure, Reader, measure_pictures

if TYPE_CHECKING:
    from mien.evaluation.runs import Run

Votes = Int[np.ndarray, "n c+1"]
"""How many raters gave every picture each of the model's labels, and, last, anything else."""
COLUMN = "votes"
VOTE = re.compile(r"\s*([^:=;,]+?)\s*[:=]\s*(\d{1,6})\s*")


@dataclass(frozen=True, eq=False)
class Validation:
    """A model beside people on labelled pictures.

    Attributes:
        model: its name.
        sha256: of its weights.
        prior: how its logits were read.
        measure: its answers, and the true labels.
        votes: of people, a row a picture; None where none are known.
    """

    model: str
    sha256: str
    prior: str
    measure: Measure
    votes: Votes | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; shares in [0, 1], null where there is none."""
        measure = self.measure
        rates = None if self.votes is None else human_rates(self.votes)
        expressions = {}
        for place, label in enumerate(measure.labels):
            of = measure.targets == place
            if of.any():
                rate = np.nan if rates is None else rates[place]
                expressions[label] = {
                    **_share(int(measure.right[of].sum()), int(of.sum())),
                    "human_rate": None if np.isnan(rate) else float(rate),
                }
        human = [one["human_rate"] for one in expressions.values() if one["human_rate"] is not None]
        return {
            "model": self.model,
            "sha256": self.sha256,
            "prior": self.prior,
            "pictures": len(measure.targets),
            "no_face": int((~measure.seen).sum()),
            "raters": None if self.votes is None else float(self.votes.sum(1).mean()),
            "matching_score": float(measure.right.mean()),
            "mean_matching_score": float(np.mean([one["matching_score"] for one in expressions.values()])),
            "mean_human_rate": float(np.mean(human)) if human else None,
            "expressions": expressions,
        }

    def to_markdown(self) -> str:
        """A table with a row an expression."""
        found = self.to_dict()
        raters = "" if found["raters"] is None else f"; {found['raters']:.1f} raters a picture"
        lines = [
            f"{self.model} (prior: {self.prior}; weights {self.sha256[:16]}) on {found['pictures']} pictures of "
            f"{self.measure.name}, {found['no_face']} of them without a face that can be read{raters}. In percent.",
            "",
            "| expression | pictures | matching score | one rater |",
            "|---|---|---|---|",
        ]
        for label, one in found["expressions"].items():
            score = f"{_percent(one['matching_score'])} [{_percent(one['low'])}, {_percent(one['high'])}]"
            lines.append(f"| {label} | {one['pictures']} | {score} | {_percent(one['human_rate'])} |")
        mean = f"{_percent(found['mean_matching_score'])} | {_percent(found['mean_human_rate'])}"
        return "\n".join([*lines, f"| mean | {found['pictures']} | {mean} |"])

    def save(self, folder: Path) -> None:
        """Write ``report.json`` and ``report.md``."""
        write_report(self, folder)


def validate(run: Run, reader: Reader, place: Path, progress: Progress | None = None) -> Validation:
    """A model on a folder of labelled pictures (:mod:`mien.data.pictures`), or on the validation faces of FERPlus.

    Args:
        run: the model.
        reader: analyses pictures with it.
        place: the folder, or the ``.npz``. A column ``votes`` of labels.csv, such as ``happiness:7;neutral:3``, holds
            what raters said.
        progress: called after every picture.

    Raises:
        DataError: neither, a torn one, or votes that cannot be read.
    """
    say = progress or (lambda done, total: None)
    archive = place / FERPLUS if (place / FERPLUS).is_file() else place
    record = run.model.record
    if archive.suffix == ".npz":
        return Validation(record.name, record.sha256, record.prior, *_ferplus(run, archive, say))
    measure = measure_pictures(run, reader, place, say)
    return Validation(record.name, record.sha256, record.prior, measure, _listed(place, measure.labels))


def human_rates(votes: Votes) -> Float64[np.ndarray, " c"]:
    """Of every label, how often one rater says it where most of the others do; NaN where they never do."""
    votes = votes[votes.sum(1) > 1].astype(np.float64)
    said, right = np.zeros(votes.shape[1]), np.zeros(votes.shape[1])
    for label in range(votes.shape[1]):
        others = votes.copy()
        others[:, label] -= 1
        most = others == others.max(1, keepdims=True)
        # Raters of this label, by what the others say.
        of = votes[:, [label]] * most / most.sum(1, keepdims=True)
        said += of.sum(0)
        right[label] = of[:, label].sum()
    rates: Float64[np.ndarray, " c"] = np.divide(right, said, out=np.full(len(said), np.nan), where=said > 0)[:-1]
    return rates


def _ferplus(run: Run, archive: Path, say: Progress) -> tuple[Measure, Votes]:
    rows = open_data(archive).select("valid")
    found = predict_clips(run.model, rows, progress=say)
    threshold = run.model.record.calibration.threshold
    measure = Measure("FERPlus validation", found.labels.labels, found.targets, found.probabilities, threshold)
    (cast,) = read_members(archive, ("valid_votes",), "a FERPlus archive", "see docs/train-ferplus.md")
    cast = cast[[int(name.removeprefix("valid-")) for name in found.ids]].astype(np.int64)
    names = [*FERPLUS_LABELS.labels, *[""] * (cast.shape[1] - len(FERPLUS_LABELS))]
    return measure, _by_label(cast, names, measure.labels)


def _by_label(cast: Int[np.ndarray, "n k"], names: Sequence[str], labels: Sequence[str]) -> Votes:
    """Columns called ``names`` as columns of ``labels``, and what is none of these."""
    votes = np.zeros((len(cast), len(labels) + 1), np.int64)
    known = [canonical(label) for label in labels]
    for name, column in zip(names, cast.T, strict=True):
        votes[:, known.index(canonical(name)) if canonical(name) in known else -1] += column
    return votes


def _listed(folder: Path, labels: Sequence[str]) -> Votes | None:
    known = {canonical(label) for label in labels}
    cells = [one.groups.get(COLUMN, "") for one in labelled_pictures(folder) if canonical(one.label) in known]
    if not any(cells):
        return None
    rows = [_parsed(cell, folder) for cell in cells]
    names = sorted({name for row in rows for name in row})
    return _by_label(np.array([[row.get(name, 0) for name in names] for row in rows], np.int64), names, labels)


def _parsed(cell: str, folder: Path) -> dict[str, int]:
    parts = [part for part in re.split("[;,]", cell) if part.strip()]
    found: dict[str, int] = {}
    for part in parts:
        match = VOTE.fullmatch(part)
        if match is None:
            raise DataError("votes such as happiness:7;neutral:3", f"{cell[:80]!r} in {folder}", "mend that row")
        found[match[1]] = found.get(match[1], 0) + int(match[2])
    return found


def _share(right: int, pictures: int) -> dict[str, float | int]:
    """With its 95 % interval (Wilson)."""
    low, high = binomtest(right, pictures).proportion_ci(method="wilson")
    return {"pictures": pictures, "matching_score": right / pictures, "low": float(low), "high": float(high)}


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"
