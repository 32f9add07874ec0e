"""What is plugged in beside a model: landmarks of another net, and pose by points. Off, nothing changes."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from brightness import BRIGHT, DARK, BrightnessNetwork, one_face, write_video
from test_turned import TurningNetwork

from mien.analysis.expressions import ExpressionModel
from mien.analysis.plugins import PlugIns
from mien.analysis.settings import AnalysisSettings
from mien.cli.main import main
from mien.core.errors import ConfigError, WeightsError
from mien.core.facial import POINTS_POSE, POSE
from mien.faces.head_pose import HEAD, USED, pose_of_points
from mien.faces.landmarkers import LandmarkSettings
from mien.faces.mean_face import MEAN_FACE
from mien.models.network import said
from mien.report.tables import read_json
from onnx_toys import mean_file

FILM = [DARK] * 12 + [BRIGHT] * 12


@pytest.fixture(scope="module")
def turning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A landmark net that sees every face turned: the brighter, the farther to the picture's right."""
    moved = np.zeros((68, 2))
    moved[list(USED), 0] = HEAD[:, 2] / 180
    weight = np.repeat((0.6 * moved).ravel()[:, None], 3, axis=1)
    return mean_file(tmp_path_factory.mktemp("net") / "net.onnx", weight, MEAN_FACE.ravel(), 32)


def plugged(path: Path, pose: str | None = "points") -> PlugIns:
    return PlugIns(LandmarkSettings("onnx", path, ("size=32", "mean=0", "std=1")), pose)


def test_nothing_plugged_in_is_the_network_itself() -> None:
    network = BrightnessNetwork()
    assert PlugIns().around(network) is network
    assert PlugIns().facts == {}


@pytest.mark.parametrize("kind", [BrightnessNetwork, TurningNetwork])
def test_pose_by_points_is_said_and_gates_and_leaves_the_expression(
    kind: type[BrightnessNetwork], turning: Path, lenient: AnalysisSettings
) -> None:
    """Also of a network that says no pose, and in the place of a head's."""
    usual, other = ExpressionModel(kind()), ExpressionModel(kind(), plugins=plugged(turning))
    assert other.record.signals == (POINTS_POSE,)
    before, after = (model.analyze(one_face(FILM), lenient) for model in (usual, other))
    np.testing.assert_array_equal(before.frames.column("probabilities"), after.frames.column("probabilities"))
    yaw = after.frames.signal("pose")[:, 0]
    assert (yaw > 0).all()
    assert yaw[-1] > 2 * yaw[0] > 10
    most = float(yaw[[0, -1]].mean())
    gated = other.analyze(one_face(FILM), replace(lenient, most_yaw=most))
    assert [(span.label, span.reason) for span in gated.spans] == [("neutral", None), ("unclear", "turned away")]
    clips = np.stack([np.full((3, 3, 24, 24), one, np.uint8) for one in (DARK, BRIGHT)])
    network = plugged(turning).around(kind())
    truth = pose_of_points(network.points(clips[:, 0]))
    np.testing.assert_allclose(said(network, clips)[:, 3:], truth, atol=1e-6)
    np.testing.assert_array_equal(said(pickle.loads(pickle.dumps(network)), clips), said(network, clips))


def test_other_points_are_drawn_and_named(turning: Path, lenient: AnalysisSettings) -> None:
    model = ExpressionModel(BrightnessNetwork(), plugins=plugged(turning, None))
    result = model.analyze(one_face(FILM), lenient)
    assert result.landmarker is not None
    facts = result.provenance["landmarks"]
    assert (facts["name"], facts["file"]["path"], len(facts["file"]["sha256"])) == ("onnx", str(turning), 64)
    assert "pose" not in result.provenance
    assert model.record.signals == ()


def test_what_cannot_be_plugged_in_is_refused(turning: Path) -> None:
    for plugins, why in ((PlugIns(pose="points"), "--landmarker"), (PlugIns(pose="head"), "--pose points")):
        with pytest.raises(ConfigError, match=why):
            plugins.around(BrightnessNetwork())
    with pytest.raises(ConfigError, match="points"):
        PlugIns(pose="point")
    radians = replace(TurningNetwork.record, signals=(replace(POSE, low=-2.0, high=2.0),))
    strange = TurningNetwork()
    strange.record = radians
    with pytest.raises(ConfigError, match="whose pose"):
        plugged(turning).around(strange)


def test_a_net_of_the_users_that_fails_says_so_itself(
    tmp_path: Path, lenient: AnalysisSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither its own weights, which have a landmark net or not, nor the five points speak for it."""
    strange = mean_file(tmp_path / "98.onnx", np.zeros((196, 3)), np.zeros(196), 32)
    pixels = mean_file(tmp_path / "pixels.onnx", np.zeros((136, 3)), (MEAN_FACE * 32).ravel(), 32)
    for net, why in ((strange, r"\(1, 196\)"), (pixels, "points=pixels")):
        with pytest.raises(WeightsError, match=why):
            plugged(net).around(BrightnessNetwork())
        drawn = ExpressionModel(BrightnessNetwork(), plugins=plugged(net, None)).analyze(one_face(FILM), lenient)
        with pytest.raises(WeightsError, match=why):
            drawn.draw(tmp_path / "drawn.mp4", landmarks=True)
    one_place = mean_file(tmp_path / "one.onnx", np.zeros((136, 3)), np.full(136, 0.5), 32)
    with pytest.raises(WeightsError, match="in one place"):
        ExpressionModel(BrightnessNetwork(), plugins=plugged(one_place)).analyze(one_face(FILM), lenient)
    film = write_video(tmp_path / "film.mp4", one_face([BRIGHT] * 8))
    net_words = ("--landmarker", "onnx", "--landmarker-file", str(strange), "--landmarker-input", "size=32")
    out = ("-o", str(tmp_path / "out"), "--save-video", "--landmarks", "--model", "s2d-tiny")
    assert main(["analyze", str(film), *out, *net_words]) == 1
    assert "(1, 196)" in capsys.readouterr().err


def test_the_command_skips_only_what_the_same_plug_ins_made(turning: Path, tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.mp4", one_face([BRIGHT] * 8))
    gates = ("--min-sharpness", "0", "--min-size", "10", "--max-yaw", "90", "--model", "s2d-tiny")
    given = ("--landmarker-input", "size=32", "mean=0", "std=1")
    net = ("--landmarker", "onnx", "--landmarker-file", str(turning), *given, "--pose", "points", "--most-yaw", "5")
    made = []
    for words in ((), net, net):
        out = tmp_path / "out"
        assert main(["analyze", str(film), "-o", str(out), "--skip-existing", *gates, *words]) == 0
        made.append(read_json(out / "film" / "result.json"))
    plain, turned, again = made
    assert "landmarks" not in plain["provenance"]
    assert turned["provenance"]["pose"] == "points"
    assert (
        {span["reason"] for span in turned["spans"]} == {"turned away"} != {span["reason"] for span in plain["spans"]}
    )
    assert again["provenance"]["date"] == turned["provenance"]["date"]
