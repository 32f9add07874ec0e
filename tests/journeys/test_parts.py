"""Analysing a part of a source: of its time, of its frames, of its picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.core.errors import ConfigError
from mien.faces.settings import FaceSettings


@pytest.fixture(scope="module")
def model() -> mien.ExpressionModel:
    return mien.load("s2d-tiny", backend="torch")


@pytest.fixture(scope="module")
def clip(sample_clip: Callable[[str], Path]) -> Path:
    return sample_clip("single_face.mp4")


def boxes(result: mien.Result) -> dict[int, np.ndarray]:
    return {row.index: row.face.box for row in result.frames}


def test_a_part_of_the_time_keeps_the_films_times_and_numbers(model: mien.ExpressionModel, clip: Path) -> None:
    part = model.analyze(clip, mien.AnalysisSettings(start=1.5, end=2.0))
    assert [row.index for row in part.frames] == list(range(45, 60))
    assert part.frames[0].time == pytest.approx(1.5, abs=0.001)
    assert part.spans[-1].end == pytest.approx(2.0, abs=0.001)
    assert part.source.start == 0.0


def test_a_region_is_searched_alone_and_boxes_stay_those_of_the_picture(
    model: mien.ExpressionModel, clip: Path
) -> None:
    settings = mien.AnalysisSettings(every=12)
    whole = boxes(model.analyze(clip, settings))
    x0, y0, x1, y1 = next(iter(whole.values()))
    around = (max(x0 - 60, 0), max(y0 - 60, 0), x1 + 60, y1 + 60)
    face = FaceSettings(region=around)
    found = boxes(model.analyze(clip, mien.AnalysisSettings(every=12, faces=face)))
    assert list(found) == list(whole)
    for index, box in found.items():
        assert box == pytest.approx(whole[index], abs=0.12 * float(x1 - x0))
    elsewhere = FaceSettings(region=(0, 0, x0 - 5, 360))
    assert len(model.analyze(clip, mien.AnalysisSettings(every=12, faces=elsewhere)).frames) == 0


@pytest.mark.parametrize("region", [(10, 10, 10, 50), (-5, 0, 50, 50), (0, 60, 50, 20)])
def test_a_region_without_an_inside_is_refused(region: tuple[float, float, float, float]) -> None:
    with pytest.raises(ConfigError, match="region"):
        FaceSettings(region=region)


def test_a_region_outside_the_picture_is_said_with_its_size(model: mien.ExpressionModel, clip: Path) -> None:
    with pytest.raises(ConfigError, match="640 x 360"):
        model.analyze(clip, mien.AnalysisSettings(faces=FaceSettings(region=(900, 0, 950, 50))))
