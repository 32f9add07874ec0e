"""A result with two people, one of whom looks away and comes back, over a video of moving noise."""

from __future__ import annotations

from pathlib import Path

import pytest
from noise_video import FRAMES, HEIGHT, LABELS, TIMES, WIDTH, noise, table_of

from mien import media
from mien.core.table import FaceTable
from mien.core.types import Span
from mien.media import SourceInfo
from mien.report.result import Result


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "noise.mp4"
    with media.VideoWriter(path, WIDTH, HEIGHT, 25.0) as writer:
        for index, time in enumerate(TIMES):
            writer.write(noise(index), float(time))
    return path


@pytest.fixture
def result(video: Path) -> Result:
    """Track 1 in frames 0-14 and 20-47 (unreadable in 20-29), track 2 in frames 10-47."""
    frames = {i: [t for t, seen in ((1, i < 15 or i >= 20), (2, i >= 10)) if seen] for i in range(FRAMES)}
    away = {(i, 1): "turned away" for i in range(20, 30)}
    at = [float(TIMES[i]) for i in (0, 10, 20, 30)]
    end = float(TIMES[-1] + 0.04)
    spans = (
        Span(1, at[0], at[2], "happiness", 0.8),
        Span(2, at[1], end, "sadness", 0.6),
        Span(1, at[2], at[3], "unclear", 0.0, True, "turned away"),
        Span(1, at[3], end, "happiness", 0.8),
    )
    info = SourceInfo("noise.mp4", "video", WIDTH, HEIGHT, end, 17.0, FRAMES)
    facts = {"mien": "0", "nothing": float("nan"), "path": Path("a/b")}
    return Result(info, LABELS, spans, table_of(frames, away), facts, origin=video)


@pytest.fixture
def nobody(video: Path) -> Result:
    info = SourceInfo("noise.mp4", "video", WIDTH, HEIGHT, 3.0, 17.0, FRAMES)
    return Result(info, LABELS, (), FaceTable(len(LABELS)), {}, origin=video)
