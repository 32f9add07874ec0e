"""Which films a sweep is of: listed first, once, as Parquet; grown by what is new, never rewritten."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow
from pyarrow import compute

from mien.core.errors import ConfigError, DataError
from mien.core.version import __version__
from mien.scale.asked import Asked, film_id, key_of
from mien.scale.listing import URI, first_of_each, joined, listed
from mien.scale.rows import OWN, SPAN, beside
from mien.scale.stores import files_below, join, read_json, read_table, write_json, write_table

FOLDER, QUESTIONS = "manifest", "asked"
FIRST = pyarrow.schema(
    [
        ("id", pyarrow.string()),
        (URI, pyarrow.string()),
        ("size", pyarrow.int64()),
        ("mark", pyarrow.string()),
        ("asked", pyarrow.string()),
        ("listed", pyarrow.timestamp("us", "UTC")),
    ]
)
"""Columns of a manifest, before those of the user: the answer's id; address, size and mark of the film as its store had
them; the question, by its key; and when that was."""
RESERVED = frozenset([*FIRST.names, *OWN.names, *SPAN.names, "bucket"])
"""Names that columns of the user cannot have."""


@dataclass(frozen=True)
class Manifest:
    """The films of the sweep in a place.

    Attributes:
        out: the sweep's address.
    """

    out: str

    def grow(self, sources: Sequence[str], asked: Asked) -> pyarrow.Table:
        """List ``sources``, add to the manifest what it does not have; returns the rows of all that was listed.

        Raises:
            ConfigError: nothing there; a user's column with a name of ours.
            DataError: a table of films that is none.
        """
        films, columns = listed(sources)
        key = self._put_question(asked)
        now = datetime.now(UTC)
        rows = [(film_id(one.uri, one.size, one.mark, key), one.uri, one.size, one.mark, key, now) for one in films]
        table = pyarrow.Table.from_pydict(
            dict(zip(FIRST.names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}, FIRST
        )
        if columns is not None:
            table = _with_columns(table, columns)
        before = self._all()
        if before is None:
            new = table
        else:
            joined([before, table], f"{self.out} and the films that are named now")
            newest = _newest(before, key)["id"].combine_chunks()
            # A film that is again what it once was is listed again: the newest row is the one that counts.
            new = table.filter(compute.invert(compute.is_in(table["id"], value_set=newest)))
        if len(new):
            write_table(join(self.out, FOLDER, f"{_name(new)}.parquet"), new)
        return table

    def planned(self, asked: Asked) -> pyarrow.Table:
        """The rows of all that was listed for a question before. Raises ConfigError where nothing was."""
        rows = self._rows(key_of(asked.facts()))
        self._put_question(asked)
        return rows

    def _rows(self, key: str) -> pyarrow.Table:
        table = self._all()
        if table is None:
            got = f"no films planned in {self.out}"
            raise ConfigError("a sweep that was planned", got, "name the films: mien sweep FILMS -o OUT")
        found = _newest(table, key)
        if not len(found):
            fix = "give the model and the settings with which it was planned (asked/ has them), or name the films anew"
            raise ConfigError("films planned for these settings", f"{len(table)} planned for others", fix)
        return found

    def current(self) -> pyarrow.Table:
        """Of the question that was asked last, the newest row of every film that was ever listed.

        Raises:
            ConfigError: nothing was planned here.
        """
        return self._rows(self._newest_question())

    def _put_question(self, asked: Asked) -> str:
        """Note what is asked now, and of which mien; returns its key."""
        facts = asked.facts()
        key = key_of(facts)
        about = {"mien": __version__, **facts, "used": datetime.now(UTC).isoformat()}
        write_json(join(self.out, QUESTIONS, f"{key}.json"), about)
        return key

    def _newest_question(self) -> str:
        """The key of what was asked last. Raises ConfigError where nothing was."""
        used: dict[str, str] = {}
        for uri in files_below(join(self.out, QUESTIONS), ".json"):
            used[uri.rpartition("/")[2].removesuffix(".json")] = str(read_json(uri).get("used", ""))
        if not used:
            got = f"none at {self.out}"
            raise ConfigError("a sweep", got, "check the address, or begin one: mien sweep FILMS -o OUT")
        return max(used, key=lambda key: used[key])

    def _all(self) -> pyarrow.Table | None:
        parts = [read_table(uri) for uri in files_below(join(self.out, FOLDER), ".parquet")]
        return joined(parts, f"{self.out}/{FOLDER}") if parts else None


def _newest(table: pyarrow.Table, key: str) -> pyarrow.Table:
    """Of a question, the newest row of every address."""
    return first_of_each(table.filter(compute.equal(table["asked"], key)).sort_by([("listed", "descending")]))


def _with_columns(table: pyarrow.Table, columns: pyarrow.Table) -> pyarrow.Table:
    if taken := [name for name in columns.column_names if name.lower() in RESERVED]:
        got = f"columns {', '.join(taken)}"
        raise DataError("columns whose names are not those of mien's own", got, "rename them in the table")
    return beside(table, columns)


def _name(table: pyarrow.Table) -> str:
    """By what is in it: two that list the same write the same file."""
    return hashlib.sha256("\n".join(sorted(table["id"].to_pylist())).encode()).hexdigest()[:16]
