"""``mien prepare people``: a table, a sheet, and what is said where something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from tiny_head import write_head


def test_the_command_says_what_it_made_and_draws_a_sheet(mien, tmp_path: Path) -> None:
    head_file = write_head(tmp_path / "head.npz")
    sheet = tmp_path / "sheet.png"
    asked = ("--count", 8, "-o", tmp_path / "set", "--size", 48, "--workers", 1, "--sheet", sheet)
    ran = mien("prepare", "people", "--model", head_file, *asked)
    assert ran.code == 0
    assert "nobody in it exists" in ran.out
    assert "happiness" in ran.out
    page = cv2.imread(str(sheet))
    assert page.shape[1] > 14 * 100
    assert page.std() > 20
    ran = mien("prepare", "people", "--model", head_file, "--count", 8, "-o", tmp_path / "more", "--sheet", "a.gif2")
    assert ran.code == 1
    assert "--sheet" in ran.err
    assert not (tmp_path / "more").exists()


def test_a_model_that_is_missing_is_said_before_anything_is_written(mien, tmp_path: Path) -> None:
    ran = mien("prepare", "people", "--model", tmp_path / "no.npz", "--count", 4, "-o", tmp_path / "set")
    assert ran.code == 1
    assert "no.npz" in ran.err
    assert not (tmp_path / "set").exists()


def test_without_numba_the_package_to_install_is_said(tmp_path: Path) -> None:
    head_file = write_head(tmp_path / "head.npz")
    program = (
        "import sys; sys.modules['numba'] = None; from mien.cli.main import main; "
        f"sys.exit(main(['prepare', 'people', '--model', {str(head_file)!r}, "
        f"'--count', '1', '-o', {str(tmp_path / 's')!r}]))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 1
    assert "mien[people]" in ran.stderr
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("args", [["--help"], ["prepare", "--help"], ["prepare", "people", "--help"]])
def test_what_draws_nothing_does_not_load_numba(args: list[str]) -> None:
    program = f"import sys, mien; sys.modules['numba'] = None; from mien.cli.main import main; sys.exit(main({args!r}))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "prepare" in ran.stdout


def test_without_a_place_for_machine_code_it_is_made_anew(tmp_path: Path) -> None:
    program = "from mien.data.people.compiled import compiled; print(compiled(lambda x: x + 1)(2))"
    nowhere = {**os.environ, "NUMBA_CACHE_DIR": "", "NUMBA_CACHE_LOCATOR_CLASSES": "ZipCacheLocator"}
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=nowhere)
    assert ran.stdout == "3\n", ran.stderr
