"""The command, killed and stopped, and the processes that do its work."""

from __future__ import annotations

import errno
import os
import signal
import time
from pathlib import Path

import pytest
from serving import Start, wait_for

from mien.core.child import Answer, Child, ChildLostError, Tell
from mien.core.errors import SourceError


def test_no_job_is_lost_when_the_server_is_killed(start: Start, clip: Path, cut) -> None:
    first = start()
    with first.client() as client:
        done = client.post("/v1/analyze", files={"file": ("a.mp4", clip.read_bytes())}).json()["id"]
        kept = wait_for(client, done, "done")
        running = client.post("/v1/analyze", files={"file": ("b.mp4", cut(6.0).read_bytes())}).json()["id"]
        waiting = client.post("/v1/analyze", files={"file": ("c.mp4", clip.read_bytes())}).json()["id"]
        wait_for(client, running, "running")
    first.kill()

    with start().client() as client:
        assert client.get(f"/v1/jobs/{done}").json() == kept
        assert client.get(f"/v1/jobs/{done}/report").status_code == 200
        for job, name in (running, "b.mp4"), (waiting, "c.mp4"):
            again = wait_for(client, job, "done", "failed", seconds=120)
            assert (again["status"], again["name"], again["error"]) == ("done", name, None)
            assert client.get(f"/v1/jobs/{job}/files/spans.csv").status_code == 200
        assert client.get("/v1/jobs").json()["total"] == 3


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_stops_cleanly_with_a_job_running(start: Start, cut, number: signal.Signals, code: int) -> None:
    server = start()
    with server.client() as client:
        job = client.post("/v1/analyze", files={"file": cut(6.0).read_bytes()}).json()["id"]
        wait_for(client, job, "running")
    server.process.send_signal(number)
    assert server.process.wait(30) == code
    with start().client() as client:
        assert client.get(f"/v1/jobs/{job}").json()["status"] in ("queued", "running")


def test_a_job_that_takes_too_long_fails_and_the_next_one_runs(start: Start, cut, clip: Path) -> None:
    with start("--job-minutes", 0.0001).client() as client:
        job = client.post("/v1/analyze", files={"file": cut(6.0).read_bytes()}).json()["id"]
        late = wait_for(client, job, "failed", "done")
        assert "longer" in late["error"]["got"]
        assert 'why="late"' in client.get("/metrics").text


def echo(word: str) -> Answer:
    """Role for tests: does what it is told."""

    def answer(question: str, tell: Tell) -> str:
        if question == "die":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif question == "hang":
            time.sleep(600)
        elif question == "refuse":
            raise SourceError("a", "b", "c")
        elif question == "fault":
            raise ZeroDivisionError
        tell(question)
        return f"{word} {question}"

    return answer


def test_a_child_that_dies_hangs_or_fails_answers_the_next_question() -> None:
    child, told = Child(echo, "well"), []
    for question, why in ("die", "died"), ("hang", "late"), ("fault", "fault"):
        with pytest.raises(ChildLostError) as lost:
            child.ask(question, 60 if question != "hang" else 5)
        assert lost.value.why == why
    with pytest.raises(ChildLostError, match="unwanted"):
        child.ask("hang", 60, unwanted=lambda: True)

    def stumble(*_: object) -> bool:
        raise ZeroDivisionError

    for callback in {"unwanted": stumble}, {"news": stumble}:
        with pytest.raises(ZeroDivisionError):
            child.ask("late words", 60, **callback)  # which must not be the answer to what is asked next
    with pytest.raises(Exception, match="expected a, got b; c"):
        child.ask("refuse", 60)
    assert child.ask("hello", 60, told.append) == "well hello"
    assert told == ["hello"]
    child.stop()
    assert child.pid is None


def test_no_process_to_be_had_is_no_fault_of_the_file(client, monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    def none(_: Child) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Child, "_alive", none)
    answer = client.post("/v1/analyze", files={"file": clip.read_bytes()})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
