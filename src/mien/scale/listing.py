"""Which films there are: folders, patterns, single files and tables of them, in any store, each looked up once."""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow
from pyarrow import csv, parquet

from mien.core.errors import ConfigError, DataError
from mien.core.names import printable
from mien.media.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES, look_through
from mien.scale.stores import in_words, is_here, local_path, mark_of, read_bytes, store_of, unstripped

URI = "uri"
TABLES = (".csv", ".parquet")
WORTH_LISTING = 16
"""Films of one folder from which on its listing is asked for, not each of them."""
_LOOKS = 32
"""Films looked up at a time: it is waiting, not work."""


@dataclass(frozen=True)
class Found:
    """A film as its store has it.

    Attributes:
        uri: its address; a whole path where it lies on this machine.
        size: bytes; None where there is none at the address.
        mark: by which another film of the same address is known: a hash or a time, as the store has it.
    """

    uri: str
    size: int | None = None
    mark: str = ""


def listed(sources: Sequence[str]) -> tuple[list[Found], pyarrow.Table | None]:
    """The films that ``sources`` name, each once, and what tables say of them.

    Args:
        sources: folders (with the folders below), patterns, films, and tables: ``.csv`` or ``.parquet`` with a column
            ``uri``, whose other columns travel along. Cells of a CSV table stay texts.

    Returns:
        The films, and the columns of the tables, a row a film; None where there was no table.

    Raises:
        ConfigError: a folder or a pattern with no film in it, or no film anywhere that was named.
        DataError: a table without the column.
    """
    tables = [read_table_of(source) for source in sources if is_table(source)]
    films: dict[str, Found] = {}
    for source in sources:
        if not is_table(source):
            films |= {one.uri: one for one in map(_sayable, _films_of(source))}
    if not tables:
        return _demand_one(list(films.values())), None
    columns = first_of_each(joined(tables, "the tables"))
    named = columns[URI].to_pylist()
    films |= {one.uri: one for one in look_up(uri for uri in named if uri not in films)}
    place = {uri: row for row, uri in enumerate(named)}
    rows = pyarrow.array([place.get(uri) for uri in films], pyarrow.int64())
    return _demand_one(list(films.values())), columns.drop_columns([URI]).take(rows)


def _demand_one(films: list[Found]) -> list[Found]:
    """One that is not there is a row; where none is, somebody has mistaken the address."""
    if all(film.size is None for film in films):
        got = f"none at {printable(films[0].uri)}{' and the others' if len(films) > 1 else ''}" if films else "none"
        raise ConfigError("films at the addresses that are named", got, "check the address")
    return films


def _sayable(film: Found) -> Found:
    """A name with bytes that are no text has no address that a table could hold: a row that says that none is there."""
    return film if (name := printable(film.uri)) == film.uri else Found(name)


def joined(tables: list[pyarrow.Table], what: str) -> pyarrow.Table:
    """Tables below each other. Raises DataError where a column of one name has values of two kinds."""
    try:
        return pyarrow.concat_tables(tables, promote_options="permissive")
    except pyarrow.ArrowException as error:
        fix = "make them numbers, or texts, in all of them (cells of a CSV table are texts)"
        raise DataError(f"columns of one name with values of one kind in {what}", str(error), fix) from error


def is_table(source: str) -> bool:
    """Whether a source is a table of films."""
    return source.lower().endswith(TABLES)


def read_table_of(source: str) -> pyarrow.Table:
    """A table of films, its addresses whole."""
    data = read_bytes(source)
    if data is None:
        raise DataError("a table of films", f"no file {printable(source)}", "check the path")
    try:
        table = _parsed(data, source)
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise DataError("a table of films", f"{printable(source)}: {error}", "write it again, in UTF-8") from error
    names = table.column_names
    if URI not in names or len(set(names)) < len(names):
        got = f"{printable(source)} with {', '.join(map(printable, names))}"
        raise DataError(f"a table with a column {URI}, and no name twice", got, "name the columns so")
    uris = [address_of(str(one)) for one in table[URI].to_pylist() if one]
    if len(uris) < len(table):
        raise DataError("an address in every row", f"{printable(source)} with rows that have none", "fill them in")
    place = table.column_names.index(URI)
    return table.set_column(place, URI, pyarrow.array(uris, pyarrow.string()))


def _parsed(data: bytes, source: str) -> pyarrow.Table:
    if source.lower().endswith(".parquet"):
        return parquet.read_table(pyarrow.BufferReader(data))
    how = csv.ReadOptions(use_threads=False)  # of which one may outlive an error, and the process then ends badly
    names = csv.read_csv(pyarrow.BufferReader(data), how).column_names
    texts = csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string()), strings_can_be_null=True)
    return csv.read_csv(pyarrow.BufferReader(data), how, convert_options=texts)  # 007 stays 007


def first_of_each(table: pyarrow.Table) -> pyarrow.Table:
    """Of every address its first row."""
    first: dict[str, int] = {}
    for row, uri in enumerate(table[URI].to_pylist()):
        first.setdefault(uri, row)
    return table.take(pyarrow.array(first.values(), pyarrow.int64()))


def address_of(source: str) -> str:
    """The address under which a film is known: a path of this machine whole, others as they are."""
    return local_path(source) if is_here(source) else source


def look_up(uris: Iterable[str]) -> list[Found]:
    """What the stores say of films: of many in a folder by one listing, of few each by itself."""
    folders: dict[str, list[str]] = defaultdict(list)
    for uri in uris:
        folders[uri.rpartition("/")[0]].append(uri)
    found: list[Found] = []
    alone: list[str] = []
    for folder, own in folders.items():
        if len(own) < WORTH_LISTING or not folder:
            alone += own
            continue
        there = {one.uri: one for one in _in_folder(folder)}
        found += [there[uri] for uri in own if uri in there]
        alone += [uri for uri in own if uri not in there]  # gone, or a link, of which a listing tells nothing
    with ThreadPoolExecutor(_LOOKS) as pool:
        return [*found, *pool.map(_look_in_words, alone)]


def _look_in_words(uri: str) -> Found:
    with in_words(uri):
        return look(uri)


def look(uri: str) -> Found:
    """What the store says of a film; without a size where there is none."""
    store, path = store_of(uri)
    try:
        info = store.info(path)
    except (FileNotFoundError, NotADirectoryError):
        return Found(uri)
    return Found(uri, info.get("size"), mark_of(info)) if info.get("type") == "file" else Found(uri)


def _in_folder(folder: str) -> list[Found]:
    store, path = store_of(folder)
    with in_words(folder), suppress(FileNotFoundError, NotADirectoryError):
        return _files(store, store.ls(path, detail=True))
    return []


def _films_of(source: str) -> list[Found]:
    address = address_of(source)
    if is_here(address):
        films = look_up(look_through([address]).sources)  # as `mien analyze` has it: links, patterns, what is hidden
        if not os.path.isdir(address):
            return films
        return _demand_some([one for one in films if one.uri != address], source)
    store, path = store_of(address)
    with in_words(address):
        store.invalidate_cache()
        if glob.has_magic(path) and not store.exists(path):  # a name may hold what patterns are made of
            films = _media(_files(store, store.glob(path, detail=True).values()))
        elif store.isdir(path):
            films = _media(_files(store, store.find(path, detail=True).values()))
        else:
            return [look(address)]
    return _demand_some(films, source)


def _demand_some(films: list[Found], source: str) -> list[Found]:
    if not films:
        expected = "films or pictures there, by their names"
        raise ConfigError(expected, f"none at {printable(source)}", "check the address; a film itself may be named")
    return films


def _files(store: Any, infos: Iterable[dict[str, Any]]) -> list[Found]:
    files = (info for info in infos if info.get("type") == "file")
    return [Found(unstripped(store, info["name"]), info.get("size"), mark_of(info)) for info in files]


def _media(found: list[Found]) -> list[Found]:
    def is_media(path: PurePosixPath) -> bool:
        return path.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and not path.name.startswith(".")

    return [one for one in found if is_media(PurePosixPath(one.uri))]
