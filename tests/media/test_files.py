"""What a list of arguments means."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest

from mien import media
from mien.core.errors import SourceError
from mien.media.files import (
    camera_number,
    expand,
    images_in,
    is_address,
    is_image,
    look_through,
    natural_key,
)


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


def left_out(*sources: object, results: object = None) -> dict[str, str]:
    listing = look_through([str(source) for source in sources], results)
    return {Path(path).name: reason for path, reason in listing.left_out}


def test_what_a_folder_holds_and_is_not_looked_at_is_named(tree: Path) -> None:
    (tree / "IMG_1.CR2").touch()
    (tree / "more" / "no_suffix").touch()
    (tree / ".DS_Store").touch()
    listing = look_through(["."])
    assert listing.sources == expand(["."])
    assert set(left_out(".")) == {"notes.txt", ".hidden.mp4", "IMG_1.CR2", "no_suffix"}
    line = listing.left_out_line()
    assert line.startswith("left out 4 files: ")
    assert line.count("\n") == 0
    assert all(
        name in line for name in ("notes.txt", ".hidden.mp4 (hidden)", "IMG_1.CR2", os.path.join("more", "no_s"))
    )
    assert look_through(["clip2.mp4", "notes.txt"]).left_out_line() == "", "what was named is tried"
    assert "notes.txt" not in left_out(".", "notes.txt")


def test_many_of_a_kind_take_one_line(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number}.txt").touch()
        (tmp_path / f"a.{number}x").touch()
    line = look_through([str(tmp_path)]).left_out_line()
    assert line.startswith("left out 200 files: ")
    assert "0.txt and 99 more .txt" in line
    assert "89 more" in line
    assert len(line) < 2500


def test_linked_folders_are_entered_once(tmp_path: Path) -> None:
    real, linked = tmp_path / "far", tmp_path / "data"
    for path in (real / "deep" / "talk.mp4", linked / "own.mp4", linked / "z" / "inner.mp4"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (linked / "sub-01").symlink_to(real)
    (linked / "sub-02").symlink_to(real / "deep")
    (linked / "a").symlink_to(linked / "z")
    (real / "deep" / "again").symlink_to(linked)
    found = [os.path.relpath(entry, linked) for entry in expand([str(linked)])]
    assert found == ["own.mp4", os.path.join("sub-01", "deep", "talk.mp4"), os.path.join("z", "inner.mp4")]
    assert left_out(linked) == {}
    assert expand([str(linked), str(real)]) == expand([str(real), str(linked)])
    assert len(expand([str(linked), str(real)])) == 3, "by two ways it is the same film"


def test_links_that_lead_up_or_nowhere_or_in_a_circle(tmp_path: Path) -> None:
    own, neighbour = tmp_path / "P01", tmp_path / "P02"
    for folder in (own, neighbour):
        folder.mkdir()
        (folder / "talk.mp4").touch()
    (own / "self").symlink_to(own)
    (own / "all").symlink_to(tmp_path)
    (own / "round").symlink_to(own / "round")
    (own / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (own / "other.mp4").symlink_to(own / "talk.mp4")
    names = [Path(entry).name for entry in expand([str(own)])]
    assert names == ["gone.mp4", "other.mp4", "talk.mp4"], "a broken link is reported by whoever opens it"
    assert "lies in" in left_out(own)["all"]
    assert "self" not in left_out(own), "nothing is lost by that"
    assert "files and folders" in look_through([str(own)]).left_out_line()


def test_a_pattern_ends_where_links_go_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a.mp4").touch()
    for number in range(8):
        (tmp_path / "in" / f"loop{number}").symlink_to(tmp_path / "in")
    found = [os.path.join("in", "deep", "a.mp4")]
    for pattern in ("**/*.mp4", "in/**/*.mp4", "**/deep/**/a.*", f"{tmp_path}/in/**/a.mp4", "in/*/*.mp4"):
        assert [os.path.relpath(entry) for entry in expand([pattern])] == found, pattern
    assert expand(["in/**"]) == expand(["in"]) == found


def test_a_folder_that_cannot_be_opened_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proper = os.scandir

    def guarded(folder: str) -> object:
        if Path(folder).name == "more":
            raise PermissionError(13, "Permission denied")
        return proper(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    assert "Permission denied" in left_out(".")["more"]
    with pytest.raises(SourceError, match="Permission denied"):
        media.open("more")


def test_what_mien_wrote_is_no_source(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("talk.mp4", "annotated.mp4", "out/talk/annotated.mp4", "out/talk/frames.csv"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    films = [str(tmp_path / "annotated.mp4"), str(tmp_path / "talk.mp4")]
    assert look_through([str(tmp_path)], out).sources == films
    assert left_out(tmp_path, results=out) == {}, "not worth a word"
    assert left_out(tmp_path, results=tmp_path / "other")["annotated.mp4"] == "written by mien"
    (out / "plots").mkdir()
    (out / "plots" / "means.png").touch()
    assert look_through([str(tmp_path)], out).sources == films
    assert left_out(tmp_path, results=out) == {"means.png": "in the folder for the results"}
    assert len(look_through([str(out)], out).sources) == 1, "that folder itself was named"
    assert set(look_through([str(tmp_path)], tmp_path).sources) == {*films, str(out / "plots" / "means.png")}


def test_standard_input_and_nothing(tree: Path) -> None:
    (tree / "-").touch()
    assert expand(["-", "-"]) == ["-"]
    assert expand(["./-"]) == [os.path.join(".", "-")]
    assert expand([""]) == [""], "not the whole current folder"
    with pytest.raises(SourceError, match="empty"):
        media.open("")


def encoded(path: Path, form: str, codec: str) -> bytes:
    """Twelve pictures in a container, whatever ``path`` is called."""
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        for number in range(12):
            picture = np.full((144, 176, 3), 10 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("form", "codec", "suffixes"),
    [
        ("h264", "libx264", (".h264", ".264", ".avc")),
        ("ivf", "libvpx", (".ivf",)),
        ("h263", "h263", (".h263",)),
        ("h261", "h261", (".h261",)),
        ("mpeg1video", "mpeg1video", (".m1v", ".mpv", ".mpe")),
        ("mp4", "mpeg4", (".insv", ".lrv", ".lrf", ".mp4v", ".3gpp", ".ismv", ".qt")),
        ("mov", "jpeg2000", (".mj2",)),
        ("matroska", "mpeg4", (".mk3d",)),
        ("avi", "mpeg4", (".divx", ".xvid")),
        ("mpegts", "mpeg2video", (".m2t", ".tod", ".trp", ".tp")),
        ("vob", "mpeg2video", (".mod", ".m2p", ".vro", ".evo")),
        ("wtv", "mpeg2video", (".wtv",)),
        ("asf", "msmpeg4v3", (".dvr-ms",)),
        ("nut", "mpeg4", (".nut",)),
        ("rm", "rv20", (".rm", ".rmvb")),
        ("ogg", "libvpx", (".ogm",)),
    ],
)
def test_every_name_of_a_video_is_one_that_opens(tmp_path: Path, form: str, codec: str, suffixes: tuple) -> None:
    data = encoded(tmp_path / "film.bin", form, codec)
    (tmp_path / "film.bin").unlink()
    for suffix in suffixes:
        (tmp_path / f"film{suffix.upper()}").write_bytes(data)
    found = expand([str(tmp_path)])
    assert len(found) == len(suffixes)
    for entry in found:
        with media.open(entry) as source:
            assert len(list(source)) == 12
