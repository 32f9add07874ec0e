"""What comes through a pipe: read as it comes where that can be, kept while it is needed where not."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from media_pictures import jpeg, quarters

from films import film, number
from mien import media
from mien.core.errors import SourceError
from mien.media import files, piped

Feed = Callable[..., None]
COUNT = 8


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Feed]:
    """``feed(data)``: standard input is a pipe that ``data`` comes through; ``feed(file=path)``: ``< path``."""
    kept, threads = os.dup(0), []

    def pour(end: int, data: bytes) -> None:
        with open(end, "wb") as pipe:
            try:
                pipe.write(data)
            except BrokenPipeError:
                return

    def put(data: bytes = b"", file: Path | None = None) -> None:
        if file is not None:
            out = os.open(file, os.O_RDONLY)
        else:
            out, end = os.pipe()
            threads.append(threading.Thread(target=pour, args=(end, data)))
            threads[-1].start()
        os.dup2(out, 0)
        os.close(out)

    yield put
    os.dup2(kept, 0)
    os.close(kept)
    for thread in threads:
        thread.join()


def seen(source: object = "-") -> tuple[str, str, list[int]]:
    with media.open(source) as opened:
        return opened.info.name, opened.info.kind, [round(float(frame.image.mean())) for frame in opened]


def kept(own_cache: Path) -> list[Path]:
    return list((own_cache / "piped").rglob("*"))


def made(path: Path, **how: Any) -> bytes:
    return film(path, count=COUNT, **how).read_bytes()


def assert_all_there(source: media.Source) -> None:
    assert (source.info.name, source.info.kind) == ("stdin", "video")
    assert [number(frame.image) for frame in source] == pytest.approx(range(COUNT), abs=1)
    assert source.problems == []


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mkv", {}),
        ("a.avi", {"codec": "mpeg4"}),
        ("a.ts", {}),
        ("a.m2ts", {}),
        ("a.vob", {"codec": "mpeg2video"}),
        ("a.flv", {}),
        ("a.nut", {"codec": "mpeg4"}),
        ("a.ivf", {"codec": "libvpx"}),
        ("a.h264", {}),
        ("a.y4m", {"codec": "wrapped_avframe"}),
        ("a.mp4", {"options": {"movflags": "faststart"}}),
        ("b.mp4", {"options": {"movflags": "frag_keyframe+empty_moov"}}),
    ],
)
def test_films_that_can_be_read_as_they_come_are_not_kept(
    feed: Feed, tmp_path: Path, own_cache: Path, name: str, how: dict[str, Any]
) -> None:
    feed(made(tmp_path / name, **how))
    with media.open("-") as source:
        assert kept(own_cache) == []
        assert_all_there(source)


@pytest.mark.parametrize(("name", "how"), [("a.mp4", {}), ("a.mov", {}), ("a.wtv", {"codec": "mpeg2video"})])
def test_films_that_must_be_whole_are_kept_while_they_are_open(
    feed: Feed, tmp_path: Path, own_cache: Path, name: str, how: dict[str, Any]
) -> None:
    feed(made(tmp_path / name, **how))
    with media.open("-") as source:
        folder, copy = sorted(kept(own_cache))
        assert copy.name == "stdin"
        assert_all_there(source)
    assert not folder.exists()


def test_a_live_film_is_seen_before_it_has_ended(tmp_path: Path) -> None:
    data = film(tmp_path / "a.ts", count=45).read_bytes()
    os.mkfifo(tmp_path / "live.ts")
    seen_first = threading.Event()

    def send() -> None:
        with (tmp_path / "live.ts").open("wb", buffering=0) as pipe:
            pipe.write(data[: len(data) * 9 // 10])
            assert seen_first.wait(5), "nothing is seen before the end"
            pipe.write(data[len(data) * 9 // 10 :])

    sender = threading.Thread(target=send)
    sender.start()
    with media.open(tmp_path / "live.ts") as source:
        frames = iter(source)
        next(frames)
        seen_first.set()
        assert len(list(frames)) == 44
    assert source.info.name == "live.ts"
    sender.join()


def test_pictures(feed: Feed, own_cache: Path) -> None:
    for data in (
        cv2.imencode(".png", np.full((8, 8, 3), 40, np.uint8))[1].tobytes(),
        cv2.imencode(".bmp", np.full((8, 8, 3), 40, np.uint8))[1].tobytes(),
        cv2.imencode(".jpg", np.full((8, 8, 3), 40, np.uint8))[1].tobytes(),
    ):
        feed(data)
        assert seen() == ("stdin", "image", [40])
    feed(jpeg(quarters(16, 24), 6))
    with media.open("-") as source:
        assert (source.info.width, source.info.height) == (16, 24)
    assert kept(own_cache) == []


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_a_row_of_pictures_is_a_film(feed: Feed, suffix: str) -> None:
    row = [cv2.imencode(suffix, np.full((64, 64, 3), shade, np.uint8))[1].tobytes() for shade in (40, 80, 120)]
    feed(b"".join(row))
    assert seen() == ("stdin", "video", [40, 80, 120])


def test_a_second_view_behind_a_phones_picture_makes_no_film(feed: Feed) -> None:
    first, second = (cv2.imencode(".jpg", np.full((64, 64, 3), shade, np.uint8))[1].tobytes() for shade in (40, 80))
    feed(first[:2] + b"\xff\xe2\x00\x0eMPF\0" + bytes(8) + first[2:] + second)
    assert seen() == ("stdin", "image", [40])


def test_a_file_sent_in_can_be_read_again(feed: Feed, tmp_path: Path, own_cache: Path) -> None:
    film(tmp_path / "a.mp4")
    feed(file=tmp_path / "a.mp4")
    assert not files.is_pipe("-")
    first, second = seen(), seen()
    assert first == second
    assert first[:2] == ("stdin", "video")
    assert kept(own_cache) == []


def test_nothing_comes(feed: Feed, tmp_path: Path) -> None:
    feed(b"")
    with pytest.raises(SourceError, match="cat talk"):
        media.open("-")
    feed(made(tmp_path / "a.mkv"))
    seen()
    with pytest.raises(SourceError, match="read once"):
        media.open("-")


def test_what_comes_is_no_film(feed: Feed, own_cache: Path) -> None:
    for data in (b"x", b"no film at all" * 9, bytes(99), b"\0\0\0\x18ftypmp42" + bytes(99), b"\x1aE\xdf\xa3" * 9):
        feed(data)
        with pytest.raises(SourceError, match="stdin"):
            media.open("-")
        assert kept(own_cache) == []


def test_more_than_can_be_kept(feed: Feed, tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piped, "MOST_KEPT", 1000)
    feed(made(tmp_path / "a.mp4"))
    with pytest.raises(SourceError, match="frag_keyframe"):
        media.open("-")
    assert kept(own_cache) == []


def test_what_a_killed_process_left_is_cleared(feed: Feed, tmp_path: Path, own_cache: Path) -> None:
    for name, age in (("old", 2 * piped.STALE), ("new", 0.0)):
        (own_cache / "piped" / name).mkdir(parents=True)
        now = (own_cache / "piped" / name).stat().st_mtime
        os.utime(own_cache / "piped" / name, (now - age, now - age))
    feed(made(tmp_path / "a.mp4"))
    seen()
    assert [path.name for path in kept(own_cache)] == ["new"]
    (own_cache / "piped" / "new").rmdir()


def test_a_named_pipe_is_no_file_of_a_folder(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "waits.mp4")
    assert files.is_pipe(tmp_path / "waits.mp4")
    listing = files.look_through([str(tmp_path)])
    assert listing.sources == [str(tmp_path)]
    assert "no regular file" in listing.left_out_line()
