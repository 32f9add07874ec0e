"""Names of files as they may be shown, and names that every usual file system takes; counts in words."""

from __future__ import annotations

import hashlib
import re

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
"""Control characters, ends of lines, what no UTF-8 holds (bytes of a name that are no text), what no XML holds."""
MOST_BYTES = 240
"""Bytes of a name; file systems take 255, and a number may follow."""


def printable(text: str) -> str:
    """``text`` with a question mark for each character that cannot be printed, or written as UTF-8, JSON or XML."""
    return text if text.isprintable() else UNPRINTABLE.sub("?", text)


def file_name(text: str) -> str:
    """``text`` as the name of a folder or file, the same one each time; may be empty.

    What one of the usual file systems refuses becomes ``_``. More than :data:`MOST_BYTES` bytes are cut, and a hash of
    the whole keeps long names apart.
    """
    name = re.sub(r'[<>:"/\\|?*]', "_", printable(text)).strip(". ")
    if len(name.encode()) <= MOST_BYTES:
        return name
    mark = "-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return name.encode()[: MOST_BYTES - len(mark)].decode("utf-8", "ignore") + mark


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number of things: ``1 film``, ``2 films``; ``many`` where the plural is not ``one`` with an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"
