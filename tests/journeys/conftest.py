"""A stranger's machine: an empty home, a folder with a video in it, and the installed command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from cuts import frames_of, write_video


@dataclass(frozen=True)
class Desk:
    """Where a journey takes place: the work folder, and what a command there sees."""

    folder: Path
    home: Path
    environment: dict[str, str] = field(repr=False)

    def run(self, *command: object) -> subprocess.CompletedProcess[str]:
        words = [str(word) for word in command]
        return subprocess.run(words, cwd=self.folder, env=self.environment, capture_output=True, text=True)

    def start(self, *command: object) -> subprocess.Popen[str]:
        words = [str(word) for word in command]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(words, cwd=self.folder, env=self.environment, **pipes)

    def files(self) -> set[str]:
        """Every file of the folder and the home."""
        return {str(path.relative_to(self.home)) for path in self.home.rglob("*") if path.is_file()}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An empty one. The command ``mien`` is the one that was installed with the interpreter of the tests."""
    folder = tmp_path / "work"
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MIEN_", "XDG_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return Desk(
        folder, tmp_path, {**kept, "HOME": str(tmp_path), "PATH": path, "MIEN_OFFLINE": "1", "MIEN_THREADS": "1"}
    )


@pytest.fixture(scope="session")
def short_clip(sample_clip: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The second of single_face.mp4 in which neutral becomes happiness."""
    return write_video(tmp_path_factory.mktemp("clips") / "short.mp4", frames_of(sample_clip("single_face.mp4"), 1.0))


@pytest.fixture
def furnished(desk: Desk, short_clip: Path, portrait: np.ndarray) -> Desk:
    """A desk with the files that README and tour speak of."""
    for folder in ("videos", "shots"):
        (desk.folder / folder).mkdir()
    for name in ("talk.mp4", "videos/monday.mp4"):
        (desk.folder / name).write_bytes(short_clip.read_bytes())
    cv2.imwrite(str(desk.folder / "shots" / "portrait.jpg"), portrait[:, :, ::-1])
    return desk
