"""A camera's frames over a web socket."""

from __future__ import annotations

import asyncio

import cv2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from serving import BASE
from starlette.websockets import WebSocket, WebSocketDisconnect

from mien.serve import live
from mien.serve.app import create_app
from mien.serve.guard import Gate
from mien.serve.metrics import Metrics
from mien.serve.settings import ServeSettings

TOKEN = "a token that nobody guesses"


@pytest.fixture
def face(portrait: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", portrait[:256, 96:352, ::-1])[1].tobytes()


def test_every_frame_is_answered_and_a_face_that_stays_is_read(client, face: bytes) -> None:
    with client.websocket_connect("/v1/live", headers={"host": "127.0.0.1"}) as socket:
        answers = []
        for number in range(14):
            socket.send_json({"time": number / 10})
            socket.send_bytes(face)
            answers.append(socket.receive_json())
    assert [answer["time"] for answer in answers] == [number / 10 for number in range(14)]
    assert {answer["dropped"] for answer in answers} == {0}
    (last,) = answers[-1]["faces"]
    x0, y0, x1, y1 = last["box"]
    assert 0 <= x0 < x1 <= 256
    assert 0 <= y0 < y1 <= 256
    assert last["track"] == 1
    assert sum(last["probabilities"].values()) == pytest.approx(1, abs=0.01)
    assert (last["score"] is None) == (last["label"] == "unclear") == (last["reason"] is not None)


def test_frames_that_come_too_fast_are_dropped_and_counted(client, face: bytes) -> None:
    with client.websocket_connect("/v1/live", headers={"host": "127.0.0.1"}) as socket:
        for number in range(30):
            socket.send_json({"time": number / 10})
            socket.send_bytes(face)
        answers = [socket.receive_json()]
        while answers[-1]["time"] < 2.9:
            answers.append(socket.receive_json())
    assert len(answers) + answers[-1]["dropped"] == 30
    assert answers[-1]["dropped"] > 0


def test_what_is_no_picture_is_said_to_be_none_and_the_next_one_is_read(client, face: bytes) -> None:
    with client.websocket_connect("/v1/live", headers={"host": "127.0.0.1"}) as socket:
        socket.send_bytes(b"no picture")
        assert "JPEG" in socket.receive_json()["error"]["expected"]
        socket.send_text("no JSON")
        assert "time" in socket.receive_json()["error"]["expected"]
        for hostile in "[" * 4000, "[" * 1_000_000, '{"time": 1' + "0" * 400 + "}", '{"time": [1]}', '["time"]':
            socket.send_text(hostile)
            assert "time" in socket.receive_json()["error"]["expected"]
        socket.send_bytes(face)
        assert "faces" in socket.receive_json()


def closing_code(client: TestClient, first: str | None = None, **options: object) -> int:
    try:
        with client.websocket_connect("/v1/live", **options) as socket:
            if first is not None:
                socket.send_text(first)
            socket.receive_json()
    except WebSocketDisconnect as closed:
        return closed.code
    raise AssertionError("it stayed open")


def test_no_more_strangers_than_there_may_be_are_waited_for(tiny_model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(live, "MOST_STRANGERS", 1)
    settings = ServeSettings(host="0.0.0.0", data=tmp_path, model=str(tiny_model), token=TOKEN, live=0)
    with TestClient(create_app(settings), base_url=BASE) as client, client.websocket_connect("/v1/live") as silent:
        assert closing_code(client) == 1008
        silent.send_json({"token": TOKEN})
        with pytest.raises(WebSocketDisconnect) as closed:
            silent.receive_json()
        assert closed.value.code == 1013


def test_a_client_that_is_gone_before_it_is_refused_is_no_fault(tiny_model, tmp_path) -> None:
    class Gone(WebSocket):
        async def close(self, code: int = 1000, reason: str | None = None) -> None:
            raise WebSocketDisconnect(1006)

    async def knock() -> None:
        said: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        for kind in "connect", "disconnect":
            said.put_nowait({"type": f"websocket.{kind}"})
        scope = {"type": "websocket", "path": "/v1/live", "headers": [(b"host", b"a")], "query_string": b""}

        async def hear(_: object) -> None:
            return None

        settings = ServeSettings(host="0.0.0.0", data=tmp_path, model=str(tiny_model), token=TOKEN)
        await live.Live(settings, Gate(TOKEN, "0.0.0.0"), Metrics(dict)).serve(Gone(scope, said.get, hear))

    asyncio.run(knock())


def test_other_sites_and_names_are_not_connected(client) -> None:
    assert closing_code(client, headers={"host": "127.0.0.1", "origin": "http://["}) == 1008
    assert closing_code(client, headers={"host": "["}) == 1008
    assert closing_code(client, headers={"host": "127.0.0.1", "origin": "https://evil.example"}) == 1008
    assert closing_code(client, headers={"host": "evil.example"}) == 1008


def test_too_large_a_frame_ends_it(client) -> None:
    with client.websocket_connect("/v1/live", headers={"host": "127.0.0.1"}) as socket:
        socket.send_bytes(bytes(5 << 20))
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    assert closed.value.code == 1009


def test_the_token_comes_with_the_address_or_first(tiny_model, tmp_path) -> None:
    settings = ServeSettings(host="0.0.0.0", data=tmp_path, model=str(tiny_model), token=TOKEN, live=0)
    with TestClient(create_app(settings), base_url=BASE) as client:
        assert closing_code(client, '{"token": "wrong"}') == 1008
        assert closing_code(client, "[]") == 1008
        for hostile in "[" * 4000, "[" * 1_000_000, '{"token": ' * 900, "9" * 4000, '{"token": {}}', '"token"':
            assert closing_code(client, hostile) == 1008
        # Known, but no camera may be connected.
        assert closing_code(client, f'{{"token": "{TOKEN}"}}') == 1013
        assert closing_code(client, params={"token": TOKEN}) == 1013
