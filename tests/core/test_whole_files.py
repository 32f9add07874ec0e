"""Files and folders that are there whole or not at all, whoever writes at the same time or is killed over it."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from mien.core.errors import FileError, InputError, file_error
from mien.core.files import clear_drafts, draft_beside, draft_folder, whole_file
from mien.core.processes import is_over, process_mark

DIES = """
import os, signal, sys
from pathlib import Path
from mien.core.files import draft_beside, draft_folder
folder = Path(sys.argv[1])
draft_beside(folder / "film.mp4", ".mp4").write_bytes(b"half a film of faces")
with draft_folder(folder / "talk") as draft:
    (draft / "annotated.mp4").write_bytes(b"half a film of faces")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def left_over(tmp_path: Path) -> Path:
    """A folder with what a process that was killed left in it."""
    with subprocess.Popen([sys.executable, "-c", DIES, str(tmp_path)]) as process:
        process.wait()
    assert len(list(tmp_path.iterdir())) == 2
    return tmp_path


def test_sixteen_threads_that_write_one_file_leave_it_whole(tmp_path: Path) -> None:
    together = Barrier(16)

    def write(letter: int) -> None:
        with whole_file(tmp_path / "spans.csv") as draft:
            draft.write_bytes(bytes([letter]) * 1000)
            together.wait(10)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(65, 81)))
    assert len(set((tmp_path / "spans.csv").read_bytes())) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["spans.csv"]


def test_drafts_of_the_dead_go_with_the_next_write_there(left_over: Path) -> None:
    with whole_file(left_over / "a.csv") as draft:
        draft.write_text("a")
    assert [path.name for path in left_over.iterdir()] == ["a.csv"]


def test_drafts_of_one_who_is_dead_but_not_yet_waited_for_go_too(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", DIES, str(tmp_path)]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        clear_drafts(tmp_path)
        assert list(tmp_path.iterdir()) == []


def test_drafts_of_the_living_of_other_machines_and_of_others_stay(tmp_path: Path) -> None:
    machine, number, birth = process_mark().split("-")
    others = [f".mien-0badf00d-{number}-{birth}-1.partial", ".talk.4711.partial", ".mien-notes", "mien-1-2-3-4.partial"]
    for name in others:
        (tmp_path / name).mkdir()
    with draft_folder(tmp_path / "talk") as mine:
        clear_drafts(tmp_path)
        assert mine.is_dir()
        (tmp_path / f".mien-{machine}-{number}-0badf00d-1.partial").mkdir()  # its number is another's by now
        clear_drafts(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, mine.name])


def test_a_process_is_over_only_where_that_is_sure() -> None:
    machine, number, birth = process_mark().split("-")
    assert not is_over(process_mark())
    assert is_over(f"{machine}-{number}-0badf00d")
    assert is_over(f"{machine}-{2**22 + 5}-{birth}")
    assert not is_over(f"0badf00d-{2**22 + 5}-{birth}"), "of another machine nothing is known"
    assert not is_over(f"{machine}-{number}-00000000"), "nor where the system tells no births"


@pytest.mark.parametrize("name", ["n" * 251 + ".csv", "面" * 83 + ".csv"])
def test_a_name_as_long_as_may_be_can_be_written(tmp_path: Path, name: str) -> None:
    with whole_file(tmp_path / name) as draft:
        draft.write_text("a")
    with draft_folder(tmp_path / name[:-4]) as draft:
        draft.rename(tmp_path / name[:-4])
    assert len(list(tmp_path.iterdir())) == 2


def test_no_two_drafts_have_a_name(tmp_path: Path) -> None:
    assert draft_beside(tmp_path / "a.png", ".png") != draft_beside(tmp_path / "a.png", ".png")


def test_what_the_system_refuses_is_said_in_three_parts(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory") as caught:
        (tmp_path / "gone" / "a.csv").write_text("a")
    error = file_error(caught.value)
    assert isinstance(error, FileError)
    assert isinstance(error, InputError)
    assert error.got == f"{tmp_path / 'gone' / 'a.csv'}: No such file or directory"
    full = file_error(OSError(28, "whatever"), tmp_path)
    assert (full.got, full.fix) == (
        f"{tmp_path}: No space left on device",
        "make room there, or choose another place",
    )
