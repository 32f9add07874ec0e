"""Who may ask: the token, and requests that a browser sends for somebody else's page. Runs before anything is read.

A server on a loopback address needs no token, yet every web page its user opens can make the browser talk to it: by a
name that the page's owner points at 127.0.0.1 (DNS rebinding; the Host header tells), or by a form (the Origin tells).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import time
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mien.serve.limits import Limit
from mien.serve.metrics import Metrics
from mien.serve.problems import RefusedError, standard_refusal
from mien.serve.settings import is_loopback

log = logging.getLogger("mien.serve.access")

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
COOKIE = "mien-session"
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""Of every answer, where the path has not set its own."""


DRAIN_SECONDS, DRAIN_BYTES = 5.0, 1 << 30
"""How much of a refused body is read and thrown away: a connection that is closed at once loses the answer. A quarter
of all connections at a time may wait for that."""
MOST_QUERY = 8192
"""Bytes of an address behind its path: taking it apart costs more than reading it."""


class Gate:
    """Decides about one request by its headers.

    Args:
        secret: the token; None asks for none.
        host: the address that the server listens on.
    """

    def __init__(self, secret: str | None, host: str) -> None:
        self._secret, self._loopback = secret, is_loopback(host)
        self.cookie = None if secret is None else hmac.new(secret.encode(), b"mien cookie", hashlib.sha256).hexdigest()

    def demand_own_site(self, method: str, headers: Mapping[str, str]) -> None:
        """Raises RefusedError (403) for another Host than this machine on loopback, and for changes by another site."""
        host = headers.get("host", "")
        if self._loopback and not is_loopback(_name_of(host)):
            raise RefusedError(
                403, "this machine's own name in the Host header", "another name", "use http://127.0.0.1"
            )
        origin = headers.get("origin")
        if method in SAFE_METHODS or origin is None:
            return
        if _netloc(origin) != host.lower():
            raise RefusedError(403, "a request of this server's own page", "one of another site", "leave Origin out")

    def knows(self, headers: Mapping[str, str], query: str = "", reading: bool = False) -> bool:
        """True for whoever shows the token.

        Args:
            headers: with ``Authorization: Bearer``.
            query: of the address; ``token`` in it counts for reading only, and so does the cookie: frames, pictures
                and event streams of a page cannot send headers.
            reading: the request changes nothing.
        """
        if self._secret is None:
            return True
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.is_token(given.strip()):
            return True
        if not reading:
            return False
        named = parse_qs(query).get("token", [""])[0]
        return self.is_token(named) or _same(_cookie(headers), self.cookie or "")

    def is_token(self, given: str) -> bool:
        """Compares in a time that does not tell how much of ``given`` was right."""
        return self._secret is None or _same(given, self._secret)


def _same(one: str, other: str) -> bool:
    digests = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (one, other)]
    return hmac.compare_digest(*digests)


def _cookie(headers: Mapping[str, str]) -> str:
    found = re.search(rf"(?:^|; *){COOKIE}=([0-9a-f]{{64}})(?:;|$)", headers.get("cookie", ""))
    return found[1] if found else ""


def _with_own_cookie_only(scope: Scope) -> Scope:
    """What those behind the guard see: FastAPI takes all cookies apart before each answer, whoever asks for them.

    Python before 3.11.10 takes a second for 16 kB of backslashes.
    """
    own = _cookie(Headers(scope=scope))
    others = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
    return {**scope, "headers": [*others, (b"cookie", f"{COOKIE}={own}".encode())] if own else others}


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _netloc(origin: str) -> str | None:
    """The name and port of an Origin, None where it cannot be read."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def is_open(path: str) -> bool:
    """True for what is no secret: the page itself (not what it shows), the schema, and whether the server lives."""
    return not path.startswith("/v1/") and path != "/metrics"


class Guard:
    """ASGI middleware: refuses, counts, logs (no query, no content), and adds the headers that browsers heed.

    Args:
        app: behind it.
        gate: decides.
        metrics: counts requests.
        most: requests answered at a time.
        logs: write a line for every request.
    """

    def __init__(self, app: ASGIApp, gate: Gate, metrics: Metrics, most: int, logs: bool = False) -> None:
        self._app, self._gate, self._metrics, self._logs = app, gate, metrics, logs
        self._limit, self._drains = Limit(most, "requests", 503), Limit(most // 4, "refused bodies")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request; web sockets check themselves, since a refusal there is no HTTP answer."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        scope = _with_own_cookie_only(scope)
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers, begun, status = Headers(scope=scope), time.monotonic(), 500
        body = _Body(receive, headers)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                # 408 is for one whose body does not come.
                if status >= 400 and status != 408 and not self._drains.reached:
                    with self._drains.held():
                        await body.drain()
                self._complete(MutableHeaders(scope=message), headers, scope)
            await send(message)

        try:
            try:
                self._check(scope, headers)
            except RefusedError as refusal:
                await refusal.response()(scope, body.receive, answer)
            else:
                with self._limit.held():
                    await self._app(scope, body.receive, _uniform(answer))
        finally:
            route = getattr(scope.get("route"), "path", "none")  # the pattern, not the client's text
            method = scope["method"] if scope["method"] in (*SAFE_METHODS, "POST", "PUT", "DELETE") else "other"
            self._metrics.requests.labels(method, route, str(status)).inc()
            if self._logs:
                log.info("%s %s %d %.3f s", method, route, status, time.monotonic() - begun)
        return None

    def _check(self, scope: Scope, headers: Headers) -> None:
        self._gate.demand_own_site(scope["method"], headers)
        if len(scope["query_string"]) > MOST_QUERY:
            raise RefusedError(414, f"at most {MOST_QUERY} bytes behind the path", "more", "send it in the body")
        if scope["path"] != "/healthz":  # who watches over the server must not take it for dead
            self._limit.demand()
        reading = scope["method"] in SAFE_METHODS
        if not is_open(scope["path"]) and not self._gate.knows(
            headers, scope["query_string"].decode("latin-1"), reading
        ):
            shown = "another one" if "authorization" in headers or b"token=" in scope["query_string"] else "none"
            fix = "send the header `Authorization: Bearer TOKEN`"
            raise RefusedError(401, "the server's token", shown, fix, {"WWW-Authenticate": "Bearer"})

    def _complete(self, answer: MutableHeaders, asked: Headers, scope: Scope) -> None:
        for name, value in HEADERS.items():
            answer.setdefault(name, value)
        if self._gate.cookie is not None and scope["path"].startswith("/v1/") and self._gate.knows(asked):
            answer.append("set-cookie", f"{COOKIE}={self._gate.cookie}; Path=/v1; HttpOnly; SameSite=Strict")


def _uniform(send: Send) -> Send:
    """Give errors that a library words in its own way (of a Range that means nothing) the form of all others."""
    replaced = False

    async def answer(message: Message) -> None:
        nonlocal replaced
        if message["type"] == "http.response.start" and message["status"] >= 400:
            headers = MutableHeaders(scope=message)
            if headers.get("content-type") != "application/json":
                replaced = True
                ours = standard_refusal(message["status"]).response()
                headers["content-type"], headers["content-length"] = "application/json", str(len(ours.body))
                await send(message)
                return await send({"type": "http.response.body", "body": bytes(ours.body)})
        if not replaced:
            await send(message)
        return None

    return answer


class _Body:
    """A request's body, and whether all of it was read."""

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self._receive = receive
        length = headers.get("content-length", "0")
        self._over = length == "0" and "transfer-encoding" not in headers
        # Such a client waits for leave to send, which reading would give it.
        self._waits = headers.get("expect", "").lower() == "100-continue"
        self._asked = False

    async def receive(self) -> Message:
        self._asked = True
        message = await self._receive()
        self._over = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        left = 0 if self._over or (self._waits and not self._asked) else DRAIN_BYTES
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while left > 0 and not self._over:
                    left -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            self._over = True
