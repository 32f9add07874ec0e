"""A server that keeps the promises of ``mien serve`` as far as its page sees them; the test says what it answers."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mien.serve.page import POLICY, asset

Answer = tuple[int, Any, dict[str, str]]


def problem(status: int, expected: str, got: str, fix: str, **headers: str) -> Answer:
    """An error as the server words it; ``Retry_After="1"`` gives that header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, {"error": {"expected": expected, "got": got, "fix": fix}}, named


class FakeMien(ThreadingHTTPServer):
    """Jobs are what the test says, in ``jobs``; uploads are noted in ``received``.

    Attributes:
        refusals: answers to the next uploads and deletions, instead of doing as asked.
        token: what requests must carry, if anything.
        report: the HTML of every report.
        pace: seconds that reading 64 KiB of an upload takes.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.jobs: dict[str, dict[str, Any]] = {}
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.deleted: list[str] = []
        self.refusals: list[Answer] = []
        self.token: str | None = None
        self.report = b"<!doctype html><title>report</title><h1>A report</h1>"
        self.pace = 0.0
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def add(self, name: str, status: str = "queued", **facts: Any) -> str:
        """A job, newer than those before."""
        number = f"job{len(self.jobs) + 1}"
        created = datetime.fromtimestamp(1_700_000_000 + len(self.jobs), UTC).isoformat()
        blank = dict.fromkeys(("progress", "started", "finished", "error", "result"))
        self.jobs[number] = {"id": number, "name": name, "status": status, "created": created, "files": [], **blank}
        self.change(number, **facts)
        return number

    def change(self, number: str, **facts: Any) -> None:
        """News of a job."""
        self.jobs[number] = {**self.jobs[number], **facts}

    def finish(self, number: str) -> None:
        """The job is done, with a report and a table."""
        url = f"/v1/jobs/{number}/files/spans.csv"
        moments = (datetime.fromtimestamp(1_700_000_100 + wait, UTC).isoformat() for wait in (0, 12))
        result = {"source": {"kind": "video"}, "tracks_in_all": 2, "spans_in_all": 5}
        self.change(
            number,
            status="done",
            progress=1.0,
            files=[{"name": "spans.csv", "size": 1234, "url": url}],
            **dict(zip(("started", "finished"), moments, strict=True)),
            result=result,
        )


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: FakeMien

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/" or path.startswith("/page/"):
            return self._asset(path.rpartition("/")[2] or "index.html")
        if not self._allowed():
            return self._send(problem(401, "the token of this server", "none, or another", "send the right one"))
        parts = path.strip("/").split("/")
        if path == "/v1/models":
            return self._send((200, {"models": [{"name": "fake-model", "in_use": True}]}, {}))
        if path == "/v1/jobs":
            jobs = list(self.server.jobs.values())
            return self._send((200, {"jobs": jobs, "total": len(jobs)}, {}))
        if parts[:2] == ["v1", "jobs"] and parts[2] in self.server.jobs and parts[3:] == ["report"]:
            return self._write(200, self.server.report, "text/html")
        return self._send(problem(404, "a page", path, "check the address"))

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            self.close_connection = True
            return None
        if not self._allowed():
            return self._send(problem(401, "the token of this server", "none, or another", "send the right one"))
        if self.server.refusals:
            return self._send(self.server.refusals.pop(0))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        fields, name, content = {}, "", b""
        for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
            value = part.get_payload(decode=True)
            assert isinstance(value, bytes)
            if part.get_filename():
                name, content = str(part.get_filename()), value
            else:
                fields[str(part.get_param("name", header="content-disposition"))] = value.decode()
        self.server.received.append(({"file": name, **fields}, content))
        number = self.server.add(name)
        return self._send((202, {"id": number, "status": "queued", "url": f"/v1/jobs/{number}"}, {}))

    def do_DELETE(self) -> None:
        if self.server.refusals:
            return self._send(self.server.refusals.pop(0))
        number = self.path.rpartition("/")[2]
        self.server.jobs.pop(number, None)
        self.server.deleted.append(number)
        self.send_response(204)
        return self.end_headers()

    def _allowed(self) -> bool:
        wanted = self.server.token
        query = parse_qs(urlsplit(self.path).query).get("token", [None])[0]
        return wanted is None or wanted == query or self.headers["Authorization"] == f"Bearer {wanted}"

    def _body(self) -> bytes | None:
        """What was sent; None when it was broken off."""
        left, pieces = int(self.headers["Content-Length"]), []
        while left:
            try:
                pieces.append(self.rfile.read(min(left, 1 << 16)))
            except ConnectionError:
                return None
            if not pieces[-1]:
                return None
            left -= len(pieces[-1])
            time.sleep(self.server.pace)
        return b"".join(pieces)

    def _asset(self, name: str) -> None:
        try:
            body, kind = asset(name)
        except KeyError:
            return self._write(404, b"", "text/plain")
        return self._write(200, body, kind, {"Content-Security-Policy": POLICY})

    def _send(self, answer: Answer) -> None:
        status, body, headers = answer
        self._write(status, json.dumps(body).encode(), "application/json", headers)

    def _write(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
