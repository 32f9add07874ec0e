"""Fixtures: a model that looks at brightness, and settings under which it can."""

from __future__ import annotations

import pytest
from brightness import BrightnessNetwork, FacesAt

from mien.analysis.expressions import ExpressionModel
from mien.analysis.settings import AnalysisSettings
from mien.faces import FaceSettings


@pytest.fixture
def network() -> BrightnessNetwork:
    return BrightnessNetwork()


@pytest.fixture
def model(network: BrightnessNetwork) -> ExpressionModel:
    return ExpressionModel(network)


@pytest.fixture
def lenient() -> AnalysisSettings:
    """The defaults, but for gates that the small textured rectangles would not pass."""
    return AnalysisSettings(faces=FaceSettings(min_sharpness=0.0, min_size=10.0, max_yaw=90.0))


@pytest.fixture(autouse=True)
def _known_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Analyses that name no detector find the rectangles."""
    from mien.faces import detectors

    monkeypatch.setitem(detectors.DETECTORS._items, "mtcnn", lambda **_: FacesAt())
