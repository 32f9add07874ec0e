"""Films in, rows out: what every engine runs, and what fits anybody's own ``map_batches``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from mien.core.child import Answer, Child, ChildLostError
from mien.core.errors import ConfigError, FileError, InputError, SourceError
from mien.core.names import printable
from mien.core.settings import cache_dir
from mien.scale.analyst import ROW, Film, analyst
from mien.scale.asked import Asked, bucket_of, film_id, key_of
from mien.scale.listing import URI, Found, address_of, look
from mien.scale.rows import OWN, Status, as_columns, beside, failed_row, finished_row
from mien.scale.settings import Care
from mien.scale.stores import fetched, is_here, join, not_given, remove, store_of, too_large

FRAMES = "frames"
"""Folder, in a sweep's place, of the tables of frames."""
START = 600.0
"""Seconds in which a child must have loaded the model."""


class Analyzer:
    """Adds to films what they show: for :meth:`ray.data.Dataset.map_batches`, or a loop of your own.

    The model is loaded once, in a child process that reads one film after the other: a film that ends its process, or
    hangs, costs a row. No film raises: what became of it stands in its row.

    >>> rows = Analyzer()({"uri": ["s3://films/talk.mp4"]})          # doctest: +SKIP

    Args:
        asked: the model and the settings.
        out: address under which tables of frames are kept, and found again by a later run; None for none.
        care: limits and attempts.
        threads: to compute with.
        role: makes the child's answer; for tests.

    Raises:
        InputError: the model cannot be loaded.
    """

    def __init__(
        self,
        asked: Asked | None = None,
        out: str | None = None,
        care: Care | None = None,
        threads: int = 1,
        role: Callable[[Asked, int], Answer] = analyst,
    ) -> None:
        self._asked, self._out, self._care = asked or Asked(), out, care or Care()
        self._scratch = self._care.scratch or cache_dir() / "scratch"
        self._key: str | None = None
        self._closed = False
        self._child = Child(role, self._asked, threads)
        try:
            self.engine: dict[str, Any] = self._child.ask(None, START)
        except ChildLostError as error:
            got = f"a process that did not begin ({error.why} {error.detail.strip()[-400:]})"
            raise ConfigError("a model that loads", got, "try `mien doctor` there; memory may be short") from error

    def __call__(self, batch: pyarrow.Table | Mapping[str, Any]) -> pyarrow.Table:
        """The films of a batch, one after the other.

        Args:
            batch: a column ``uri``; ``size`` and ``mark`` as :func:`mien.scale.listing.look` has them, where a film is
                to be the one that it was then.

        Returns:
            All that came, and the columns of :data:`mien.scale.rows.OWN`.

        Raises:
            ConfigError: no such column, or one with a name of those that are added.
        """
        table = _as_table(batch)
        return beside(table, as_columns([self._row(film) for film in table.to_pylist()]))

    def close(self) -> None:
        """End the child; a film that it has is lost, and none is read after."""
        self._closed = True
        self._child.stop()

    def _row(self, film: dict[str, Any]) -> dict[str, Any]:
        began = time.monotonic()
        row: dict[str, Any] = {}
        for attempt in range(1, self._care.attempts + 1):
            row, again = self._try(film)
            row = finished_row(row, row.get("attempts", attempt), time.monotonic() - began)
            if not again or self._closed:
                break
        return row

    def _try(self, film: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """A row, and whether another attempt may give a better one."""
        uri = film[URI]
        if not isinstance(uri, str) or not uri:
            return failed_row("unreadable", SourceError("the address of a film", repr(uri), "fill it in")), False
        uri = address_of(uri)
        try:
            return self._read(uri, film), False
        except FileError as error:  # the place for the frames: full, or closed
            return failed_row("failed", error), True
        except SourceError as error:
            return failed_row("unreadable", error), False
        except InputError as error:
            return failed_row("failed", error), False
        except ChildLostError as error:
            return _lost(error, uri, self._care.limit), error.why != "fault"
        except Exception as error:  # the store's package may raise anything
            return failed_row("failed", not_given(error, uri)), True

    def _read(self, uri: str, film: dict[str, Any]) -> dict[str, Any]:
        if film.get("asked", self._own_key()) != self._own_key():
            expected = f"the model and settings that were planned, {film['asked']}"
            raise ConfigError(expected, f"{self._own_key()} on this machine", "have the same weights on every machine")
        size, mark = film.get("size"), film.get("mark")
        known = Found(uri, size, mark) if isinstance(size, int) and isinstance(mark, str) else None
        now = known or look(uri)
        name = film_id(uri, now.size, now.mark, self._own_key())
        place = self._frames_of(name)
        if place is not None and (kept := _kept(place)) is not None:
            return kept
        if known is not None:
            now = look(uri)
        _demand_as_listed(known, now, self._care.most_bytes)
        with fetched(uri, self._scratch, self._care.most_bytes) as path:
            return self._ask(Film(name, uri, str(path), place))

    def _is_closed(self) -> bool:
        return self._closed

    def _own_key(self) -> str:
        if self._key is None:
            self._key = key_of(self._asked.facts())
        return self._key

    def _frames_of(self, name: str) -> str | None:
        if self._out is None or not self._care.frame_tables:
            return None
        return join(self._out, FRAMES, f"bucket={bucket_of(name)}", f"{name}.parquet")

    def _ask(self, film: Film) -> dict[str, Any]:
        """The child's row. Raises what it raises, of a copy in words of the film's address: nobody knows the copy."""
        if self._child.pid is None:  # what it takes to load the model again is none of the film's time
            self._child.ask(None, START, unwanted=self._is_closed)
        try:
            row: dict[str, Any] = self._child.ask(film, self._care.limit, unwanted=self._is_closed)
        except SourceError as error:
            if film.path == film.uri:
                raise
            name = printable(film.uri)
            got = error.got.replace(film.path, name).replace(Path(film.path).name, name)
            raise SourceError(error.expected, got, error.fix) from error
        return row


def _as_table(batch: pyarrow.Table | Mapping[str, Any]) -> pyarrow.Table:
    if not isinstance(batch, pyarrow.Table):
        columns = dict(batch.items()) if hasattr(batch, "items") else {}
        if not columns or any(isinstance(values, str) for values in columns.values()):
            got = f"a {type(batch).__name__} without any"
            raise ConfigError("a table, or columns of values by name", got, 'give {"uri": [...]}')
        batch = pyarrow.table({name: list(values) for name, values in columns.items()})
    names = batch.column_names
    if URI not in names or set(names) & set(OWN.names):
        got = f"columns {', '.join(names)}"
        raise ConfigError(f"a column {URI}, and none of {', '.join(OWN.names)}", got, "name the columns so")
    return batch


def _kept(place: str) -> dict[str, Any] | None:
    """The row of a film that an earlier run, or an actor that was killed, had finished."""
    store, path = store_of(place)
    try:
        with store.open(path, "rb") as file:
            row: dict[str, Any] = json.loads((parquet.read_metadata(file).metadata or {})[ROW])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError):  # Arrow's own among them: a disk that filled up may leave half a file
        remove(place)
        return None
    return {"attempts": 1, **row}


def _demand_as_listed(known: Found | None, now: Found, most_bytes: int) -> None:
    """Raise SourceError where a film is gone, has changed since it was listed, or is too large to copy."""
    name = printable(now.uri)
    if now.size is None:
        raise SourceError("a film at its address", f"none at {name}", "list the films anew")
    if known is not None and (known.size, known.mark) != (now.size, now.mark):
        raise SourceError("the film that was listed", f"another one at {name}", "list the films anew")
    if not is_here(now.uri) and now.size > most_bytes:
        raise too_large(now.uri, now.size, most_bytes)


def _lost(error: ChildLostError, uri: str, limit: float) -> dict[str, Any]:
    name = printable(uri)
    if error.why == "fault":
        return failed_row("failed", RuntimeError(error.detail.strip().rpartition("\n")[2]), error.detail)
    status: Status = "timeout" if error.why == "late" else "failed"
    if status == "timeout":
        what = SourceError(f"a film read within {limit:g} s", f"{name}, which took longer", "allow more with --limit")
    else:
        got = f"{name}, on which its process ended ({error.detail or error.why})"
        fix = "try it alone, and fewer workers: memory may have been short"
        what = SourceError("a source that can be read", got, fix)
    return failed_row(status, what)
