from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.analysis.folders import KEYS, Place, folder_names, owner_of, settle, source_keys, take_shard, whole_folder
from mien.report.tables import write_json


def test_names_are_the_files_without_suffix_and_numbers_where_they_meet() -> None:
    sources = ["a/talk.mp4", "b/talk.mov", "b/Talk.mp4", "talk-2.mp4", "0", "rtsp://me:secret@cam.local/live?key=1"]
    assert folder_names(sources) == ["talk", "talk-2", "Talk-3", "talk-2-2", "camera-0", "live"]


def test_names_that_file_systems_refuse_are_mended() -> None:
    assert folder_names(["what?.mp4", "..", "rtsp://h/", ".hidden.mp4"]) == ["what_", "source", "h", "hidden"]


@given(st.lists(st.text(min_size=1, max_size=8), max_size=12))
def test_names_never_meet_and_never_leave_the_folder(sources: list[str]) -> None:
    names = folder_names(sources)
    assert len({name.lower() for name in names}) == len(sources)
    assert all(name not in {"", ".", ".."} and not set("/\\") & set(name) for name in names)


@given(st.lists(st.integers()), st.integers(1, 9))
def test_shards_together_are_the_list(items: list[int], parts: int) -> None:
    shards = [take_shard(items, f"{part}/{parts}") for part in range(1, parts + 1)]
    assert sorted(item for shard in shards for item in shard) == sorted(items)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_an_error_leaves_the_old_folder_as_it_was(tmp_path: Path) -> None:
    old = tmp_path / "talk"
    old.mkdir()
    (old / "result.json").write_text("old")

    def fail() -> None:
        with whole_folder(old) as draft:
            (draft / "result.json").write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (old / "result.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


class Desk:
    """A working folder with sources and results, without any analysis.

    Args:
        folder: the working folder; paths in it may be given as they are seen from it.
    """

    def __init__(self, folder: Path) -> None:
        self.out = Path("out")
        self.root = folder

    def source(self, name: str, content: str = "film") -> str:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + name)
        return name

    def names(self, *sources: str) -> list[str]:
        self.out.mkdir(exist_ok=True)
        return folder_names(sources, self.out)

    def do(self, *sources: str, only: set[int] | None = None) -> list[str]:
        """Finish the sources, or those at some places of the list; the names they all have."""
        names = self.names(*sources)
        for place, (source, name) in enumerate(zip(sources, names, strict=True)):
            if only is None or place in only:
                self.finish(source, name)
        return names

    def finish(self, source: str, name: str, **facts: object) -> str:
        keys = list(source_keys(source, self.out))
        with whole_folder(self.out / f"draft {name}") as draft:
            write_json(draft / "result.json", {"schema": 1, "provenance": {"command": "x" * 3000, **facts, KEYS: keys}})
        place = Place(source, self.out / name)
        folder, _ = settle(self.out / f"draft {name}", place, keys)
        return folder.name


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    return Desk(tmp_path / "desk")


def test_the_result_of_another_source_keeps_its_folder(desk: Desk) -> None:
    first, second = desk.source("P01/interview.mp4"), desk.source("P02/interview.mkv")
    assert desk.do(first) == ["interview"]
    assert desk.do(second) == ["interview-2"]
    assert desk.names(first) == ["interview"]
    assert desk.names(second) == ["interview-2"]
    assert desk.names(second, first) == ["interview-2", "interview"]
    third = desk.source("P03/Interview.mp4")
    assert desk.names(third, first) == ["Interview-3", "interview"]
    shutil.rmtree(desk.out / "interview")
    assert desk.names(second) == ["interview-2"], "its own comes before a free one"


def test_a_source_is_the_same_however_its_path_is_given(desk: Desk) -> None:
    desk.do(desk.source("P01/talk.mp4"))
    assert desk.names(os.path.abspath("P01/talk.mp4")) == ["talk"]
    assert desk.names("P01/../P01/talk.mp4") == ["talk"]


def test_the_same_words_seen_from_another_folder_are_another_source(desk: Desk, monkeypatch) -> None:
    desk.source("P01/talk.mp4")
    desk.source("P02/talk.mp4", "film")
    desk.out = Path("../out")
    desk.out.parent.joinpath("out").mkdir()
    for folder, name in (("P01", "talk"), ("P02", "talk-2"), ("P01", "talk")):
        monkeypatch.chdir(desk.root / folder)
        assert desk.do("talk.mp4") == [name]


def test_results_that_move_with_their_sources_or_alone_are_found_again(desk: Desk, monkeypatch) -> None:
    first, second = desk.source("P01/talk.mp4"), desk.source("P02/talk.mp4")
    desk.do(second)
    desk.do(first)
    desk.out = desk.out.rename("results")
    assert desk.names(first, second) == ["talk-2", "talk"]
    moved = desk.root.rename(desk.root.with_name("elsewhere"))
    monkeypatch.chdir(moved)
    assert desk.names(first, second) == ["talk-2", "talk"]


def test_a_file_written_anew_is_the_same_source(desk: Desk) -> None:
    source = desk.source("talk.mp4")
    desk.do(source)
    desk.source("talk.mp4", "another film")
    assert desk.names(source) == ["talk"]
    keys = list(source_keys(source, desk.out))
    with whole_folder(desk.out / "draft") as draft:
        write_json(draft / "result.json", {})
    assert settle(desk.out / "draft", Place(source, desk.out / "talk"), keys) == (desk.out / "talk", True)


@pytest.mark.parametrize("done", [set(), {0}, {1}, {3}, {0, 2}, {1, 2, 4}, {0, 1, 2, 3, 4}])
@pytest.mark.parametrize("before", [False, True])
def test_names_do_not_depend_on_what_is_done_already(desk: Desk, done: set[int], before: bool) -> None:
    if before:
        desk.do(desk.source("w/talk.mp4"), desk.source("w/talk-3.mp4"))
    sources = [desk.source(name) for name in ("x/talk.mp4", "y/talk.mp4", "y/talk-2.mp4", "z/TALK.mkv", "z/talk-2.mp4")]
    planned = desk.do(*sources, only=done)
    assert desk.names(*sources) == planned, "so all shards of a list agree, whenever they start"
    assert len({name.lower() for name in planned}) == len(sources)


def test_a_folder_that_another_source_took_meanwhile_is_left_alone(desk: Desk) -> None:
    first, second = desk.source("P01/talk.mp4"), desk.source("P02/talk.mp4")
    assert desk.names(first) == desk.names(second) == ["talk"]
    assert desk.finish(first, "talk") == "talk"
    assert desk.finish(second, "talk") == "talk-2"
    assert desk.names(first, second) == ["talk", "talk-2"]


def test_cameras_and_addresses_are_told_apart_by_all_that_is_not_secret(desk: Desk) -> None:
    one, other = "rtsp://me:word@cam/live?channel=1", "rtsp://cam/live?channel=2"
    assert desk.do(one) == ["live"]
    assert desk.names(other) == ["live-2"]
    assert desk.names("rtsp://you:pass@cam/live?channel=1") == ["live"]
    assert desk.do("0", "1") == desk.names("0", "1") == ["camera-0", "camera-1"]


def put(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(text)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (lambda path, size: f'{{"path": "{path}", "bytes": {size}}}', "talk"),
        (lambda path, size: f'{{"path": "{os.path.relpath(path)}", "bytes": {size}}}', "talk"),
        (lambda path, size: f'{{"path": "{os.path.relpath(path)}", "bytes": {size + 1}}}', "talk-2"),
        (lambda path, size: '{"path": "/elsewhere/talk.mp4", "bytes": 1}', "talk-2"),
        (lambda path, size: '{"path": null}', "talk-2"),
        (lambda path, size: "[]", "talk-2"),
    ],
)
def test_results_of_before_are_known_by_path_and_size(desk: Desk, source: Callable[[str, int], str], name: str) -> None:
    talk = os.path.abspath(desk.source("talk.mp4"))
    put(desk.out / "talk", f'{{"provenance": {{"source": {source(talk, os.path.getsize(talk))}}}}}')
    assert desk.names(talk) == [name]


@pytest.mark.parametrize("text", ["", '{"schema": 1, "prov', "[" * 100_000])
def test_a_result_that_cannot_be_read_is_none(desk: Desk, text: str) -> None:
    put(desk.out / "talk", text)
    assert owner_of(desk.out / "talk") is None
    assert desk.names(desk.source("talk.mp4")) == ["talk"]


@pytest.mark.parametrize("text", ["{}", '{"provenance": 1}', '{"provenance": {"source": {}}}'])
def test_a_result_that_does_not_say_whose_it_is_is_not_replaced(desk: Desk, text: str) -> None:
    put(desk.out / "talk", text)
    assert desk.names(desk.source("talk.mp4")) == ["talk-2"]
