"""What the heads for action units, pose, gaze and closed eyes learn from, and that all else stays as it is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_landmarks import people

from mien.core.errors import ConfigError, DataError
from mien.core.facial import ACTION_UNITS, FACIAL
from mien.core.labels import LabelSpace
from mien.core.signals import columns, width
from mien.data.people.exact import PER_FRAME, PER_ITEM, Exact
from mien.data.transforms import Augmentation, augment_with_maps
from mien.models.landmarks import LandmarkTail, MobileFaceNet
from mien.models.record import ModelRecord
from mien.models.s2d import S2D
from mien.models.shape import S2DConfig
from mien.models.weights import Preprocessing, Recognizer, save_weights
from mien.models.zoo import load_model
from mien.training.facial import (
    MOVEMENTS,
    WHERE,
    FacialFaces,
    exact_faces,
    move_values,
    taught_faces,
    unit_values,
)
from mien.training.loop import FitPlan
from mien.training.signals import SignalRecipe, SignalRun, SignalTask, figures_of

EVERY = columns(FACIAL)
LOOKS = tuple(f"eyeLook{way}{side}" for way in ("In", "Out", "Up", "Down") for side in ("Left", "Right"))
TEACHER = ("browInnerUp", "mouthSmileLeft", "mouthSmileRight", "eyeBlinkLeft", "eyeBlinkRight", *LOOKS)


def at(values: torch.Tensor, column: str) -> list[float]:
    return [round(value, 4) for value in values[:, EVERY.index(column)].tolist()]


def archive(folder: Path, splits: tuple[str, ...] = ("train", "valid")) -> tuple[Path, Path]:
    """Faces whose left mouth corner smiles the more the brighter they are, with a teacher's numbers of all but one."""
    faces, points = {}, {"coefficient_names": np.array(TEACHER)}
    for split in splits:
        faces[f"{split}_images"] = np.arange(0, 240, 40, dtype=np.uint8)[:, None, None] * np.ones((1, 48, 48), np.uint8)
        faces[f"{split}_votes"] = np.ones((6, 10), np.uint8)
        given = np.zeros((6, len(TEACHER)), np.float16)
        given[:, TEACHER.index("mouthSmileLeft")] = np.arange(6) / 5
        given[:, TEACHER.index("eyeLookOutLeft")] = given[:, TEACHER.index("eyeLookInRight")] = 0.5
        points[f"{split}_coefficients"] = given
        points[f"{split}_points"] = np.random.default_rng(0).random((6, 68, 2)).astype(np.float32)
        points[f"{split}_pose"] = np.tile(np.float32([8.57, -8.34, 3]), (6, 1))
        for name in ("coefficients", "points", "pose"):
            points[f"{split}_{name}"][2] = np.nan
    np.savez(folder / "faces.npz", **faces)
    np.savez(folder / "points.npz", **points)
    return folder / "faces.npz", folder / "points.npz"


def test_every_unit_has_a_movement_it_is_read_from() -> None:
    assert {label.split("_")[0] for label in ACTION_UNITS.labels} == set(MOVEMENTS)


def test_units_are_read_from_either_spelling_and_side() -> None:
    names = ("mouthSmile_L", "mouthSmileRight", "browInnerUp_L", "browInnerUp_R", "mouthRollLower", "mouthRollUpper")
    given, points = np.array([[0.9, 0.1, 0.2, 0.4, 0.1, 0.7]]), np.zeros((1, 68, 2))
    points[0, 45, 0], points[0, 61:64, 1] = 1, 0.105
    units = dict(zip(ACTION_UNITS.labels, unit_values(given, names, points, taught=False)[0], strict=True))
    wanted = {"AU12_left": 0.9, "AU12_right": 0.1, "AU1": 0.3, "AU23": 1.0, "AU28": 0.4, "AU25": 0.5}
    assert {name: units[name] for name in wanted} == pytest.approx(wanted)


def test_what_the_teacher_cannot_say_is_not_known() -> None:
    names = [name for movement in MOVEMENTS.values() for name in movement.stems]
    units = unit_values(np.zeros((1, len(names))), names, np.zeros((1, 68, 2)), taught=True)[0]
    unknown = [label for label, value in zip(ACTION_UNITS.labels, units, strict=True) if np.isnan(value)]
    assert unknown == ["AU6_left", "AU6_right", "AU9_left", "AU9_right"]


def test_a_teachers_faces(tmp_path: Path) -> None:
    faces = taught_faces(*archive(tmp_path), "train")
    assert faces.images[:, 0, 0, 0].tolist() == [0, 40, 120, 160, 200], "one has no face for it"
    assert at(faces.values, "action_units.AU12_left") == pytest.approx([0, 0.2, 0.6, 0.8, 1], abs=1e-3)
    assert at(faces.values, "pose.yaw")[0] == pytest.approx(10, abs=0.01)
    assert at(faces.values, "pose.pitch")[0] == pytest.approx(-10, abs=0.01)
    # The person's left eye turned outwards and the right one inwards look to the picture's right.
    assert at(faces.values, "gaze.across")[0] == pytest.approx(12)
    assert np.isnan(at(faces.values, "action_units.AU6_left")).all()


def test_numbers_of_other_faces_are_refused(tmp_path: Path) -> None:
    data, points = archive(tmp_path)
    held = dict(np.load(points))
    np.savez(points, **{**held, "train_pose": held["train_pose"][:4]})
    with pytest.raises(DataError, match="6 faces"):
        taught_faces(data, points, "train")
    with pytest.raises(DataError, match="face_points"):
        taught_faces(data, tmp_path / "none.npz", "train")


def rendered(folder: Path) -> Path:
    """The three pictures of test_landmarks.people; the second is the test person's."""
    people(folder)
    blank = {name: np.zeros(3) for name in PER_ITEM + PER_FRAME}
    frames = {
        "coefficients": np.array([[[0.1]], [[0.5]], [[0.9]]]),
        "landmarks": np.zeros((3, 1, 68, 2)),
        "pose": np.array([[[10, 5, -3]], [[0, 0, 0]], [[-20, 1, 2]]]),
        "gaze": np.array([[[[4, 2], [6, 4]]]] * 3),
        "blink": np.array([[[0.2, 0.8]]] * 3),
    }
    Exact(("mouthSmile_L",), **{**blank, **{k: v.astype(np.float16) for k, v in frames.items()}}).save(
        folder / "exact.npz"
    )
    return folder


def test_the_truth_of_rendered_faces(tmp_path: Path) -> None:
    faces = exact_faces([rendered(tmp_path)], "train")
    assert len(faces) == 2
    assert at(faces.values, "action_units.AU12_left") == pytest.approx([0.1, 0.9], abs=1e-3)
    assert at(faces.values, "pose.yaw") == [10, -20]
    assert at(faces.values, "gaze.across") == [5, 5]
    assert at(faces.values, "eyes_closed.left")[0] == pytest.approx(0.8, abs=1e-3), "the right eye comes first there"


def test_in_a_mirror_left_and_right_change_and_turns_turn_back() -> None:
    values = torch.zeros(1, width(FACIAL))
    for column, value in {"action_units.AU12_left": 0.7, "pose.yaw": 20, "pose.pitch": 5, "pose.roll": 4}.items():
        values[0, EVERY.index(column)] = value
    mirror = torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]])
    moved = move_values(values, mirror)
    wanted = {"action_units.AU12_right": 0.7, "action_units.AU12_left": 0, "pose.yaw": -20, "pose.pitch": 5}
    assert {name: at(moved, name)[0] for name in wanted} == pytest.approx(wanted)
    assert at(moved, "pose.roll") == [-4]
    assert torch.equal(move_values(values, torch.eye(3)[None, :2]), values)


def test_roll_goes_along_with_the_picture() -> None:
    """An upright bar in pictures that are turned at random: the roll found in the picture is the roll that is said."""
    rng = torch.Generator().manual_seed(1)
    bar = torch.zeros(6, 1, 64, 64)
    bar[:, :, 12:32, 30:34] = 1.0
    turned, maps = augment_with_maps(bar, 64, Augmentation(rotation=25, flip=0.5, scale=0.1), rng)
    said = move_values(torch.zeros(6, width(FACIAL)), maps)[:, EVERY.index("pose.roll")]
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    seen = []
    for picture in turned[:, 0]:
        mass = picture / picture.sum()
        u, v = x - (mass * x).sum(), y - (mass * y).sum()
        lean = 0.5 * torch.atan2(2 * (mass * u * v).sum(), (mass * (u * u - v * v)).sum())
        seen.append(torch.rad2deg(lean).item())
    upright = [(angle - 90 + 90) % 180 - 90 for angle in seen]
    assert said.tolist() == pytest.approx(upright, abs=1.0)
    assert said.abs().max() > 8


def weights(path: Path) -> Path:
    torch.manual_seed(0)
    shape = S2DConfig(28, 14, 24, 2, 2, classes=8)
    pixels = Preprocessing(48, 28, "grey")
    names = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
    save_weights(
        Recognizer(S2D(shape), MobileFaceNet(), pixels).eval(),
        ModelRecord("toy", LabelSpace("x", names), pixels, {}),
        path,
        torch.float16,
    )
    return path


@pytest.mark.parametrize("head", ["landmark", "graph", "graph-edges"])
def test_a_run_adds_signals_and_changes_nothing_else(tmp_path: Path, head: str) -> None:
    data, points = archive(tmp_path)
    (tmp_path / "people").mkdir()
    run = SignalRun(
        data, points, str(weights(tmp_path / "toy.safetensors")), (rendered(tmp_path / "people"),), tmp_path / "run",
        fit=FitPlan(epochs=1, batch=4, precision="fp32"), recipe=SignalRecipe(head=head),
    )  # fmt: skip
    told: list[dict[str, float]] = []
    path = run.run(told.append)
    before, after = load_file(tmp_path / "toy.safetensors"), load_file(path)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert {name.split(".")[0] for name in after.keys() - before.keys()} == {"tail", "heads"}
    model, plain = load_model(path), load_model(tmp_path / "toy.safetensors")
    crops = np.random.default_rng(0).integers(0, 255, (2, 1, 3, 48, 48), np.uint8)
    assert model.record.signals == FACIAL
    np.testing.assert_array_equal(model.logits(crops), plain.logits(crops))
    assert model.outputs(crops).shape == (2, 8 + width(FACIAL))
    assert model.record.heads["action_units"] == head
    assert "signals_real_action_units_rho" in model.record.scores


def test_weights_without_a_landmark_net_are_refused(tmp_path: Path) -> None:
    shape, pixels = S2DConfig(28, 14, 24, 2, 2, classes=8, prompts=False), Preprocessing(48, 28, "grey")
    record = ModelRecord("bare", LabelSpace("x", tuple("abcdefgh")), pixels, {})
    save_weights(Recognizer(S2D(shape), None, pixels).eval(), record, tmp_path / "bare.safetensors")
    with pytest.raises(ConfigError, match="landmark net"):
        SignalRun(*archive(tmp_path), str(tmp_path / "bare.safetensors"), out=tmp_path / "run").run()


@pytest.mark.parametrize("head", ["landmark", "graph", "graph-edges"])
def test_heads_learn_what_they_are_shown(head: str) -> None:
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 255, (8, 1, 48, 48), generator=rng, dtype=torch.uint8)
    values = torch.rand(8, width(FACIAL), generator=rng)
    values[:, WHERE["pose"]] = 30 * values[:, WHERE["pose"]] - 15
    values[0, 0] = torch.nan
    recognizer = Recognizer(S2D(S2DConfig(28, 14, 24, 2, 2, classes=8)), MobileFaceNet(), Preprocessing(48, 28, "grey"))
    faces = FacialFaces(images, values)
    task = SignalTask(faces, 4, {"rendered": faces}, recognizer, SignalRecipe(Augmentation(), head))
    optimizer = torch.optim.AdamW(task.groups(0.0), lr=3e-3)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = sum(task.loss(task.module, torch.arange(8), rng).values())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all()
    assert losses[-1] < 0.7 * losses[0], losses
    assert task.validate(task.module.eval())["score"] < 0


def test_figures_are_rank_correlations_and_degrees() -> None:
    values = torch.rand(20, width(FACIAL), generator=torch.Generator().manual_seed(0))
    said = {signal.name: values[:, WHERE[signal.name]].clone() for signal in FACIAL}
    said["pose"] = said["pose"] + 2
    found = figures_of(said, values)
    assert found["action_units_rho"] == pytest.approx(1)
    assert found["pose_error"] == pytest.approx(2, abs=1e-4)


def test_a_tail_begins_as_the_landmark_nets_own() -> None:
    net = MobileFaceNet().eval()
    tail = LandmarkTail.of(net).eval()
    there = torch.rand(2, 128, 14, 14, generator=torch.Generator().manual_seed(0))
    wanted = net.output_layer.conv_6_dw(net.conv_6_sep(net.conv_5(net.conv_45(there)))).flatten(1)
    torch.testing.assert_close(tail(there), wanted)
