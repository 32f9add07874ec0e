"""Bodies of ``POST /v1/analyze``: multipart straight to disk under a random name, or a path below a root."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import shutil
import time
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from anyio import CapacityLimiter, to_thread
from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from mien.media.files import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from mien.serve.jobs import inside
from mien.serve.problems import RefusedError

MOST_TEXT = 64 << 10
"""Bytes of all that is no file: fields, headers, JSON."""
MOST_PARTS, MOST_TYPE = 64, 1024
"""Parts of a multipart body; bytes of the header Content-Type."""
PIECE = 256 << 10
"""Bytes that are taken apart and written at once."""
IDLE_SECONDS = 30.0
"""How long an upload may stand still."""
LEAST_RATE = 16 << 10
"""Bytes a second that an upload must come to on the whole, after its first :data:`IDLE_SECONDS`."""
PARSE_SECONDS, PARSE_RATE = 2.0, 32 << 20
"""CPU time to take a body apart: so much, and a second for so many bytes. Films need an eighth of that, one full of
almost-boundaries ten times as much."""
MOST_NAME = 200
# The parser logs bytes of what it cannot read.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)


@dataclass
class Arrival:
    """What a body holds.

    Attributes:
        fields: by name, as text (multipart) or as JSON has them.
        file: the uploaded file, under a random name; None without one.
        name: what the client calls the file.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None
    name: str = ""
    size: int = 0


@dataclass(frozen=True)
class Bounds:
    """What an upload may take.

    Attributes:
        size: bytes of the file.
        seconds: from its first byte to its last.
        threads: take bodies apart and write them; the event loop does neither.
    """

    size: int
    seconds: float
    threads: CapacityLimiter


async def receive(request: Request, folder: Path, bounds: Bounds) -> Arrival:
    """Read the body.

    Args:
        request: multipart/form-data or application/json.
        folder: uploads are written there.
        bounds: what it may take.

    Raises:
        RefusedError: 400 unreadable, 408 stood still or too slow, 413 too large, 415 another kind of content,
            507 larger than the disk has room for.
        OSError: the disk takes nothing more.
    """
    given = request.headers.get("content-type", "")
    kind, parameters = parse_options_header(given if len(given) <= MOST_TYPE else "")
    length = request.headers.get("content-length", "")
    size = int(length) if length.isdecimal() and len(length) < 20 else 0
    if size > bounds.size + MOST_TEXT:
        raise _too_large(bounds.size)
    if kind == b"application/json":
        return Arrival(_json(b"".join([chunk async for chunk in _limited(request, MOST_TEXT, bounds)])))
    if kind != b"multipart/form-data" or not parameters.get(b"boundary"):
        got = repr(kind.decode("ascii", "replace")[:80])
        raise RefusedError(415, "multipart/form-data or application/json", got, "upload a file, or name a path in JSON")
    folder.mkdir(parents=True, exist_ok=True)  # cleaners of caches take it now and then
    if size > shutil.disk_usage(folder).free:
        raise RefusedError(507, "room on the server's disk", "too little for this file", "send a smaller one")
    form = _Form(parameters[b"boundary"], folder, bounds.size)
    held = bytearray()
    try:
        async for chunk in _limited(request, bounds.size + MOST_TEXT, bounds, bounds.size):
            held += chunk
            if len(held) >= PIECE:
                await to_thread.run_sync(form.write, bytes(held), limiter=bounds.threads)
                held.clear()
        await to_thread.run_sync(form.write, bytes(held), limiter=bounds.threads)
        return form.finish()
    except BaseException:
        form.discard()
        raise


async def receive_json(request: Request, bounds: Bounds) -> bytes:
    """A body of JSON as it comes.

    Raises:
        RefusedError: 408 stood still or too slow, 413 larger than ``bounds``, 415 another kind of content.
    """
    given = request.headers.get("content-type", "")
    if parse_options_header(given if len(given) <= MOST_TYPE else "")[0] != b"application/json":
        got = repr(given[:80])
        raise RefusedError(415, "application/json", got, "send JSON, and say so in the header Content-Type")
    return b"".join([chunk async for chunk in _limited(request, bounds.size, bounds)])


async def _limited(request: Request, most: int, bounds: Bounds, named: int | None = None) -> AsyncIterator[bytes]:
    read, waited, chunks, begun = 0, 0.0, request.stream(), time.monotonic()
    while True:
        asked = time.monotonic()
        left = min(bounds.seconds - (asked - begun), IDLE_SECONDS + read / LEAST_RATE - waited, IDLE_SECONDS)
        try:
            if left <= 0:
                raise TimeoutError
            async with asyncio.timeout(left):
                chunk = await anext(chunks, None)
            waited += time.monotonic() - asked  # for the client; what we take to write it is not its fault
        except TimeoutError:
            got, fix = f"{read} bytes in {time.monotonic() - begun:.0f} s", "send it again over a faster, steadier line"
            raise RefusedError(408, "a body that comes in", got, fix) from None
        except ClientDisconnect:
            raise RefusedError(400, "a whole body", "a connection that was closed", "send it again") from None
        if chunk is None:
            return
        read += len(chunk)
        if read > most:
            raise _too_large(most if named is None else named)
        yield chunk


def _too_large(most: int) -> RefusedError:
    return RefusedError(413, f"at most {most / 1e6:g} MB", "more", "send a smaller or shorter file")


def _json(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(
            400, "a body in JSON", "something else", 'send for example {"path": "/videos/talk.mp4"}'
        ) from None
    if not isinstance(content, dict):
        raise RefusedError(422, "an object with a path", type(content).__name__, 'send {"path": "..."}')
    return content


class _Form:
    """A multipart body piece by piece: one file to disk, fields to memory."""

    def __init__(self, boundary: bytes, folder: Path, most: int) -> None:
        self._arrival, self._folder, self._most = Arrival(), folder, most
        self._text, self._parts, self._seconds = MOST_TEXT, 0, PARSE_SECONDS
        self._header, self._value = (bytearray(), bytearray()), bytearray()
        self._disposition: dict[bytes, bytes] = {}
        self._file: IO[bytes] | None = None
        self._ended = False
        names = (
            "part_begin",
            "part_data",
            "part_end",
            "header_field",
            "header_value",
            "header_end",
            "headers_finished",
        )
        calls: Any = {f"on_{name}": getattr(self, f"_{name}") for name in names}
        calls["on_end"] = self._end
        try:
            self._parser = MultipartParser(boundary, calls)
        except (MultipartParseError, ValueError) as error:
            raise _unreadable() from error

    def write(self, chunk: bytes) -> None:
        """The next piece of the body."""
        begun = time.thread_time()
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise _unreadable() from error
        self._seconds -= time.thread_time() - begun - len(chunk) / PARSE_RATE
        if self._seconds < 0:
            raise RefusedError(400, "a boundary that the file does not hold", "one that it is full of", "use another")

    def finish(self) -> Arrival:
        """What was in it."""
        if not self._ended:
            raise _unreadable()
        return self._arrival

    def discard(self) -> None:
        """Remove what was written."""
        try:
            if self._file is not None:
                self._file.close()  # writes what it still holds, which a full disk does not take
        except OSError:
            self._file = None
        finally:
            if self._arrival.file is not None:
                self._arrival.file.unlink(missing_ok=True)

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise RefusedError(413, f"at most {MOST_PARTS} parts", "more", "send file and options only")
        self._disposition, self._value = {}, bytearray()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._add(self._header[0], data[start:end])

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._add(self._header[1], data[start:end])

    def _header_end(self) -> None:
        name, value = (bytes(part) for part in self._header)
        self._header = bytearray(), bytearray()
        if name.lower() == b"content-disposition":
            self._disposition = parse_options_header(value)[1]

    def _headers_finished(self) -> None:
        if b"filename" not in self._disposition:
            return
        if self._disposition.get(b"name") != b"file" or self._arrival.file is not None:
            raise RefusedError(422, "one file, in the field `file`", "another one", "send one file a request")
        self._arrival.file = self._folder / secrets.token_hex(16)
        self._arrival.name = display_name(self._disposition[b"filename"].decode("utf-8", "replace"))
        self._file = self._arrival.file.open("xb")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is None:
            return self._add(self._value, data[start:end])
        self._arrival.size += end - start
        if self._arrival.size > self._most:
            raise _too_large(self._most)
        self._file.write(data[start:end])
        return None

    def _part_end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        else:
            name = self._disposition.get(b"name", b"").decode("utf-8", "replace")
            self._arrival.fields[name] = self._value.decode("utf-8", "replace")

    def _end(self) -> None:
        self._ended = True

    def _add(self, to: bytearray, piece: bytes) -> None:
        self._text -= len(piece)
        if self._text < 0:
            raise RefusedError(413, f"at most {MOST_TEXT >> 10} kB of fields", "more", "send file and options only")
        to += piece


def _unreadable() -> RefusedError:
    return RefusedError(400, "a whole multipart/form-data body", "something else", "send it as curl -F does")


def display_name(given: str) -> str:
    """What to call a file: its name as the client says it, without folders and characters that cannot be shown."""
    last = given.replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter for letter in last if unicodedata.category(letter)[0] != "C").strip()
    return shown[:MOST_NAME] or "unnamed"


def known_suffix(name: str) -> str:
    """The suffix of ``name`` if it is one of a video or picture, else none: readers look at it, nobody else may."""
    suffix = Path(name).suffix.lower()
    return suffix if suffix in VIDEO_SUFFIXES | IMAGE_SUFFIXES else ""


def allowed_path(given: str, roots: tuple[Path, ...]) -> Path:
    """The file that a client names, every link and ``..`` followed.

    Raises:
        RefusedError: 403 outside the roots, whether or not there is such a file; 422 below them, but no file.
    """
    try:
        path = Path(given).resolve() if roots and Path(given).is_absolute() else None
    except (OSError, ValueError, RuntimeError):  # loops of links, null bytes
        path = None
    if path is None or not inside(path, roots):
        fix = "upload the file, or start the server with --root" if not roots else "name a full path below a root"
        raise RefusedError(403, "a file below a root of the server", "another path", fix)
    try:
        there = path.is_file()
    except (OSError, ValueError):  # longer than a name may be, or in a folder that is closed to the server
        there = False
    if not there:
        raise RefusedError(422, "a file that exists", "none at this path", "check the path")
    return path
