"""Action-unit cues: the authors' maps, ours beside them, and a loss that turns attention to them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fills import official
from torch import Tensor

from mien.cli.main import main
from mien.core.action_units import EXPECTATIONS
from mien.core.errors import ConfigError
from mien.core.labels import LabelSpace
from mien.data.synthetic import make_clips
from mien.faces.cues import CODEBOOK, SIDE, SMALL, cue_map, unit_map, units_map
from mien.faces.mean_face import MEAN_FACE, MIRRORED
from mien.models.cnn import Cnn, CnnConfig
from mien.models.net import Answer, Net
from mien.models.s2d import S2D, S2DConfig
from mien.models.vit import Block
from mien.training.cued import DRAWN, WrongCues, cosine
from mien.training.learner import Inputs, Learner, watching
from mien.training.terms import Setting, Step, named_terms

FACS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 43, 27, 16)
"""By the authors' numbers."""
FIGURES = official("aucue")
CASES = [pytest.param(case, id=f"jitter{case['jitter']}") for case in FIGURES["cases"]]


@pytest.mark.parametrize("case", CASES)
def test_units_lie_where_the_authors_draw_them(case: dict) -> None:
    points = np.array(case["points"]) / SIDE
    for number, unit in enumerate(FACS):
        wanted, drawn = case["units"][str(number)], unit_map(points, unit, mirrored=False).astype(np.float64)
        places = np.arange(SMALL) / (SMALL - 1)
        found = drawn.mean() / 255, *(drawn.sum(axis) @ places / drawn.sum() for axis in (0, 1))
        told = [wanted[name] for name in ("share_of_28x28", "centre_x", "centre_y")]
        np.testing.assert_allclose(found, told, atol=2e-3, err_msg=f"AU{unit}")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise"])
def test_maps_are_the_authors(case: dict, name: str) -> None:
    wanted = case["expressions"][name]
    assert {FACS[number] for number in wanted["units"]} == set(CODEBOOK[name.lower()])
    found = cue_map(np.array(case["points"]) / SIDE, name, mirrored=False)
    assert found is not None
    np.testing.assert_allclose(found.reshape(7, 32, 7, 32).mean((1, 3)), wanted["mean7x7"], atol=2e-3)


POINTS = np.array(FIGURES["cases"][0]["points"]) / SIDE
"""A frontal face, the same on both sides."""


def test_the_drawn_face_is_the_same_on_both_sides() -> None:
    for points in (POINTS, MEAN_FACE):
        flipped = (points * [-1, 1] + [1, 0])[list(MIRRORED)]
        np.testing.assert_allclose(flipped, points, atol=0.002)


@pytest.mark.parametrize("name", sorted(CODEBOOK))
def test_ours_are_the_same_on_both_sides_and_theirs_nearly(name: str) -> None:
    ours, theirs = cue_map(POINTS, name), cue_map(POINTS, name, mirrored=False)
    assert ours is not None
    assert theirs is not None
    assert (ours.min(), ours.max()) == (0, 1)
    assert np.abs(ours - ours[:, ::-1]).max() < 0.2, "but for the rounding of ellipses"
    assert np.corrcoef(ours.ravel(), ours[:, ::-1].ravel())[0, 1] > 0.995
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.85


def test_a_small_map_is_the_large_one_and_a_shifted_face_a_shifted_map() -> None:
    large, small = (cue_map(POINTS, "happiness", side) for side in (224, 56))
    assert large is not None
    assert small is not None
    assert np.corrcoef(large.reshape(56, 4, 56, 4).mean((1, 3)).ravel(), small.ravel())[0, 1] > 0.98
    moved = cue_map(POINTS + np.array([1 / 28, 2 / 28]), "happiness")
    assert moved is not None
    np.testing.assert_allclose(moved[40:-16, 32:-16], large[24:-32, 24:-24], atol=0.12)


def test_what_has_no_units_has_no_map() -> None:
    assert cue_map(POINTS, "neutral") is None
    assert cue_map(POINTS, "contempt") is None
    assert cue_map(POINTS, "happy") is not None
    assert set(CODEBOOK) == set(EXPECTATIONS) - {"contempt"}
    one, two = units_map(POINTS, [12]), units_map(POINTS, [12, 25])
    assert (two >= one - 1e-6).all()


SPACE = LabelSpace("six", ("neutral", "happiness", "surprise", "anger", "sadness", "contempt"))
SETTING = Setting(SPACE, 4, torch.full((6,), 10))


def asked(name: str, attention: Tensor, labels: list[int], points: np.ndarray = MEAN_FACE) -> Tensor:
    """What a term says of attention (b, t, g, g) to items with these labels."""
    ((weight, term),) = named_terms([name], SETTING).values()
    answer = Answer(torch.zeros(len(labels), 6), torch.zeros(len(labels), 4), attention=attention)
    where = torch.from_numpy(points.copy()).float().expand(*attention.shape[:2], -1, -1)
    targets, of = torch.zeros(len(labels), 6), torch.tensor(labels)
    return weight * term(answer, Step(torch.zeros(len(labels), 1, 1, 2, 2), targets, of, 0, lambda: answer, {}, where))


def small_cue(label: str, side: int, points: np.ndarray = MEAN_FACE) -> Tensor:
    drawn = cue_map(points, label, DRAWN)
    assert drawn is not None
    given = torch.from_numpy(drawn)[None, None]
    return F.interpolate(given, (side, side), mode="bilinear", antialias=True)[0]


def test_the_loss_is_one_less_the_cosine() -> None:
    attention = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = asked("cues=9", attention, [1, 3]).item()
    by_hand = []
    for item, label in zip(attention.double().numpy(), ("happiness", "anger"), strict=True):
        cue = small_cue(label, 8)[0].double().numpy()
        for frame in item:
            a = (frame - frame.min()) / (frame.max() - frame.min())
            by_hand.append(1 - (a * cue).sum() / np.linalg.norm(a) / np.linalg.norm(cue))
    assert found == pytest.approx(9 * np.mean(by_hand), rel=1e-5)
    cue = small_cue("happiness", 8)[None] * 0.3 + 0.1
    assert asked("cues", cue, [1]).item() < 0.05, "scaled and shifted it is the same map"
    assert asked("cues-mean", cue, [1], POINTS).item() == asked("cues", cue, [1]).item()
    assert asked("cues", cue, [1], POINTS + 0.1).item() > 0.2


def test_labels_without_units_and_faces_without_labels_are_left_out() -> None:
    attention = torch.rand(4, 1, 4, 4, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    for name in ("cues", "cues-mean", "cues-wrong"):
        asked(name, attention, [0, 1, 5, -1]).backward()
        assert attention.grad is not None
        assert [bool(row.any()) for row in attention.grad] == [False, True, False, False]
        nothing = asked(name, attention, [0, 5, -1, 0])
        assert nothing.item() == 0
        nothing.backward()
        attention.grad = None


def test_the_control_never_takes_the_right_expression() -> None:
    term = WrongCues(SETTING)
    labels = torch.tensor([1, 2, 3, 4] * 50)
    torch.manual_seed(0)
    found = term.meant(labels)
    assert (found != labels).all()
    pairs = set(zip(labels.tolist(), found.tolist(), strict=True))
    assert len(pairs) == 4 * 3, "any other one"


def vit() -> S2D:
    torch.manual_seed(0)
    return S2D(S2DConfig(input_size=32, patch=8, dim=32, depth=2, heads=2, classes=6, prompts=False, dropout=0.0))


def step_of(net: Net, words: tuple[str, ...]) -> tuple[dict[str, Tensor], list[Tensor]]:
    """The terms of one step, and the gradients of their sum."""
    learner = Learner(net, named_terms(words, SETTING))
    frames = torch.rand(3, 2, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([1, 3, 0])
    points = torch.from_numpy(MEAN_FACE.copy()).float().expand(3, 2, -1, -1)
    parts = learner(Inputs(frames, None, points), frames, F.one_hot(labels, 6).float(), labels, 0, None)
    return parts, list(torch.autograd.grad(sum(parts.values(), torch.zeros(())), list(net.parameters())))


def test_off_and_at_no_weight_the_step_is_what_it_was() -> None:
    (off, without), (none, with_none) = step_of(vit(), ("labels",)), step_of(vit(), ("labels", "cues=0"))
    assert torch.equal(off["labels"], none["labels"])
    assert all(torch.equal(one, other) for one, other in zip(without, with_none, strict=True))
    (some, with_some) = step_of(vit(), ("labels", "cues=9"))
    assert torch.equal(off["labels"], some["labels"])
    assert not all(torch.equal(one, other) for one, other in zip(without, with_some, strict=True))


def test_attention_is_what_the_class_token_looks_at() -> None:
    net = vit().eval()
    frames = torch.rand(1, 2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    with watching(net, True) as seen, torch.no_grad():
        net(frames)
        found = net.attention(seen[0])
    block = net.backbone.blocks[-1]
    assert isinstance(block, Block)
    q, k, _ = (part.view(2, 17, 2, 16).transpose(1, 2) for part in block.attn.qkv(seen[0]).chunk(3, dim=-1))
    by_hand = (q[:, :, :1] @ k.transpose(2, 3) / 4).softmax(-1)[:, :, 0, 1:].mean(1).view(2, 4, 4)
    torch.testing.assert_close(found, by_hand)
    with watching(net, False) as nothing:
        net(frames)
    assert nothing == []


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="labels with action units"):
        named_terms(["cues"], SETTING._replace(labels=LabelSpace("one", ("neutral", "calm"))))
    with pytest.raises(ConfigError, match="two labels"):
        named_terms(["cues-wrong"], SETTING._replace(labels=LabelSpace("one", ("neutral", "anger"))))
    net = vit()
    net.checkpoint_blocks = True
    with pytest.raises(ConfigError, match="checkpoint"):
        step_of(net, ("labels", "cues"))


@cache
def learnt(*words: str) -> tuple[float, float, float]:
    """A CNN that learnt drawn faces; of other faces: cosine with the right cue, with the wrong ones, accuracy."""
    train, test = (make_clips("static", n, 1, 24, seed=seed) for n, seed in ((250, 1), (200, 2)))
    torch.manual_seed(0)
    net = Cnn(CnnConfig(24, (16, 32), 1, len(train.space), 0.0))
    setting = Setting(train.space, 32, torch.full((len(train.space),), 50))
    learner = Learner(net, named_terms(words, setting))
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    images, others = ((torch.from_numpy(clips.images).float() / 255 - 0.5) / 0.25 for clips in (train, test))
    labels, truth = torch.from_numpy(train.labels), torch.from_numpy(test.labels)
    points = torch.from_numpy(MEAN_FACE.copy()).float().expand(50, 1, -1, -1)
    for _ in range(30):
        for batch in torch.randperm(len(labels)).split(50):
            inputs, targets = Inputs(images[batch], None, points), F.one_hot(labels[batch], len(train.space)).float()
            parts = learner(inputs, images[batch], targets, labels[batch], 0, None)
            optimizer.zero_grad()
            sum(parts.values(), torch.zeros(())).backward()
            optimizer.step()
    net.eval()
    with watching(net, True) as seen, torch.no_grad():
        said = net(others).logits
        attention = net.attention(seen[0])[:, None]
    cued = [name for name in train.space.labels if name in CODEBOOK]
    found = torch.stack([cosine(attention, small_cue(name, 6).expand(200, -1, -1, -1))[:, 0] for name in cued], 1)
    rows = [truth == train.space.index(name) for name in cued]
    own = torch.stack([found[row, place].mean() for place, row in enumerate(rows)])
    rest = torch.stack([found[row].sum(1).mean() for row in rows]) - own
    accuracy = (said.argmax(1) == truth).float().mean()
    return own.mean().item(), (rest / (len(cued) - 1)).mean().item(), accuracy.item()


def test_attention_turns_to_the_units_of_what_is_shown_and_by_wrong_cues_it_does_not() -> None:
    """Measured, right and wrong cues' cosine: .71 and .73 without; .88 and .82 with; .83 and .85 by the control.

    That all cues lie on eyes, brows and mouth is what the control gains, too; only the right ones tell them apart.
    """
    plain, cued, control = learnt("labels"), learnt("labels", "cues=3"), learnt("labels", "cues-wrong=3")
    apart = [own - rest for own, rest, _ in (plain, cued, control)]
    assert cued[0] > max(plain[0] + 0.1, control[0] + 0.02)
    assert apart[1] > 0.04
    assert max(apart[0], apart[2]) < 0.01
    assert cued[2] > plain[2] - 0.05, "and it answers no worse"


@pytest.mark.slow
def test_a_recipe_takes_it_by_flag(tmp_path: Path) -> None:
    words = ["smoke", "--clips", "4", "--fit.epochs", "1", "--fit.log-every", "1", "--kind", "static"]
    assert main(["train", *words, "--recipe.terms", "labels", "cues=9", "--out", str(tmp_path / "run")]) == 0
    assert "loss.cues" in (tmp_path / "run" / "log.jsonl").read_text()
    mixed = ["--recipe.mixing.mixup", "0.8", "--out", str(tmp_path / "mixed")]
    assert main(["train", *words, "--recipe.terms", "labels", "cues", *mixed]) == 1
