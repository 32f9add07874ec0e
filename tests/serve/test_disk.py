"""A disk that takes nothing more, workers that stumble, and what a server that went down has left."""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from serving import BASE, wait_for

from mien.core.errors import ConfigError
from mien.serve import jobs as jobs_module
from mien.serve.app import create_app
from mien.serve.jobs import Jobs
from mien.serve.settings import ServeSettings
from mien.serve.store import Job, Store
from mien.serve.uploads import MOST_TEXT


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process or its children grows beyond a byte."""
    everyone = [0, *(child.pid for child in multiprocessing.active_children() if child.pid)]
    before = [resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in everyone]
    for pid, (_, hard) in zip(everyone, before, strict=True):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        for pid, limits in zip(everyone, before, strict=True):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


def a_job(name: str, **facts: object) -> Job:
    return Job(name, f"{name}.mp4", f"/nowhere/{name}.mp4", False, {}, **facts)  # type: ignore[arg-type]


def test_changes_that_the_disk_does_not_take_hold_and_are_written_later(tmp_path: Path) -> None:
    store = Store(tmp_path / "jobs.sqlite3")
    for number in range(4):
        store.add(a_job(f"job{number}"))
    with full_disk():
        claimed = [store.claim() for _ in range(4)]
        assert [job and job.id for job in claimed] == ["job0", "job1", "job2", "job3"]
        assert store.claim() is None
        assert store.finish("job0", "failed", error={"expected": "a", "got": "b", "fix": "c"})
        assert store.finish("job1", "done", result={"tracks": []})
        assert not store.finish("job1", "failed"), "it runs no more"
        store.requeue("job2")
        store.remove("job3")
        with pytest.raises(sqlite3.Error):
            store.add(a_job("late"))

        def stands(store: Store) -> tuple[object, ...]:
            job = store.get("job0")
            assert job is not None
            newest = [job.id for job in store.newest(9, 0)]
            return newest, job.error, dict(store.counts()), [job.id for job in store.with_status("queued")]

        expected = ["job2", "job1", "job0"], {"expected": "a", "got": "b", "fix": "c"}
        assert stands(store) == (*expected, {"failed": 1, "done": 1, "queued": 1}, ["job2"])
        assert (store.get("job3"), store.unsaved) == (None, 4)
    # Another one has the file as it is: nothing of this is on disk.
    assert Store(tmp_path / "jobs.sqlite3").counts() == {"queued": 4}
    store.add(a_job("after"))
    store.save()
    assert store.unsaved == 0
    store.close()
    again = Store(tmp_path / "jobs.sqlite3")
    assert stands(again)[1:3] == (expected[1], {"failed": 1, "done": 1, "queued": 2})
    assert again.get("job3") is None


def test_a_full_disk_fails_what_needs_it_and_nothing_else(tiny_model, videos: Path, cut, tmp_path: Path) -> None:
    settings = ServeSettings(data=tmp_path, model=str(tiny_model), root=(videos,), queue=3)
    clip = cut(0.4).read_bytes()
    with TestClient(create_app(settings), base_url=BASE) as client:

        def send(content: bytes) -> str:
            answer = client.post("/v1/analyze", files={"file": ("a.mp4", content)})
            assert answer.status_code == 202, answer.text
            return str(answer.json()["id"])

        wait_for(client, send(clip), "done")  # all processes are there
        caught = send(cut(1.2).read_bytes())
        with full_disk():
            for request in {"files": {"file": ("a.mp4", clip)}}, {"json": {"path": str(videos / "talk.mp4")}}:
                answer = client.post("/v1/analyze", **request)
                assert answer.status_code == 507, answer.text
                assert answer.json()["error"]["expected"] == "room on the server's disk"
                assert str(tmp_path) not in answer.text
            lost = wait_for(client, caught, "failed", "done")
            assert (lost["status"], lost["error"]["expected"]) == ("failed", "room on the server's disk")
            health = client.get("/healthz")
            assert (health.status_code, health.json()["workers"]) == (200, 1)
            assert health.json()["unsaved"] > 0
            assert client.delete(f"/v1/jobs/{caught}").status_code == 204, "or nobody could make room"
            assert client.get(f"/v1/jobs/{caught}").status_code == 404
        assert list((tmp_path / "arriving").iterdir()) == []
        wait_for(client, send(clip), "done")
        assert client.get("/healthz").json()["unsaved"] == 0
        assert len(list((tmp_path / "jobs").iterdir())) == 2, "nothing is left of what failed"


def test_an_upload_larger_than_the_room_is_not_begun(client, monkeypatch, settings: ServeSettings) -> None:
    usage = lambda _: type("Usage", (), {"free": MOST_TEXT})()  # noqa: E731
    monkeypatch.setattr("mien.serve.uploads.shutil.disk_usage", usage)
    answer = client.post("/v1/analyze", files={"file": bytes(2 * MOST_TEXT)})
    assert answer.status_code == 507, answer.text


def test_a_folder_that_a_cleaner_took_is_made_again(client, settings: ServeSettings) -> None:
    shutil.rmtree(settings.folder / "arriving")
    assert client.post("/v1/analyze", files={"file": b"no film"}).status_code == 422


def test_no_server_starts_where_it_cannot_write(tiny_model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "jobs.sqlite3").write_text("no database " * 100)
    for place in ("file", "torn"):
        with pytest.raises(ConfigError, match="written"):
            create_app(ServeSettings(data=tmp_path / place, model=str(tiny_model)))
    with full_disk(), pytest.raises(ConfigError, match="written"):
        create_app(ServeSettings(data=tmp_path / "new", model=str(tiny_model)))


def test_a_worker_goes_on_whatever_stumbles(tiny_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "STUMBLE", 0.01)
    done = threading.Event()
    monkeypatch.setattr(Jobs, "_do", lambda *_: done.set())
    claim, errors = Store.claim, [sqlite3.OperationalError("disk I/O error"), MemoryError(), RuntimeError("no")]

    def stumble(store: Store) -> Job | None:
        if errors:
            raise errors.pop()
        return claim(store)

    monkeypatch.setattr(Store, "claim", stumble)
    jobs = Jobs(ServeSettings(data=tmp_path, model=str(tiny_model)))
    jobs.start()
    jobs.add_path(tmp_path, "a.mp4", {})
    assert done.wait(10)
    assert (errors, jobs.living()) == ([], 1)
    jobs.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_worker_is_told(tiny_model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(Jobs, "_take_one", die)
    settings = ServeSettings(data=tmp_path, model=str(tiny_model), concurrency=2)
    with TestClient(create_app(settings), base_url=BASE) as client:
        until = time.monotonic() + 10
        while (answer := client.get("/healthz")).status_code == 200 and time.monotonic() < until:
            time.sleep(0.01)
        assert answer.status_code == 503
        assert (answer.json()["error"]["expected"], answer.json()["error"]["got"]) == ("2 workers", "0")


def test_uploads_that_no_job_needs_go_at_the_start(tiny_model, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Store, "claim", lambda _: None)
    store = Store(tmp_path / "jobs.sqlite3")
    uploads = {}
    for status in ("queued", "done", "failed"):
        uploads[status] = tmp_path / "jobs" / status / "upload.mp4"
        uploads[status].parent.mkdir(parents=True)
        uploads[status].write_bytes(b"film")
        store.add(Job(status, "a.mp4", str(uploads[status]), True, {}, status))  # type: ignore[arg-type]
    kept = uploads["done"].parent / "files" / "upload.mp4"
    kept.parent.mkdir()
    kept.write_bytes(b"film")
    below_root = tmp_path / "own.mp4"
    below_root.write_bytes(b"film")
    store.add(Job("root", "own.mp4", str(below_root), False, {}, "done"))
    store.close()
    (tmp_path / "jobs" / "nobody").mkdir()
    (tmp_path / "jobs" / "nobody" / "upload.mp4").write_bytes(b"film")
    (tmp_path / "arriving").mkdir()
    (tmp_path / "arriving" / "half").write_bytes(b"film")

    jobs = Jobs(ServeSettings(data=tmp_path, model=str(tiny_model)))
    jobs.start()
    jobs.stop()
    assert [name for name, upload in uploads.items() if upload.exists()] == ["queued"]
    assert kept.exists()
    assert below_root.exists()
    assert not (tmp_path / "jobs" / "nobody").exists()
    assert list((tmp_path / "arriving").iterdir()) == []
