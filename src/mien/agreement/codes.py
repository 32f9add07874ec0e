"""What people coded: stretches of a film with a label, out of whatever program they used.

Which reader takes a file is told by its suffix, and for tables by their columns. What no reader can place (point
events, tiers that mien itself wrote) is left out and said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Protocol

from mien.core.errors import DataError
from mien.core.names import printable
from mien.core.registry import Place, Registry

MOST_SECONDS = 1e6
"""Of a time that is believed."""


@dataclass(frozen=True)
class Stretch:
    """A label that a coder gave.

    Attributes:
        start: seconds on the film's own clock.
        end: seconds, >= start.
        label: as coded.
        person: as coded; empty where the file does not say.
        film: name of the film's file; empty where the file does not say.
        coder: who coded it; empty where the file does not say.
        tier: name of the tier it stands in; empty where there are none.
    """

    start: float
    end: float
    label: str
    person: str = ""
    film: str = ""
    coder: str = ""
    tier: str = ""


@dataclass(frozen=True)
class Codes:
    """What a file holds.

    Attributes:
        path: of the file.
        stretches: in the file's order.
        notes: what was left out, a sentence each.
    """

    path: Path
    stretches: tuple[Stretch, ...]
    notes: tuple[str, ...] = field(default=())


class Reader(Protocol):
    """Reads a file of one kind."""

    def __call__(self, path: Path) -> Codes:
        """What is in it. Raises DataError where it is none of that kind, or torn."""


READERS: Registry[Reader] = Registry(
    "kind of codes",
    {
        ".eaf": Place("mien.agreement.elan:read"),
        ".textgrid": Place("mien.agreement.praat:read"),
        ".boris": Place("mien.agreement.boris:read"),
        **{suffix: Place("mien.agreement.tables:read") for suffix in (".csv", ".tsv", ".txt")},
    },
)


def read_codes(path: Path, tiers: Sequence[str] = ()) -> Codes:
    """What was coded in a file.

    Args:
        path: of ELAN (.eaf), Praat (.TextGrid), BORIS (.boris, or a table it exported), The Observer or anybody
            (.csv, .tsv, .txt).
        tiers: patterns such as ``expression*``; where a file has tiers, only those that one fits count.

    Raises:
        DataError: of no such kind, torn, or without any label.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        got, fix = f"{path}", "export it as one of these"
        raise DataError(f"codes in a file with one of the suffixes {', '.join(READERS)}", got, fix)
    found = READERS[suffix](path)
    kept = [one for one in found.stretches if not one.tier or not tiers or _fits(one.tier, tiers)]
    for one in kept:
        if not 0 <= one.start <= one.end <= MOST_SECONDS or not math.isfinite(one.end):
            got = f"{one.start:g} to {one.end:g} s in {path}"
            raise DataError("stretches that end after they start", got, "mend it in the program it comes from")
    if not kept:
        there = sorted({one.tier for one in found.stretches if one.tier})
        got = f"{path} with the tiers {', '.join(there)}" if there else f"{path} without any"
        fix = "name one of them with --tiers" if there else " ".join(found.notes) or "check which file it is"
        raise DataError("labels of people", got, fix)
    return Codes(path, tuple(kept), found.notes)


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name.lower(), pattern.lower()) for pattern in patterns)


def base_name(link: str) -> str:
    """The file's name in a path or address, of whichever system."""
    return printable(PurePosixPath(PureWindowsPath(link.split("?")[0]).as_posix()).name)


def torn(path: Path, what: str, error: Exception) -> DataError:
    """For a file whose parts do not fit together."""
    return DataError(f"{what}, whole", f"{path}: {error!r}", "save it again in the program it comes from")
