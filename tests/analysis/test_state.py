"""What tells a source from what takes its place."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mien.analysis.provenance import same_state, source_facts
from mien.analysis.state import demand_unchanged, state_of
from mien.core.errors import SourceError
from mien.media import files

AT = 1_700_000_000_123_456_789


def put(path: Path, content: bytes = b"film", at: int = AT) -> Path:
    path.write_bytes(content)
    os.utime(path, ns=(at, at))
    return path


def grow(path: Path) -> None:
    put(path, b"films")


def touch(path: Path) -> None:
    put(path, at=AT + 1)


def swap(path: Path) -> None:
    """Another file of the same name, size and time."""
    put(path.with_name("other"), b"FILM").replace(path)


@pytest.mark.parametrize("change", [grow, touch, swap, Path.unlink])
def test_a_file_that_changes_is_told(tmp_path: Path, change: Callable[[Path], object]) -> None:
    path = put(tmp_path / "a.mp4")
    before = state_of(path)
    demand_unchanged(path, before)
    change(path)
    with pytest.raises(SourceError, match=r"a\.mp4, which"):
        demand_unchanged(path, before)


@pytest.mark.parametrize("change", [grow, touch, swap, Path.unlink])
@pytest.mark.parametrize("given", ["folder", "list", "pattern"])
def test_so_is_each_picture_of_a_sequence(tmp_path: Path, given: str, change: Callable[[Path], object]) -> None:
    paths = [put(tmp_path / f"{number}.png", at=AT + 5 * number) for number in range(3)]
    origin = {"folder": tmp_path, "list": paths, "pattern": str(tmp_path / "*.png")}[given]
    before = state_of(origin)
    demand_unchanged(origin, before)
    change(paths[1])
    with pytest.raises(SourceError):
        demand_unchanged(origin, before)


@pytest.mark.parametrize("origin", [0, "0", "rtsp://host/live", np.zeros((4, 4)), "gone.mp4", "a\0b", os.devnull])
def test_what_has_no_files_has_no_state(origin: object) -> None:
    assert state_of(origin) is None
    demand_unchanged(origin, None)
    assert set(source_facts(origin, with_hash=True)) == {"path"}


def test_a_folder_that_cannot_be_read_is_left_to_whoever_opens_it(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    def fail(folder: Path) -> None:
        raise SourceError("a folder that can be read", str(folder), "check its permissions")

    monkeypatch.setattr(files, "images_in", fail)
    assert state_of(tmp_path) is None


def test_facts_tell_of_one_file_and_of_many(tmp_path: Path) -> None:
    one = put(tmp_path / "1.png", b"one")
    assert source_facts(one) == {"path": str(one), "bytes": 3, "mtime_ns": AT}
    put(tmp_path / "2.png", b"three", AT + 7)
    facts = source_facts(str(tmp_path), with_hash=True)
    assert (facts["files"], facts["bytes"], facts["mtime_ns"]) == (2, 8, AT + 7)
    assert facts["sha256"] == hashlib.sha256(b"onethree").hexdigest()


def test_a_name_that_is_no_text_is_told_in_letters(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    assert source_facts(put(path))["path"] == f"{tmp_path}/caf?.mp4"


def test_the_hash_decides_where_there_is_one(tmp_path: Path) -> None:
    path = put(tmp_path / "a.mp4")
    plain, hashed = source_facts(path), source_facts(path, with_hash=True)
    copy = put(tmp_path / "copy.mp4", at=AT + 99)
    assert same_state(hashed, copy, with_hash=True), "a copy with another time"
    assert not same_state(plain, copy, with_hash=False)
    swap(path)
    assert not same_state(hashed, path, with_hash=True), "other contents with size and time kept"
    assert not same_state(plain, path, with_hash=True), "there was no hash"
