"""A million films: listed once, analysed by any engine, from any store, a row each.

The rows are addresses and results, never pictures. One engine-free core, :class:`Analyzer`, does a film; the engines of
:data:`mien.scale.engines.ENGINES` deal films out. Nothing here is loaded before it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.scale.analyzer import Analyzer as Analyzer
    from mien.scale.finishing import finish as finish
    from mien.scale.running import sweep as sweep

_CONTENTS = {"Analyzer": "mien.scale.analyzer", "sweep": "mien.scale.running", "finish": "mien.scale.finishing"}
__all__ = [*_CONTENTS]


def __getattr__(name: str) -> object:
    if name not in _CONTENTS:
        raise AttributeError(f"module 'mien.scale' has no attribute {name!r}")
    return getattr(importlib.import_module(_CONTENTS[name]), name)
