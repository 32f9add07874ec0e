"""What a server does not take is refused in words, and leaves it healthy."""

from __future__ import annotations

import asyncio
import struct
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from serving import BASE, wait_for

from mien.core.errors import ConfigError
from mien.serve import uploads
from mien.serve.app import create_app
from mien.serve.guard import Gate, Guard
from mien.serve.metrics import Metrics
from mien.serve.settings import ServeSettings
from mien.serve.uploads import display_name

TOKEN = "a token that nobody guesses"


JSON, FORM = {"Content-Type": "application/json"}, {"Content-Type": "multipart/form-data; boundary=x"}


def refused(answer: httpx.Response, status: int) -> dict[str, str]:
    """The three parts of the error."""
    assert answer.status_code == status, answer.text
    parts = answer.json()["error"]
    assert set(parts) == {"expected", "got", "fix"}
    return parts


def is_healthy(client: TestClient, settings: ServeSettings) -> bool:
    """It answers, and nothing is left of what was refused."""
    return client.get("/healthz").json()["status"] == "ok" and not list((settings.folder / "arriving").iterdir())


def test_ten_times_the_largest_upload_with_and_without_a_length(client, settings: ServeSettings) -> None:
    large = bytes(10 * settings.max_bytes)
    told = client.post("/v1/analyze", files={"file": ("large.mp4", large)})
    assert "1 MB" in refused(told, 413)["expected"]
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="large.mp4"\r\n\r\n'
    pieces = (piece for piece in [head, *(large[: 1 << 20] for _ in range(10)), b"\r\n--x--\r\n"])
    streamed = client.post("/v1/analyze", content=pieces, headers={"Content-Type": "multipart/form-data; boundary=x"})
    refused(streamed, 413)
    assert is_healthy(client, settings)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.mp4", b"This is no film.\n" * 100),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"),
        ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/\n#EXT-X-ENDLIST\n"),
        ("concat.mp4", b"ffconcat version 1.0\nfile talk.mp4\n"),
        ("nothing.mp4", b""),
        ("picture.png", b"\x89PNG\r\n\x1a\n and no more"),
    ],
)
def test_what_is_no_video_is_said_to_be_none(client, settings, name: str, content: bytes) -> None:
    parts = refused(client.post("/v1/analyze", files={"file": (name, content, "video/mp4")}), 422)
    assert name in parts["got"]
    assert str(settings.folder) not in str(parts)
    assert is_healthy(client, settings)


@pytest.mark.parametrize("path", ["link.mp4", "folder/secret.mp4", "../x/../talk.mp4/../../etc/passwd", "a\0b"])
def test_links_and_dots_lead_to_nothing_outside_the_root(client, videos: Path, path: str) -> None:
    refused(client.post("/v1/analyze", json={"path": f"{videos}/{path}"}), 403)


def test_paths_outside_say_nothing_of_what_is_there(client) -> None:
    there, missing = (client.post("/v1/analyze", json={"path": path}) for path in ("/etc/passwd", "/etc/none"))
    assert refused(there, 403) == refused(missing, 403)


@pytest.mark.parametrize("name", ["none.mp4", "x" * 300, "x/" * 1500, "talk.mp4/x", "."])
def test_below_a_root_a_missing_file_is_said_to_be_missing(client, videos: Path, name: str) -> None:
    refused(client.post("/v1/analyze", json={"path": f"{videos}/{name}"}), 422)


def test_a_body_full_of_boundaries_costs_little(client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PARSE_SECONDS", 0.01)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    body = head + b"\r\n--xZ" * 140_000 + b"\r\n--x--\r\n"
    assert "boundary" in refused(client.post("/v1/analyze", content=body, headers=FORM), 400)["expected"]


def test_backslashes_in_a_cookie_cost_little(client, guarded) -> None:
    for server in client, guarded:
        begun = time.process_time()
        server.get("/v1/jobs", headers={"Cookie": 'mien-session="' + "\\" * 20_000 + '"'})
        assert time.process_time() - begun < 0.5  # 1.7 where Python 3.11.7 takes them apart
    assert guarded.get("/v1/jobs", headers={"Cookie": "a=b; mien-session=x"}).status_code == 401


def test_a_part_of_a_file_that_means_nothing_is_refused_in_words(client, clip: Path) -> None:
    job = client.post("/v1/analyze?html=false", files={"file": clip.read_bytes()}).json()["url"]
    wait_for(client, job.rpartition("/")[2], "done")
    for asked in "bytes=9-5", "bytes=99999999999-", "bytes=x", "x", "bytes=-0", "bytes=" + "9" * 5000:
        answer = client.get(f"{job}/files/spans.csv", headers={"Range": asked})
        assert answer.status_code in (400, 416), asked
        refused(answer, answer.status_code)
        assert (answer.status_code == 416) == ("content-range" in answer.headers)


class Wire:
    """A server and a client in one event loop, so that a body can come as slowly as a test wants."""

    def __init__(self, client: TestClient) -> None:
        self.app = client.app

    async def post(self, pieces: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE, timeout=60) as one:
            return await one.post("/v1/analyze", content=pieces, headers=FORM)


async def trickle(seconds: float, pause: float, piece: bytes = b"z"):
    yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(pause)
        yield piece
    yield b"\r\n--x--\r\n"


def test_uploads_that_trickle_end_and_hold_no_place_in_the_queue(client, settings, clip: Path, monkeypatch) -> None:
    monkeypatch.setattr(uploads, "IDLE_SECONDS", 0.5)
    whole = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n' + clip.read_bytes()

    async def crowd() -> tuple[list[httpx.Response], httpx.Response]:
        wire = Wire(client)
        slow = [asyncio.create_task(wire.post(trickle(20, 0.1))) for _ in range(2 * settings.queue)]
        slow.append(asyncio.create_task(wire.post(trickle(20, 20))))
        await asyncio.sleep(0.1)
        prompt = await wire.post(whole + b"\r\n--x--\r\n")
        return await asyncio.gather(*slow), prompt

    begun = time.monotonic()
    slow, prompt = asyncio.run(crowd())
    assert prompt.status_code == 202, prompt.text
    for answer in slow:
        refused(answer, 408)
    assert time.monotonic() - begun < 15
    wait_for(client, prompt.json()["id"], "done")
    assert is_healthy(client, settings)


def test_a_whole_upload_may_take_so_long(tiny_model: Path, tmp_path: Path) -> None:
    settings = ServeSettings(data=tmp_path, model=str(tiny_model), upload_minutes=0.01)
    with TestClient(create_app(settings), base_url=BASE) as client:
        refused(asyncio.run(Wire(client).post(trickle(20, 0.05, bytes(4096)))), 408)


def test_more_at_a_time_than_there_may_be_are_told_to_come_again(client) -> None:
    async def crowd() -> list[tuple[int, dict[str, str]]]:
        async def app(scope, receive, send) -> None:
            await asyncio.sleep(0.1)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        guard = Guard(app, Gate(None, "127.0.0.1"), Metrics(dict), most=2)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url=BASE) as many:
            paths = ["/", "/", "/", "/v1/jobs", "/healthz"]
            answers = await asyncio.gather(*(many.get(path) for path in paths))
            return [(answer.status_code, dict(answer.headers)) for answer in [*answers, await many.get("/")]]

    answers = asyncio.run(crowd())
    assert [status for status, _ in answers] == [200, 200, 503, 503, 200, 200]
    assert all(int(headers["retry-after"]) > 0 for status, headers in answers if status == 503)


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (415, {"content": b"x", "headers": {"Content-Type": "text/plain"}}),
        (415, {}),
        (400, {"content": b"{", "headers": {"Content-Type": "application/json"}}),
        (400, {"content": b"--y\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}),
        (422, {"json": ["path"]}),
        (422, {"json": {"path": "/x", "threshold": 2}}),
        (422, {"json": {"path": "/x", "treshold": 0.5}}),
        (422, {"data": {"html": "true"}, "files": {"other": b"x"}}),
        (413, {"json": {"path": "x" * 100_000}}),
        (422, {"json": {"k" * 60_000: 1}}),
        (422, {"content": b'{"path": ' + b"[" * 700 + b"]" * 700 + b"}", "headers": JSON}),
        (400, {"content": b"[" * 60_000, "headers": JSON}),
        (400, {"content": b'{"path": "/x", "threshold": ' + b"9" * 5000 + b"}", "headers": JSON}),
        (400, {"content": b"x", "headers": {"Content-Type": f"multipart/form-data; boundary={'x' * 300}"}}),
        (415, {"content": b"x", "headers": {"Content-Type": "multipart/form-data" + ";" * 2000}}),
        (413, {"content": b"--x\r\n\r\n\r\n" * 65 + b"--x--\r\n", "headers": FORM}),
        (415, {"content": b"", "headers": {"Content-Length": "9" * 5000}}),
        (414, {"params": {"x": "y" * 9000}}),
    ],
)
def test_requests_that_mean_nothing(client, settings: ServeSettings, status: int, request_: dict) -> None:
    refused(client.post("/v1/analyze", **request_), status)
    assert is_healthy(client, settings)


def test_options_that_contradict_each_other(client, clip: Path) -> None:
    answer = client.post("/v1/analyze", files={"file": clip.read_bytes()}, data={"blur": "true"})
    assert "save_video" in refused(answer, 422)["fix"]


def test_longer_or_larger_pictures_than_the_server_takes(tiny_model: Path, clip: Path, tmp_path: Path) -> None:
    for limit, word in ({"max_minutes": 0.001}, "minutes"), ({"max_pixels": 1000}, "pixels"):
        settings = ServeSettings(data=tmp_path / word, model=str(tiny_model), **limit)
        with TestClient(create_app(settings), base_url=BASE) as client:
            parts = refused(client.post("/v1/analyze", files={"file": clip.read_bytes()}), 422)
            assert word in parts["expected"]


def test_a_picture_that_claims_a_mountain_hears_of_the_servers_own_limit(client, settings: ServeSettings) -> None:
    head = b"IHDR" + struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    picture = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    parts = refused(client.post("/v1/analyze", files={"file": ("wall.png", picture)}), 422)
    assert str(settings.max_pixels) in parts["expected"]
    assert is_healthy(client, settings)


def test_two_hundred_requests_at_once_are_taken_or_told_to_come_again(client, settings, videos: Path) -> None:
    async def flood() -> list[httpx.Response]:
        transport = httpx.ASGITransport(client.app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE, timeout=60) as many:
            body = {"path": str(videos / "talk.mp4"), "html": False}
            return await asyncio.gather(*(many.post("/v1/analyze", json=body) for _ in range(200)))

    answers = asyncio.run(flood())
    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) == {202, 429}
    assert counts[202] >= settings.queue
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers if answer.status_code == 429)
    assert is_healthy(client, settings)
    for answer in answers:
        if answer.status_code == 202:
            assert wait_for(client, answer.json()["id"], "done", "failed")["status"] == "done"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "10.0.0.1"])
def test_names_that_others_point_at_this_machine(client, host: str) -> None:
    refused(client.get("/v1/jobs", headers={"Host": host}), 403)


@pytest.mark.parametrize("host", ["[", "[::1", "\u2100"])
def test_names_that_are_none(client, host: str) -> None:
    refused(client.get("/v1/jobs", headers={b"Host": host.encode()}), 403)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:81", "http://[", "http://[::1", "http://a]b", "\u2100"]
)
def test_other_sites_change_nothing(client, origin: str) -> None:
    for method, path in ("POST", "/v1/analyze"), ("DELETE", "/v1/jobs/x"):
        refused(client.request(method, path, headers={b"Origin": origin.encode()}), 403)
    assert client.delete("/v1/jobs/x", headers={"Origin": BASE}).status_code == 404


@pytest.fixture
def guarded(tiny_model: Path, tmp_path: Path):
    settings = ServeSettings(host="0.0.0.0", data=tmp_path, model=str(tiny_model), token=TOKEN)
    with TestClient(create_app(settings), base_url="http://mien.example") as client:
        yield client


def test_the_token_opens_and_nothing_else_does(guarded) -> None:
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    for path in ("/v1/jobs", "/v1/models", "/metrics"):
        for wrong in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Basic {TOKEN}"}):
            answer = guarded.get(path, headers=wrong)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert TOKEN not in str(refused(answer, 401))
        assert guarded.get(path, params={"token": TOKEN}).status_code == 200
        assert "set-cookie" not in guarded.get(path, params={"token": "x" * 27}).headers
    assert guarded.get("/healthz").status_code == guarded.get("/").status_code == 200
    refused(guarded.post(f"/v1/analyze?token={TOKEN}"), 401)
    # A page that has shown the token can load the report's film, but change nothing by the cookie alone.
    assert guarded.get("/v1/jobs", headers=bearer).status_code == 200
    assert TOKEN not in str(guarded.cookies)
    assert guarded.get("/v1/jobs").status_code == 200
    refused(guarded.delete("/v1/jobs/x"), 401)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "mien.example"])
def test_others_are_let_in_with_a_token_only(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MIEN_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="token"):
        ServeSettings(host=host)
    with pytest.raises(ConfigError, match="16 characters"):
        ServeSettings(host=host, token="short")
    monkeypatch.setenv("MIEN_TOKEN", TOKEN)
    assert ServeSettings(host=host).secret == TOKEN


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_alone_needs_none(host: str) -> None:
    assert ServeSettings(host=host).secret is None


def test_a_second_server_on_the_same_folder_is_refused(client, settings: ServeSettings) -> None:
    with pytest.raises(ConfigError, match="data"):
        create_app(settings)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\a.mp4", "a.mp4"),
        ("a\x00\u202eb\n.mp4", "ab.mp4"),
        ("", "unnamed"),
        ("/", "unnamed"),
        ("x" * 999, "x" * 200),
    ],
)
def test_names_are_for_showing(given: str, shown: str) -> None:
    assert display_name(given) == shown
