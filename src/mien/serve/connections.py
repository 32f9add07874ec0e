"""Connections that nobody can hold for ever: uvicorn's own, with an end to every silence and to their number.

uvicorn ends a connection that is idle *between* requests and nothing else: one that never sends a whole header, sends
what nobody asked for, or takes no answer stays until the process has no descriptors left.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from mien.serve.problems import RefusedError

HEADER_SECONDS = 10.0
"""From the opening of a connection, or the end of an answer, to the end of the next request's header."""
SEND_SECONDS = 30.0
"""How long a client may take nothing of an answer."""
READ_BYTES = 32 << 10
"""Most that is read at once: 256 kB, as asyncio has it, of one-byte chunks take 0.7 s to tell apart."""
SPARE = 16
"""Connections beyond the limit, whose requests are answered: come again."""
BACKLOG = 64
"""Connections that the system holds until they are taken; as many may be taken at once before any is looked at."""
LOG_EVERY = 60.0
"""Seconds between two lines of a kind in the log."""
MOST_KINDS = 256


class Connection(H11Protocol):
    """A connection that must say what it wants, and take its answer, in time.

    Where there are too many, those go that have waited longest without a request: a client that asks at once is heard
    whatever number of silent ones there are.
    """

    most = 256
    """Connections at a time; :func:`connection_class` sets it."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._silent_since: float | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """asyncio: there is a client."""
        super().connection_made(transport)
        transport.max_size = READ_BYTES  # type: ignore[attr-defined]
        self._look()
        if len(self.connections) > self.most + SPARE:
            _hang_up_on_the_most_silent(self.connections)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: it is gone."""
        self._silent_since = None
        for timer in (self._deadline, self._stall):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """asyncio: it says something."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """uvicorn: it was answered."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """asyncio: it takes less than it is given."""
        super().pause_writing()
        self._stall = self.loop.call_later(SEND_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """asyncio: it has taken it."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()

    def send_400_response(self, msg: str) -> None:
        """uvicorn: what it says is no HTTP. Answered in the form of every other error, if nothing was answered yet."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = RefusedError(400, "a request in HTTP/1.1", "something else", "see /openapi.json").response()
            headers = [*answer.raw_headers, (b"connection", b"close")]
            events = (
                h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            )
            self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
        self.transport.close()

    @property
    def silent_since(self) -> float | None:
        """Since when, on the clock of ``time.monotonic``, it has asked for nothing; None while it is being answered."""
        return self._silent_since

    def hang_up(self) -> None:
        """End it at once."""
        self._silent_since = None
        self.transport.abort()

    def _look(self) -> None:
        """Start the clock where nothing is asked, stop it where something is."""
        asked = self.cycle is not None and not self.cycle.response_complete
        if asked or self.transport.get_protocol() is not self:  # a web socket has taken it over
            self._silent_since = None
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
        elif self._deadline is None:
            self._silent_since = time.monotonic()
            self._deadline = self.loop.call_later(HEADER_SECONDS, self._too_late)

    def _too_late(self) -> None:
        if self.transport.is_closing():
            return self.hang_up()  # it does not take the end of its answer
        self.transport.close()
        self._deadline = self.loop.call_later(SEND_SECONDS, self.hang_up)
        return None


def connection_class(most: int) -> type[Connection]:
    """What uvicorn makes of a connection, where at most ``most`` are heard at a time."""
    return type("LimitedConnection", (Connection,), {"most": most})


def _hang_up_on_the_most_silent(connections: set[Any]) -> None:
    for one in connections:
        if getattr(one, "close_sent", False):  # a web socket that has yet to say goodbye too
            return one.transport.abort()  # type: ignore[no-any-return]
    silent = [one for one in connections if isinstance(one, Connection) and one.silent_since is not None]
    if silent:
        min(silent, key=lambda one: one.silent_since or 0.0).hang_up()
    return None


def affordable_connections(wanted: int) -> int:
    """How many connections the process has descriptors for, at most ``wanted``; asks the system for more where it may.

    A connection takes two: itself, and the file that it sends or asks for. Some are over: for those that were taken
    but not looked at yet, the database, and the processes that do the work.
    """
    needed = 2 * (wanted + SPARE) + 4 * BACKLOG + 128
    with suppress(ImportError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        infinite = resource.RLIM_INFINITY
        if soft != infinite and soft < needed:
            granted = needed if hard == infinite else min(needed, hard)
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
            except (OSError, ValueError):  # some systems have a limit of their own beside the one they tell
                granted = soft
            return max(8, wanted * granted // needed)
    return wanted


class OncePerMinute(logging.Filter):
    """Lets one record of a kind through in a minute, and says with the next one how many it kept back.

    Whoever can make the server log could fill its disk otherwise. The log of requests is asked for, and all of it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[object, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """True for what is to be written."""
        if record.name == "mien.serve.access":
            return True
        reason = record.exc_info[0] if record.exc_info else None
        kind = (record.name, str(record.msg).partition("\n")[0][:200], reason)
        now = time.monotonic()
        written, kept_back = self._kinds.get(kind, (-LOG_EVERY, 0))
        if now - written < LOG_EVERY:
            self._kinds[kind] = (written, kept_back + 1)
            return False
        if len(self._kinds) >= MOST_KINDS:
            self._kinds.clear()
        self._kinds[kind] = (now, 0)
        if kept_back:
            record.msg, record.args = f"{record.getMessage()} (and {kept_back} more like it)", None
        return True
