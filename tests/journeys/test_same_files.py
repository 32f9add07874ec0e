"""Two workers write what one writes, with the shipped weights, on every engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import mien
from mien.analysis.batch import analyze_many
from mien.engines.opening import Backend
from shape_checks import unchecked

CLIPS = ("single_face.mp4", "face_noface.mov")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_two_workers_write_what_one_writes(
    sample_clip: Callable[[str], Path], tmp_path: Path, backend: Backend
) -> None:
    with unchecked():  # exporting asks functions with symbols instead of numbers
        model = mien.load("s2d-tiny", backend=backend)
    settings = mien.AnalysisSettings(frame_rate=6, end=1.5)
    sources = [str(sample_clip(name)) for name in CLIPS]
    for workers in (1, 2):
        outcomes = list(analyze_many(model, sources, tmp_path / str(workers), settings, workers=workers))
        assert [outcome.status for outcome in outcomes] == ["done"] * len(CLIPS), [one.error for one in outcomes]
    for clip in CLIPS:
        for table in ("spans.csv", "frames.csv"):
            one, two = ((tmp_path / count / Path(clip).stem / table).read_bytes() for count in ("1", "2"))
            assert one == two
            assert one.count(b"\n") > 1, "somebody was seen"
