"""How the server runs and what it refuses. The docstrings below the fields are the command's help."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mien.core.errors import ConfigError
from mien.core.settings import cache_dir

LEAST_TOKEN = 16
"""Characters of a token that cannot be guessed in a lifetime of tries."""


@dataclass(frozen=True)
class ServeSettings:
    """Address, limits, and where jobs are kept.

    Raises:
        ConfigError: a value out of range, a root that is no folder, or an address others can reach without a token.
    """

    host: str = "127.0.0.1"
    """Address to listen on. Any but this machine's own needs a token."""
    port: int = 8000
    """Port to listen on; 0 takes a free one."""
    token: str | None = None
    """Clients must send it: `Authorization: Bearer TOKEN`. Better in MIEN_TOKEN: other users see command lines."""
    data: Path | None = None
    """Folder for jobs, uploads and results. None: `serve` in mien's cache."""
    root: Annotated[tuple[Path, ...], tyro.conf.UseAppendAction] = ()
    """Folder whose files clients may name by path; may be repeated. None: files are uploaded only."""
    model: str | None = None
    """Name from `mien models`, a weights file, a folder with one, or hf://owner/repository@revision."""
    prior: str | None = None
    """Which shares of the expressions to expect: trained, those of the training set; balanced, none before another.
    None: the model's own choice; see `mien models NAME`."""
    signals: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME")] = ()
    """What to say beside the expression; may be repeated. affect: valence and arousal, derived from the expression.
    action_units, pose, gaze, eyes_closed: the model says them unasked; expression: those only that are named."""
    max_upload_mb: float = 500.0
    """Largest upload in megabytes."""
    upload_minutes: float = 60.0
    """Minutes an upload may take."""
    max_minutes: float = 60.0
    """Longest video in minutes."""
    max_pixels: int = 1 << 24
    """Most pixels of a frame, width times height."""
    job_minutes: float = 60.0
    """Minutes a job may take; then its process is killed."""
    queue: int = 16
    """Jobs that may wait; a client is told to come again later when there are as many."""
    concurrency: int = 1
    """Jobs at a time, each in a process of its own. More than one needs memory for as many models."""
    live: int = 4
    """Cameras at a time; they share one model."""
    connections: int = 256
    """Connections at a time; fewer where the system gives the process fewer file descriptors."""
    keep_hours: float = 24.0
    """Hours after which a finished job and its results are removed."""
    access_log: bool = False
    """Log a line for every request."""

    def __post_init__(self) -> None:
        at_least = {"max_pixels": 1, "queue": 1, "concurrency": 1, "live": 0, "port": 0, "connections": 8}
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} of at least {least}", str(getattr(self, name)), "change it or leave it out")
        for name in ("max_upload_mb", "upload_minutes", "max_minutes", "job_minutes", "keep_hours"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} above 0", str(getattr(self, name)), "change it or leave it out")
        for root in self.root:
            if not root.is_dir():
                raise ConfigError("a root that is a folder", str(root), "check the path")
        self._demand_token()

    def _demand_token(self) -> None:
        token = self.secret
        if token is not None and len(token) < LEAST_TOKEN:
            fix = "make one with: python -c 'import secrets; print(secrets.token_urlsafe())'"
            raise ConfigError(f"a token of at least {LEAST_TOKEN} characters", f"one of {len(token)}", fix)
        if token is None and not is_loopback(self.host):
            fix = "set MIEN_TOKEN, or listen on 127.0.0.1"
            raise ConfigError("a token, because others can reach this address", f"none for {self.host}", fix)

    @property
    def secret(self) -> str | None:
        """The token in force: the field, else ``$MIEN_TOKEN``; None asks clients for none."""
        return self.token or os.environ.get("MIEN_TOKEN") or None

    @property
    def folder(self) -> Path:
        """Where jobs are kept."""
        return (self.data or cache_dir() / "serve").absolute()

    @property
    def roots(self) -> tuple[Path, ...]:
        """The roots with every link followed."""
        return tuple(root.resolve() for root in self.root)

    @property
    def max_bytes(self) -> int:
        """Largest upload."""
        return int(self.max_upload_mb * 1e6)


def is_loopback(host: str) -> bool:
    """True for an address that only this machine can reach."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
