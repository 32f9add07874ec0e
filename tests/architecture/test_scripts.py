"""Benchmarks and tools are run by hand: what they import must be there all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

OF_OTHERS = {"site_pages"}
"""A hook of mkdocs, which `make docs` brings along and runs."""


@pytest.mark.parametrize("folder", ["benchmarks", "tools"])
def test_every_script_can_be_imported(root: Path, folder: str) -> None:
    names = sorted(path.stem for path in (root / folder).glob("*.py") if path.stem not in OF_OTHERS)
    assert len(names) > 5
    ran = subprocess.run(
        [sys.executable, "-c", f"import importlib; [importlib.import_module(name) for name in {names!r}]"],
        cwd=root / folder,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
