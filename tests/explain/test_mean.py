"""Where a model looks on average: maps of many faces laid on one, told from chance, and no face in what is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from jaxtyping import Float, UInt8

from mien.cli.main import main
from mien.core.action_units import EXPECTATIONS
from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace
from mien.data.datasets import find_dataset
from mien.data.manifest import Manifest, load_manifest
from mien.data.synthetic import write_synthetic
from mien.explain.base import Method
from mien.explain.mean import SIDE, mean_maps, picture_of
from mien.faces.mean_face import MEAN_FACE
from mien.faces.regions import region_masks
from mien.models.landmarks import MobileFaceNet
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D, S2DConfig
from mien.models.weights import Recognizer, save_weights
from mien.models.zoo import LoadedModel, load_model

LABELS = LabelSpace("five", ("neutral", "happiness", "surprise", "anger", "sadness"))


class Elsewhere(Method):
    """Looks at the parts of a face that it is told to, wherever the face lies; a class at a time or at random."""

    name: ClassVar[str] = "planted"
    title: ClassVar[str] = "planted"
    unit: ClassVar[str] = "one"

    def __init__(self, part: Callable[[str], tuple[str, ...]], faces: Faces) -> None:
        self.part, self.faces = part, faces

    def places(
        self, model: LoadedModel, images: UInt8[np.ndarray, "t 3 s s"], label: int
    ) -> Float[np.ndarray, "t g g"]:
        masks = region_masks(self.faces.points(images), images.shape[-1])
        wanted = self.part(LABELS.labels[label])
        return np.logical_or.reduce([masks[region] for region in wanted]).astype(np.float64)  # type: ignore[index]


class Faces:
    """Landmarks that depend on the picture: an ordinary face, moved, made smaller and turned."""

    def points(self, images: UInt8[np.ndarray, "n 3 h w"]) -> Float[np.ndarray, "n 68 2"]:
        found = []
        for image in images:
            rng = np.random.default_rng(int(image.sum()))
            angle, size = rng.normal(0, 0.1), rng.uniform(0.7, 0.9)
            turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            found.append((MEAN_FACE - 0.5) @ turn + 0.5 + rng.normal(0, 0.02, 2))
        return np.array(found)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    write_synthetic(folder, "static", train=1, valid=40, test=1, frames=1, size=64)
    find_dataset("synthetic").read(folder).save(folder)
    return folder


@pytest.fixture(scope="module")
def items(drawn: Path) -> Manifest:
    return load_manifest(drawn).select("valid")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    pixels = Preprocessing(64, 32)
    net = S2D(S2DConfig(input_size=32, patch=8, dim=32, depth=1, heads=2, classes=5))
    path = tmp_path_factory.mktemp("weights") / "five.safetensors"
    save_weights(Recognizer(net, MobileFaceNet(), pixels).eval(), ModelRecord("five", LABELS, pixels, {}), path)
    return path


@pytest.fixture
def model(weights: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedModel:
    """Its landmarks are those of :class:`Faces`."""
    loaded = load_model(weights, folded=False)
    monkeypatch.setattr(loaded, "points", Faces().points)
    return loaded


def expected(label: str) -> tuple[str, ...]:
    return EXPECTATIONS[label].regions if label in EXPECTATIONS else ("eyes",)


def test_what_looks_where_theory_expects_agrees_wherever_the_faces_lie(model: LoadedModel, items: Manifest) -> None:
    found = mean_maps(model, items, [Elsewhere(expected, Faces())], each=8)
    assert [one.label for one in found] == list(LABELS.labels)
    for one in found[1:]:
        assert one.faces == 8
        assert one.overlap is not None
        assert one.overlap.iou > 0.85, "laid on one face, but for rounding"
        assert one.interval is not None
        assert one.interval[0] <= one.overlap.iou <= one.interval[1] + 0.05
        assert one.overlap.iou > 3 * one.overlap.chance
        assert one.cue is not None
        assert one.values.mean() == pytest.approx(1)
    assert found[0].overlap is found[0].interval is found[0].cue is None, "neutral"


def test_what_reads_the_mouth_alone_has_it_for_every_expression(model: LoadedModel, items: Manifest) -> None:
    found = mean_maps(model, items, [Elsewhere(lambda _: ("mouth",), Faces())], each=8)
    for one in found:
        assert one.regions["mouth"].share > 0.85
        assert one.regions["brows"].share < 0.01


def test_what_looks_anywhere_is_at_chance(model: LoadedModel, items: Manifest) -> None:
    class Anywhere(Elsewhere):
        def places(
            self, model: LoadedModel, images: UInt8[np.ndarray, "t 3 s s"], label: int
        ) -> Float[np.ndarray, "t g g"]:
            return np.random.default_rng(int(images.sum()) + label).random((1, 8, 8))

    found = mean_maps(model, items, [Anywhere(expected, Faces())], each=8)
    agreements = [one.overlap for one in found if one.overlap is not None]
    assert np.mean([one.iou - one.chance for one in agreements]) < 0.08
    assert abs(np.mean([one.correlation for one in agreements])) < 0.25


def test_each_face_counts_alike_and_the_choice_is_the_seeds(model: LoadedModel, items: Manifest) -> None:
    class Loud(Elsewhere):
        def places(
            self, model: LoadedModel, images: UInt8[np.ndarray, "t 3 s s"], label: int
        ) -> Float[np.ndarray, "t g g"]:
            return super().places(model, images, label) * float(images.sum())

    quiet, loud = (mean_maps(model, items, [kind(expected, Faces())], each=3) for kind in (Elsewhere, Loud))
    for one, other in zip(quiet, loud, strict=True):
        np.testing.assert_allclose(one.values, other.values, rtol=1e-6)
    other = mean_maps(model, items, [Elsewhere(expected, Faces())], each=3, seed=1)
    assert not np.allclose(quiet[1].values, other[1].values)


def test_what_cannot_be_averaged_is_refused(model: LoadedModel, items: Manifest) -> None:
    method = Elsewhere(expected, Faces())
    strange = Manifest("strange", LabelSpace("strange", ("calm",)), items.rows[:0], items.root)
    with pytest.raises(DataError, match="items labelled"):
        mean_maps(model, strange, [method], each=2)
    model.network.landmarks = None
    with pytest.raises(ConfigError, match="landmark net"):
        mean_maps(model, items, [method], each=2)


def test_the_picture_has_a_row_an_expression(model: LoadedModel, items: Manifest) -> None:
    found = mean_maps(model, items, [Elsewhere(expected, Faces())], each=2)
    picture = picture_of(found, ["planted"])
    assert picture.shape == (5 * (2 * SIDE + 4), 2 * SIDE + 4, 3)
    assert picture.max() == 255


def test_the_command_writes_numbers_and_a_picture(
    drawn: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # no word is broken
    words: list[Any] = ["explain", drawn, "--mean", "--model", weights, "--each", "2", "--method", "gradcam"]
    assert main([str(word) for word in [*words, "-o", tmp_path]]) == 0
    told = json.loads((tmp_path / "mean.json").read_text())
    assert [one["label"] for one in told["maps"]] == list(LABELS.labels)
    assert set(told["maps"][1]) == {"label", "method", "faces", "regions", "overlap", "iou_interval", "cue"}
    assert told["data"] == {"name": "synthetic", "split": "valid", "each": 2}
    assert (tmp_path / "mean.png").is_file()
    assert "happiness" in capsys.readouterr().out
    assert main([str(word) for word in [*words, "-o", tmp_path, "--json"]]) == 0
    assert json.loads(capsys.readouterr().out) == told
    for wrong in (["--each", "0"], ["--html"], ["--at", "1"]):
        assert main([str(word) for word in [*words, *wrong, "-o", tmp_path]]) == 1
