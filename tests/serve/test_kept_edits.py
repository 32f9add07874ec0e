"""What people correct in a job's report stays with the job, and goes with it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from serving import BASE, wait_for

from mien.report.edits import MOST_BYTES, parse_edits
from mien.serve.edits import parsed
from mien.serve.problems import RefusedError
from mien.serve.settings import ServeSettings

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def job(client: TestClient, clip: Path) -> dict[str, Any]:
    """One that is done."""
    accepted = client.post("/v1/analyze", files={"file": ("talk.mp4", clip.read_bytes(), "video/mp4")}).json()
    return wait_for(client, accepted["id"], "done", "failed")


def place(job: dict[str, Any]) -> str:
    return f"/v1/jobs/{job['id']}/edits"


def about(**parts: Any) -> dict[str, Any]:
    return {"format": "mien edits", "version": 1, "source": {"name": "talk.mp4"}, **parts}


def test_they_come_back_until_the_job_goes(client, clip: Path, settings: ServeSettings) -> None:
    accepted = client.post("/v1/analyze", files={"file": ("talk.mp4", clip.read_bytes(), "video/mp4")}).json()
    job = wait_for(client, accepted["id"], "done", "failed")
    nothing = client.get(place(job)).json()
    assert parse_edits(nothing).source.name == "talk.mp4"
    assert not parse_edits(nothing)
    assert "edits.json" not in [file["name"] for file in job["files"]]

    given = about(names=[{"track": 1, "name": " Anna  Ö. "}], marks=[{"time": 0.2, "text": "laughs"}])
    answer = client.put(place(job), json=given, headers={"Origin": BASE})
    assert (answer.status_code, answer.content) == (204, b"")
    found = parse_edits(client.get(place(job)).json())
    assert (found.names, found.marks[0].text) == ({1: "Anna Ö."}, "laughs")
    files = {file["name"]: file for file in client.get(accepted["url"]).json()["files"]}
    assert files["edits.json"]["url"] == place(job)
    assert files["edits.json"]["size"] == len(client.get(place(job)).content)

    assert client.put(place(job), json=nothing).status_code == 204
    assert not parse_edits(client.get(place(job)).json())
    client.delete(accepted["url"])
    assert not (settings.folder / "jobs" / job["id"]).exists()
    for method in ("GET", "PUT"):
        assert client.request(method, place(job), json=given).status_code == 404


@pytest.mark.parametrize(
    ("status", "request_", "wording"),
    [
        (422, {"json": about(names=[{"track": 1, "name": "person 2"}])}, "not a number"),
        (422, {"json": about(names=[{"track": 9, "name": "Anna"}])}, "face 9; talk.mp4 has 1"),
        (422, {"json": about(source={"name": "other.mp4"})}, "other.mp4"),
        (422, {"json": about(source={"name": "talk.mp4", "analysed": "2020-01-01"})}, "2020-01-01"),
        (422, {"json": about(marks=[7])}, "TypeError"),
        (422, {"json": []}, "TypeError"),
        (422, {"json": about(version=2)}, "version"),
        (400, {"content": b"{", "headers": JSON}, "JSON"),
        (400, {"content": b"[" * 60_000, "headers": JSON}, "JSON"),
        (413, {"content": b" " * MOST_BYTES + b"{}", "headers": JSON}, "MB"),
        (415, {"content": b"{}", "headers": {"Content-Type": "text/plain"}}, "text/plain"),
        (415, {}, "application/json"),
        (403, {"json": about(), "headers": {"Origin": "https://evil.example"}}, "another site"),
    ],
)
def test_what_is_none_of_this_job_is_refused(client, job: Any, status: int, request_: Any, wording: str) -> None:
    before = client.get(place(job)).content
    answer = client.put(place(job), **request_)
    assert answer.status_code == status, answer.text
    assert set(answer.json()["error"]) == {"expected", "got", "fix"}
    assert wording in answer.text
    assert client.get(place(job)).content == before


def test_two_people_in_one_frame_are_not_one(job: Any, settings: ServeSettings, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    shutil.copytree(settings.folder / "jobs" / job["id"], folder)
    report, table = folder / "files" / "result.json", folder / "files" / "frames.csv"
    content = json.loads(report.read_text("utf-8"))
    content["tracks"] += [{**content["tracks"][0], "track": track} for track in (2, 3)]
    report.write_text(json.dumps(content), "utf-8")
    with table.open(encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    with table.open("a", encoding="utf-8", newline="") as file:
        more = csv.DictWriter(file, row.keys(), lineterminator="\n")
        more.writerows([{**row, "track": 2}, {**row, "track": 3, "frame": 1000, "time": 40}])

    def sent(track: int, into: int) -> bytes:
        return json.dumps(about(merges=[{"track": track, "into": into}])).encode()

    assert parsed(sent(3, 1), folder).merges == {3: 1}
    with pytest.raises(RefusedError) as caught:
        parsed(sent(2, 1), folder)
    assert (caught.value.status, caught.value.parts["got"]) == (422, "faces 1 and 2 in one frame")


def test_edits_that_grow_beyond_what_is_read_are_not_kept(client, job: Any) -> None:
    marks = [{"time": 0, "text": "x" * 175}] * 5000  # each gets a "track": null
    text = json.dumps(about(marks=marks), separators=(",", ":")).encode()
    assert len(text) < MOST_BYTES
    answer = client.put(place(job), content=text, headers=JSON)
    assert answer.status_code == 413
    assert "leave some out" in answer.text


def test_a_job_that_is_not_done_has_none_yet(client, cut) -> None:
    accepted = client.post("/v1/analyze", files={"file": ("long.mp4", cut(8.0).read_bytes(), "video/mp4")}).json()
    for method in ("GET", "PUT"):
        answer = client.request(method, f"{accepted['url']}/edits", json=about())
        assert answer.status_code == 409
        assert "again" in answer.json()["error"]["fix"]
    client.delete(accepted["url"])


def test_only_the_page_of_the_job_asks_for_them(client, job: Any) -> None:
    answer = client.get(f"/v1/jobs/{job['id']}/report")
    assert "connect-src 'self'" in answer.headers["content-security-policy"]
    assert "connect-src 'self'" in answer.text.split("<style>")[0]
    assert f'"keeper":"/v1/jobs/{job["id"]}/"' in answer.text
