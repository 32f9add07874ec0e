"""Who deals films out. Every engine runs the same :class:`mien.scale.Analyzer`, so the rows do not depend on it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import pyarrow

from mien.core.child import Answer
from mien.core.registry import Place, Registry
from mien.scale.analyst import analyst
from mien.scale.asked import Asked
from mien.scale.settings import LOCAL, RAY, SHARD, Care, Crew


@dataclass(frozen=True)
class Orders:
    """What an engine tells every :class:`mien.scale.Analyzer`: its arguments. They travel by pickle."""

    asked: Asked = field(default_factory=Asked)
    out: str | None = None
    care: Care = field(default_factory=Care)
    threads: int = 1
    role: Callable[[Asked, int], Answer] = analyst


Engine = Callable[[pyarrow.Table, Orders, Crew, str], Generator[pyarrow.Table]]
"""Has an :class:`mien.scale.Analyzer` made from the orders do every row of a table, the first ones first; yields its
tables as they come. It may end early where a worker was lost, but not without a row: it is called again for the rest.
The text is an address where the engine may keep what it needs meanwhile; what is left there goes. Closing it stops the
work at once."""
ENGINES: Registry[Engine] = Registry(
    "engine",
    {
        LOCAL: Place("mien.scale.local:run"),
        SHARD: Place("mien.scale.local:run"),  # of a job array: its part of the films
        RAY: Place("mien.scale.cluster:run"),
    },
)
