"""How a sweep is run. The docstrings below the fields are the command's help."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import ConfigError
from mien.core.settings import cpu_count

LOCAL, RAY, SHARD = "local", "ray", "shard"
"""Engines: this machine; Ray Data; this machine, for a part of the films."""


@dataclass(frozen=True)
class Care:
    """How a film is handled."""

    frame_tables: bool = True
    """Write the table of every film's frames too, some half a megabyte for a face and a minute."""
    limit: float = 3600.0
    """Seconds that a film may take; one that takes longer, or hangs, is a row that says so."""
    attempts: int = 3
    """How often a film is tried that ends its process, takes too long, or that its store does not give."""
    most_gigabytes: float = 20.0
    """Of a film that is copied from a store to be read. Films of this machine are read where they lie."""
    scratch: Path | None = None
    """Folder for such copies, one at a time a worker. None: in mien's cache."""

    @property
    def most_bytes(self) -> int:
        """The largest copy, in bytes."""
        return int(self.most_gigabytes * 10**9)

    def __post_init__(self) -> None:
        for met, expected, got in (
            (self.limit > 0, "a limit of more than 0 s", self.limit),
            (self.attempts >= 1, "at least 1 attempt", self.attempts),
            (self.most_gigabytes > 0, "more than 0 gigabytes", self.most_gigabytes),
        ):
            if not met:
                raise ConfigError(expected, str(got), "change it or leave it at its default")


@dataclass(frozen=True)
class Crew:
    """How many work."""

    workers: int | None = None
    """Films at a time; for Ray the most, which it starts where the cluster has room. None: as many as there are CPUs
    for, by threads."""
    fewest: int = 1
    """For a Ray cluster that runs: how many to start with. On this machine all of them."""
    threads: int = 1
    """CPU threads a film. One gives the most films an hour; more, the first result sooner."""
    address: str | None = None
    """For Ray: of a cluster that runs, such as auto; None: this machine."""

    def __post_init__(self) -> None:
        for name in ("fewest", "threads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} of at least 1", str(getattr(self, name)), "use 1, or more")
        if self.workers is not None and self.workers < self.fewest:
            raise ConfigError(f"at least {self.fewest} workers", str(self.workers), "use more, or leave it out")

    def here(self) -> int:
        """Workers on this machine."""
        return self.workers or max(1, cpu_count() // self.threads)
