"""``mien models``: what the weights say about themselves. Loads no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from mien.cli.console import print_json, print_line, print_table
from mien.cli.parsing import parse
from mien.core.errors import WeightsError
from mien.models.calibration import Calibration
from mien.models.find import find_weights
from mien.models.record import SHIPPED, ModelRecord, read_record, shipped_records

RECALL, HALF = "_recall_", 0.5


@dataclass(frozen=True)
class Models:
    """The models that come with mien: labels, licence, training data, scores."""

    name: Annotated[str | None, tyro.conf.Positional] = None
    """A model's name, a weights file, or a folder with one, for everything about it; leave it out for the list."""
    json: bool = False
    """Print JSON."""


def main(args: Sequence[str]) -> int:
    """Run ``mien models`` and return the exit code."""
    options = parse(Models, "models", args)
    if options.name is not None:
        _print_one(find_record(options.name), options.json)
        return 0
    records = shipped_records()
    if not records:
        raise WeightsError("weights in the package", f"none in {SHIPPED}", "install mien again")
    if options.json:
        print_json([record_facts(record) for record in records])
    else:
        columns = ("name", "labels", "parameters", "size", "scores", "trained on")
        print_table("Models", columns, [_cells(record) for record in records], numbers=("parameters", "size"))
        print_line("`mien models NAME` tells everything about one, its licence too.")
    return 0


def find_record(name: str) -> ModelRecord:
    """The record of weights, by whatever names them for an analysis: a name, a file, a folder with one, a hub address.

    Raises:
        ConfigError: an unknown name.
        WeightsError: not weights of mien.
    """
    return read_record(find_weights(name))


def record_facts(record: ModelRecord) -> dict[str, Any]:
    """A record as JSON types, with the file's size in bytes."""
    return {**dataclasses.asdict(record), "bytes": Path(record.source).stat().st_size}


def _cells(record: ModelRecord) -> tuple[str, ...]:
    scores = "\n".join(f"{name} {value:.3f}" for name, value in headline(record.scores).items())
    return (record.name, ", ".join(record.labels.labels), _millions(record), _size(record), scores, record.trained_on)


def headline(scores: dict[str, float]) -> dict[str, float]:
    """The scores for the list: accuracy and mean recall on a test split; all where there are none."""
    return {name: value for name, value in scores.items() if name.endswith(("_test_war", "_test_uar"))} or scores


def _print_one(record: ModelRecord, as_json: bool) -> None:
    if as_json:
        print_json(record_facts(record))
        return
    pixels = record.preprocessing
    lasts = "" if record.window is None else f", of {record.window:g} s"
    facts = {
        "labels": ", ".join(record.labels.labels),
        **({"says beside": ", ".join(one.name for one in record.signals)} if record.signals else {}),
        **({"anchors": f"{record.anchors} a class correct the answer"} if record.anchors else {}),
        **{f"labels of {name}": _words(record, name) for name in record.texts},
        "trained on": record.trained_on,
        "licence": record.licence,
        **readable(record.scores),
        **_misjudged(record.scores),
        "use": "expressions shown, not emotions felt; not at work or in schools (EU AI Act, Art. 5), no identification",
        **{f"--prior {name}": _reading(reading, name == record.prior) for name, reading in record.readings.items()},
        "input": f"{record.frames} frames of {pixels.input_size} x {pixels.input_size}, {pixels.colour}{lasts}",
        "parameters": _millions(record),
        "size": _size(record),
        "sha256": record.sha256,
        "file": record.source,
    }
    print_table(record.name, ("", ""), list(facts.items()))


def _words(record: ModelRecord, name: str) -> str:
    """What is known of labels that can be exchanged, and from what they come."""
    texts = record.texts[name]
    new = texts.unmeasured(next(one.labels for one in record.signals if one.name == name))
    parts = {"measured": texts.measured, "not measured": new}
    said = "; ".join(f"{part}: {', '.join(labels)}" for part, labels in parts.items() if labels)
    return f"{said} (vectors: {texts.source})"


def readable(scores: dict[str, float]) -> dict[str, str]:
    """Scores for people: a figure with its interval, and all the recalls of a split together."""
    rows: dict[str, str] = {}
    for name, value in scores.items():
        split, of_class, label = name.partition(RECALL)
        if of_class:
            row = f"{split}_recall"
            rows[row] = ", ".join(filter(None, [rows.get(row), f"{label} {100 * value:.0f} %"]))
        elif f"{name}_low" in scores and f"{name}_high" in scores:
            rows[name] = f"{value:.4f} ({scores[f'{name}_low']:.4f} to {scores[f'{name}_high']:.4f})"
        elif name.removesuffix("_low").removesuffix("_high") not in rows:
            rows[name] = f"{value:.4f}"
    return rows


def _reading(reading: Calibration, default: bool) -> str:
    taken = f", {100 * reading.tau:.0f} % of the training set's shares taken out" if reading.tau else ""
    shown = f"unclear below {reading.threshold:.2f}, temperature {reading.temperature:.3f}{taken}"
    return f"{shown} (default)" if default else shown


def _misjudged(scores: dict[str, float]) -> dict[str, str]:
    """The expressions that a test split shows to be missed at least as often as found."""
    missed = [name.partition(f"_test{RECALL}")[2] for name, value in scores.items() if value <= HALF]
    names = ", ".join(dict.fromkeys(filter(None, missed)))
    return {"mostly missed": names} if names else {}


def _millions(record: ModelRecord) -> str:
    return f"{record.parameters / 1e6:.2f} M"


def _size(record: ModelRecord) -> str:
    return f"{Path(record.source).stat().st_size / 1e6:.1f} MB"
