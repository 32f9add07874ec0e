"""Refusals: every answer that is no success has a status code and says what was expected, what came, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from mien.core.errors import InputError

STANDARD = {
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


def invalid(errors: list[Any]) -> RefusedError:
    """Values that pydantic refuses, as one refusal."""
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path")) or "the request"
    fix = "correct it" if len(errors) == 1 else f"correct it, and {len(errors) - 1} more"
    return RefusedError(422, f"{place}: {first['msg']}", _short(first.get("input")), f"{fix}; see /openapi.json")


def _short(value: object) -> str:
    text = repr(value).encode("ascii", "backslashreplace").decode()
    return text if len(text) <= 80 else f"{text[:77]}..."


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
        expected, fix = STANDARD.get(error.status_code, ("a request that can be answered", "see /openapi.json"))
        return RefusedError(error.status_code, expected, str(error.detail), fix, error.headers).response()

    async def fault(_: Request, error: Exception) -> JSONResponse:
        return RefusedError(500, "an answer", "a fault of the server", "report it with the server's log").response()

    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(RequestValidationError, invalid_request)
    app.add_exception_handler(HTTPException, standard)
    app.add_exception_handler(Exception, fault)
