"""``mien serve``: the server until it is told to stop."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mien.cli.console import print_line
from mien.cli.parsing import parse
from mien.cli.problems import OK, STOPPED
from mien.core.errors import ConfigError, MissingDependencyError
from mien.serve.settings import ServeSettings

PATIENCE = 3
"""Seconds that open requests have to end when the server stops; event streams end with it."""


@dataclass(frozen=True)
class Serve:
    """Serve browsers and programs: videos in, results out, on this machine and by default for it alone.

    Prints its address on stdout; / is a page for people, /openapi.json describes the rest. Ctrl-C and SIGTERM stop it;
    a job that runs then, or when it is killed, starts again with the next server of the same data folder.
    """

    settings: ServeSettings = field(default_factory=ServeSettings)
    """Address and limits."""


def main(args: Sequence[str]) -> int:
    """Run ``mien serve`` and return the exit code."""
    settings = parse(Serve, "serve", args).settings
    try:
        import uvicorn

        from mien.serve.app import create_app
        from mien.serve.connections import BACKLOG, OncePerMinute, affordable_connections, connection_class
        from mien.serve.live import MOST_FRAME
    except ModuleNotFoundError as error:
        raise MissingDependencyError("the packages of mien serve", str(error), "pip install 'mien[serve]'") from error
    logging.basicConfig(format="mien: %(message)s", level=logging.INFO if settings.access_log else logging.WARNING)
    for handler in logging.getLogger().handlers:
        handler.addFilter(OncePerMinute())
    settings = replace(settings, connections=affordable_connections(settings.connections))
    app = create_app(settings)
    listening = _listen(settings.host, settings.port, BACKLOG)
    config = uvicorn.Config(
        app,
        http=connection_class(settings.connections),
        loop="asyncio",
        backlog=BACKLOG,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=PATIENCE,
        ws_max_size=MOST_FRAME,
    )
    stopped: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal that stopped it again once it has stopped.
        signal.signal(number, lambda number, _: stopped.append(number))
    print_line(address(settings.host, listening.getsockname()[1]))
    uvicorn.Server(config).run(sockets=[listening])
    return STOPPED if signal.SIGINT in stopped else OK


def address(host: str, port: int) -> str:
    """The page's address; the one name that reaches a server that listens everywhere is not known."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def _listen(host: str, port: int, backlog: int) -> Any:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=backlog)
    except OSError as error:
        fix = "choose another --port or --host"
        raise ConfigError("an address to listen on", f"{host}:{port}: {error.strerror}", fix) from error
