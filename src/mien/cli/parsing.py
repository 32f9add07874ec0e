"""Dataclasses in, command lines out: field names are the flags, docstrings below the fields are the help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import tyro

Options = TypeVar("Options")

FLAT = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff)
"""``--window`` for the field ``settings.window``: right where no two nested fields share a name."""
NESTED = FLAT[1:]
"""``--fit.lr`` for the field ``fit.lr``."""


def parse(options: type[Options], verb: str, args: Sequence[str], *, flat: bool = True) -> Options:
    """The options of ``mien VERB``.

    Args:
        options: a dataclass.
        verb: words after ``mien``, for the usage line.
        args: what stands behind them.
        flat: leave the names of nested dataclasses out of the flags.

    Raises:
        SystemExit: 0 after ``--help``; 1 after an explanation on stderr of what does not parse.
        InputError: the dataclass refuses a value.
    """
    try:
        return tyro.cli(options, prog=f"mien {verb}", args=list(args), config=FLAT if flat else NESTED)
    except SystemExit as stop:
        # tyro says 2, which is kept for bugs.
        raise SystemExit(1 if stop.code else 0) from None
