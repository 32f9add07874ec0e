"""A server in a process of its own, and patience with its jobs."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

BASE = "http://127.0.0.1"


def wait_for(
    client: Any, job: str, *statuses: str, seconds: float = 60.0, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """The job once it has one of the statuses."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        state: dict[str, Any] = client.get(f"/v1/jobs/{job}", headers=headers).json()
        if state["status"] in statuses:
            return state
        time.sleep(0.05)
    raise AssertionError(f"not {statuses} after {seconds} s: {state}")


@dataclass
class Running:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    address: str

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=60)

    def kill(self) -> None:
        """At once, with no chance to say goodbye."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


Start = Callable[..., Running]
