"""Causal swaps: everything before block 0 is the other picture, nothing is none of it, and a mouth is the mouth's."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from planted import SIDE, clip, model_of

from mien.core.action_units import REGIONS, Region
from mien.core.errors import ConfigError
from mien.core.labels import LabelSpace
from mien.core.types import FaceClip
from mien.data.drawn_face import Expression, Pose, draw_frames, draw_person
from mien.explain.swap import ALL_PATCHES, CLASS_TOKEN, swaps
from mien.models.landmarks import MobileFaceNet
from mien.models.s2d import S2D, S2DConfig
from mien.models.zoo import LoadedModel

DRAWN = 24


def boxes(**parts: tuple[int, int, int, int]) -> dict[Region, np.ndarray]:
    """Regions of one frame as boxes: top, bottom, left, right."""
    masks = {region: np.zeros((1, DRAWN, DRAWN), np.bool_) for region in REGIONS}
    for name, (top, bottom, left, right) in parts.items():
        masks[name][0, top:bottom, left:right] = True  # type: ignore[index]
    return masks


# Of a head in the middle, a third of the picture wide on each side: where draw_frames paints the parts.
FACE = boxes(
    brows=(3, 9, 4, 20), eyes=(9, 12, 4, 20), nose=(12, 15, 9, 15), mouth=(15, 21, 6, 18), chin=(21, 24, 6, 18)
)


CLASSES = LabelSpace("drawn", ("calm", "smile"))


def faces(person: int, smile: np.ndarray, brows: np.ndarray) -> np.ndarray:
    """A drawn person who smiles and raises the brows so; the rest of the face is at rest."""
    rest, middle = np.zeros(len(smile)), np.full(len(smile), 0.5)
    pose = Pose(middle, middle, rest, np.full(len(smile), 1 / 3))
    drawn = draw_person(np.random.default_rng(person))
    return draw_frames(drawn, Expression(smile, 0.4 * smile, brows, rest, rest), pose, DRAWN)


def face(person: int, smile: float, brows: float) -> FaceClip:
    """For a moment."""
    images = faces(person, np.array([smile]), np.array([brows]))
    return FaceClip(1, images, np.zeros(1), (0,), np.ones(1, np.bool_), 0.0, 0.0)


@pytest.fixture(scope="module")
def learnt() -> LoadedModel:
    """Has learnt which drawn faces smile; half of all raise their brows, smile or not, and nobody told it where."""
    torch.manual_seed(0)
    config = S2DConfig(DRAWN, 3, 32, 2, 2, classes=2, prompts=False, dropout=0.0)
    model = model_of(S2D(config), None, CLASSES)
    assert model.record.preprocessing.input_size == SIDE == DRAWN
    smile, brows = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0])
    images = torch.from_numpy(np.stack([faces(100 + person, smile, brows) for person in range(100)])).flatten(0, 1)
    labels = torch.tensor([0, 1, 0, 1]).repeat(100)
    network = model.network.train().requires_grad_(True)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for step in range(100):
        some = torch.randint(0, len(images), (48,), generator=torch.Generator().manual_seed(step))
        loss = F.cross_entropy(network(images[some, None]), labels[some])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval().requires_grad_(False)
    return model


@pytest.mark.parametrize("brows", [0.0, 1.0])
def test_the_part_that_the_network_reads_carries_the_answer(learnt: LoadedModel, brows: float) -> None:
    found = [swaps(learnt, face(person, 0, 0), face(person, 1, brows), FACE) for person in range(12)]
    assert sum(one.labels == ("smile", "calm") for one in found) >= 11
    median = {name: np.median([one.effects[name] for one in found], axis=0) for name in found[0].effects}
    assert median["mouth"][0] > 0.8
    others = set(REGIONS) - {"mouth", "cheeks"}  # no cheeks were given
    assert all(abs(median[name][0]) < 0.2 for name in others), "raised brows differ too, and are nothing to it"
    assert median["class token"][1] > 0.5 > median["mouth"][1], "before the last block it has what it needs"
    moved = {name for name in others if np.median([one.differs[name] for one in found]) > 0.02}
    assert moved == ({"brows"} if brows else set())


def network(fusion: str) -> LoadedModel:
    torch.manual_seed(1)
    frames = 2 if fusion == "mcp" else None
    fused = {"fusion": fusion, "fusion_at": (0, 2)} if fusion == "window" else {}
    net = S2D(S2DConfig(SIDE, 4, 32, 3, 2, classes=2, frames=frames, **fused))  # type: ignore[arg-type]
    with torch.no_grad():  # as fresh, prompts, adapters and fusions are next to nothing
        for part in net.added():
            part += 0.2 * torch.randn_like(part)
        net.head.weight *= 500
    return model_of(net, MobileFaceNet(), LabelSpace("two", ("happiness", "neutral")))


@pytest.mark.parametrize("fusion", ["mcp", "window"])
def test_all_of_the_other_picture_is_the_other_picture(fusion: str) -> None:
    model = network(fusion)
    a, b = clip([0, 0], seed=1), clip([1, 1], seed=2)
    found = swaps(model, a, b)
    # Prompts and landmark tokens are B's too: without them this would not be 1.
    assert found.effects[ALL_PATCHES][0] == pytest.approx(1, abs=1e-4)
    assert found.effects[CLASS_TOKEN][0] == pytest.approx(0, abs=1e-4), "before block 0 it has seen nothing"
    assert abs(found.effects[ALL_PATCHES][-1] - 1) > 0.01, "before the last block the class token has seen something"
    logits = [model.logits(one.images[None])[0] for one in (a, b)]
    at = [model.record.labels.labels.index(label) for label in found.labels]
    assert found.ends == pytest.approx([float(row[at[0]] - row[at[1]]) for row in logits])
    assert sum(found.patches.values()) == pytest.approx((SIDE // 4) ** 2), "every patch has one part"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.network.modules())


def test_a_part_that_is_nowhere_has_no_effect(learnt: LoadedModel) -> None:
    record = json.loads(json.dumps(swaps(learnt, *PAIR, boxes(mouth=(0, 24, 0, 24))).to_dict()).replace("NaN", "null"))
    assert record["parts"]["brows"]["effects"] == [None, None]
    assert record["parts"]["mouth"]["effects"] == record["parts"][ALL_PATCHES]["effects"]
    assert record["parts"]["mouth"]["effects"][0] == pytest.approx(1, abs=1e-4)


PAIR = (face(3, 0.0, 0.0), face(3, 1.0, 0.0))


@pytest.mark.parametrize(
    ("pair", "wording"), [((PAIR[0], PAIR[0]), "differ by 0.1"), ((PAIR[0], clip([0, 1])), "as many crops")]
)
def test_a_pair_that_says_nothing_is_refused(
    learnt: LoadedModel, pair: tuple[FaceClip, FaceClip], wording: str
) -> None:
    with pytest.raises(ConfigError, match=wording):
        swaps(learnt, *pair, FACE)


def test_regions_need_landmarks(learnt: LoadedModel) -> None:
    with pytest.raises(ConfigError, match="landmark net"):
        swaps(learnt, *PAIR)
