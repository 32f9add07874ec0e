"""Names of crops: made of the items' ids, different for different items, and never outside their folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import PurePosixPath
from urllib.parse import quote

from mien.data.inspect_items import Place, distinct, place_of
from mien.data.manifest import Row
from mien.media.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES

PLAIN = " -_.+=,@()~"
"""Characters that stay as they are, beside ASCII letters and digits."""
LONGEST = 120
"""Characters of one part of a name; file systems refuse more than 255 bytes."""


def is_clip(row: Row) -> bool:
    """Whether its crops are a folder of frames; else they are one picture."""
    return row.kind in ("video", "frames")


def crop_names(rows: Sequence[Row]) -> dict[Place, str]:
    """For every item a path with ``/``: ``Action/Happy/0118`` for a clip, ``test_0001.jpg`` for a picture.

    Parts of an id that mean a place (``..``), hide a file, or hold odd characters are written in percent code. Where
    two items would share a name (also where the system does not tell capitals apart), or one would lie in the folder of
    another, a code of the item is added. A name depends on the whole list alone.
    """
    items = distinct(rows)
    plain = {place_of(row): _name(row) for row in items}
    taken = Counter(name.casefold() for name in plain.values())
    folders = {str(parent) for name in taken for parent in PurePosixPath(name).parents}
    names = {}
    for row in items:
        name = plain[place_of(row)]
        shared = taken[name.casefold()] > 1 or name.casefold() in folders
        names[place_of(row)] = _coded(name, row) if shared else name
    return names


def _name(row: Row) -> str:
    stem, suffix = os.path.splitext(row.id)
    known = suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES
    parts = (stem if known else row.id).replace("\\", "/").split("/")
    return "/".join(_part(part) for part in parts) + ("" if is_clip(row) else ".jpg")


def _part(part: str) -> str:
    """One folder's or file's name."""
    safe = quote(part, safe=PLAIN) or "%"
    if safe[0] in ". " or safe[-1] in ". ":
        safe = f"%{safe}%"
    return safe if len(safe) <= LONGEST else f"{safe[: LONGEST - 17]}~{_code(part)}"


def _coded(name: str, row: Row) -> str:
    stem, suffix = (name, "") if is_clip(row) else (name[:-4], ".jpg")
    return f"{stem}~{_code(f'{row.kind}:{row.path}')}{suffix}"


def _code(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()
