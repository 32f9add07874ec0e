"""tools/time_used.py: a model that reads the order of frames loses by shuffling, one that reads their mean does not."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import cv2
import numpy as np
import pytest

from mien.core.labels import LabelSpace
from mien.data.manifest import Manifest, Row, load_manifest
from mien.models.record import ModelRecord, Preprocessing

LABELS = LabelSpace("two", ("grows", "fades"))
FRAMES, CLIPS = 4, 40


class Slope:
    """Says that a clip grows where its second half is the brighter one; of a single frame it knows nothing."""

    engine, precision = "torch", "float32"
    record = ModelRecord("slope", LABELS, Preprocessing(crop_size=8, input_size=8), {"frames": FRAMES}, FRAMES)

    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        light = clips.mean((2, 3, 4)) / 255
        half = clips.shape[1] // 2
        up = light[:, half:].mean(1) - (light[:, :half].mean(1) if half else light[:, half:].mean(1))
        grows = 1 / (1 + np.exp(-20 * up - 1e-3))
        return np.stack([grows, 1 - grows], 1)


class Mean(Slope):
    """Says what the mean of all frames is."""

    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        light = clips.mean((1, 2, 3, 4)) / 255
        return np.stack([light, 1 - light], 1)


@pytest.fixture(scope="module")
def tool(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool("time_used")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Half of the clips grow brighter, half fade by as much; those that grow are a little brighter as a whole."""
    folder, rows = tmp_path_factory.mktemp("clips"), []
    for clip in range(CLIPS):
        (folder / str(clip)).mkdir()
        step = 40 if clip % 2 == 0 else -40
        for frame in range(FRAMES):
            value = 130 + step * (frame - 1.5) + 0.25 * step
            cv2.imwrite(str(folder / f"{clip}/{frame}.png"), np.full((8, 8, 3), value, np.uint8))
        rows.append(Row(str(clip), str(clip), "frames", LABELS.labels[clip % 2], "test"))
    Manifest("clips", LABELS, tuple(rows), folder).save(folder)
    return load_manifest(folder)


def test_what_reads_the_order_loses_by_both(tool: ModuleType, rows: Manifest) -> None:
    found = tool.measure(Slope(), rows)
    for comparison, most in ((found["shuffled"], 0.8), (found["every frame alone"], 0.6)):
        assert comparison.war.value >= 1 - most, "in order all are right"
        assert comparison.war.low > 0
        assert (comparison.one.answers == comparison.one.targets).all()


def test_what_reads_the_mean_loses_by_neither(tool: ModuleType, rows: Manifest) -> None:
    for comparison in tool.measure(Mean(), rows).values():
        assert comparison.war.value == 0
        assert np.allclose(comparison.one.probabilities, comparison.other.probabilities)
