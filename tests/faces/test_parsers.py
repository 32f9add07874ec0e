"""Parsing nets of a user's: drawn faces, every part in a colour of its own, and a net that knows the colours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.core.errors import ConfigError, WeightsError
from mien.faces.mean_face import MEAN_FACE
from mien.faces.parser_file import ParserFile, regions_of
from mien.faces.parsers import PARSERS, ParserSettings
from mien.faces.regions import outline_mask, region_masks
from onnx_toys import conv_file

SIDE = NET = 112
COLOURS = {
    "elsewhere": (0, 0, 0),
    "skin": (230, 180, 150),
    "brows": (90, 40, 20),
    "eyes": (250, 250, 250),
    "nose": (230, 120, 60),
    "mouth": (200, 30, 60),
    "hair": (20, 20, 120),
    "glasses": (20, 160, 20),
}
LABELS = tuple(f"{name}={number}" for number, name in enumerate(COLOURS) if number)
WORDS = (f"size={NET}", "mean=0", "std=1")


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> ParserFile:
    """The nearest colour of every pixel: -|x - c|^2 + |x|^2 is linear in x."""
    colours = np.array([*COLOURS.values()]) / 255
    path = tmp_path_factory.mktemp("net") / "parts.onnx"
    conv_file(path, 2 * colours[:, :, None, None], -(colours**2).sum(1), NET)
    return ParserFile(path, WORDS, LABELS)


def drawn(points: np.ndarray, glasses: bool = False, fringe: float = 0.0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A noisy crop, and where its parts truly lie."""
    masks = {name: one[0] for name, one in region_masks(points[None], SIDE).items()}
    truth = {"skin": outline_mask(points, SIDE), **{name: masks[name] for name in ("brows", "eyes", "nose", "mouth")}}
    rows = np.indices((SIDE, SIDE))[0] / SIDE
    if fringe:
        truth["hair"] = rows < fringe
    if glasses:
        worn = cv2.dilate(truth["eyes"].astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        truth["glasses"] = worn & ~truth["eyes"]
    image = np.zeros((SIDE, SIDE, 3))
    names = list(truth)
    for place, name in enumerate(names):
        image[truth[name]] = COLOURS[name]
        for below in names[:place]:
            truth[below] = truth[below] & ~truth[name]
    image += np.random.default_rng(0).normal(0, 8, image.shape)
    return image.clip(0, 255).astype(np.uint8).transpose(2, 0, 1), truth


def people(count: int = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    spread = [rng.uniform(0.85, 1.0, 2) for _ in range(count)]
    return [MEAN_FACE * wide + rng.uniform(0, 0.06, 2) + rng.normal(0, 0.004, (68, 2)) for wide in spread]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_regions_of_drawn_faces_are_those_that_were_drawn(parser: ParserFile) -> None:
    faces = [drawn(points) for points in people()]
    found = parser(np.stack([crop for crop, _ in faces]))
    assert set(found.regions) == {"brows", "eyes", "nose", "cheeks", "mouth", "chin"}
    for number, ((_, truth), points) in enumerate(zip(faces, people(), strict=True)):
        for name in ("eyes", "nose", "mouth", "brows"):
            assert iou(found.regions[name][number], truth[name]) > 0.9, name
        by_points = region_masks(points[None], SIDE)
        for name in ("cheeks", "chin"):
            assert iou(found.regions[name][number], by_points[name][0]) > 0.4, "another rule, the same place"
    together = np.stack([*found.regions.values()]).sum(0)
    assert together.max() == 1, "no pixel in two"


def test_what_covers_a_face_is_told_as_a_share_of_it(parser: ParserFile) -> None:
    (points,) = people(1)
    bare, worn = drawn(points), drawn(points, glasses=True, fringe=0.3)
    found = parser(np.stack([bare[0], worn[0]])).covered
    assert found["hair"][0] == found["glasses"][0] == 0
    truth = worn[1]
    for name in ("hair", "glasses"):
        share = (truth[name] & outline_mask(points, SIDE)).sum() / outline_mask(points, SIDE).sum()
        assert found[name][1] == pytest.approx(share, abs=0.06)
    assert found["glasses"][1] > 0.05


def test_a_face_of_skin_alone_has_no_cheeks(parser: ParserFile) -> None:
    skin = np.ones((8, 8), np.bool_)
    none = np.zeros_like(skin)
    parts = {"skin": skin, "brows": none, "eyes": none, "nose": none, "mouth": none}
    assert not any(mask.any() for mask in regions_of(parts).values())
    (points,) = people(1)
    pair = np.stack([drawn(points)[0], np.zeros((3, SIDE, SIDE), np.uint8)])
    hidden = parser(pair)
    assert not any(mask[1].any() for mask in hidden.regions.values())
    assert {name: share.tolist() for name, share in hidden.covered.items()} == {"hair": [0, 0], "glasses": [0, 0]}
    assert parser(np.zeros((0, 3, 40, 40), np.uint8)).regions["eyes"].shape == (0, 40, 40)


def test_a_net_that_never_sees_a_face_was_asked_the_wrong_way(parser: ParserFile) -> None:
    flat = np.zeros((3, 3, 40, 40), np.uint8)
    with pytest.raises(WeightsError, match=r"no skin from.*--parser-input.*--parser-labels"):
        parser(flat)
    with pytest.raises(WeightsError, match="no brows, eyes, nose or mouth"):
        parser(flat + np.array(COLOURS["skin"], np.uint8)[:, None, None])


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (LABELS[1:], "none for skin"),
        ((*LABELS[:-1], "glasses=2"), "each once"),
        ((*LABELS[:-1], "glasses=two"), "numbers of classes"),
        ((*LABELS, "hat=9"), "NAME=VALUE"),
    ],
)
def test_labels_that_cannot_be_are_refused(labels: tuple[str, ...], why: str, parser: ParserFile) -> None:
    with pytest.raises(ConfigError, match=why):
        ParserFile(parser._file.path, WORDS, labels)


def test_what_is_no_such_network_says_so(parser: ParserFile, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="--parser-file"):
        PARSERS["onnx"](labels=LABELS)
    with pytest.raises(ConfigError, match="--landmarker"):
        PARSERS["points"]()
    with pytest.raises(ConfigError, match="leave one out"):
        PARSERS["onnx"](parser._file.path, WORDS, LABELS, find=parser)
    few = conv_file(tmp_path / "few.onnx", np.zeros((3, 3, 1, 1)), np.zeros(3), NET)
    with pytest.raises(WeightsError, match="3 classes"):
        ParserFile(few, WORDS, LABELS)(np.zeros((1, 3, 40, 40), np.uint8))
    with pytest.raises(ConfigError, match="say --parser onnx"):
        ParserSettings(parser_file=few)
    assert ParserSettings().make(None) is None
