"""What the shipped weights say of a face beside its expression: of single looks, turned with the picture, or not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import mien
from mien.analysis.expressions import ExpressionModel
from mien.analysis.smoothing import frame_signals
from mien.analysis.upright import leaning
from mien.core.errors import ConfigError
from mien.core.facial import ACTION_UNITS, FACIAL, POSE
from mien.core.signals import columns, places, width
from mien.core.types import Frame, Looks, Prediction
from mien.data.people.model import load_head
from mien.data.people.settings import PeopleSettings
from mien.data.people.studio import Studio
from mien.faces.align import crop_turns, frame_to_crop
from mien.models.network import Network, SignalNetwork
from shape_checks import unchecked

EVERY = columns(FACIAL)
HEAD = Path(os.environ.get("MIEN_HEAD", "head.npz"))
"""A morphable head (docs/rendered-people.md), which mien does not ship: MIEN_HEAD=ict_face.npz make test."""


@pytest.fixture(scope="module")
def model() -> ExpressionModel:
    return mien.load(backend="torch")


def said(model: ExpressionModel, image: np.ndarray) -> dict[str, float]:
    """Of the surest face in a picture."""
    frames = model.analyze(image).frames
    surest = int(frames.column("score").argmax())
    return dict(zip(EVERY, frames.column("signals")[surest].tolist(), strict=True))


def outside(model: ExpressionModel, crops: np.ndarray) -> np.ndarray:
    """The signals' columns of crops, by the network alone."""
    network = model._network
    assert isinstance(network, SignalNetwork)
    side = network.record.preprocessing.crop_size
    small = [cv2.resize(crop.transpose(1, 2, 0), (side, side), interpolation=cv2.INTER_AREA) for crop in crops]
    clips = np.ascontiguousarray(np.stack(small).transpose(0, 3, 1, 2)[:, None])
    return network.values(network.outputs(clips))[:, len(network.record.labels) :]


def test_the_shipped_weights_say_units_pose_gaze_and_closed_eyes(model: ExpressionModel, portrait: np.ndarray) -> None:
    assert model.record.signals == FACIAL
    found = said(model, portrait)
    assert found["action_units.AU12_left"] > 0.5
    assert found["action_units.AU12_right"] > 0.5
    assert found["action_units.AU25"] > 0.5
    assert found["action_units.AU4_left"] < 0.2
    assert found["eyes_closed.left"] < 0.3


def test_in_a_mirror_the_head_leans_the_other_way(model: ExpressionModel, portrait: np.ndarray) -> None:
    one, other = said(model, portrait), said(model, np.ascontiguousarray(portrait[:, ::-1]))
    assert abs(one["pose.roll"]) > 2
    assert other["pose.roll"] == pytest.approx(-one["pose.roll"], abs=2)
    assert other["pose.yaw"] == pytest.approx(-one["pose.yaw"], abs=3)
    assert other["pose.pitch"] == pytest.approx(one["pose.pitch"], abs=3)


@pytest.mark.parametrize("degrees", [-25, 20])
def test_roll_is_that_of_the_picture(model: ExpressionModel, portrait: np.ndarray, degrees: int) -> None:
    """A crop is upright however the picture is turned; what is said of the head is not."""
    size = portrait.shape[0]
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), -degrees, 1.0)  # positive: clockwise
    turned = cv2.warpAffine(portrait, turn, (size, size), borderMode=cv2.BORDER_REPLICATE)
    one, other = said(model, portrait), said(model, turned)
    assert other["pose.roll"] - one["pose.roll"] == pytest.approx(degrees, abs=4)
    assert other["pose.yaw"] == pytest.approx(one["pose.yaw"], abs=5)


def test_a_head_that_turns_in_a_film_is_said_to_turn(
    model: ExpressionModel, sample_clip: Callable[[str], Path]
) -> None:
    """The five points say roughly how far a head is turned; the network says the same, but for its own scale."""
    frames = model.analyze(sample_clip("WolfgangLanger_Pexels.mp4")).frames
    rough, yaw = frames.column("yaw"), frames.signal("pose")[:, 0]
    assert np.corrcoef(rough, yaw)[0, 1] > 0.8


@pytest.mark.skipif(not HEAD.is_file(), reason="no morphable head: MIEN_HEAD names none")
def test_a_rendered_head_is_turned_as_it_was(model: ExpressionModel) -> None:
    """Persons of the seed that measures. Within 3 degrees on the whole, and no less so where they turn far."""
    studio = Studio(load_head(HEAD), PeopleSettings(seed=20, each=1, low=0.8))
    items = [studio.item(number) for number in range(60)]
    pose = np.stack([item.pose[0] for item in items])
    place = places(FACIAL)["pose"]
    found = np.concatenate([outside(model, item.images)[:, place] for item in items])
    assert np.abs(found - pose).mean(0).max() < 3
    turned = np.abs(pose[:, 0]) > 15
    assert np.abs(found - pose)[turned, 0].mean() < 4
    assert np.corrcoef(found[:, 0], pose[:, 0])[0, 1] > 0.97


def test_a_crops_turn_is_that_of_its_points() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(0, 3, (20, 5, 2)) + np.array([[30, 40], [70, 42], [50, 60], [35, 80], [66, 79]])
    wanted = []
    for one in points:
        to_crop = frame_to_crop(one, 48)
        wanted.append(-np.degrees(np.arctan2(to_crop[1, 0], to_crop[0, 0])))
    np.testing.assert_allclose(crop_turns(points), wanted, atol=1e-4)
    values = np.zeros((20, width(FACIAL)))
    moved = leaning(FACIAL, values, points)
    assert (np.flatnonzero(np.abs(moved).max(0)) == EVERY.index("pose.roll")).all()
    assert leaning((ACTION_UNITS,), values, points) is values


def test_expression_alone_can_be_asked_for(model: ExpressionModel, portrait: np.ndarray) -> None:
    alone = mien.load(backend="torch", signals=["expression"])
    assert alone.record.signals == ()
    one, whole = alone.analyze(portrait), model.analyze(portrait)
    np.testing.assert_array_equal(one.frames.column("probabilities"), whole.frames.column("probabilities"))
    assert "blinks" not in one.to_dict()["tracks"][0]
    some = mien.load(backend="torch", signals=["expression", "pose", "affect"])
    assert [signal.name for signal in some.record.signals] == ["pose", "affect"]
    np.testing.assert_allclose(some.analyze(portrait).frames.signal("pose"), whole.frames.signal("pose"), atol=1e-4)


def test_a_signal_that_nothing_says_is_named() -> None:
    with pytest.raises(ConfigError, match="did you mean gaze"):
        mien.load(backend="torch", signals=["gase"])


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_engines_say_the_same(model: ExpressionModel, portrait: np.ndarray, backend: str) -> None:
    """Shares of each signal's range, to 1e-4."""
    with unchecked():  # torch.export gives symbols where annotations say whole numbers
        network = mien.load(backend=backend)
    there, here = said(network, portrait), said(model, portrait)
    span = {column: signal.high - signal.low for signal in FACIAL for column in signal.columns}
    assert max(abs(there[name] - here[name]) / span[name] for name in EVERY) < 1e-4


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_engines_compute_no_head_that_nobody_asked_for(portrait: np.ndarray, backend: str) -> None:
    with unchecked():
        alone, whole = mien.load(backend=backend, signals=["expression"]), mien.load(backend=backend)
    paths = [model._network.path for model in (alone, whole)]  # type: ignore[union-attr]
    heads = [b"action_units.raw" in path.read_bytes() for path in paths]
    assert heads == [False, True]
    np.testing.assert_allclose(
        alone.analyze(portrait).frames.column("probabilities"),
        whole.analyze(portrait).frames.column("probabilities"),
        atol=1e-6,
    )


class Counting:
    """A model in the least sense, around one that says more; its record is the other's."""

    def __init__(self, network: Network) -> None:
        self.record, self._network, self.asked = network.record, network, 0

    def logits(self, clips: np.ndarray) -> np.ndarray:
        self.asked += len(clips)
        return self._network.logits(clips)

    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        return self._network.probabilities(clips)


def test_a_wrapper_that_says_the_expression_alone_is_taken_at_its_word(
    model: ExpressionModel, portrait: np.ndarray
) -> None:
    around = Counting(model._network)
    alone = ExpressionModel(around)
    assert alone.record.signals == ()
    found = alone.analyze(portrait)
    assert around.asked
    np.testing.assert_array_equal(
        found.frames.column("probabilities"), model.analyze(portrait).frames.column("probabilities")
    )
    frames = [Frame(number, number / 25, portrait) for number in range(12)]
    assert [face.label for now in alone.live(frames) for face in now.faces][-1] == found.spans[0].label


def window(start: float, times: list[float], looks: np.ndarray | None) -> Prediction:
    kept = None if looks is None else Looks(np.array(times), looks)
    return Prediction(1, start, start + 0.4, np.array([1.0]), np.array([9.0, 7.0]), kept)


def test_looks_are_joined_by_straight_lines_and_what_is_derived_is_smoothed() -> None:
    """Two windows that share a look; the second column follows from the expression."""
    nan = np.nan
    predictions = [
        window(0.0, [0.0, 0.2, 0.4], np.array([[0.0, nan], [1.0, nan], [0.0, nan]])),
        window(0.2, [0.2, 0.4, 0.6], np.array([[1.0, nan], [0.0, nan], [4.0, nan]])),
    ]
    starts = np.arange(8) / 10
    found = frame_signals(starts, starts + 0.1, predictions)
    np.testing.assert_allclose(found[:, 0], [0, 0.5, 1, 0.5, 0, 2, 4, 4], atol=1e-9)
    np.testing.assert_allclose(found[:, 1], 7)
    plain = [window(0.0, [0.0], None)]
    np.testing.assert_allclose(frame_signals(starts, starts + 0.1, plain), [[9, 7]] * 8)


def test_pose_is_called_what_tables_call_it() -> None:
    assert POSE.columns == ("pose.yaw", "pose.pitch", "pose.roll")
    assert all(signal.note for signal in FACIAL), "what they are not is said with them"
