"""Dataclasses in, command lines out: field names are the flags, docstrings below the fields are the help."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, get_args

import tyro

from mien.core.types import Region

Options = TypeVar("Options")

FLAT = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff)
"""``--window`` for the field ``settings.window``: right where no two nested fields share a name."""
NESTED = (*FLAT[1:], tyro.conf.AvoidSubcommands)
"""``--fit.lr`` for the field ``fit.lr``."""


REGISTRY = tyro.constructors.ConstructorRegistry()


@REGISTRY.primitive_rule
def _region(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec[Region] | None:
    """``--region 10,20,300,400`` as one word."""
    if info.type_origin is not tuple or get_args(info.type) != (float,) * 4:
        return None

    def read(words: list[str]) -> Region:
        numbers = [float(part) for part in words[0].split(",")]
        if len(numbers) != 4:
            raise ValueError("four numbers with commas between them are needed")
        return numbers[0], numbers[1], numbers[2], numbers[3]

    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="X0,Y0,X1,Y1",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda value: [",".join(f"{side:g}" for side in value)],
    )


def parse(
    options: type[Options],
    verb: str,
    args: Sequence[str],
    *,
    flat: bool = True,
    default: Options | None = None,
    about: str | None = None,
) -> Options:
    """The options of ``mien VERB``.

    Args:
        options: a dataclass.
        verb: words after ``mien``, for the usage line.
        args: what stands behind them.
        flat: leave the names of nested dataclasses out of the flags.
        default: a value whose fields are the defaults; None: those of the dataclass.
        about: what the verb is for; None: as the docstring says.

    Raises:
        SystemExit: 0 after ``--help``; 1 after an explanation on stderr of what does not parse.
        InputError: the dataclass refuses a value.
    """
    try:
        with REGISTRY:
            given: dict[str, Any] = {"prog": f"mien {verb}", "args": list(args), "description": about}
            given["config"] = FLAT if flat else NESTED
            if default is not None:
                given["default"] = default
            found: Options = tyro.cli(options, **given)
            return found
    except SystemExit as stop:
        # tyro says 2, which is kept for bugs.
        raise SystemExit(1 if stop.code else 0) from None
