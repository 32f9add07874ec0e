"""A video goes in; tables, a report and in the end nothing come out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from serving import wait_for

from mien.serve.settings import ServeSettings


def upload(client: TestClient, clip: Path, name: str = "talk.mp4", **options: object) -> dict:
    fields = {key: str(value).lower() for key, value in options.items()}
    answer = client.post("/v1/analyze", files={"file": (name, clip.read_bytes(), "video/mp4")}, data=fields)
    assert answer.status_code == 202, answer.text
    return answer.json()


def test_a_video_becomes_tables_and_a_report_and_goes_when_deleted(client, clip: Path, settings: ServeSettings) -> None:
    accepted = upload(client, clip, threshold=0)
    assert accepted["status"] == "queued"
    job = wait_for(client, accepted["id"], "done", "failed")
    assert job["error"] is None
    assert (job["name"], job["progress"]) == ("talk.mp4", 1.0)
    assert job["created"] <= job["started"] <= job["finished"]
    assert job["result"]["tracks_in_all"] == 1
    assert set(job["result"]["tracks"][0]["shown_seconds"]) <= set(job["result"]["labels"])

    files = {file["name"]: file for file in job["files"]}
    assert set(files) == {"report.html", "spans.csv", "frames.csv", "result.json", "timeline.svg"}
    for file in files.values():
        answer = client.get(file["url"])
        assert (answer.status_code, len(answer.content)) == (200, file["size"])
    result = client.get(files["result.json"]["url"]).json()
    assert result["source"]["name"] == "talk.mp4"
    assert result["provenance"]["settings"]["threshold"] == 0
    page = client.get(f"/v1/jobs/{job['id']}/report")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "talk.mp4" in page.text
    assert str(settings.folder) not in page.text + json.dumps(result)

    folder = settings.folder / "jobs" / job["id"]
    assert folder.is_dir()
    assert not list(folder.glob("upload*")), "the upload goes when the job is done"
    assert client.delete(accepted["url"]).status_code == 204
    assert not folder.exists()
    for place in ("", "/report", "/files/spans.csv", "/events"):
        assert client.get(accepted["url"] + place).status_code == 404


def test_a_kept_upload_and_the_drawn_video_are_files_and_the_report_shows_the_latter(client, clip: Path) -> None:
    job = upload(client, clip, "../../etc/Süß & <b>.MP4", keep_upload=True, save_video=True, blur=True)
    done = wait_for(client, job["id"], "done", "failed")
    files = {file["name"]: file for file in done["files"]}
    assert client.get(files["upload.mp4"]["url"]).content == clip.read_bytes()
    drawn = client.get(files["annotated.mp4"]["url"], headers={"Range": "bytes=4-7"})
    assert (drawn.status_code, drawn.content, drawn.headers["content-type"]) == (206, b"ftyp", "video/mp4")
    assert "sandbox" in drawn.headers["content-security-policy"]
    assert done["name"] == "Süß & <b>.MP4"
    page = client.get(f"{job['url']}/report").text
    assert '"link":"files/annotated.mp4"' in page


def test_a_kept_upload_is_the_film_of_the_report(client, clip: Path) -> None:
    job = upload(client, clip, keep_upload=True)
    wait_for(client, job["id"], "done")
    assert '"link":"files/upload.mp4"' in client.get(f"{job['url']}/report").text


def test_a_file_below_a_root_stays_where_it_is(client, videos: Path) -> None:
    answer = client.post("/v1/analyze?html=false", json={"path": str(videos / "talk.mp4")})
    job = wait_for(client, answer.json()["id"], "done")
    assert (videos / "talk.mp4").is_file()
    assert "report.html" not in [file["name"] for file in job["files"]]
    assert client.get(f"/v1/jobs/{job['id']}/report").status_code == 404


def test_the_body_wins_over_the_query(client, clip: Path) -> None:
    answer = client.post(
        "/v1/analyze?threshold=0.9&min_span=0.5", files={"file": clip.read_bytes()}, data={"threshold": "0.25"}
    )
    job = wait_for(client, answer.json()["id"], "done")
    settings = client.get(f"/v1/jobs/{job['id']}/files/result.json").json()["provenance"]["settings"]
    assert (settings["threshold"], settings["min_span"]) == (0.25, 0.5)


def test_a_still_picture(client, portrait, tmp_path: Path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "p.png"), portrait[:256, 96:352, ::-1])
    job = upload(client, tmp_path / "p.png", "p.png", save_video=True)
    done = wait_for(client, job["id"], "done", "failed")
    assert done["result"]["source"]["kind"] == "image"
    assert "annotated.png" in [file["name"] for file in done["files"]]


def test_the_list_is_newest_first_and_comes_in_parts(client, clip: Path) -> None:
    ids = []
    for _ in range(2):
        ids.append(upload(client, clip)["id"])
        wait_for(client, ids[-1], "done")
    whole = client.get("/v1/jobs").json()
    assert [job["id"] for job in whole["jobs"][:2]] == ids[::-1]
    part = client.get("/v1/jobs", params={"limit": 1, "offset": 1}).json()
    assert [job["id"] for job in part["jobs"]] == [ids[0]]
    assert part["total"] == whole["total"] == len(whole["jobs"])


def test_events_tell_how_it_stands_until_the_end(client, cut) -> None:
    job = upload(client, cut(0.8))
    with client.stream("GET", f"{job['url']}/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        text = "".join(events.iter_text())
    told = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data")]
    assert told[-1] == {"status": "done", "progress": 1.0}
    shares = [one["progress"] for one in told if one["progress"] is not None]
    assert shares == sorted(shares)
    assert client.get(f"{job['url']}/events").text.count("event:") == 1


def test_a_running_job_is_cancelled_by_deleting_it_and_the_next_one_runs(client, cut, clip: Path) -> None:
    long = upload(client, cut(8.0))
    wait_for(client, long["id"], "running")
    waiting = upload(client, clip)
    assert client.delete(waiting["url"]).status_code == 204
    assert client.delete(long["url"]).status_code == 204
    assert client.get(long["url"]).status_code == 404
    after = upload(client, clip)
    assert wait_for(client, after["id"], "done", "failed")["status"] == "done"


def test_what_is_not_there_yet_is_said_to_be(client, cut) -> None:
    job = upload(client, cut(8.0))
    for place in ("report", "files/spans.csv"):
        answer = client.get(f"{job['url']}/{place}")
        assert answer.status_code == 409
        assert "again" in answer.json()["error"]["fix"]
    client.delete(job["url"])


@pytest.mark.parametrize("name", ["..%2Fupload.mp4", "%2e%2e%2fjobs.sqlite3", "%2e%2e", ".hidden", "nothing.csv"])
def test_no_other_file_is_handed_out(client, clip: Path, name: str) -> None:
    job = upload(client, clip)
    wait_for(client, job["id"], "done")
    assert client.get(f"{job['url']}/files/{name}").status_code == 404
