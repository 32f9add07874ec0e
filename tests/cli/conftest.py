"""A model of random numbers, small enough to load in no time, and a way to run the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mien.cli.main import main
from mien.core.labels import LABEL_SPACES
from mien.models.landmarks import MobileFaceNet
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D, S2DConfig
from mien.models.weights import Recognizer, save_weights


@dataclass(frozen=True)
class Ran:
    """What a command line gave."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """JSON lines on stdout."""
        return [json.loads(line) for line in self.out.splitlines()]


Mien = Callable[..., Ran]


@pytest.fixture
def mien(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Mien:
    """``mien("analyze", path, "-o", out)`` in this process."""
    monkeypatch.setenv("COLUMNS", "160")

    def run(*args: object) -> Ran:
        capsys.readouterr()
        code = main([str(arg) for arg in args])
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights file whose answers mean nothing."""
    torch.manual_seed(0)
    config = S2DConfig(input_size=32, patch=16, dim=32, depth=1, heads=2, classes=8)
    pixels = Preprocessing(32, 32)
    record = ModelRecord(
        name="tiny",
        labels=LABEL_SPACES["ferplus"],
        preprocessing=pixels,
        config={},
        frames=4,
        trained_on="nothing",
        licence="none needed",
        scores={"luck": 0.125},
    )
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save_weights(Recognizer(S2D(config), MobileFaceNet(), pixels), record, path)
    return path


@pytest.fixture
def picture(portrait: np.ndarray, tmp_path: Path) -> Path:
    """A still with one face."""
    path = tmp_path / "portrait.png"
    cv2.imwrite(str(path), portrait[:256, 96:352, ::-1])
    return path
