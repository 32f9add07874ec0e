"""Counters in the format of Prometheus. They tell how much is done, never about whom."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The counters of one server.

    Args:
        counts: how many jobs there are now, by status.
    """

    def __init__(self, counts: Callable[[], dict[str, int]]) -> None:
        self._registry = registry = CollectorRegistry()
        jobs = Gauge("mien_jobs", "Jobs there are now", ["status"], registry=registry)
        for status in ("queued", "running", "done", "failed", "cancelled"):
            jobs.labels(status).set_function(partial(_count, counts, status))
        self.requests = Counter(
            "mien_http_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self.finished = Counter("mien_jobs_finished", "Jobs that ended", ["status"], registry=registry)
        self.job_seconds = Histogram("mien_job_seconds", "Time a job ran", buckets=SECONDS, registry=registry)
        self.lost = Counter(
            "mien_workers_lost", "Worker processes that died or were killed", ["why"], registry=registry
        )
        self.uploaded = Counter("mien_upload_bytes", "Bytes of uploads", registry=registry)
        self.live = Gauge("mien_live_sessions", "Cameras connected now", registry=registry)
        self.live_frames = Counter("mien_live_frames", "Frames of cameras", ["outcome"], registry=registry)

    def text(self) -> bytes:
        """All of them, as Prometheus reads it."""
        return generate_latest(self._registry)


def _count(counts: Callable[[], dict[str, int]], status: str) -> float:
    return counts().get(status, 0)
