"""``mien watch`` on fake cameras: lines for machines and people, the board, the browser's picture, a clean end."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from mien import media
from mien.analysis import expressions
from mien.analysis.current import FaceNow, Now
from mien.cli.board import CELL, Board, Pace, bar
from mien.cli.main import VERBS
from mien.cli.screens import MjpegServer, Window
from mien.core.errors import ConfigError, MissingDependencyError, SourceError
from mien.core.types import Face, Frame, Span
from mien.media import camera, newest
from mien.media.newest import Flow
from mien.media.source import Shot, Source, SourceInfo

LABELS = ("neutral", "happiness")
SLOW = 0.05
FACE = Face(np.array([10, 20, 60, 80], np.float32), 0.9, np.zeros((5, 2), np.float32))


def shown(frame: Frame, happy: float = 0.9) -> FaceNow:
    return FaceNow(1, FACE, "happiness", happy, None, np.array([1 - happy, happy]))


class SlowModel:
    """Sees a happy face in every bright frame, slower than the frames come."""

    record = SimpleNamespace(labels=SimpleNamespace(labels=LABELS), signals=())

    def live(self, frames: Iterable[Frame], settings: object) -> Iterator[Now]:
        last = None
        for frame in frames:
            time.sleep(SLOW)
            last = frame if frame.image.mean() > 50 else last
            yield Now(frame, (shown(frame),) if frame.image.mean() > 50 else (), ())
        yield Now(None, (), (Span(1, 0.0, last.time, "happiness", 0.9),) if last else ())


@pytest.fixture(autouse=True)
def _no_thread_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(VERBS, "watch", "Live.")
    monkeypatch.setattr(expressions, "load", lambda _, **asked: SlowModel())
    monkeypatch.setattr(newest, "FIRST_WAIT", 0.01)
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def fake_camera(frames: int, brightness: int = 200, rate: float = 100.0) -> Source:
    image = np.full((96, 160, 3), brightness, np.uint8)
    problems: list[str] = []

    def shots() -> Iterator[Shot]:
        start = time.monotonic()
        for number in range(frames):
            time.sleep(max(0.0, start + number / rate - time.monotonic()))
            yield Shot(time.monotonic() - start, partial(np.copy, image))
        problems.append("camera 0 stopped giving pictures")

    return Source(SourceInfo("camera 0", "camera", 160, 96), shots(), problems=problems)


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Any:
    """``plugged(source)``: camera 0 gives it, once; then it is gone."""

    def plug(*sources: Source) -> None:
        left = list(sources)

        def open_camera(number: int, frame_rate: float | None = None) -> Source:
            if not left:
                raise SourceError("a camera of that number", f"no camera {number}", "plug one in")
            return left.pop(0)

        monkeypatch.setattr(camera, "open_camera", open_camera)

    return plug


@pytest.fixture
def clip(tmp_path: Any) -> Any:
    def write(brightness: int, frames: int = 10) -> Any:
        path = tmp_path / "clip.mp4"
        with media.VideoWriter(path, 160, 96, 25) as writer:
            for number in range(frames):
                writer.write(np.full((96, 160, 3), brightness, np.uint8), number / 25)
        return path

    return write


class TestVerb:
    def test_json_lines_say_frames_spans_and_the_end(self, mien: Any, plugged: Any) -> None:
        plugged(fake_camera(80))
        ran = mien("watch", "0", "--json", "--retries", 0)
        assert ran.code == 1, "a camera that stops is no good end"
        assert "camera 0 stopped" in ran.err
        kinds = [line["kind"] for line in ran.lines]
        assert kinds[-2:] == ["span", "end"], "what was open is told all the same"
        assert kinds.count("frame") < 40
        last = ran.lines[-3]
        assert last["dropped"] > 30
        assert last["latency_ms"] < 1000 * (2 * SLOW + 0.1)
        assert last["faces"][0]["probabilities"] == {"neutral": pytest.approx(0.1), "happiness": pytest.approx(0.9)}

    def test_every_frame_of_a_file_on_demand(self, mien: Any, clip: Any) -> None:
        ran = mien("watch", clip(200), "--fast", "--json")
        assert ran.code == 0
        assert [line["frame"] for line in ran.lines if line["kind"] == "frame"] == list(range(10))
        span, end = ran.lines[-2:]
        assert (span["kind"], span["label"], span["end"]) == ("span", "happiness", pytest.approx(0.36))
        assert (end["looked_at"], end["dropped"], end["faces"]) == (10, 0, 1)

    def test_people_get_a_line_a_span_and_a_summary(self, mien: Any, clip: Any) -> None:
        ran = mien("watch", clip(200), "--fast")
        assert ran.out == "face 1     0.00 -    0.36 s  happiness 0.90\n"
        assert "10 of 10 frames looked at, 0% dropped" in ran.err

    def test_a_file_without_faces_is_said(self, mien: Any, clip: Any) -> None:
        ran = mien("watch", clip(0), "--fast")
        assert (ran.code, ran.out) == (0, "")
        assert "no face was found" in ran.err

    def test_a_camera_that_is_not_there(self, mien: Any, plugged: Any) -> None:
        plugged()
        ran = mien("watch", "0")
        assert ran.code == 1
        assert "no camera 0; plug one in" in ran.err

    def test_a_stream_that_breaks_off_is_found_again(self, mien: Any, plugged: Any) -> None:
        plugged(fake_camera(10), fake_camera(10))
        ran = mien("watch", "0", "--json", "--retries", 2)
        assert ran.code == 1
        assert "attempt 1 of 2" in ran.err
        assert "camera 0 is back" in ran.err
        assert "2 attempts to reach it again failed" in ran.err
        times = [line["time"] for line in ran.lines if line["kind"] == "frame"]
        assert times == sorted(times)

    def test_ctrl_c_ends_it_with_what_was_open(self, mien: Any, plugged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        class Interrupted(SlowModel):
            def live(self, frames: Iterable[Frame], settings: object) -> Iterator[Now]:
                for number, now in enumerate(super().live(frames, settings)):
                    yield now
                    if number == 4:
                        os.kill(os.getpid(), signal.SIGINT)

        plugged(fake_camera(3000))
        monkeypatch.setattr(expressions, "load", lambda _, **asked: Interrupted())
        before = signal.getsignal(signal.SIGINT)
        ran = mien("watch", "0", "--json")
        assert ran.code == 130
        assert [line["kind"] for line in ran.lines] == ["frame"] * 5 + ["span", "end"]
        assert signal.getsignal(signal.SIGINT) is before

    def test_fast_is_for_files(self, mien: Any, plugged: Any) -> None:
        plugged(fake_camera(5))
        ran = mien("watch", "0", "--fast")
        assert ran.code == 1
        assert "leave --fast out" in ran.err

    def test_a_window_needs_an_opencv_with_windows(self, mien: Any, clip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cv2.getBuildInformation", lambda: "  GUI:                           NONE\n")
        ran = mien("watch", clip(200), "--show")
        assert ran.code == 1
        assert "use --mjpeg" in ran.err
        with pytest.raises(MissingDependencyError):
            Window("a")


class TestBoard:
    def text(self, board: Board, pace: Pace, flow: Flow) -> str:
        console = Console(width=120, record=True, file=io.StringIO())
        console.print(board.render(flow, pace))
        return console.export_text()

    def test_it_shows_names_bars_time_and_the_flow(self) -> None:
        board, pace = Board("camera 0", LABELS), Pace()
        for number in range(30):
            frame = Frame(number, number * 0.1, np.zeros((2, 2, 3), np.uint8))
            faces = () if number < 10 else (shown(frame, 0.8),)
            board.add(Now(frame, faces, ()))
            pace.add(number * 0.1, 0.085)
        text = self.text(board, pace, Flow(100, 50, 30.0, 0.5))
        assert "camera 0  2.9 s  10.0 frames/s  latency 85 ms  dropped 50%" in text
        assert "happiness 0.80" in text
        assert "████" in text
        assert "H" * int(2 / CELL) in text
        assert "H" * (int(2 / CELL) + 1) not in text

    def test_nobody_and_the_unclear(self) -> None:
        board = Board("a", LABELS)
        frame = Frame(0, 0.0, np.zeros((2, 2, 3), np.uint8))
        board.add(Now(frame, (), ()))
        assert "no face in sight" in self.text(board, Pace(), Flow())
        board.add(Now(frame, (FaceNow(2, FACE, "unclear", None, "turned away", None),), ()))
        assert "unclear: turned away" in self.text(board, Pace(), Flow())

    def test_it_forgets_who_left(self) -> None:
        board = Board("a", LABELS)
        for number in range(2000):
            frame = Frame(number, number * 0.5, np.zeros((2, 2, 3), np.uint8))
            face = FaceNow(number // 10, FACE, "neutral", 0.9, None, np.array([0.9, 0.1]))
            board.add(Now(frame, (face,), ()))
        assert sum(len(cells) for cells in board._history.values()) <= 20

    @pytest.mark.parametrize(
        ("value", "text"), [(0, "     "), (1, "█████"), (0.5, "██▌  "), (2, "█████"), (-1, "     ")]
    )
    def test_bars(self, value: float, text: str) -> None:
        assert bar(value) == text


class TestBrowserPicture:
    def test_the_stream_gives_what_is_shown_and_ends_with_the_server(self) -> None:
        with MjpegServer(0) as server:
            assert not server.wanted
            page = urllib.request.urlopen(server.address).read()
            assert b"/stream" in page
            stream = urllib.request.urlopen(server.address + "stream", timeout=5)
            deadline = time.monotonic() + 5
            while not server.wanted and time.monotonic() < deadline:
                time.sleep(0.01)
            assert server.wanted
            server.show(np.full((32, 32, 3), (250, 10, 10), np.uint8))
            part = stream.read(200)
            assert b"--frame" in part
            assert b"image/jpeg" in part
            assert b"\xff\xd8" in part
        stream.close()

    def test_a_name_of_the_web_is_refused(self) -> None:
        with MjpegServer(0) as server:
            request = urllib.request.Request(server.address, headers={"Host": "evil.example:80"})
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(request)

    def test_a_port_that_is_taken(self) -> None:
        with MjpegServer(0) as server:
            port = int(server.address.rstrip("/").rsplit(":", 1)[1])
            with pytest.raises(ConfigError, match="in use"):
                MjpegServer(port)

    def test_json_record_is_json(self) -> None:
        from mien.cli.watch import frame_record

        frame = Frame(3, 0.12, np.zeros((2, 2, 3), np.uint8))
        record = frame_record(Now(frame, (shown(frame),), ()), 0.1, 2, LABELS)
        assert json.loads(json.dumps(record))["faces"][0]["box"] == [10.0, 20.0, 60.0, 80.0]
