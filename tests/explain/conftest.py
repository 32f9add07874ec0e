"""Fixtures: the model that has learnt to look at the mouth, and one of random numbers with every part of S2D."""

from __future__ import annotations

import pytest
import torch
from planted import LABELS, SIDE, learn, model_of

from mien.core.labels import LabelSpace
from mien.models.landmarks import MobileFaceNet
from mien.models.s2d import S2D, S2DConfig
from mien.models.zoo import LoadedModel


@pytest.fixture(scope="session")
def mouth_model() -> LoadedModel:
    return learn()


@pytest.fixture(scope="session")
def whole_model() -> LoadedModel:
    """Prompters, temporal adapters and a landmark net, untrained."""
    torch.manual_seed(0)
    config = S2DConfig(input_size=SIDE, patch=4, dim=32, depth=3, heads=2, classes=2, frames=4)
    return model_of(S2D(config), MobileFaceNet(), LabelSpace("two", ("happiness", "neutral")))


@pytest.fixture(scope="session")
def labels() -> LabelSpace:
    return LABELS
