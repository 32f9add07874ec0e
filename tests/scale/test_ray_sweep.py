"""Ray as the engine: the same rows, and none lost or doubled whatever is killed. ``make test-scale``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import roles
from sweeping import WANTED, by_name, grey

from mien.core.errors import ConfigError
from mien.scale.asked import Asked
from mien.scale.engines import Orders
from mien.scale.running import sweep
from mien.scale.settings import Care, Crew
from programs import programs

pytestmark = pytest.mark.scale
TINY = Asked("s2d-tiny")
PATIENCE = 300.0


@pytest.fixture
def cluster_gone() -> Iterator[None]:
    """No Ray of this test outlives it."""
    yield
    import ray

    ray.shutdown()


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """A sweep of grey films as a program; nothing of it outlives the test."""
    with programs() as begin:
        yield lambda films, out: begin([sys.executable, str(Path(roles.__file__)), "ray", "stub", str(out), str(films)])


def wait_for(log: Path, lines: int, process: subprocess.Popen[str]) -> None:
    """Until so many films were begun, or the program is over."""
    until = time.monotonic() + PATIENCE
    while process.poll() is None and (not log.exists() or len(log.read_text().splitlines()) < lines):
        assert time.monotonic() < until
        time.sleep(0.05)


def without_attempts(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {**row, "attempts": None} for name, row in rows.items()}


def test_twelve_films_are_the_same_rows_as_on_this_machine(twelve: Path, tmp_path: Path, cluster_gone: None) -> None:
    care = Care(limit=6, attempts=3)
    clustered, here = tmp_path / "ray", tmp_path / "here"
    crew = Crew(workers=2)
    sweep([str(twelve)], str(clustered), engine="ray", crew=crew, orders=Orders(TINY, "", care, role=roles.fragile))
    easy = Care(limit=6, attempts=1)
    sweep([str(twelve)], str(here), crew=crew, orders=Orders(TINY, "", easy, role=roles.fragile))
    found = by_name(clustered)
    assert {name: row["status"] for name, row in found.items()} == WANTED
    assert {name: found[name]["attempts"] for name in WANTED} == {
        **dict.fromkeys(WANTED, 1),
        "kills.mp4": 3,
        "hangs.mp4": 3,
    }
    assert without_attempts(found) == without_attempts(by_name(here))
    assert not (clustered / "meanwhile").exists() or not list((clustered / "meanwhile").rglob("*.parquet"))


@pytest.mark.parametrize("kills", [2, pytest.param(5, marks=pytest.mark.campaign)])
def test_a_driver_that_is_killed_loses_nothing_and_doubles_nothing(
    tmp_path: Path, start: Start, monkeypatch, kills: int
) -> None:
    monkeypatch.setenv(roles.LOG, str(log := tmp_path / "log"))
    monkeypatch.setenv("SWEEP_SECONDS", "0.3")
    films, out = grey(tmp_path / "films", 40), tmp_path / "out"
    begun = 0
    moments = np.random.default_rng(11).uniform(0.0, 1.5, kills)
    for moment in moments:
        process = start(films, out)
        wait_for(log, begun + 1, process)
        time.sleep(moment)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        begun = len(log.read_text().splitlines())
    last = start(films, out)
    told = json.loads(last.communicate(timeout=PATIENCE)[0].splitlines()[-1])
    assert (told["failed"], told["before"] + told["done"]) == (0, 40)
    assert sorted(by_name(out)) == sorted(path.name for path in films.iterdir())
    assert Counter(log.read_text().splitlines()).total() <= 40 + 2 * len(moments) + 2
    assert not list((out / "meanwhile").rglob("*.parquet"))


def test_an_actor_that_is_killed_loses_nothing_and_doubles_nothing(tmp_path: Path, start: Start, monkeypatch) -> None:
    monkeypatch.setenv(roles.LOG, str(log := tmp_path / "log"))
    monkeypatch.setenv("SWEEP_SECONDS", "0.3")
    films, out = grey(tmp_path / "films", 30), tmp_path / "out"
    process = start(films, out)
    wait_for(log, 5, process)
    actors = [one for one in psutil.Process(process.pid).children(recursive=True) if "MapWorker" in " ".join(cmd(one))]
    assert actors
    actors[0].kill()
    told = json.loads(process.communicate(timeout=PATIENCE)[0].splitlines()[-1])
    assert (told["failed"], told["done"]) == (0, 30)
    assert sorted(by_name(out)) == sorted(path.name for path in films.iterdir())


def cmd(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_node_that_is_lost_loses_nothing_and_doubles_nothing(tmp_path: Path, start: Start, monkeypatch) -> None:
    from ray.cluster_utils import Cluster

    monkeypatch.setenv(roles.LOG, str(log := tmp_path / "log"))
    monkeypatch.setenv("SWEEP_SECONDS", "0.3")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    try:
        second = cluster.add_node(num_cpus=2)
        cluster.wait_for_nodes()
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        films, out = grey(tmp_path / "films", 60), tmp_path / "out"
        monkeypatch.setenv("SWEEP_WORKERS", "4")
        process = start(films, out)
        wait_for(log, 16, process)
        cluster.remove_node(second, allow_graceful=False)
        told = json.loads(process.communicate(timeout=PATIENCE)[0].splitlines()[-1])
        assert (told["failed"], told["done"]) == (0, 60)
        assert sorted(by_name(out)) == sorted(path.name for path in films.iterdir())
    finally:
        cluster.shutdown()


LOST = {"NodeID": "b", "Alive": False, "DeathReason": 2, "Resources": {}}


def test_a_node_of_whose_films_ray_says_nothing_is_not_waited_for(
    tmp_path: Path, cluster_gone: None, monkeypatch
) -> None:
    import ray

    from mien.scale import cluster

    monkeypatch.setattr(cluster, "GRACE", 1.0)
    films, out = grey(tmp_path / "films", 4), tmp_path / "out"
    begun = (films / "grey000.mp4").rename(films / "hangs.mp4").with_suffix(".mp4.begun")
    nodes = ray.nodes
    monkeypatch.setattr(ray, "nodes", lambda: [*nodes(), LOST | {"Alive": not begun.exists()}])
    care = Care(limit=60, attempts=1)
    count = sweep([str(films)], str(out), engine="ray", crew=Crew(2), orders=Orders(TINY, "", care, role=roles.late))
    assert (count.done, count.failed) == (4, 0)
    assert {row["status"] for row in by_name(out).values()} == {"no_face"}


@pytest.mark.parametrize(
    ("reason", "ends"), [("UNEXPECTED_TERMINATION", True), ("AUTOSCALER_DRAIN_IDLE", False)], ids=["lost", "taken back"]
)
def test_a_node_that_an_autoscaler_takes_back_ends_nothing(reason: str, ends: bool, monkeypatch) -> None:
    import ray
    from ray.core.generated.common_pb2 import NodeDeathInfo
    from ray.exceptions import RayError

    from mien.scale import cluster

    monkeypatch.setattr(cluster, "LOOK", 0.0)
    monkeypatch.setattr(cluster, "GRACE", 0.0)
    here, before = {"NodeID": "a", "Alive": True}, {**LOST, "NodeID": "lost before this sweep"}
    watch = cluster._Watch()
    monkeypatch.setattr(ray, "nodes", lambda: [here, before, {**LOST, "Alive": True}])
    watch.on_execution_step(None)
    gone = {**LOST, "DeathReason": NodeDeathInfo.Reason.Value(reason)}
    monkeypatch.setattr(ray, "nodes", lambda: [here, before, gone])
    with pytest.raises(RayError, match="lost") if ends else nullcontext():
        watch.on_execution_step(None)


def test_what_cannot_begin_is_said(tmp_path: Path, cluster_gone: None) -> None:
    films, out = grey(tmp_path / "films", 2), str(tmp_path / "out")
    with pytest.raises(ConfigError, match="expected a model, got none; install it again"):
        sweep([str(films)], out, engine="ray", orders=Orders(TINY, "", role=roles.broken))
    import ray

    ray.shutdown()
    with pytest.raises(ConfigError, match="Ray cluster"):
        sweep([str(films)], out, engine="ray", crew=Crew(address="127.0.0.1:1"), orders=Orders(TINY, role=roles.stub))


def test_anybodys_own_map_batches_takes_the_analyzer(tmp_path: Path, cluster_gone: None) -> None:
    import ray

    from mien.scale import Analyzer

    films = grey(tmp_path / "films", 3)
    ray.init(address="local", include_dashboard=False, log_to_driver=False, num_cpus=2)
    table = ray.data.from_items([{"uri": str(path), "number": place} for place, path in enumerate(films.iterdir())])
    rows = table.map_batches(
        Analyzer,
        fn_constructor_kwargs={"asked": TINY, "out": str(tmp_path / "out")},
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=1),
        num_cpus=1,
    ).take_all()
    assert {row["status"] for row in rows} == {"no_face"}
    assert sorted(row["number"] for row in rows) == [0, 1, 2]
