"""What every format shares: tiers of labelled stretches, where the film is, who it was written by."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.errors import MissingDependencyError
from mien.core.names import printable
from mien.core.types import Span
from mien.core.version import __version__

if TYPE_CHECKING:
    from mien.report.findings import Findings

AUTHOR = f"mien {__version__}"
EXPRESSION = "expression"


@dataclass(frozen=True)
class Format:
    """A way to write a result.

    Attributes:
        write: the result, a folder, and what the files in it are called, to the files.
        timed: it holds nothing but stretches of time.
        packages: what must be installed.
    """

    write: Callable[[Findings, Path, str], list[Path]]
    timed: bool = False
    packages: tuple[str, ...] = ()

    def demand_packages(self) -> None:
        """Raise MissingDependencyError where one is not installed."""
        for name in self.packages:
            if find_spec(name) is None:
                raise MissingDependencyError(name, "no such package", "pip install 'mien[formats]'")


@dataclass(frozen=True)
class Mark:
    """A stretch of time with a text.

    Attributes:
        start: milliseconds on the film's own clock, as players show it.
        end: milliseconds, > start.
        text: a label of the model, or ``unclear``.
    """

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Tier:
    """What one person shows, in order of time, without overlaps.

    Attributes:
        person: number of the track.
        signal: what the texts are of.
        marks: may have gaps between them.
    """

    person: int
    signal: str
    marks: tuple[Mark, ...]

    @property
    def name(self) -> str:
        """As programs show it."""
        return f"{self.who} {self.signal}"

    @property
    def who(self) -> str:
        """As programs name the person."""
        return person(self.person)


def person(track: int) -> str:
    """What a person is called who has no name."""
    return f"person {track}"


def tiers(result: Findings) -> list[Tier]:
    """A tier a person, in order of their numbers."""
    tracks = sorted({span.track for span in result.spans})
    return [Tier(track, EXPRESSION, tuple(_marks(result.spans, track))) for track in tracks]


def _marks(spans: tuple[Span, ...], track: int) -> Iterator[Mark]:
    last = 0
    for span in sorted((span for span in spans if span.track == track), key=lambda span: span.start):
        start = max(milliseconds(span.start), last)
        last = max(milliseconds(span.end), start + 1)
        yield Mark(start, last, printable(span.label))


def milliseconds(seconds: float) -> int:
    """The nearest one."""
    return round(seconds * 1000)


def film_of(result: Findings) -> Path | None:
    """The film that the times are of, where it is one file and still there."""
    path = Path(result.origin) if isinstance(result.origin, str | Path) else None
    return path if path is not None and path.is_file() else None


def way_to(film: Path, folder: Path) -> str:
    """The path of ``film`` from ``folder``, with ``/``; absolute only from one Windows drive to another."""
    try:
        way = Path(os.path.relpath(film, folder)).as_posix()
    except ValueError:
        return printable(film.absolute().as_posix())
    return printable(way if way.startswith("../") else f"./{way}")
