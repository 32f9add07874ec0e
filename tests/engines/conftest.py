"""Two small models that between them have every part that is hard to export, and their files, made once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mien.core.labels import LABEL_SPACES
from mien.core.signals import Signal
from mien.engines.export import Exported, export
from mien.models.heads import build_heads
from mien.models.landmarks import MobileFaceNet
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D, S2DConfig
from mien.models.weights import Recognizer, save_weights
from mien.models.zoo import LoadedModel, load_model
from shape_checks import unchecked

CONFIGS = {
    # 3 x 3 patches: the landmark map's 14 do not divide; 40 to 24 pixels: shrinking is anti-aliased.
    "video": (S2DConfig(input_size=24, patch=8, dim=32, depth=2, heads=2, classes=8, frames=4), (40, 24, "rgb")),
    "image": (S2DConfig(input_size=32, patch=16, dim=32, depth=1, heads=2, classes=8, prompts=False), (24, 32, "grey")),
}

BESIDE = (Signal("action_units", ("AU1", "AU12"), "flags"), Signal("pose", ("yaw", "pitch"), "scale", -90.0, 90.0))
HEADS = {"action_units": "linear", "pose": "cosine"}
"""What the video model says beside the expression."""


def make_weights(name: str, path: Path) -> Path:
    """Weights that answer at random, but with opinions: labels differ from clip to clip."""
    config, pixels = CONFIGS[name]
    torch.manual_seed(5)
    net, landmarks = S2D(config, zero_init=False), MobileFaceNet() if config.prompts else None
    signals = BESIDE if name == "video" else ()
    kinds = {signal.name: HEADS[signal.name] for signal in signals}
    recognizer = Recognizer(net, landmarks, Preprocessing(*pixels), build_heads(kinds, signals, config.dim))
    torch.nn.init.normal_(recognizer.s2d.head.weight, std=0.5)
    record = ModelRecord(
        name, LABEL_SPACES["ferplus"], Preprocessing(), {}, frames=4, temperature=0.8, threshold=0.3, licence="any"
    )
    save_weights(recognizer, replace(record, signals=signals, heads=kinds), path)
    return path


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The weights files, by kind."""
    folder = tmp_path_factory.mktemp("weights")
    return {name: make_weights(name, folder / f"{name}.safetensors") for name in CONFIGS}


@pytest.fixture(scope="session")
def models(weights: dict[str, Path]) -> dict[str, LoadedModel]:
    """The models in PyTorch, by kind."""
    return {name: load_model(path) for name, path in weights.items()}


@pytest.fixture(scope="session")
def files(models: dict[str, LoadedModel], tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Exported]:
    """Every model in ONNX and the video model in all formats, by kind and target."""
    folder = tmp_path_factory.mktemp("exported")
    wanted = [("video", "onnx"), ("video", "openvino"), ("video", "pt2"), ("image", "onnx")]
    with unchecked():
        return {(kind, target): export(models[kind], target, folder) for kind, target in wanted}
