"""Where the results of many sources go.

A folder is written under a temporary name and renamed when complete; ``result.json`` comes last, so its presence says
that the folder is whole. An existing folder is never removed: only the files of the new result are replaced in it, and
only where they belong to the same source. ``result.json`` says whose they are, by hashes (:func:`source_keys`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from mien.analysis.state import state_of
from mien.core.errors import ConfigError, FileError, file_error
from mien.core.files import draft_folder
from mien.core.names import file_name
from mien.media import files
from mien.report.result import RESULT_FILE
from mien.report.tables import read_json

Item = TypeVar("Item")
KEYS = "source_keys"
"""Name of the keys in the provenance, whose last entry they are."""
TAIL = 1024
"""Bytes at the end of a result.json that hold them: a batch asks every folder it may meet."""


@dataclass(frozen=True)
class Place:
    """Where the result of a source goes.

    Attributes:
        source: as given.
        folder: where it was, or is to be; a neighbour with another number if another source takes it meanwhile.
    """

    source: str
    folder: Path


def folder_names(sources: Sequence[str], out: Path | None = None) -> list[str]:
    """A folder name for every source, all different also where the file system ignores case.

    That of the folder in ``out`` with its result, else one that no other source has there or gets. The same for the
    same list whatever of it is finished by then, so that shards agree. ``out`` None: nothing is there.
    """
    stems = [_stem(source) for source in sources]
    owners = _Owners(stems, out)
    names: dict[int, str] = {}
    taken: set[str] = set()
    for place, (source, stem) in enumerate(zip(sources, stems, strict=True)):
        own = next((name for name in owners.names(source, stem) if name.lower() not in taken), None)
        if own is not None:
            names[place] = own
            taken.add(own.lower())
    tried: dict[str, int] = defaultdict(int)
    for place, stem in enumerate(stems):
        while place not in names:
            tried[stem.lower()] += 1
            name = _numbered(stem, tried[stem.lower()])
            if name.lower() not in taken and name.lower() not in owners.held:
                names[place] = name
                taken.add(name.lower())
    return [names[place] for place in range(len(sources))]


class _Owners:
    """Whose results are in the folders that sources with these stems may meet.

    Attributes:
        held: names of the folders with a result, in small letters.
    """

    def __init__(self, stems: Sequence[str], out: Path | None) -> None:
        self._out = out
        self._folders = {} if out is None else _by_stem(out)
        self._names: dict[str, list[str]] = defaultdict(list)
        self.held: set[str] = set()
        met = {name for stem in {stem.lower() for stem in stems} for name in self._folders.get(stem, ())}
        for name in sorted(met, key=files.natural_key):
            owner = None if out is None else owner_of(out / name)
            if owner is not None:
                self.held.add(name.lower())
                for key in owner:
                    self._names[key].append(name)

    def names(self, source: str, stem: str) -> Iterator[str]:
        """Of the folders with a result of ``source``."""
        if self._out is not None and stem.lower() in self._folders:
            for key in source_keys(source, self._out):
                yield from self._names.get(key, ())


def _by_stem(out: Path) -> dict[str, list[str]]:
    """Names of the folders in ``out`` by the stem, in small letters, they may be numbered after."""
    found: dict[str, list[str]] = defaultdict(list)
    with os.scandir(out) as entries:
        names = [entry.name for entry in entries if entry.is_dir()]
    for name in names:
        found[name.lower()].append(name)
        if numbered := re.fullmatch(r"(.+)-\d+", name.lower(), re.DOTALL):
            found[numbered[1]].append(name)
    return found


def _numbered(stem: str, number: int) -> str:
    return stem if number == 1 else f"{stem}-{number}"


def _stem(source: str) -> str:
    if source.isdigit():
        return f"camera-{source}"
    if source == files.STDIN:
        return "stdin"
    address = re.sub(r"^\w+://([^/@]*@)?", "", source).split("?")[0] if "://" in source else source
    return file_name(PurePosixPath(Path(address).as_posix().rstrip("/")).stem) or "source"


def source_keys(source: str, out: Path) -> Iterator[str]:
    """Hashes that tell whether a result in ``out`` is of ``source``, the surest first.

    Of where it is; for a file also of its way from ``out`` with size and time, by which it is known after both moved
    together; and last for results that tell no more than a path, relative to nobody knows where, and a size. None for a
    pipe: nobody knows what will come.
    """
    if source == files.STDIN or files.is_pipe(source):
        return
    whole = os.path.abspath(source)
    if files.is_address(source) or files.camera_number(source) is not None:
        yield _key(re.sub(r"//[^/@]*@", "//", source))
        return
    yield _key(whole)
    state = state_of(source)
    if state is not None:
        yield _key(_way(whole, out), state.mtime_ns, state.bytes, state.listing)
        yield _key(whole, state.bytes)


def _way(file: str, out: Path) -> str:
    try:
        return os.path.relpath(file, out)
    except ValueError:  # from one Windows drive to another
        return file


def _key(*facts: object) -> str:
    text = "\0".join(map(str, facts))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def owner_of(folder: Path) -> frozenset[str] | None:
    """The keys of the source whose result is in ``folder``; None where there is no whole result."""
    try:
        with (folder / RESULT_FILE).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            told = re.search(rb'"%s": \[([\s0-9a-f",]*)\]' % KEYS.encode(), file.read())
        return frozenset(re.findall(r"\w+", told[1].decode())) if told else _owner_by_path(folder)
    except (OSError, ValueError, RecursionError):
        return None


def _owner_by_path(folder: Path) -> frozenset[str]:
    """For results that no batch of today wrote; those without a word of whose they are belong to none of ours."""
    facts: Any = read_json(folder / RESULT_FILE).get("provenance")
    told = facts.get("source") if isinstance(facts, dict) else None
    path = told.get("path") if isinstance(told, dict) else None
    if not isinstance(told, dict) or not isinstance(path, str):
        return frozenset()
    if files.is_address(path) or "bytes" not in told:
        return frozenset({_key(path)})
    return frozenset({_key(path) if os.path.isabs(path) else _key(os.path.abspath(path), told["bytes"])})


def take_shard(items: list[Item], shard: str | None) -> list[Item]:
    """Every n-th item from the i-th on for ``"i/n"``, 1 <= i <= n; all shards together are the whole list."""
    if shard is None:
        return items
    part, parts = read_shard(shard)
    return items[part - 1 :: parts]


def read_shard(shard: str) -> tuple[int, int]:
    """``(i, n)`` of ``"i/n"``. Raises ConfigError unless 1 <= i <= n."""
    match = re.fullmatch(r"(\d+)/(\d+)", shard.strip())
    part, parts = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= part <= parts:
        raise ConfigError("a shard i/n with 1 <= i <= n", repr(shard), "write for example 1/4, 2/4, 3/4 and 4/4")
    return part, parts


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder`` that takes its place when the block ends well, and goes when it does not."""
    with draft_folder(folder) as draft:
        yield draft
        _merge(draft, folder)


@contextmanager
def draft_for(place: Path) -> Iterator[Path]:
    """A temporary folder for what is to be in ``place``; raises FileError, before the work, where nothing can be."""
    if place.exists() and not place.is_dir():
        raise FileError("a folder for the results", f"a file at {place}", "move it, or choose another place")
    try:
        with draft_folder(place) as draft:
            yield draft
    except OSError as error:
        if error.errno is None:
            raise
        raise file_error(error, place) from error


def settle(draft: Path, place: Place, keys: Sequence[str]) -> tuple[Path, bool]:
    """Give the files in ``draft`` their final place: never over the result of another source.

    Args:
        draft: a complete result.
        place: where it is to be; a folder of the next free number where another source has come before.
        keys: of its source, from :func:`source_keys`.

    Returns:
        The folder, and whether a result was replaced that was of the same place but not of the same file.
    """
    with _alone_in(place.folder.parent):
        folder, number = place.folder, 1
        while (owner := owner_of(folder)) is not None and owner.isdisjoint(keys):
            folder = place.folder.with_name(_numbered(_stem(place.source), number))
            number += 1
        _merge(draft, folder)
    return folder, owner is not None and owner.isdisjoint(keys[1:2])


def _merge(draft: Path, folder: Path) -> None:
    if not folder.exists():
        draft.rename(folder)
        return
    (folder / RESULT_FILE).unlink(missing_ok=True)
    # Folders in it too (bids), file by file; result.json, which says that all is there, last.
    files = [path for path in draft.rglob("*") if not path.is_dir()]
    for file in sorted(files, key=lambda path: path == draft / RESULT_FILE):
        place = folder / file.relative_to(draft)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, place)


@contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """No two processes give folders in ``out`` their names at a time, where system and disk have locks."""
    try:
        import fcntl
    except ModuleNotFoundError:
        yield
        return
    handle = os.open(out, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
