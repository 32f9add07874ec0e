"""Python loops as machine code: Numba, where it is installed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from mien.core.errors import MissingDependencyError
from mien.core.settings import cache_dir

if not os.access(Path(__file__).parent, os.W_OK):  # else machine code lies where Python's bytecode lies
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_dir() / "numba"))
try:
    from numba import njit
except ImportError as error:
    raise MissingDependencyError(
        "numba, which draws people", "no such package", "pip install 'mien[people]'"
    ) from error

Loop = TypeVar("Loop", bound=Callable[..., Any])


def compiled(function: Loop) -> Loop:
    """``function`` as machine code, kept from run to run where there is a place that can be written to."""
    try:
        return cast(Loop, njit(cache=True, fastmath=True)(function))
    except RuntimeError:  # Numba found no such place
        return cast(Loop, njit(fastmath=True)(function))
