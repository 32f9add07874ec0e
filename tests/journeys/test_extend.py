"""The how-tos that add something are followed to the letter, on a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mien

ROOT = Path(__file__).resolve().parents[2]
HOWTOS = ("add-a-network.md", "add-a-loss.md", "add-a-recipe.md", "add-an-output.md")
STEP = re.compile(r"<!-- (file|line|run) ?(\S*)(?: after (\w+))? -->\n```\w+\n(.*?)```", re.DOTALL)
MOST_LINES = 45


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout with the package alone; its weights are those of the real one."""
    package = Path(mien.__file__).parent
    shutil.copytree(package, tmp_path / "src/mien", ignore=shutil.ignore_patterns("__pycache__", "weights"))
    (tmp_path / "src/mien/weights").symlink_to(package / "weights")
    return tmp_path


def environment(copy: Path) -> dict[str, str]:
    """The installed command, with the copy in front."""
    tests = os.pathsep.join([str(copy / "src"), str(ROOT / "tests")])
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PYTHONPATH": tests, "PATH": path, "MIEN_THREADS": "1"}


def inserted(source: str, after: str, text: str) -> str:
    """``text`` as the first lines of the dictionary that begins with ``after``."""
    lines = source.splitlines(keepends=True)
    begin = next(place for place, line in enumerate(lines) if line.startswith(after))
    brace = next(place for place in range(begin, len(lines)) if lines[place].rstrip().endswith("{"))
    return "".join([*lines[: brace + 1], text, *lines[brace + 1 :]])


def follow(howto: str, copy: Path) -> int:
    """Do what it says; how many lines it adds."""
    lines = 0
    for kind, name, after, text in STEP.findall((ROOT / "docs" / howto).read_text("utf-8")):
        if kind == "file":
            assert not (copy / name).exists()
            (copy / name).write_text(text)
        elif kind == "line":
            (copy / name).write_text(inserted((copy / name).read_text(), after, text))
        else:
            command = ["bash", "-euc", text]
            ran = subprocess.run(command, cwd=copy, env=environment(copy), capture_output=True, text=True)
            assert ran.returncode == 0, ran.stderr[-3000:]
        lines += len(text.splitlines()) if kind != "run" else 0
    return lines


def test_how_tos_are_short() -> None:
    long = {name: len((ROOT / "docs" / name).read_text().splitlines()) for name in HOWTOS}
    assert {name: count for name, count in long.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("howto", HOWTOS)
def test_it_runs_as_written(copy: Path, howto: str) -> None:
    assert follow(howto, copy) > 0


@pytest.mark.campaign
def test_a_network_by_the_book_passes_the_tests_of_all_that_has_a_name(copy: Path) -> None:
    """All together: the tests of registries build, run, save, load, explain and export what was added."""
    assert sum(follow(howto, copy) for howto in HOWTOS) < 100
    shutil.copytree(ROOT / "tests", copy / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/test_registries.py"]
    command += ["-k", "toy or focal or quick or doubt"]
    ran = subprocess.run(command, cwd=copy, env=environment(copy), capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-3000:]
    passed = re.search(r"(\d+) passed", ran.stdout)
    assert ran.stdout.count(".") >= 10 if passed is None else int(passed[1]) >= 10, ran.stdout[-300:]
