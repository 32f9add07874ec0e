"""Refusals: every answer that is no success has a status code and says what was expected, what came, what to do."""

from __future__ import annotations

import errno
import http
import logging
import sqlite3
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mien.core.errors import InputError

log = logging.getLogger("mien.serve")

STANDARD = {
    400: ("a request that can be read", "see /openapi.json for what may be asked"),
    416: ("a part that the file has", "see Content-Range for its length"),
    404: ("a path of this server", "see /openapi.json for what there is"),
    405: ("a method that this path knows", "see /openapi.json for what there is"),
}


class RefusedError(Exception):
    """A request that is answered with an error.

    Args:
        status: HTTP status code.
        expected: what would have worked.
        got: what came instead.
        fix: the next step, as an imperative.
        headers: to send with it.
    """

    def __init__(
        self, status: int, expected: str, got: str, fix: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status}: expected {expected}, got {got}; {fix}")
        self.status, self.headers = status, dict(headers or {})
        self.parts = {"expected": expected, "got": got, "fix": fix}

    def response(self) -> JSONResponse:
        """The answer to send."""
        return JSONResponse({"error": self.parts}, self.status, self.headers)


def not_found(what: str) -> RefusedError:
    """Nothing of that name; the name itself is not repeated, it may be anything."""
    return RefusedError(404, f"the id of a {what} that is there", "one that is not", "see /v1/jobs for what there is")


def error_parts(error: InputError) -> dict[str, str]:
    """An InputError as error bodies have it."""
    return {"expected": error.expected, "got": error.got, "fix": error.fix}


def standard_refusal(status: int, got: str = "", headers: Mapping[str, str] | None = None) -> RefusedError:
    """A refusal that FastAPI or Starlette decided on; ``got`` is what they say of it."""
    expected, fix = STANDARD.get(status, ("a request that can be answered", "see /openapi.json"))
    return RefusedError(status, expected, got or http.HTTPStatus(status).phrase, fix, headers)


def invalid(errors: list[Any]) -> RefusedError:
    """Values that pydantic refuses, as one refusal."""
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or "the request"
    fix = "correct it" if len(errors) == 1 else f"correct it, and {len(errors) - 1} more"
    expected = f"{_cut(_ascii(place))}: {first['msg']}"
    return RefusedError(422, expected, _short(first.get("input")), f"{fix}; see /openapi.json")


def _short(value: object) -> str:
    try:
        return _cut(_ascii(repr(value)))
    except RecursionError:
        return f"{type(value).__name__} in too many others"


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def _cut(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM))
"""Errors of a disk that takes nothing more."""
NO_MEANS = frozenset((errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOBUFS))
"""Errors of a system that gives nothing more: descriptors, processes, memory."""


def cannot_store(error: OSError | sqlite3.Error) -> InputError:
    """What to say where the server's disk takes nothing more; not where, that is nobody's business."""
    got = (error.strerror if isinstance(error, OSError) else str(error)) or "an error"
    return InputError("room on the server's disk", got.lower(), "free some there (finished jobs can be deleted)")


def answer_problems(app: FastAPI) -> None:
    """Give every kind of failure of ``app`` the one form."""

    async def refused(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RefusedError)
        return error.response()

    async def invalid_request(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return invalid(list(error.errors())).response()

    async def standard(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return standard_refusal(error.status_code, str(error.detail), error.headers).response()

    async def unstored(_: Request, error: Exception) -> JSONResponse:
        if isinstance(error, sqlite3.Error) or (isinstance(error, OSError) and error.errno in NO_ROOM):
            log.error("the disk takes nothing more: %s", error)
            parts = cannot_store(error)
            return RefusedError(507, parts.expected, parts.got, parts.fix).response()
        if isinstance(error, OSError) and error.errno in NO_MEANS:
            log.error("the system gives nothing more: %s", error)
            wait = {"Retry-After": "5"}
            return RefusedError(503, "a server with means left", "none left", "come again later", wait).response()
        raise error

    async def fault(_: Request, error: Exception) -> JSONResponse:
        return RefusedError(500, "an answer", "a fault of the server", "report it with the server's log").response()

    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(RequestValidationError, invalid_request)
    app.add_exception_handler(HTTPException, standard)
    app.add_exception_handler(sqlite3.Error, unstored)
    app.add_exception_handler(OSError, unstored)
    app.add_exception_handler(Exception, fault)
