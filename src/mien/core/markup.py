"""XML of others, without what XML can do to its reader: no document types, so no entities, and no depths.

An entity that is made of entities swells a kilobyte to gigabytes, and an external one reads a file of the reader's.
Both need a document type declaration, which no format that mien reads has.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from mien.core.errors import DataError

MOST_BYTES = 200_000_000
MOST_DEPTH = 100


def read_bytes(path: Path, what: str, most: int = MOST_BYTES) -> bytes:
    """A file's content. Raises DataError where it cannot be read, or is too large to be ``what``."""
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(what, f"{path}: {reason}", "check the path") from error
    if len(data) > most:
        raise DataError(f"{what} of at most {most / 1e6:.0f} MB", str(path), "leave out what does not belong into it")
    return data


def read_text(path: Path, what: str) -> str:
    """A text in UTF-8, or in UTF-16 with a byte order mark. Raises DataError for anything else."""
    data = read_bytes(path, what)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{what} in UTF-8 or UTF-16", f"{path}: {error.reason}", "save it as UTF-8") from error
    if "\0" in text:
        raise DataError(what, f"{path}, which is no text", "check which file it is")
    return text


def read_xml(path: Path, what: str) -> Element:
    """The root of a document. Raises DataError: no XML, torn, with a document type, or nested too deep."""
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate()

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MOST_DEPTH:
            raise DataError(what, f"{path}: elements {depth} deep", "check which file it is")
        builder.start(name, attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(name)

    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse(path, what)
    try:
        parser.Parse(read_bytes(path, what), True)
    except (expat.ExpatError, UnicodeDecodeError, LookupError, ValueError) as error:
        raise DataError(f"{what}, whole", f"{path}: {error}", "save it again in the program it comes from") from error
    root: Element = builder.close()
    return root


def _refuse(path: Path, what: str) -> Callable[..., Any]:
    def refuse(*_: object) -> None:
        got, fix = f"{path} with a DOCTYPE", "remove it: its entities could read files, or fill the memory"
        raise DataError(f"{what} without a document type", got, fix)

    return refuse
