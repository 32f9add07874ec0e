"""How many may be at something at a time. For the event loop alone: no locks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mien.serve.problems import RefusedError

RETRY_SECONDS = 5


class Limit:
    """So many at a time.

    Args:
        most: how many.
        what: what they are at, in the plural.
        status: of the refusal.
    """

    def __init__(self, most: int, what: str, status: int = 429) -> None:
        self._most, self._what, self._status, self._now = max(1, most), what, status, 0

    @property
    def reached(self) -> bool:
        """There are as many as may be."""
        return self._now >= self._most

    def demand(self) -> None:
        """Raises RefusedError, with ``Retry-After``, where there are as many as may be."""
        if self.reached:
            fix, wait = f"come again in {RETRY_SECONDS} s", {"Retry-After": str(RETRY_SECONDS)}
            raise RefusedError(self._status, f"fewer than {self._most} {self._what} at a time", "as many", fix, wait)

    @contextmanager
    def held(self) -> Iterator[None]:
        """One of them, whether or not there are as many as may be."""
        self._now += 1
        try:
            yield
        finally:
            self._now -= 1
