"""Frames of a browser's camera in, current expressions out: one model for all, bounded latency for each.

A connection keeps only its newest frame; older ones that the model did not get to are dropped and counted. The model
lives in one child, which answers a frame at a time, in turn for all connections.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect

from mien.core.child import Child, ChildLostError
from mien.core.errors import InputError
from mien.serve.eyes import Glance, watcher
from mien.serve.guard import Gate
from mien.serve.limits import Limit
from mien.serve.metrics import Metrics
from mien.serve.problems import RefusedError
from mien.serve.settings import ServeSettings

MOST_FRAME = 4 << 20
"""Bytes of a frame."""
MOST_WORDS = 4096
"""Bytes of a text message."""
TOKEN_SECONDS = 5.0
"""How long a client may take to say its token."""
MOST_STRANGERS = 16
"""Clients at a time that have yet to say it."""
IDLE_SECONDS = 60.0
"""How long a client may send nothing."""
ANSWER_SECONDS = 60.0
"""How long a frame may take, the loading of the model included."""
UNWELCOME, TOO_LARGE, OUT_OF_ORDER, LATER = 1008, 1009, 1011, 1013
"""Close codes: policy (token, site, words that mean nothing), a frame too large, our process was lost, all taken."""


@dataclass
class _Waiting:
    """The newest frame of a connection that the model has not seen."""

    time: float
    image: bytes


class Live:
    """All connections.

    Args:
        settings: how many there may be, and the model.
        gate: who may connect.
        metrics: counts frames.
    """

    def __init__(self, settings: ServeSettings, gate: Gate, metrics: Metrics) -> None:
        self._settings, self._gate, self._metrics = settings, gate, metrics
        self._child = Child(watcher, settings)
        self._turn = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._connected = 0
        self._strangers = Limit(MOST_STRANGERS, "clients that have yet to say their token")

    def stop(self) -> None:
        """End the child."""
        self._child.stop()

    async def serve(self, socket: WebSocket) -> None:
        """One connection, from its first word to its last."""
        with suppress(WebSocketDisconnect):  # the client was quicker
            await self._serve(socket)

    async def _serve(self, socket: WebSocket) -> None:
        try:
            self._gate.demand_own_site("POST", socket.headers)
        except RefusedError:
            return await socket.close(UNWELCOME)
        await socket.accept()
        if not await self._is_known(socket):
            return await _close(socket, UNWELCOME, "expected the server's token")
        if self._connected >= self._settings.live:
            return await _close(socket, LATER, f"expected fewer than {self._settings.live} cameras; come again later")
        self._connected += 1
        self._metrics.live.inc()
        number = next(self._numbers)
        try:
            await _Session(socket, self._ask, number, self._metrics).run()
        finally:
            self._connected -= 1
            self._metrics.live.dec()
            await self._forget(number)
        return None

    async def _is_known(self, socket: WebSocket) -> bool:
        if self._gate.knows(socket.headers, socket.url.query, reading=True):
            return True
        if "token" in socket.query_params:
            return False
        try:
            self._strangers.demand()
            with self._strangers.held():
                words = await asyncio.wait_for(socket.receive_text(), TOKEN_SECONDS)
        except (RefusedError, TimeoutError, WebSocketDisconnect, KeyError):
            return False
        given = _content(words).get("token")
        return isinstance(given, str) and self._gate.is_token(given)

    async def _ask(self, glance: Glance) -> Any:
        async with self._turn:  # waits in order, so that every camera has its turn
            return await asyncio.to_thread(self._child.ask, glance, ANSWER_SECONDS)

    async def _forget(self, number: int) -> None:
        if self._child.pid is not None:
            try:
                await self._ask(Glance(number, 0.0, None))
            except ChildLostError:
                self._metrics.lost.labels("died").inc()


class _Session:
    """One camera."""

    def __init__(self, socket: WebSocket, ask: Any, number: int, metrics: Metrics) -> None:
        self._socket, self._ask, self._number, self._metrics = socket, ask, number, metrics
        self._newest: _Waiting | None = None
        self._news = asyncio.Event()
        self._begun, self._last, self._said = time.monotonic(), -math.inf, None
        self._dropped = 0

    async def run(self) -> None:
        """Read and answer until either side ends."""
        tasks = [asyncio.create_task(work) for work in (self._read(), self._answer())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        said: float | None = None
        while True:
            try:
                message = await asyncio.wait_for(self._socket.receive(), IDLE_SECONDS)
            except TimeoutError:
                return await _close(self._socket, UNWELCOME, f"expected a frame, got nothing for {IDLE_SECONDS:g} s")
            if message["type"] == "websocket.disconnect":
                return None
            words, image = message.get("text"), message.get("bytes")
            if image is None:
                try:
                    said = _time_of(words or "", said)
                except RefusedError as refusal:
                    await self._send({"error": refusal.parts})
                continue
            if len(image) > MOST_FRAME:
                return await _close(self._socket, TOO_LARGE, f"expected at most {MOST_FRAME >> 20} MB a frame")
            self._take(image, said)
            said = None

    def _take(self, image: bytes, said: float | None) -> None:
        moment = time.monotonic() - self._begun if said is None else said
        # The stream's clock must go on, whatever a client says.
        self._last = max(moment, self._last + 0.001)
        if self._newest is not None:
            self._dropped += 1
            self._metrics.live_frames.labels("dropped").inc()
        self._newest = _Waiting(self._last, image)
        self._news.set()

    async def _answer(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            frame, self._newest = self._newest, None
            if frame is None:
                continue
            try:
                faces = await self._ask(Glance(self._number, frame.time, frame.image))
            except InputError as error:
                parts = {"expected": error.expected, "got": error.got, "fix": error.fix}
                await self._send({"time": frame.time, "error": parts, "dropped": self._dropped})
            except ChildLostError as error:
                self._metrics.lost.labels(error.why).inc()
                return await _close(self._socket, OUT_OF_ORDER, "the process that looks was lost; connect again")
            else:
                self._metrics.live_frames.labels("answered").inc()
                await self._send({"time": frame.time, "faces": faces, "dropped": self._dropped})

    async def _send(self, content: dict[str, Any]) -> None:
        await self._socket.send_text(json.dumps(content, allow_nan=False))


def _time_of(words: str, before: float | None) -> float | None:
    """Seconds that a text message gives the frame after it."""
    content = _content(words)
    if "token" in content and "time" not in content:
        return before  # said again by a client that cannot know that it was not asked
    try:
        moment = float(content["time"])
    except (ValueError, TypeError, KeyError, OverflowError):
        moment = math.nan
    if not 0 <= moment < 1e9:
        raise RefusedError(
            422, 'text like {"time": 12.5}, in seconds', "something else", "send frames as binary messages"
        )
    return moment


def _content(words: str) -> dict[str, Any]:
    """The object that a text message holds; empty where it holds none, or is longer than any that means something."""
    try:
        content = json.loads(words) if len(words) <= MOST_WORDS else None
    except (ValueError, RecursionError):
        content = None
    return content if isinstance(content, dict) else {}


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):  # the client was quicker
        await socket.close(code, reason)
