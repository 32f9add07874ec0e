"""Results in the formats of other programs, a file each: coders', captioners', annotators', statisticians'.

Adding one is a file with a :class:`~mien.report.formats.base.Format` and a line here. Listing the names imports none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.names import file_name
from mien.core.registry import Place, Registry
from mien.report.formats.base import Format

if TYPE_CHECKING:
    from mien.report.findings import Findings

_NAMES = (
    *("eaf", "textgrid", "vtt", "srt", "boris", "labelstudio", "cvat", "xlsx", "sav", "parquet", "bids"),
    "clues",
)
FORMATS: Registry[Format] = Registry("format", {name: Place(f"mien.report.formats.{name}:FORMAT") for name in _NAMES})


def chosen(names: str) -> tuple[str, ...]:
    """The formats in ``"eaf,vtt"``, none twice; none of an empty text. Raises ConfigError for a stranger."""
    found = dict.fromkeys(word.strip().lower() for word in names.split(",") if word.strip())
    for name in found:
        FORMATS.demand(name)
    return tuple(found)


def demand_packages(names: Sequence[str]) -> None:
    """Raise MissingDependencyError where a format among ``names`` needs a package that is not installed."""
    for name in names:
        FORMATS[name].demand_packages()


def untimed(result: Findings, names: Sequence[str]) -> list[str]:
    """Those of ``names`` that cannot hold this result: a still picture lasts no time."""
    return [name for name in names if result.source.pictures == 1 and FORMATS[name].timed]


def export(result: Findings, folder: Path, names: Sequence[str], stem: str | None = None) -> list[Path]:
    """Write ``result`` into ``folder`` in each of these formats but those that are :func:`untimed`.

    Args:
        result: of one source.
        folder: made if it is not there.
        names: of :data:`FORMATS`.
        stem: what the files are called, before the suffix; None: as the source.

    Returns:
        The files.

    Raises:
        MissingDependencyError: a package is needed that is not installed; at once, before anything is written.
    """
    demand_packages(names)
    called = stem or file_name(Path(result.source.name).stem) or "result"
    left_out = untimed(result, names)
    return [path for name in names if name not in left_out for path in FORMATS[name].write(result, folder, called)]
