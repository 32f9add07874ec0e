"""Which files a source is, and their state: what tells a film from another one that takes its name."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mien.core.errors import SourceError
from mien.core.names import printable
from mien.media import files


@dataclass(frozen=True)
class SourceState:
    """The files of a source as they are at a moment; equal where none of them was written or replaced meanwhile.

    Attributes:
        files: how many there are.
        bytes: their sizes together.
        mtime_ns: when the newest was last written, nanoseconds since 1970.
        listing: SHA-256 over names, sizes and times of all.
        inodes: SHA-256 over the files' numbers, which a file keeps when it is renamed and another one does not have.
    """

    files: int
    bytes: int
    mtime_ns: int
    listing: str
    inodes: str

    def facts(self) -> dict[str, Any]:
        """What provenance keeps of it, and a later run compares."""
        size = {"bytes": self.bytes, "mtime_ns": self.mtime_ns}
        return size if self.files == 1 else {"files": self.files, **size, "listing": self.listing}


def source_files(origin: object) -> list[Path]:
    """The files that :func:`mien.media.open` reads for ``origin``; none for a camera, an address, an array.

    Raises:
        SourceError: a folder that cannot be read.
    """
    if isinstance(origin, list | tuple):
        return [Path(files.name_of(one)) for one in origin if isinstance(one, str | os.PathLike)]
    if not isinstance(origin, str | os.PathLike) or origin in ("", files.STDIN):
        return []
    name = files.name_of(origin)
    if files.is_address(name) or files.camera_number(name) is not None:
        return []
    if files.is_glob(name):
        matches = sorted(files.matches(name), key=files.natural_key)
        return source_files(matches[0] if len(matches) == 1 else matches)
    return files.images_in(Path(name)) if os.path.isdir(name) else [Path(name)]


def state_of(origin: object) -> SourceState | None:
    """The state of the files of ``origin``; None where it has none, or none that stays (a pipe)."""
    listing, inodes = hashlib.sha256(), hashlib.sha256()
    sizes, times = [0], [0]
    count = 0
    try:
        paths = source_files(origin)
    except SourceError:  # opening it will say so, when its turn comes
        return None
    for path in paths:
        try:
            seen = path.stat()
        except (OSError, ValueError):
            continue
        if not stat.S_ISREG(seen.st_mode):
            continue
        count += 1
        sizes.append(seen.st_size)
        times.append(seen.st_mtime_ns)
        listing.update(f"{path.name}\0{seen.st_size}\0{seen.st_mtime_ns}\n".encode("utf-8", "surrogatepass"))
        inodes.update(f"{seen.st_dev} {seen.st_ino}\n".encode())
    return SourceState(count, sum(sizes), max(times), listing.hexdigest(), inodes.hexdigest()) if count else None


def demand_unchanged(origin: object, before: SourceState | None) -> None:
    """Raise SourceError where the files of ``origin`` are no longer in the state of ``before``, taken at opening."""
    if before is None or before == (now := state_of(origin)):
        return
    name = printable(str(origin if isinstance(origin, str | os.PathLike) else source_files(origin)[0]))
    got = f"{name}, which is gone" if now is None else f"{name}, which was written to or replaced meanwhile"
    fix = "run it again once nothing writes there"
    raise SourceError("a source that stays as it is while it is read", got, fix)


def source_hash(origin: object) -> str:
    """SHA-256 of what the files of ``origin`` hold, one after the other."""
    whole = hashlib.sha256()
    for path in source_files(origin):
        if path.is_file():
            with path.open("rb") as file:
                hashlib.file_digest(file, lambda: whole)
    return whole.hexdigest()
