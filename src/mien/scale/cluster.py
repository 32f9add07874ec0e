"""Ray Data as an engine: a pool of actors, on this machine or a cluster, that grows and shrinks with what there is."""

from __future__ import annotations

import logging
import math
import os
import re
import socket
import time
import warnings
from collections.abc import Generator
from typing import Any

import pyarrow

from mien.core.errors import ConfigError, MissingDependencyError
from mien.scale.analyzer import Analyzer
from mien.scale.engines import Orders
from mien.scale.settings import Crew
from mien.scale.stores import EXTRA, is_here, join, remove, store_of, write_table

try:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told what is done here
    import ray
    import ray.data
    from ray.core.generated.common_pb2 import NodeDeathInfo
    from ray.data._internal.execution.execution_callback import ExecutionCallback
    from ray.exceptions import RayError
    from ray.util.annotations import RayDeprecationWarning
    from ray.util.metrics import Counter, Gauge
except ImportError as missing:
    raise MissingDependencyError("Ray Data", f"no {missing.name}", EXTRA) from missing

CHANCES = 3
"""How often Ray may fail before a single film has a row: of what dies anywhere it tells in many ways."""
PAUSE = 5.0
"""Seconds before what is left is given out again, in which Ray may learn what else has died."""
PATIENCE = 10.0
"""Seconds in which a cluster must answer."""
LOOK, GRACE = 2.0, 20.0
"""Seconds between two looks at the nodes of a cluster, and that Ray has to tell of the films of one that is lost."""
LEFT = (NodeDeathInfo.EXPECTED_TERMINATION, NodeDeathInfo.AUTOSCALER_DRAIN_IDLE)
"""Why a node is gone that is not lost."""
TODO = "films.parquet"
FINE = 20_000
"""Films up to which each is a task of its own. Beyond, :data:`COARSE` are: a task costs the driver some 10 ms."""
COARSE = 10


class _Watch(ExecutionCallback):
    """Ends Ray's part where a node is lost: now and then Ray waits for ever for a task of such a node.

    A node that leaves by itself is not lost: an autoscaler takes those back that had nothing in work.
    """

    def __init__(self) -> None:
        self._alive: set[str] = set()
        self._look, self._end = 0.0, math.inf

    def on_execution_step(self, executor: object) -> None:
        """Raise RayError some time after a node was lost. Ray calls this some ten times a second."""
        now = time.monotonic()
        if now < self._look:
            return
        self._look = now + LOOK
        nodes = ray.nodes()
        lost = {node["NodeID"] for node in nodes if not node["Alive"] and node["DeathReason"] not in LEFT}
        if lost & self._alive:
            self._end = min(self._end, now + GRACE)
        self._alive = {node["NodeID"] for node in nodes if node["Alive"]}
        if now >= self._end:
            raise RayError("a node is lost, and of its films nothing is heard")


class _Told:
    """What Prometheus is told through Ray, by the driver."""

    def __init__(self) -> None:
        self._films = Counter("mien_films", "Films that have a row.", tag_keys=("status",))
        self._seconds = Counter("mien_film_seconds", "Seconds of film that were read.")
        self._left = Gauge("mien_films_left", "Films without a row.")

    def __call__(self, rows: pyarrow.Table, left: int) -> None:
        for status, seconds in zip(rows["status"].to_pylist(), rows["film_seconds"].to_pylist(), strict=True):
            self._films.inc(1, {"status": status})
            if seconds:
                self._seconds.inc(seconds)
        self._left.set(left)


def run(todo: pyarrow.Table, orders: Orders, crew: Crew, meanwhile: str) -> Generator[pyarrow.Table]:
    """See :data:`mien.scale.engines.Engine`. A cluster that runs already is used and left as it is.

    It ends early where an actor or a node is lost, and is called again for the rest: by itself Ray would give its films
    to the same actor, and wait for ever where no room is left to start that anew.
    """
    begun = _begin(crew)
    place = join(meanwhile, TODO)
    # A file, not a table in the driver: a node that is lost with rows that it had read has them read again.
    write_table(place, todo)
    told, left, chances = _Told(), len(todo), CHANCES
    try:
        while left == len(todo):
            films = _films(place, len(todo), orders, crew, begun and _address(crew) is None)
            try:
                for rows in films.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                    left -= len(rows)
                    told(rows, left)
                    yield rows
            except RayError as error:
                said = _said(error)
                chances -= left == len(todo)
                if said is not error or not chances:
                    raise said from error
                time.sleep(PAUSE)
    finally:
        if begun:
            ray.shutdown()
        remove(meanwhile)


def _address(crew: Crew) -> str | None:
    """Of a cluster that runs, where one is named, by the user or by the job that this process is of."""
    return crew.address or os.environ.get("RAY_ADDRESS") or None


def _begin(crew: Crew) -> bool:
    """Connect to Ray, or start it here; True where this process did."""
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # it tells of lost actors, which we make good
    if ray.is_initialized():
        return False
    address = _address(crew)
    how: dict[str, Any] = {"address": address}
    if address is None:
        # One more than its workers need: what reads the list of films must find room beside them.
        # "local": one that somebody else has started here is not ours to use.
        how = {"address": "local", "include_dashboard": False, "num_cpus": crew.here() * crew.threads + 1}
        # Each run would warn of how Ray Data itself begins its actors.
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    _demand_there(address)
    try:
        ray.init(logging_level=logging.ERROR, log_to_driver=False, **how)
    except (ConnectionError, RuntimeError, ValueError) as error:
        got = f"{address or 'this machine'}: {error}"
        raise ConfigError("a Ray cluster", got, "check the address; `ray status` tells of one that runs") from error
    return True


def _demand_there(address: str | None) -> None:
    """Raise ConfigError where nobody listens at ``host:port``: Ray itself would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
    except OSError as error:
        got = f"nobody at {address}: {error.strerror or error}"
        raise ConfigError("a Ray cluster", got, "check the address; `ray status` tells of one that runs") from error


def _films(place: str, count: int, orders: Orders, crew: Crew, alone: bool) -> ray.data.Dataset:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = False
    store, path = store_of(place)
    cluster: dict[str, float] = ray.cluster_resources()
    most = crew.workers or (crew.here() if alone else max(crew.fewest, int(cluster.get("CPU", 1)) // crew.threads))
    fewest = most if alone else min(crew.fewest, most)
    rows = ray.data.read_parquet(path, filesystem=None if is_here(place) else store)
    tasks = rows.repartition(target_num_rows_per_block=1 if count <= FINE else COARSE)
    with warnings.catch_warnings(category=RayDeprecationWarning, action="ignore"):  # of max_task_retries, until 2.64
        films = tasks.map_batches(
            Analyzer,
            fn_constructor_args=(orders.asked, orders.out, orders.care, orders.threads, orders.role),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(min_size=fewest, max_size=most),
            num_cpus=crew.threads,
            max_task_retries=0,
        )
    films.context.custom_execution_callback_classes.append(_Watch)
    return films


def _said(error: RayError) -> Exception:
    """What a worker refused to begin with, in its own words: of the error itself Ray brings the text alone."""
    told = re.findall(r"^mien\.core\.errors\.\w+: expected (.*), got (.*?); (.*)$", str(error), re.MULTILINE)
    return ConfigError(*told[-1]) if told else error
