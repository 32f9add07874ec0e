"""The comparison with other packages, on stubs of them: what counts as right, what each is shown, who is missing."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest

from mien.core.labels import LabelSpace
from mien.core.types import Face
from mien.models.find import find_weights

STUB = """
import json, sys
import numpy as np
name, crops, count, side, out = sys.argv[1:]
pictures = np.fromfile(crops, np.uint8).reshape(int(count), int(side), int(side), 3)
bright = pictures.mean((1, 2, 3)) / 255
np.stack([bright, 1 - bright], axis=1).astype(np.float32).tofile(out)
print("loading")
print(json.dumps({"labels": ["happy", "sad"], "seconds": 0.5, "bytes": 93160}))
"""
BRIGHT, DARK = np.full((12, 12, 3), 200, np.uint8), np.full((12, 12, 3), 20, np.uint8)


@pytest.fixture(scope="module")
def peers(root: Path) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root / "benchmarks"))
        return importlib.import_module("peers")


def face(*box: float) -> Face:
    x0, y0, x1, y1 = box
    points = [[x0, y0], [x1, y0], [x0, y1], [x1, y1], [(x0 + x1) / 2, y1]]
    return Face(np.array(box, np.float32), 0.99, np.array(points, np.float32))


def test_a_table_of_stubs(peers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "stub.py"
    script.write_text(STUB)
    monkeypatch.setenv("STUB_AT", sys.executable)
    monkeypatch.delenv("NOWHERE", raising=False)
    stub = peers.Peer("stub", 8, 1.0, 1.1, str(script), "STUB_AT", "pip install stub")
    gone = peers.Peer("gone", 8, 1.0, 1.0, str(script), "NOWHERE", "pip install gone")
    command = stub.command()
    assert command == [sys.executable, str(script), "stub"]
    shown = [("happiness", BRIGHT), ("sadness", DARK), ("sadness", DARK), ("anger", DARK)]
    some = [peers.Pictured(label, image, crop=True) for label, image in shown]
    some.append(peers.Pictured("happiness", BRIGHT))  # where no face was found
    asks = {"stub": lambda pictures: peers.ask_peer(stub, command, pictures)}
    rows = peers.table({"wild": some}, asks, [stub, gone], 1)
    # Three of five; happiness 1 of 2, sadness 2 of 2, anger 0 of 1. Four faces in half a second.
    assert "| stub | 60.0, 50.0 | 8 | 93 KB |" in rows
    assert "| gone | | | not there: `pip install gone`, then NOWHERE |" in rows
    assert "no face found, wrong for all: in the wild 1" in rows


def test_a_package_that_fails_is_named(peers: ModuleType, tmp_path: Path) -> None:
    script = tmp_path / "stub.py"
    script.write_text("raise OSError('no such weights')")
    stub = peers.Peer("stub", 8, 1.0, 1.0, str(script), "STUB_AT", "")
    with pytest.raises(SystemExit, match=r"(?s)stub failed.*no such weights"):
        peers.ask_peer(stub, [sys.executable, str(script), "stub"], [peers.Pictured("happiness", BRIGHT, crop=True)])


def test_a_split_that_was_read_is_not_read_again(peers: ModuleType) -> None:
    record = peers.shipped_records()[0]
    scores = peers.kept_score(record)
    assert scores.accuracy == record.scores["ferplus_test_war"]
    crop = peers.Pictured("fear", BRIGHT, crop=True)

    def ask(pictures):
        return peers.Asked(["contempt"] * len(pictures), 0.5, 31_300_000)

    rows = peers.table({"ferplus": [crop]}, {record.name: ask, "other": ask}, [], 1)
    assert f"| mien, {record.name} | {scores} | 2 | 31.3 MB |" in rows
    assert "| other | 0.0, 0.0 | 2 | 31.3 MB |" in rows


def test_every_package_gets_its_framing(peers: ModuleType) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:30, 20:30] = 255
    tight = peers.Peer("tight", 20, 1.0, 1.5, "x.py", "X", "")
    seen = peers.framed(peers.Pictured("fear", image, face(20, 10, 30, 30)), tight)
    # A square as long as the box's longer side, the box in its middle.
    assert seen[:, 5:15].min() == 255
    assert seen[:, [0, 4, 15, 19]].max() == 0
    over = peers.framed(peers.Pictured("fear", BRIGHT, crop=True), tight)
    assert over.shape == (20, 20, 3)
    assert over.min() == 200, "the edge pixels go on"


def test_faces_lie_in_pixels_of_the_picture(peers: ModuleType, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), np.zeros((720, 1000, 3), np.uint8))
    (tmp_path / "labels.csv").write_text("file,label\na.jpg,happy\n")
    sizes = []

    def detect(image):
        sizes.append(image.shape)
        return [face(0, 0, 30, 40), face(200, 100, 300, 200)]

    (found,) = peers.pictures_of("wild", tmp_path, SimpleNamespace(detect=detect))
    assert sizes == [(360, 500, 3)]
    assert found.label == "happiness"
    assert found.face.box.tolist() == pytest.approx([400, 200, 600, 400], abs=0.6)


def test_the_prepared_picture_is_what_the_network_takes(root: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(root / "benchmarks"))
        lite = importlib.import_module("peers_tflite")
    fer, facex = (lite.prepared(name, np.full((4, 4, 3), 255, np.uint8)) for name in ("fer", "facex"))
    assert fer.shape == (1, 4, 4, 1)
    assert facex.shape == (1, 4, 4, 3)
    np.testing.assert_allclose([fer.max(), facex.max()], 1, atol=1e-6)
    assert lite.prepared("fer", np.zeros((4, 4, 3), np.uint8)).max() == pytest.approx(-1)


def test_mien_is_asked_as_it_is_used(peers: ModuleType) -> None:
    record = SimpleNamespace(
        preprocessing=SimpleNamespace(crop_size=24), labels=LabelSpace("two", ("fear", "anger")), name="s2d-tiny"
    )
    shapes = []

    def predict(clips):
        shapes.append(clips.shape)
        return np.array([[0.0, 1.0] if clips.mean() > 100 else [1.0, 0.0]])

    shown = [peers.Pictured("anger", BRIGHT, face(2, 2, 8, 8)), peers.Pictured("fear", DARK, crop=True)]
    asked = peers.ask_mien(SimpleNamespace(record=record, predict=predict), shown)
    assert asked.answers == ["anger", "fear"]
    assert asked.weights == find_weights("s2d-tiny").stat().st_size, "also where an engine's file answers"
    assert shapes == [(1, 1, 3, 24, 24)] * 2
