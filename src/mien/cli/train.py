"""``mien train``: a recipe by name, any of its fields by flag."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from mien.cli.console import print_line
from mien.cli.parsing import parse
from mien.cli.problems import OK, STOPPED, USER, note


def main(args: Sequence[str]) -> int:
    """Run ``mien train`` and return the exit code."""
    from mien.training.recipes import RECIPES

    if not args or args[0] in ("-h", "--help"):
        (sys.stdout if args else sys.stderr).write(_usage(RECIPES))
        return OK if args else USER
    name, *rest = args
    recipe: Any = RECIPES[name]
    run = parse(recipe, f"train {name}", rest, flat=False)
    try:
        print_line(str(run.run(_report)))
    except KeyboardInterrupt:
        note(f"stopped: the last checkpoint is kept in {run.out}; --resume goes on from it")
        return STOPPED
    return OK


def _usage(recipes: Any) -> str:
    lines = "\n".join(
        f"  mien train {name:<10} {(recipe.__doc__ or '').split(chr(10))[0]}" for name, recipe in recipes.items()
    )
    return f"usage: mien train RECIPE [OPTIONS]\n\n{lines}\n\n  mien train RECIPE --help   all fields of a recipe\n"


def _report(line: dict[str, Any]) -> None:
    figures = (f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in line.items())
    sys.stderr.write("  ".join(figures) + "\n")
