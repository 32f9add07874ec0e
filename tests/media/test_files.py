"""What a list of arguments means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mien.media.files import camera_number, expand, images_in, is_address, is_image, natural_key


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        *("clip10.mp4", "clip2.mp4", "Clip1.MOV", "notes.txt", ".hidden.mp4", "photo.JPG"),
        *("more/deep/c.mkv", "more/._c.mkv", ".cache/x.mp4", "odd[1].mp4"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_everything_in_it_that_can_be_shown(tree: Path) -> None:
    assert expand(["."]) == [
        "Clip1.MOV",
        "clip2.mp4",
        "clip10.mp4",
        os.path.join("more", "deep", "c.mkv"),
        "odd[1].mp4",
        "photo.JPG",
    ]


def test_patterns(tree: Path) -> None:
    assert expand(["clip*.mp4"]) == ["clip2.mp4", "clip10.mp4"]
    assert expand(["**/*.mkv"]) == [os.path.join("more", "deep", "c.mkv")]
    assert expand(["mor*"]) == [os.path.join("more", "deep", "c.mkv")], "a folder a pattern matches is a folder"
    assert expand(["odd[1].mp4"]) == ["odd[1].mp4"], "a file of that very name comes first"


def test_results_may_lie_among_the_sources(tree: Path) -> None:
    before = expand(["."])
    for name in (
        *("out/clip2/annotated.mp4", "out/clip2/timeline.png", "out/clip2/frames.csv", "out/photo/annotated.png"),
        *("out/photo/frames.csv", "why/face-12.png", "why/explain.json", "out/.mien-1-2-3-4.partial/annotated.mp4"),
    ):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    assert expand(["."]) == before
    assert expand(["**/*.mp4"]) == ["clip2.mp4", "clip10.mp4", "odd[1].mp4"]
    assert images_in(tree / "out" / "photo") == []
    assert expand(["out/clip2/annotated.mp4"]) == ["out/clip2/annotated.mp4"], "what is named is meant"
    assert expand(["out/*/annotated.mp4"]) == ["out/clip2/annotated.mp4"]
    (tree / "more" / "timeline.png").touch()
    (tree / "out" / "clip2" / "mine.mp4").touch()
    assert set(expand(["."])) == {*before, "more/timeline.png", "out/clip2/mine.mp4"}, "only what mien wrote"


def test_each_is_listed_once_and_in_one_order(tree: Path) -> None:
    listed = expand(["clip10.mp4", "./clip10.mp4", str(tree / "clip10.mp4"), "clip2.mp4", "clip*.mp4"])
    assert sorted(Path(entry).name for entry in listed) == ["clip10.mp4", "clip2.mp4"]
    assert expand(["b", "a"]) == expand(["a", "b"]), "shards of one list on two machines agree"


def test_what_stands_for_nothing_stays_to_be_reported(tree: Path) -> None:
    assert expand(["missing.mp4"]) == ["missing.mp4"]
    assert expand(["none*.mp4"]) == ["none*.mp4"]
    assert expand(["empty"]) == ["empty"]
    assert expand(["notes.txt"]) == ["notes.txt"], "a file that was named is tried, whatever its suffix"
    assert expand([]) == []


def test_addresses_and_cameras_pass(tree: Path) -> None:
    assert expand(["rtsp://host/a?b=*", "0"]) == ["0", "rtsp://host/a?b=*"]
    (tree / "0").touch()
    assert camera_number("0") is None, "a file of that name is meant"
    assert camera_number("12") == 12
    assert camera_number("/dev/video3") == 3
    assert camera_number("/dev/videos") is None
    assert is_address("https://host/v.mp4")
    assert not is_address("C://videos/v.mp4")
    assert not is_address("v.mp4")


def test_numbers_in_names_count_as_numbers() -> None:
    names = ["a10", "a2", "A1", "b", "a", "10", "9", "a2b"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "A1", "a2", "a2b", "a10", "b"]


@pytest.mark.parametrize(
    ("name", "data", "still"),
    [
        ("photo", b"\x89PNG\r\n\x1a\n", True),
        ("photo.heic", b"", True),
        ("photo.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", True),
        ("photo.jpg", b"GIF89a", False),
        ("photo.heic", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", False),
        ("clip.mjpeg", b"\xff\xd8\xff\xe0", False),
        ("clip", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", False),
        ("notes.txt", b"hello", False),
    ],
)
def test_what_a_file_holds_counts_more_than_its_name(tmp_path: Path, name: str, data: bytes, still: bool) -> None:
    (tmp_path / name).write_bytes(data)
    assert is_image(tmp_path / name) is still
