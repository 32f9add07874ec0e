"""An explanation whose regions a parser says, and a command that takes one."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from planted import clip

from mien.cli.main import main
from mien.core.action_units import REGIONS
from mien.explain.explanation import explain_clip
from mien.explain.rollout import Rollout
from mien.faces.mean_face import MEAN_FACE
from mien.faces.parsers import Parsed
from mien.models.zoo import LoadedModel
from onnx_toys import conv_file, mean_file

LABELS = ("skin=0", "brows=1", "eyes=2", "nose=3", "mouth=4", "hair=5")


def mouth_in(rows: slice):
    """A parser that sees nothing but a mouth, in these rows."""

    def parse(crops: np.ndarray) -> Parsed:
        none = np.zeros((len(crops), *crops.shape[-2:]), np.bool_)
        mouth = none.copy()
        mouth[:, rows] = True
        return Parsed(
            {name: mouth if name == "mouth" else none for name in REGIONS}, {"hair": np.full(len(crops), 0.25)}
        )

    return parse


def test_regions_follow_the_parser_also_without_a_landmark_net(mouth_model: LoadedModel) -> None:
    """The model looks at the mouth, which lies in the lower half."""
    looked = clip([1, 1])
    assert explain_clip(mouth_model, looked, [Rollout()]).masks is None
    half = looked.images.shape[-1] // 2
    shares = []
    for rows in (slice(half, None), slice(0, half)):
        found = explain_clip(mouth_model, looked, [Rollout()], parser=mouth_in(rows))
        assert found.evidence[0].regions is not None
        shares.append(found.evidence[0].regions["mouth"].share)
        assert found.to_dict()["covered"] == {"hair": 0.25}
    assert shares[0] > 0.6 > 0.4 > shares[1]
    assert sum(shares) == pytest.approx(1)


def test_the_models_own_points_are_the_default_and_say_nothing_of_covers(whole_model: LoadedModel) -> None:
    looked = clip([0, 1])
    usual = explain_clip(whole_model, looked, [Rollout()])
    assert "covered" not in usual.to_dict()
    again = explain_clip(whole_model, looked, [Rollout()], parser=lambda crops: Parsed(usual.masks))
    assert json.dumps(again.to_dict()) == json.dumps(usual.to_dict()), "to the last digit"


def test_the_command(portrait: np.ndarray, tmp_path: Path) -> None:
    """A parser to which bright is mouth and dark hair, and a landmark net to which every face is ordinary."""
    film = tmp_path / "one.png"
    cv2.imwrite(str(film), portrait[..., ::-1])
    bias, bright = np.array([0, -9, -9, -9, -0.5, -0.5]), np.zeros((6, 3, 1, 1))
    bright[4], bright[5] = 1, -1
    parts = conv_file(tmp_path / "parts.onnx", bright, bias, 32)
    hair = conv_file(tmp_path / "hair.onnx", 0 * bright, np.eye(6)[5], 32)
    points = mean_file(tmp_path / "points.onnx", np.zeros((136, 3)), MEAN_FACE.ravel(), 32)
    start = ["explain", str(film), "--model", "s2d-tiny", "--method", "attention", "--json"]
    parser = ["--parser", "onnx", "--parser-file", str(parts), "--parser-input", "size=32", "--parser-labels", *LABELS]
    assert main([*start, "-o", str(tmp_path / "a"), *parser]) == 0
    said = json.loads((tmp_path / "a" / "explain.json").read_text())
    (face,) = said["faces"]
    regions = face["methods"]["attention"]["regions"]
    assert 0 < regions["mouth"]["share"] < 1
    assert set(face["covered"]) == {"hair"}
    assert said["provenance"]["parser"]["labels"] == list(LABELS)
    parser[3] = str(hair)
    assert main([*start, "-o", str(tmp_path / "c"), *parser]) == 1, "no face in it at all"
    net = ["--landmarker", "onnx", "--landmarker-file", str(points), "--landmarker-input", "size=32"]
    assert main([*start, "-o", str(tmp_path / "b"), *net]) == 0
    said = json.loads((tmp_path / "b" / "explain.json").read_text())
    assert said["provenance"]["landmarks"]["name"] == "onnx"
    areas = said["faces"][0]["methods"]["attention"]["regions"]
    assert 0.02 < areas["mouth"]["area"] < 0.1
    assert main([*start, "-o", str(tmp_path / "c"), *net, *parser]) == 1, "one of both"
