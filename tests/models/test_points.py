"""Points over time: the order of frames is read where their mean says nothing, and a moving head stands still."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.cli.main import main
from mien.core.errors import ConfigError
from mien.core.labels import LabelSpace
from mien.data.datasets import find_dataset
from mien.data.drawn_face import Expression, Pose, draw_frames, draw_person
from mien.data.synthetic import MOTIONS, make_clips, write_synthetic
from mien.faces.mean_face import MEAN_FACE
from mien.models.find import find_weights
from mien.models.net import parameter_groups
from mien.models.nets import build
from mien.models.points import STILL, Points, PointsConfig, fold_points, movements, steadied
from mien.models.record import ModelRecord, read_record
from mien.models.weights import Recognizer, load_weights, save_weights
from mien.models.zoo import load_model
from mien.training.recipes.nets import POINTS

SIDE, FRAMES = 48, 4


@pytest.fixture(scope="module")
def eyes() -> Recognizer:
    """The shipped landmark net, with the preprocessing it knows."""
    return load_weights(find_weights("s2d-small"))[0]


def maps_of(eyes: Recognizer, images: np.ndarray) -> Tensor:
    """The landmark map of every frame."""
    frames = eyes.frames_of(torch.from_numpy(images).flatten(0, 1)[:, None] / 255)[:, 0]
    found = [eyes.landmark_map(some) for some in frames.split(16)]
    return torch.cat([one for one in found if one is not None])


@pytest.fixture(scope="module")
def drawn(eyes: Recognizer) -> dict[str, tuple[Tensor, Tensor]]:
    """Maps and labels of clips that show the same frames in four orders."""
    found = {}
    for seed, (name, count) in enumerate({"train": 64, "test": 40}.items()):
        clips = make_clips("motion", count, FRAMES, SIDE, seed)
        found[name] = maps_of(eyes, clips.images), torch.from_numpy(clips.labels)
    return found


def learnt(eyes: Recognizer, drawn: dict[str, tuple[Tensor, Tensor]], *, ordered: bool) -> tuple[Points, float]:
    """A network after 15 passes, and its share of right answers; without order it has each frame's answer averaged."""
    torch.manual_seed(0)
    net: Points = build(PointsConfig(SIDE, len(MOTIONS), 64, FRAMES))
    assert eyes.landmarks is not None
    net.take_landmarks(eyes.landmarks)
    net.learn_only("all")
    net.train()

    maps, labels = drawn["train"]
    with torch.no_grad():  # once: they never learn
        points = net.tail(maps).view(len(labels), FRAMES, 68, 2)
    optimizer = torch.optim.AdamW(parameter_groups(net, 0.01, 1.0, 1.0), lr=5e-3)
    for epoch in range(15):
        for some in torch.randperm(len(labels), generator=torch.Generator().manual_seed(epoch)).split(16):
            shown = points[some] if ordered else points[some].view(-1, 1, 68, 2)
            answers = net.head(net.gru(movements(shown))[0][:, -1])
            loss = F.cross_entropy(answers.view(len(some), -1, len(MOTIONS)).mean(1), labels[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    net.eval()
    held_out, wanted = drawn["test"]
    with torch.no_grad():
        whole = net(torch.empty(len(wanted), FRAMES, 3, 1, 1), held_out).logits
        single = net(torch.empty(len(held_out), 1, 3, 1, 1), held_out).logits.view(-1, FRAMES, len(MOTIONS)).mean(1)
    return net, ((whole if ordered else single).argmax(1) == wanted).float().mean().item()


@pytest.fixture(scope="module")
def trained(eyes: Recognizer, drawn: dict[str, tuple[Tensor, Tensor]]) -> tuple[Points, float]:
    return learnt(eyes, drawn, ordered=True)


def test_it_reads_the_order_of_frames_where_averaging_cannot(eyes: Recognizer, drawn, trained) -> None:
    _, averaged = learnt(eyes, drawn, ordered=False)
    print(f"points over time {trained[1]:.3f}, every frame alone and averaged {averaged:.3f}")
    assert trained[1] >= 0.9
    assert averaged < 0.45


def test_its_file_brings_the_points_along_and_frames_are_not_asked_one_by_one(eyes, trained, tmp_path) -> None:
    net, _ = trained
    labels = LabelSpace("motion", MOTIONS)
    record = ModelRecord("points", labels, eyes.preprocessing, {}, frames=FRAMES)
    path = tmp_path / "points.safetensors"
    save_weights(Recognizer(net, eyes.landmarks, eyes.preprocessing), record, path)
    again, told = load_weights(path)
    assert (told.network, told.is_image_model, told.averages) == ("points", False, False)
    crops = make_clips("motion", 2, FRAMES, SIDE, 5).images
    # The points that are shown are those that the answer was made of.
    maps = maps_of(eyes, crops)
    shown = again.points(torch.from_numpy(crops).flatten(0, 1))
    torch.testing.assert_close(again.net.tail(maps), shown, atol=1e-4, rtol=0)
    wanted = net(torch.empty(2, FRAMES, 3, 1, 1), maps).logits.detach()
    np.testing.assert_allclose(load_model(path).logits(crops), wanted, atol=1e-4)
    backwards = load_model(path).logits(np.ascontiguousarray(crops[:, ::-1]))
    assert np.abs(backwards - wanted.numpy()).max() > 0.1
    assert load_model(path).logits(crops[:, :1]).shape == (2, 4)


def test_folding_changes_nothing(drawn, trained) -> None:
    maps = drawn["test"][0][: 3 * FRAMES]
    frames = torch.empty(3, FRAMES, 3, 1, 1)
    with torch.inference_mode():
        for one, other in zip(trained[0](frames, maps)[:2], fold_points(trained[0])(frames, maps)[:2], strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=0)


def test_the_recipe_trains_and_a_film_is_analysed(tmp_path: Path, sample_clip: Callable[[str], Path]) -> None:
    """On a handful of drawn clips: that all parts fit, not what is learnt."""
    write_synthetic(tmp_path / "set", "motion", 8, 4, 4, FRAMES, SIDE)
    find_dataset("synthetic").read(tmp_path / "set").save(tmp_path / "set")
    fit = replace(POINTS.fit, epochs=1, batch=4, workers=0, precision="fp32")
    recipe = replace(POINTS.recipe, frames=FRAMES)
    made = replace(POINTS, data=tmp_path / "set", out=tmp_path / "points", fit=fit, recipe=recipe).run()
    assert read_record(made).network == "points"
    assert read_record(made).config["frames"] == FRAMES
    ran = main(
        ["analyze", str(sample_clip("single_face.mp4")), "--end", "0.7", "--model", str(made), "-o", str(tmp_path)]
    )
    assert ran == 0
    told = json.loads((tmp_path / "single_face" / "result.json").read_text())
    assert told["labels"] == [f"smile-{motion}" for motion in MOTIONS]
    assert told["spans"]


def smiling(share: float) -> Tensor:
    """An ordinary face whose corners of the mouth went out and up by so much of the crop's side."""
    face = torch.tensor(MEAN_FACE.tolist())
    face[[48, 54]] += share * torch.tensor([[-0.6, -0.8], [0.6, -0.8]])
    return face


def posed(face: Tensor, turn: float, size: float, shift: tuple[float, float]) -> Tensor:
    c, s = size * math.cos(turn), size * math.sin(turn)
    return face @ torch.tensor([[c, s], [-s, c]]) + torch.tensor(shift)


def test_a_head_of_any_pose_stands_still_and_its_smile_is_as_wide() -> None:
    poses = [(0.0, 1.0, (0.0, 0.0)), (0.3, 1.2, (0.1, -0.2)), (-0.5, 40.0, (7.0, 3.0)), (3.0, 0.4, (0.0, 0.9))]
    shares = torch.tensor([0.0, 0.01, 0.03, 0.05])
    found = steadied(torch.stack([posed(smiling(float(one)), *pose) for one, pose in zip(shares, poses, strict=True)]))
    face = torch.tensor(MEAN_FACE.tolist())
    torch.testing.assert_close(found[:, list(STILL)], face[list(STILL)].expand(4, -1, -1), atol=1e-5, rtol=0)
    travelled = (found[:, 54] - face[54]).norm(dim=1)
    torch.testing.assert_close(travelled, shares, atol=1e-5, rtol=0)
    moves = movements(found[None])
    assert moves.shape == (1, 4, 272)
    assert moves[0, 0, 136:].abs().max() == 0
    torch.testing.assert_close(moves[0, 1:, 136:], moves[0, 1:, :136] - moves[0, :-1, :136])


@torch.no_grad()
def test_points_of_a_drawn_clip_whose_head_moves(eyes: Recognizer) -> None:
    """Still points stay within half a pixel of their mean; the smile travels as far as on a head that stands."""
    time = np.linspace(0, 1, 12)
    person, rest = draw_person(np.random.default_rng(3)), np.zeros(12)
    smile = Expression(time, 0.35 * time, 0.15 * time, rest, rest)
    sway = (0.03 * np.sin(6 * time), 0.03 * np.cos(5 * time), 0.1 * np.sin(4 * time), 0.02 * np.sin(9 * time))
    swaying = Pose(0.5 + sway[0], 0.5 + sway[1], sway[2], 0.34 + sway[3])
    standing = Pose(rest + 0.5, rest + 0.5, rest, rest + 0.34)
    found, raw = {}, {}
    for name, pose in (("swaying", swaying), ("standing", standing)):
        raw[name] = eyes.points(torch.from_numpy(draw_frames(person, smile, pose, 2 * SIDE)))
        found[name] = steadied(raw[name])

    def apart(points: Tensor) -> float:
        still = points[:, list(STILL)]
        return float((still - still.mean(0)).square().sum(-1).mean().sqrt()) * SIDE

    def wide(points: Tensor) -> float:
        """By how much from the first frame to the last, by the line through all of them."""
        mouth = (points[:, 54] - points[:, 48]).norm(dim=1).numpy() * SIDE
        return float(np.polyfit(time, mouth, 1)[0])

    print(f"pixels: before {apart(raw['swaying']):.2f}, steadied {apart(found['swaying']):.2f}")
    print(f"mouth wider by {wide(found['swaying']):.2f}, standing {wide(found['standing']):.2f}")
    assert apart(raw["swaying"]) > 1
    assert apart(found["swaying"]) < 0.5
    assert wide(found["standing"]) > 1
    assert abs(wide(found["swaying"]) - wide(found["standing"])) < 0.25 * wide(found["standing"])


def test_points_that_coincide_turn_nothing() -> None:
    assert torch.isfinite(movements(torch.zeros(1, 2, 68, 2))).all()


def test_shapes_that_cannot_be_are_refused() -> None:
    for wrong in ({"frames": 0}, {"dim": 0}, {"dropout": 1.0}, {"input_size": 0}):
        with pytest.raises(ConfigError):
            PointsConfig(**wrong)  # type: ignore[arg-type]
    assert isinstance(build(PointsConfig()).gru, nn.GRU)
