"""``mien train``: a recipe by name, any of its fields by flag."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from mien.cli.console import print_line
from mien.cli.parsing import parse
from mien.cli.problems import OK, STOPPED, USER, note
from mien.cli.progress import StepProgress


def main(args: Sequence[str]) -> int:
    """Run ``mien train`` and return the exit code."""
    from mien.training import recipes

    if not args or args[0] in ("-h", "--help"):
        (sys.stdout if args else sys.stderr).write(_usage(recipes.ABOUT))
        return OK if args else USER
    name, *rest = args
    recipe = recipes.RECIPES[name]
    kind, default = (recipe, None) if isinstance(recipe, type) else (type(recipe), recipe)
    run = parse(kind, f"train {name}", rest, flat=False, default=default, about=recipes.ABOUT.get(name))
    return run_recipe(run)


def run_recipe(run: Any) -> int:
    """Run a recipe with a bar, print the path of what it made, and return the exit code."""
    progress = StepProgress()
    try:
        print_line(str(run.run(progress)))
    except KeyboardInterrupt:
        note(f"stopped: the last checkpoint is kept in {run.out}; --resume goes on from it")
        return STOPPED
    finally:
        progress.finish()
    return OK


def _usage(about: Mapping[str, str]) -> str:
    lines = "\n".join(f"  mien train {name:<20} {text}" for name, text in about.items())
    return f"usage: mien train RECIPE [OPTIONS]\n\n{lines}\n\n  mien train RECIPE --help  all fields of a recipe\n"
