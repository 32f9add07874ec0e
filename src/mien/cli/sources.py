"""Which sources a command line names: its arguments, and lists in files."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from mien.core.errors import ConfigError
from mien.media.files import STDIN

_LONGEST = 65536  # bytes of a name or an address: more than any system opens
_CONTROLS = re.compile(rb"[\x01-\x08\x0e-\x1a\x7f]")  # in no text; names may hold them, and end with NUL then


def with_list(sources: Sequence[str], file: str | None) -> list[str]:
    """``sources`` and those that ``file`` lists.

    Args:
        sources: arguments.
        file: name of a list, ``-`` for one from standard input, None for none. One source a line, relative to the
            current folder; lines that are empty or begin with ``#`` do not count. Where a NUL is in it, names end with
            NUL instead, as ``find -print0`` writes them, and every one counts.

    Raises:
        ConfigError: no list, nothing in it, a film instead of one, or it comes from standard input and a source too.
    """
    named = [*sources, *([] if file is None else read_list(file))]
    if not named:
        got = "none" if file is None else f"none in {file}"
        raise ConfigError("at least one SRC", got, "name a video, for example: mien analyze talk.mp4 -o out")
    if file == STDIN and STDIN in named:
        got = "a list and a video"
        raise ConfigError("one thing from standard input", got, "write one of them to a file and name it")
    return named


def read_list(file: str) -> list[str]:
    """The lines of a list, as :func:`with_list` takes them."""
    try:
        with nullcontext(sys.stdin.buffer) if file == STDIN else open(file, "rb") as stream:
            data = stream.read(_LONGEST)
            if data.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise ConfigError("a list in UTF-8", f"{file} in UTF-16", "save it as UTF-8")
            if not _is_list(data):
                fix = "put a video itself before the options, without --sources, or its name into a text file"
                raise ConfigError("a text file with a source a line", f"{file}, which is no text", fix)
            data += stream.read()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError("a file with a source a line", f"{file}: {reason}", "check the path") from error
    text = os.fsdecode(data.removeprefix(b"\xef\xbb\xbf"))
    if "\0" in text:
        return [name for name in text.split("\0") if name]
    lines = (line.removesuffix("\r") for line in text.split("\n"))
    return [_as_named(line) for line in lines if line.strip() and not line.startswith("#")]


def _as_named(line: str) -> str:
    """A line without the blanks around it, unless there is a file of that very name."""
    return line if os.path.exists(line) else line.strip()


def _is_list(head: bytes) -> bool:
    """Whether a file that begins so may be a list. The lines of a film or a picture are noise, and one of them may be
    ``/``: everything on the machine would be analysed.
    """
    names = head.split(b"\0" if b"\0" in head else b"\n")
    if max(map(len, names)) >= _LONGEST:
        return False
    return all(names[:-1]) if b"\0" in head else not _CONTROLS.search(head)
