"""What tests of sweeps share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sweeping import WANTED, shorten

from films import film


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children and actors find the roles of the tests."""
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


@pytest.fixture
def twelve(tmp_path: Path, sample_clip: Callable[[str], Path]) -> Path:
    """Twelve small films: three with a face, four without, an empty one, a torn one, and three that do harm."""
    folder = tmp_path / "films"
    folder.mkdir()
    face = sample_clip("single_face.mp4").read_bytes()
    for name, status in WANTED.items():
        if status == "done":
            shorten(sample_clip("single_face.mp4"), folder / name, 6 + int(name[4]))
        elif name == "empty.mp4":
            (folder / name).touch()
        elif name == "torn.mp4":
            (folder / name).write_bytes(face[: len(face) // 8])
        else:
            film(folder / name, count=5)
    return folder
