"""``mien validate``: a model beside people on labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mien.cli.console import print_json, print_line
from mien.cli.evaluate import progress_of
from mien.cli.parsing import parse
from mien.engines.opening import Backend


@dataclass(frozen=True)
class Validate:
    """How often the model names what people named in labelled pictures, beside how often people do.

    FOLDER has pictures and a labels.csv with the columns file and label, and perhaps votes (happiness:7;neutral:3); or
    it is, or holds, the FERPlus .npz, of which the validation faces are taken.
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """The pictures."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder for report.json and report.md."""
    model: str | None = None
    """Name from `mien models`, a weights file, or a run's folder."""
    prior: str | None = None
    """Which shares of the expressions to expect: trained, balanced, or None: the model's own choice."""
    device: str = "auto"
    """cpu, cuda, or auto: a GPU where there is one."""
    backend: Backend = "torch"
    """What computes; auto takes what `mien analyze` has found fastest."""
    json: bool = False
    """Print JSON."""


def main(args: Sequence[str]) -> int:
    """Run ``mien validate`` and return the exit code."""
    options = parse(Validate, "validate", args)
    from mien.agreement.validation import validate
    from mien.analysis.expressions import ExpressionModel
    from mien.evaluation.runs import open_run

    run = open_run(options.model, options.device, options.backend, options.prior)
    with progress_of(run.model.record.name) as progress:
        found = validate(run, ExpressionModel(run.model), options.folder, progress)
    if options.out is not None:
        found.save(options.out)
    if options.json:
        print_json(found.to_dict())
    else:
        print_line(found.to_markdown())
    return 0
