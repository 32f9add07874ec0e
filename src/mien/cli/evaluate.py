"""``mien evaluate``: a model's figures on a labelled split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mien.cli.console import print_json, print_line
from mien.cli.parsing import parse


@dataclass(frozen=True)
class Evaluate:
    """Measure a model on a labelled split: accuracy, recalls, intervals, calibration."""

    data: Path
    """The FERPlus .npz file."""
    model: Annotated[str | None, tyro.conf.Positional] = None
    """Name from `mien models`, a weights file, or a folder with one. None: the default."""
    split: Literal["train", "valid", "test"] = "test"
    """Which official split. Choose models on valid; touch test once."""
    keep: bool = False
    """Write the figures into the record of the weights file, where `mien models` shows them."""
    json: bool = False
    """Print JSON."""


def main(args: Sequence[str]) -> int:
    """Run ``mien evaluate`` and return the exit code."""
    options = parse(Evaluate, "evaluate", args)
    from mien.evaluation.ferplus import evaluate_ferplus
    from mien.models.weights import add_scores
    from mien.models.zoo import load_model

    model = load_model(options.model)
    report = evaluate_ferplus(model, options.data, options.split)
    if options.keep:
        add_scores(Path(model.record.source), report.scores(f"ferplus_{options.split}"))
    if options.json:
        print_json(report.to_dict())
    else:
        print_line(report.to_markdown())
    return 0
