"""Where the results of many sources go.

A folder is written under a temporary name and renamed when complete; ``result.json`` comes last, so its presence says
that the folder is whole. An existing folder is never removed: only the files of the new result are replaced in it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TypeVar

from mien.core.errors import ConfigError
from mien.report.result import RESULT_FILE

Item = TypeVar("Item")


def demand_writable(out: Path) -> None:
    """Make the folder ``out``; raises ConfigError when that, or writing into it, is not possible."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("a folder for the results", f"{out}: {error.strerror}", "choose another place") from error
    if not os.access(out, os.W_OK):
        raise ConfigError("a folder that can be written to", str(out), "choose another place")


def folder_names(sources: Sequence[str]) -> list[str]:
    """A folder name for every source, all different also where the file system ignores case; stable for a list."""
    taken: set[str] = set()
    names: list[str] = []
    for source in sources:
        stem = _stem(source)
        tries = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(sources) + len(taken) + 2))
        name = next(one for one in tries if one.lower() not in taken)
        taken.add(name.lower())
        names.append(name)
    return names


def _stem(source: str) -> str:
    if source.isdigit():
        return f"camera-{source}"
    address = re.sub(r"^\w+://([^/@]*@)?", "", source).split("?")[0] if "://" in source else source
    stem = PurePosixPath(Path(address).as_posix().rstrip("/")).stem
    # Characters that one of the usual file systems refuses, and names that mean a folder already there.
    return re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", stem).strip(". ") or "source"


def take_shard(items: list[Item], shard: str | None) -> list[Item]:
    """Every n-th item from the i-th on for ``"i/n"``, 1 <= i <= n; all shards together are the whole list."""
    if shard is None:
        return items
    match = re.fullmatch(r"(\d+)/(\d+)", shard.strip())
    part, parts = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= part <= parts:
        raise ConfigError("a shard i/n with 1 <= i <= n", repr(shard), "write for example 1/4, 2/4, 3/4 and 4/4")
    return items[part - 1 :: parts]


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder`` that takes its place when the block ends well, and goes when it does not."""
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        _settle(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _settle(draft: Path, folder: Path) -> None:
    if not folder.exists():
        draft.rename(folder)
        return
    (folder / RESULT_FILE).unlink(missing_ok=True)
    for file in sorted(draft.iterdir(), key=lambda path: path.name == RESULT_FILE):
        os.replace(file, folder / file.name)
