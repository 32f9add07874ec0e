"""Clients that say nothing, say it slowly, or take no answer, on real sockets."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import httpx
import pytest
import uvicorn
from serving import Start
from uvicorn.protocols.http.h11_impl import H11Protocol

from mien.serve import connections
from mien.serve.connections import OncePerMinute, affordable_connections, connection_class

LARGE = bytes(8 << 20)
SOCKET = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
UPLOAD = "Content-Type: multipart/form-data; boundary=x\r\n"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers /large with more than any buffer holds, /slow never, /block after busying the loop, all else at once."""
    if scope["path"] == "/block":
        time.sleep(0.5)
    if scope["path"] == "/slow":
        await asyncio.sleep(60)
    body = LARGE if scope["path"] == "/large" else b"ok"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server whose patience is short, and that hears 4 clients at a time."""
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(connections, "SEND_SECONDS", 0.3)
    monkeypatch.setattr(connections, "SPARE", 0)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, http=connection_class(4), loop="asyncio", lifespan="off", log_config=None)
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(10)


@contextmanager
def client(port: int, first: bytes = b"") -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
        one.sendall(first)
        yield one


def seconds_until_closed(one: socket.socket, every: bytes = b"") -> float:
    """How long the server keeps it, while ``every`` is sent to it again and again."""
    begun = time.monotonic()
    one.settimeout(0.05)
    while time.monotonic() - begun < 10:
        try:
            one.sendall(every)
            if not one.recv(1 << 16):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - begun


@pytest.mark.parametrize(
    ("first", "every"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nX: ", b""),
        (b"GET / HTTP/1.1\r\n", b"X: y\r\n"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n", b"z"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b""),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /", b"x"),
    ],
    ids=["silent", "half a header", "a header without end", "a body after the answer", "idle", "half a second one"],
)
def test_who_asks_for_nothing_is_hung_up_on(port: int, first: bytes, every: bytes) -> None:
    with client(port, first) as one:
        assert 0.2 < seconds_until_closed(one, every) < 5  # after which uvicorn ends some of them


def test_who_takes_no_answer_is_hung_up_on(port: int) -> None:
    with client(port, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n") as one:
        time.sleep(1.5)
        got = 0
        with suppress(ConnectionError):
            while piece := one.recv(1 << 20):
                got += len(piece)
        assert got < len(LARGE)


def test_an_answer_that_is_being_made_or_read_may_take_longer(port: int) -> None:
    with client(port, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") as one:
        one.settimeout(1.0)
        with pytest.raises(TimeoutError):
            one.recv(1)
    with client(port, b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as one:
        got = b""
        while piece := one.recv(1 << 20):
            got += piece
            time.sleep(0.05)
    assert got.endswith(LARGE[-100:])
    assert len(got) > len(LARGE)


def test_those_who_ask_are_heard_among_those_who_do_not(port: int) -> None:
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for _ in range(3):
        assert httpx.get(f"http://127.0.0.1:{port}/").text == "ok"
    for one in silent:
        one.close()


def test_a_web_socket_outlives_the_patience_with_headers(port: int) -> None:
    with client(port, f"GET /slow HTTP/1.1\r\nHost: a\r\n{SOCKET}\r\n".encode()) as one:
        one.settimeout(1.0)
        with pytest.raises(TimeoutError):
            one.recv(1)


def test_what_is_no_http_is_answered_in_the_one_form(port: int) -> None:
    for words in b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000:
        with client(port, words) as one:
            head, _, body = one.recv(4096).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 ")
            assert b'{"error":{"expected":' in body


def test_little_is_read_at_once_however_much_has_come(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # The time that a piece takes to tell apart grows with it: 0.7 s for 256 kB of one-byte chunks.
    sizes: list[int] = []
    read = H11Protocol.data_received

    def note(connection: H11Protocol, data: bytes) -> None:
        sizes.append(len(data))
        read(connection, data)

    monkeypatch.setattr(H11Protocol, "data_received", note)
    head = b"POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with client(port, head) as one, client(port, b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n"):
        time.sleep(0.1)
        one.sendall(b"1\r\nx\r\n" * 10_000)
        until = time.monotonic() + 20
        while sum(sizes) < 60_000 and time.monotonic() < until:
            time.sleep(0.02)
    assert sum(sizes) >= 60_000
    assert max(sizes) <= connections.READ_BYTES <= 32 << 10


def test_crowds_leave_the_server_open_to_others(start: Start) -> None:
    server = start("--connections", 16)
    port = int(server.address.rstrip("/").rpartition(":")[2])
    host = f"Host: 127.0.0.1:{port}\r\n"
    crowds = {
        "silent": "",
        "web sockets that do not say goodbye": f"GET /v1/live HTTP/1.1\r\n{SOCKET}{host}\r\n",
        "refused bodies that do not come": f"POST /v1/jobs HTTP/1.1\r\nContent-Length: 99\r\n{host}\r\n",
        "uploads that do not come": f"POST /v1/analyze HTTP/1.1\r\n{UPLOAD}Content-Length: 99\r\n{host}\r\n",
    }
    for name, first in crowds.items():
        with ExitStack() as crowd:
            for _ in range(60):
                crowd.enter_context(client(port, first.encode()))
            assert_answers(server.address, name)


def assert_answers(address: str, name: str) -> None:
    """Within 3 s, that is before any of the crowd has had its time."""
    until = time.monotonic() + 3
    while time.monotonic() < until:
        with suppress(httpx.HTTPError):  # all that are heard may be asking just now
            if httpx.get(f"{address}v1/jobs").status_code == 200:
                return
    raise AssertionError(f"no answer beside a crowd: {name}")


@pytest.mark.parametrize(
    ("soft", "hard", "given", "asked_for"),
    [
        (20000, 20000, 256, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 256, None),
        (256, resource.RLIM_INFINITY, 256, 928),
        (256, 4096, 256, 928),
        (256, 464, 128, 464),
        (8, 8, 8, 8),
    ],
)
def test_as_many_connections_as_there_are_descriptors_for(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, given: int, asked_for: int | None
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits[0]))
    assert affordable_connections(256) == given
    assert asked == ([] if asked_for is None else [asked_for])


def test_a_flood_of_errors_is_no_flood_of_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    handler.addFilter(OncePerMinute())
    logger = logging.Logger("uvicorn.error")
    logger.addHandler(handler)
    for number in range(1000):
        logger.error("socket.accept() out of system resource\nsocket: %d", number)
        logger.warning("Invalid HTTP request received.")
    assert [line.split()[0] for line in lines] == ["socket.accept()", "Invalid"]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    logger.warning("Invalid HTTP request received.")
    assert lines[-1] == "Invalid HTTP request received. (and 999 more like it)"
    access = logging.Logger("mien.serve.access")
    access.addHandler(handler)
    for _ in range(3):
        access.info("GET /healthz 200")
    assert len(lines) == 6
