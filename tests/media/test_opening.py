"""One door for every source."""

from __future__ import annotations

import functools
import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_pictures import Encode, quarters

from mien import media
from mien.core.errors import ConfigError, SourceError
from mien.media import camera, streams


def write_images(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        cv2.imwrite(str(folder / f"frame{number}.png"), np.full((4, 6, 3), number, np.uint8))
    return folder


def shades(source: object, **options: float) -> list[int]:
    with media.open(source, **options) as opened:
        return [int(frame.image[0, 0, 0]) for frame in opened]


def test_a_folder_a_pattern_and_a_list_are_sequences(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "shots", 12)
    (folder / "notes.txt").write_text("left out")
    assert shades(folder) == list(range(12)), "frame10 comes after frame9"
    assert shades(str(folder / "frame?.png")) == list(range(10))
    assert shades([folder / "frame3.png", str(folder / "frame1.png")]) == [3, 1], "a list keeps its order"
    assert media.probe(folder).name == "shots"
    assert media.probe(folder).kind == "sequence"
    assert media.probe(str(folder / "frame11*")).kind == "image", "one match is that file"


def test_a_picture_is_one_frame_at_zero(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "shots", 1)
    (folder / "frame0.png").rename(tmp_path / "photo")
    with media.open(tmp_path / "photo") as source:
        (frame,) = source
    assert (frame.index, frame.time, source.info.kind) == (0, 0.0, "image"), "known by its content, not its name"
    assert source.info.duration is None


def test_still_pictures_are_counted_and_films_are_none(tmp_path: Path, encode: Encode) -> None:
    folder = write_images(tmp_path / "shots", 3)
    stills = (folder / "frame0.png", folder, [folder / "frame1.png"], np.zeros((6, 8, 3), np.uint8))
    assert [media.probe(source).pictures for source in stills] == [1, 3, 1, 1]
    films = (encode("film.mp4", [quarters(64, 96)] * 3), np.zeros((5, 6, 8, 3), np.uint8))
    assert [media.probe(source).pictures for source in films] == [0, 0]


@pytest.mark.parametrize(
    ("array", "count", "size"),
    [
        (quarters(6, 8), 1, (8, 6)),
        (np.zeros((6, 8), np.uint8), 1, (8, 6)),
        (np.zeros((6, 8, 4), np.uint8), 1, (8, 6)),
        (np.zeros((5, 6, 8), np.uint8), 5, (8, 6)),
        (np.zeros((5, 6, 8, 3), np.uint16), 5, (8, 6)),
        (np.zeros((5, 6, 8, 1), np.uint8), 5, (8, 6)),
    ],
)
def test_arrays(array: np.ndarray, count: int, size: tuple[int, int]) -> None:
    with media.open(array, frame_rate=5) as source:
        frames = list(source)
    assert len(frames) == source.info.frame_count == count
    assert (source.info.width, source.info.height) == size
    assert all(frame.image.shape == (size[1], size[0], 3) and frame.image.dtype == np.uint8 for frame in frames)
    assert [frame.time for frame in frames] == pytest.approx([number / 5 for number in range(count)])


def test_an_array_is_never_written_to() -> None:
    array = np.zeros((2, 4, 4, 3), np.uint8)
    for frame in media.open(array):
        frame.image[:] = 255
    assert not array.any()


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (np.zeros((4, 4, 3), np.int64), "astype"),
        (np.zeros((2, 9, 64, 64), np.uint8), "colours last"),
        (np.zeros((0, 4, 4, 3), np.uint8), "one or more"),
        (np.zeros(4, np.uint8), "array of one"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(array: np.ndarray, hint: str) -> None:
    with pytest.raises(SourceError, match=hint):
        media.open(array)


def test_an_address_that_is_silent_or_hangs_up_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "NETWORK_TIMEOUT", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as nobody:  # whoever knocks is let in, and never spoken to
        address = f"127.0.0.1:{nobody.getsockname()[1]}/live"
        for scheme, reason in (("rtsp", "no connection"), ("http", "no answer in")):
            with pytest.raises(SourceError, match=f"live: {reason}"):
                media.open(f"{scheme}://{address}")
    with pytest.raises(SourceError, match=r"live: Connection refused; check the address"):
        media.open(f"rtsp://{address}")


def test_a_folder_of_films_is_no_sequence(tmp_path: Path) -> None:
    (tmp_path / "talk.mp4").touch()
    with pytest.raises(SourceError, match="which holds videos; open them one at a time"):
        media.open(tmp_path)


def test_errors_say_what_to_do(tmp_path: Path, encode: Encode) -> None:
    (tmp_path / "empty").mkdir()
    video = encode("a.mp4", [quarters(32, 32)] * 2)
    cases = {
        str(tmp_path / "missing.mp4"): "check the path",
        str(tmp_path / "none*.png"): "pattern",
        str(tmp_path / "empty"): "folder with videos or pictures",
    }
    for source, words in cases.items():
        with pytest.raises(SourceError, match=words):
            media.open(source)
    with pytest.raises(SourceError, match="one at a time"):
        media.open([video, video])
    with pytest.raises(SourceError, match="at least one picture"):
        media.open([])
    for rate in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="frame rate"):
            media.open(video, frame_rate=rate)


def test_a_source_is_one_pass_and_closes(encode: Encode) -> None:
    path = encode("a.mp4", [quarters(32, 32)] * 5)
    with media.open(path) as source:
        assert len(list(source)) == 5
        with pytest.raises(SourceError, match="already read"):
            iter(source)
    source.close()
    with pytest.raises(SourceError, match="closed"):
        iter(source)


def test_closing_in_the_middle_of_a_pass_ends_it(encode: Encode) -> None:
    source = media.open(encode("a.mp4", [quarters(32, 32)] * 20))
    seen = 0
    for _ in source:
        seen += 1
        source.close()
    assert seen == 1
    assert source.problems == []


@pytest.fixture
def address(tmp_path: Path, encode: Encode) -> Iterator[str]:
    """A web server on this machine, with one video."""
    encode("a.mp4", [quarters(32, 32)] * 5, options={"movflags": "faststart"})

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_an_address_is_opened_and_its_secrets_are_kept(address: str) -> None:
    with media.open(f"http://me:secret@{address}/a.mp4?token=secret") as source:
        assert len(list(source)) == 5
    assert source.info.name == f"http://{address}/a.mp4"
    with pytest.raises(SourceError) as refusal:
        media.open(f"http://me:secret@{address}/gone.mp4?token=secret")
    assert "secret" not in str(refusal.value)
    assert "network" in refusal.value.fix


class FakeCapture:
    """A camera of a few frames. No subclass of OpenCV's: those crash Python's garbage collector."""

    def __init__(self, shots: int) -> None:
        self.left, self.released = shots, False

    def set(self, *_: object) -> bool:
        return True

    def get(self, _: int) -> float:
        return 30.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        return (True, quarters(4, 6)[..., ::-1].copy()) if self.left >= 0 and not self.released else (False, None)

    def release(self) -> None:
        self.released = True


@pytest.mark.parametrize("source", [2, "2", "/dev/video2", np.int64(2)])
def test_a_camera_is_timed_by_arrival(monkeypatch: pytest.MonkeyPatch, source: object) -> None:
    capture, ticks = FakeCapture(3), iter([100.0, 100.5, 100.6, 101.0])
    monkeypatch.setattr(camera, "_capture", lambda number: capture if number == 2 else FakeCapture(0))
    monkeypatch.setattr(camera.time, "monotonic", lambda: next(ticks))
    with media.open(source) as opened:
        frames = list(opened)
    assert [frame.time for frame in frames] == pytest.approx([0.0, 0.5, 0.6])
    assert frames[0].image.tolist() == quarters(4, 6).tolist(), "RGB"
    assert (opened.info.kind, opened.info.width, opened.info.name) == ("camera", 6, "camera 2")
    assert "stopped" in opened.problems[0]
    assert capture.released


def test_a_camera_that_is_closed_did_not_stop_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera, "_capture", lambda _: FakeCapture(100))
    with media.open(0) as source:
        next(iter(source))
    assert source.problems == []


def test_a_camera_that_is_missing_or_dark_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="no camera 97"):
        media.open(97)
    dark = FakeCapture(0)
    monkeypatch.setattr(camera, "_capture", lambda _: dark)
    with pytest.raises(SourceError, match="gave none"):
        media.open(0)
    assert dark.released


def test_naming_the_room_loads_neither_av_nor_cv2() -> None:
    program = """if True:
        import sys, mien.media
        mien.media.SourceInfo, mien.media.expand, mien.media.open
        print({"av", "cv2"} & set(sys.modules))"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_a_wrong_name_is_answered_with_the_right_ones() -> None:
    with pytest.raises(AttributeError, match="probe"):
        media.prob  # noqa: B018
