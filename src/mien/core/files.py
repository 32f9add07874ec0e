"""Files and folders appear whole or not at all."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import count
from pathlib import Path

from mien.core.errors import ConfigError
from mien.core.processes import is_over, process_mark

_serial = count(1)
_DRAFT = re.compile(r"\.mien-([0-9a-f]{8}-\d+-[0-9a-f]{8})-\d+(\..*)?")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``, renamed to it when the block ends well and removed when it does not.

    The name keeps the suffix, from which image encoders take the format. Missing folders are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_beside(path, path.suffix)
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def draft_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside ``folder``, removed when the block ends unless it was renamed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_beside(folder, ".partial")
    try:
        draft.mkdir()
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def draft_beside(path: Path, suffix: str) -> Path:
    """A hidden name in the folder of ``path`` that no other thread, process or machine has.

    Drafts that processes which were killed left in that folder are removed at the first one there.
    """
    _clear_once(path.parent.absolute())
    return path.with_name(f".mien-{process_mark()}-{next(_serial)}{suffix}")


def clear_drafts(folder: Path) -> None:
    """Remove the drafts in ``folder`` whose process is over. Those of other machines stay: they may be at work."""
    with os.scandir(folder) as entries:
        found = [(entry, made) for entry in entries if (made := _DRAFT.fullmatch(entry.name))]
    for entry, made in found:
        if not is_over(made[1]):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with suppress(OSError):  # somebody else's, or gone by now
                os.unlink(entry.path)


def demand_writable(folder: Path, what: str) -> None:
    """Make a folder for ``what``, such as "the results"; drafts of processes that were killed there are removed.

    Raises:
        ConfigError: that, or writing into it, is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        clear_drafts(folder)
    except OSError as error:
        raise ConfigError(f"a folder for {what}", f"{folder}: {error.strerror}", "choose another place") from error
    if not os.access(folder, os.W_OK):
        raise ConfigError("a folder that can be written to", str(folder), "choose another place")


@lru_cache(256)
def _clear_once(folder: Path) -> None:
    with suppress(OSError):  # a folder that may be written to but not listed
        clear_drafts(folder)
