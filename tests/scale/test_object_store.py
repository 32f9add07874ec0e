"""Films and results in an object store: moto's S3 on this machine. ``make test-scale``."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import roles
from pyarrow import dataset
from sweeping import WANTED, by_name, grey, shorten

from mien.scale.asked import Asked
from mien.scale.engines import Orders
from mien.scale.finishing import finish
from mien.scale.running import sweep
from mien.scale.settings import Care, Crew

pytestmark = pytest.mark.scale
TINY = Asked("s2d-tiny")


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An empty store; every process that this test starts knows where it is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.2)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    store = s3fs.S3FileSystem()
    for bucket in ("films", "results"):
        store.mkdir(bucket)
    yield store
    server.kill()
    server.wait()
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_films_in_a_bucket_are_rows_in_a_bucket(s3: Any, tmp_path: Path, sample_clip, engine: str) -> None:
    import duckdb

    shorten(sample_clip("single_face.mp4"), tmp_path / "face.mp4", 8)
    s3.put_file(str(tmp_path / "face.mp4"), "films/deep/face.mp4")
    s3.pipe_file("films/torn.mp4", b"no film")
    s3.put_file(str(grey(tmp_path / "grey", 1) / "grey000.mp4"), "films/grey.mp4")
    s3.pipe_file("films/list.csv", b"uri,person\ns3://films/deep/face.mp4,007\ns3://films/none.mp4,008\n")
    out = "s3://results/run"
    sources = ["s3://films/torn.mp4", "s3://films/grey*.mp4", "s3://films/list.csv"]
    try:
        count = sweep(sources, out, TINY, engine=engine, crew=Crew(workers=1))
    finally:
        if engine == "ray":
            import ray

            ray.shutdown()
    found = by_name(out)
    assert {name: row["status"] for name, row in found.items()} == {
        "face.mp4": "done",
        "torn.mp4": "unreadable",
        "grey.mp4": "no_face",
        "none.mp4": "unreadable",
    }
    assert count.failed == 2
    assert found["face.mp4"]["person"] == "007"
    assert found["face.mp4"]["mark"] == s3.info("films/deep/face.mp4")["ETag"]
    assert sweep(sources, out, TINY, crew=Crew(workers=1)).done == 0
    s3.put_file(str(tmp_path / "face.mp4"), "films/torn.mp4")
    assert sweep(sources, out, TINY, crew=Crew(workers=1)).done == 1

    assert finish(out)["by_status"]["done"] == 2
    s3.get("results/run", str(tmp_path / "got"), recursive=True)
    got = tmp_path / "got"
    seen = duckdb.sql(f"select uri, count(*) as n from '{got}/spans/*.parquet' group by uri").fetchall()
    assert {uri for uri, _ in seen} == {"s3://films/deep/face.mp4", "s3://films/torn.mp4"}
    frames = dataset.dataset("results/run/frames", filesystem=s3, format="parquet").to_table()
    assert len(frames) == 16


def test_twelve_films_in_a_bucket_are_twelve_rows(s3: Any, twelve: Path) -> None:
    s3.put(str(twelve), "films/", recursive=True)
    out = "s3://results/twelve"
    orders = Orders(TINY, out, Care(limit=8, attempts=2), role=roles.fragile)
    sweep(["s3://films"], out, crew=Crew(workers=2), orders=orders)
    found = by_name(out)
    assert {name: row["status"] for name, row in found.items()} == WANTED
    assert {name: found[name]["attempts"] for name in ("kills.mp4", "hangs.mp4", "bug.mp4", "torn.mp4")} == {
        "kills.mp4": 2,
        "hangs.mp4": 2,
        "bug.mp4": 1,
        "torn.mp4": 1,
    }
    assert "s3://films" in found["torn.mp4"]["error"]["got"]


def test_a_program_that_is_killed_loses_nothing_in_a_bucket(s3: Any, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(roles.LOG, str(log := tmp_path / "log"))
    monkeypatch.setenv("SWEEP_SECONDS", "0.2")
    s3.put(str(grey(tmp_path / "grey", 12)), "films/", recursive=True)
    out = "s3://results/killed"
    program = [sys.executable, str(Path(roles.__file__)), "local", "stub", out, "s3://films"]
    for lines in (3, 8):
        process = subprocess.Popen(program, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 90
        while process.poll() is None and (not log.exists() or len(log.read_text().splitlines()) < lines):
            assert time.monotonic() < until
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert '"failed": 0' in subprocess.run(program, capture_output=True, text=True, check=True).stdout
    assert sorted(by_name(out)) == [f"grey{number:03d}.mp4" for number in range(12)]
    assert len(log.read_text().splitlines()) <= 12 + 2 * 2


def test_an_analyzer_alone_reads_a_bucket(s3: Any, tmp_path: Path, sample_clip: Callable[[str], Path]) -> None:
    s3.put(str(grey(tmp_path / "grey", 1)), "films/", recursive=True)
    orders = Orders(TINY, "s3://results/alone", role=roles.stub)
    sweep(["s3://films/grey/"], "s3://results/alone", orders=orders)
    (row,) = by_name("s3://results/alone").values()
    assert row["uri"] == "s3://films/grey/grey000.mp4"
