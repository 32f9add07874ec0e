from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.analysis.folders import folder_names, take_shard, whole_folder


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
