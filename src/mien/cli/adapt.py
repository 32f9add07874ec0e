"""``mien adapt``: a model made fit for unlabelled faces of another kind, or made to forget some it learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tyro

from mien.cli.parsing import parse
from mien.cli.train import run_recipe


def main(args: Sequence[str]) -> int:
    """Run ``mien adapt`` and return the exit code."""
    from mien.training.adapt import AdaptRun
    from mien.training.forget import ForgetRun

    forgets = any(word.partition("=")[0] == "--forget" for word in args)
    options: Any = tyro.conf.PositionalRequiredArgs[ForgetRun if forgets else AdaptRun]  # type: ignore[misc]
    return run_recipe(parse(options, "adapt", args, flat=False))
