"""RetinaFace's answers decoded: anchors of a toy picture, a planted face, and files that are none."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ConfigError, WeightsError
from mien.faces.retinaface import MEAN_BGR, RetinaFace, anchors_of, faces_of


def test_anchors_of_a_picture_of_two_by_two_cells() -> None:
    """16 x 16 pixels: 2 x 2 cells of 8, then one of 16 and one of 32; two sides each."""
    anchors = anchors_of(16, 16)
    assert anchors.shape == (2 * 2 * 2 + 2 + 2, 4)
    assert anchors[:3].tolist() == [[4, 4, 16, 16], [4, 4, 32, 32], [12, 4, 16, 16]], "along a row first"
    assert anchors[4].tolist() == [4, 12, 16, 16]
    assert anchors[8:].tolist() == [[8, 8, 64, 64], [8, 8, 128, 128], [16, 16, 256, 256], [16, 16, 512, 512]]


def planted(anchors: np.ndarray, *where: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes, certain = np.zeros((len(anchors), 4)), np.tile([1.0, 0.0], (len(anchors), 1))
    points = np.zeros((len(anchors), 10))
    for rank, one in enumerate(where):
        certain[one] = 0.1 + 0.1 * rank, 0.9 - 0.1 * rank
    return boxes, certain, points


def test_a_box_and_its_points_are_moved_from_their_anchor() -> None:
    anchors = anchors_of(16, 16)
    boxes, certain, points = planted(anchors, 2)
    boxes[2] = 1.0, -2.0, math.log(2) / 0.2, 0.0
    points[2] = np.arange(10)
    (face,) = faces_of(boxes, certain, points, anchors, 0.5)
    # The anchor's middle is (12, 4), its side 16: the middle goes to (13.6, 0.8), the width doubles.
    np.testing.assert_allclose(face.box, [13.6 - 16, 0.8 - 8, 13.6 + 16, 0.8 + 8], rtol=1e-5)
    np.testing.assert_allclose(face.points[0], [12, 4 + 1.6], rtol=1e-5)
    np.testing.assert_allclose(face.points[4], [12 + 8 * 1.6, 4 + 9 * 1.6], rtol=1e-5)
    assert face.score == pytest.approx(0.9)


def test_one_face_is_told_once_and_two_by_certainty() -> None:
    anchors = anchors_of(64, 64)
    alike, far = 0, 2 * (7 * 8 + 7)
    boxes, certain, points = planted(anchors, far, alike, alike + 2)
    boxes[alike + 2, 0] = -5.0  # drawn back by half its side, onto the other
    found = faces_of(boxes, certain, points, anchors, 0.5)
    assert [round(face.score, 2) for face in found] == [0.9, 0.8]
    assert faces_of(boxes, certain, points, anchors, 0.95) == []
    logits = np.log(certain.clip(1e-9))
    assert [face.score for face in faces_of(boxes, logits, points, anchors, 0.5)] == pytest.approx([0.9, 0.8])


class Toy:
    """In the place of OpenCV's network: finds one face at the first anchor, and keeps what it was shown."""

    def __init__(self, widths: tuple[int, ...] = (4, 2, 10)) -> None:
        self.widths = widths

    def setInput(self, blob: np.ndarray) -> None:
        self.blob = blob

    def getUnconnectedOutLayersNames(self) -> tuple[str, ...]:
        return tuple(map(str, self.widths))

    def forward(self, names: tuple[str, ...]) -> list[np.ndarray]:
        count = len(anchors_of(*self.blob.shape[2:]))
        answers = {4: np.zeros((1, count, 4)), 2: np.tile([1.0, 0.0], (1, count, 1)), 10: np.zeros((1, count, 10))}
        answers[2][0, 0] = 0.05, 0.95
        return [answers[width] for width in self.widths if width in answers]


def made(network: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RetinaFace:
    (tmp_path / "net.onnx").write_bytes(b"x")
    monkeypatch.setattr("cv2.dnn.readNetFromONNX", lambda path: network)
    return RetinaFace(tmp_path / "net.onnx")


def test_a_picture_of_any_size_is_shown_in_bgr_less_the_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = Toy()
    image = np.zeros((50, 70, 3), np.uint8)
    image[..., 0] = 200
    (face,) = made(toy, tmp_path, monkeypatch).detect(image)
    assert toy.blob.shape == (1, 3, 64, 96)
    np.testing.assert_allclose(toy.blob[0, :, 0, 0], [-MEAN_BGR[0], -MEAN_BGR[1], 200 - MEAN_BGR[2]])
    assert face.score == pytest.approx(0.95)
    np.testing.assert_allclose(face.box, [-4, -4, 12, 12])


def test_what_is_no_such_network_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="--detector-file"):
        RetinaFace()
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match="ONNX file of RetinaFace"):
        RetinaFace(tmp_path / "bad.onnx")
    with pytest.raises(ConfigError, match="threshold"):
        RetinaFace(tmp_path / "bad.onnx", threshold=2)
    with pytest.raises(WeightsError, match="anchors"):
        made(Toy((4, 2)), tmp_path, monkeypatch).detect(np.zeros((32, 32, 3), np.uint8))
