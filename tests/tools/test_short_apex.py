"""tools/short_apex.py: whose loss it is that an expression at the end of a film is not named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from mien.analysis.settings import AnalysisSettings
from mien.core.labels import LABEL_SPACES, LabelSpace
from mien.data.manifest import Manifest, Row
from mien.data.people.exact import HALF, PER_FRAME, PER_ITEM, Exact
from mien.models.record import ModelRecord, Preprocessing

FRAMES, RATE = 24, 10
LABELS = LABEL_SPACES["ferplus"]
CLIPS = (  # frames at the height, brightness there, course, label
    (8, 0.9, "onset", "happiness"),
    (8, 0.55, "onset", "happiness"),
    (8, 0.1, "onset", "happiness"),
    (8, 0.9, "onset", "neutral"),
    (8, 0.9, "passing", "happiness"),
    (2, 0.9, "onset", "happiness"),
    (19, 0.9, "onset", "happiness"),
)


class Brightness:
    """Happiness is as probable as the mean of the clip is bright; the rest is neutral."""

    record = ModelRecord(
        name="brightness",
        labels=LabelSpace("two", ("neutral", "happiness")),
        preprocessing=Preprocessing(crop_size=8, input_size=8),
        config={},
        frames=4,
        threshold=0.6,
        sha256="f" * 64,
    )

    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        bright = np.clip(clips.mean((1, 2, 3, 4)) / 255, 0.01, 0.99)
        return np.stack([1 - bright, bright], 1)

    def logits(self, clips: np.ndarray) -> np.ndarray:
        return np.log(self.probabilities(clips))


@pytest.fixture(scope="module")
def tool(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    return load_tool("short_apex")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, count = tmp_path_factory.mktemp("ending"), len(CLIPS)
    strength, rows = np.zeros((count, FRAMES), np.float16), []
    for item, (last, bright, _, label) in enumerate(CLIPS):
        strength[item, -last:] = 0.8
        (folder / str(item)).mkdir()
        for frame in range(FRAMES):
            value = 255 * bright if frame >= FRAMES - last else 5
            cv2.imwrite(str(folder / f"{item}/{frame:03d}.png"), np.full((8, 8, 3), value, np.uint8))
        rows.append(Row(str(item), str(item), "frames", label, "test", 0, f"p{item}"))
    Manifest("people", LABELS, tuple(rows), folder).save(folder)
    (folder / "people.json").write_text(json.dumps({"rate": RATE}))
    shares = np.zeros((count, FRAMES, 8), np.float16)
    for item, (*_, label) in enumerate(CLIPS):
        shares[item, :, LABELS.index(label)] = 1
    shapes = {"coefficients": (1,), "landmarks": (68, 2), "pose": (3,), "gaze": (2, 2), "blink": (2,)}
    columns = {name: np.zeros((count, FRAMES, *shapes.get(name, ())), np.float16) for name in PER_FRAME}
    columns |= {name: np.zeros(count, np.int64) for name in PER_ITEM if name not in HALF}
    columns |= {"shares": shares, "strength": strength, "votes": np.zeros((count, 8), np.float32)}
    columns |= {name: np.array([""] * count) for name in ("style", "cover")}
    columns["course"] = np.array([course for *_, course, _ in CLIPS])
    Exact(("a",), **columns).save(folder / "exact.npz")
    return folder


def test_each_loss_is_counted_where_it_comes_from(tool: ModuleType, people: Path) -> None:
    found = tool.measure(Brightness(), people, AnalysisSettings())
    assert [(one.seconds, one.label) for one in found] == [(0.8, "happiness")] * 3, "stops at a height of 0.3 to 1.8 s"
    assert [(one.read, one.sure, one.named) for one in found] == [(1, 1, 1), (1, 0, 0), (0, 0, 0)]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"threshold": 0.0}, [1, 1, 0]),
        ({"min_span": 4.0}, [0, 0, 0]),
        ({"filter": "box", "filter_width": 8.0}, [0, 0, 0]),
    ],
)
def test_settings_are_those_of_an_analysis(tool: ModuleType, people: Path, settings: dict, named: list[int]) -> None:
    found = tool.measure(Brightness(), people, AnalysisSettings(**settings))
    assert [one.named for one in found] == named
    assert found[0].sure, "smoothing has no part in that"


def test_the_table_has_every_clip_once_by_seconds_and_once_by_label(tool: ModuleType) -> None:
    clips = [tool.Found(0.3, "anger", True, True, False), tool.Found(1.8, "fear", True, True, True)]
    lines = tool.table(clips).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:7]] == [
        "0.3 to 0.6 s",
        "1.4 to 1.8 s",
        "anger",
        "fear",
        "all",
    ]
    assert "| all | 2 | 100 (34 to 100) | 100 (34 to 100) | 50 (9 to 91) |" in lines
    assert lines[-1] == "Of those that are sure, named: 50 (9 to 91) %"
