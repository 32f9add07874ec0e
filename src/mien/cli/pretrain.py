"""``mien pretrain``: a masked autoencoder on face crops without labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tyro

from mien.cli.parsing import parse
from mien.cli.train import run_recipe


def main(args: Sequence[str]) -> int:
    """Run ``mien pretrain`` and return the exit code."""
    from mien.training.pretrain import PretrainRun

    options: Any = tyro.conf.PositionalRequiredArgs[PretrainRun]
    return run_recipe(parse(options, "pretrain", args, flat=False))
