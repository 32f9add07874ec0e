"""Everything that has a name can be built, run, kept and taken elsewhere, or says why not."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.core.errors import ConfigError, InputError
from mien.core.labels import LabelSpace
from mien.core.types import FaceClip
from mien.data.datasets import DATASETS, find_dataset
from mien.engines.export import TARGETS, export
from mien.explain.explanation import METHODS, explain_clip
from mien.faces.detectors import DETECTORS
from mien.models.landmarks import MobileFaceNet
from mien.models.net import Answer, Net, parameter_groups
from mien.models.nets import NETS, build
from mien.models.network import SIGNALS, said, with_signals
from mien.models.record import ModelRecord, Preprocessing
from mien.models.weights import Recognizer, save_weights
from mien.models.zoo import CONFIGS, load_model
from mien.training.recipes import ABOUT, RECIPES
from mien.training.terms import TERMS, Setting, Step
from shape_checks import unchecked

LABELS = LabelSpace("three", ("neutral", "happiness", "anger"))


@pytest.fixture(scope="module", params=NETS)
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network of every kind, in a file."""
    torch.manual_seed(0)
    config = NETS[request.param].config.found().tiny(len(LABELS))
    net: Net = build(config)
    landmarks = MobileFaceNet() if "landmark_map" in net.needs else None
    pixels = Preprocessing(crop_size=32, input_size=config.input_size)
    path = tmp_path_factory.mktemp(request.param) / f"tiny-{request.param}.safetensors"
    save_weights(Recognizer(net, landmarks, pixels).eval(), ModelRecord("tiny", LABELS, pixels, {}, frames=2), path)
    return path


def crops(clips: int = 2, frames: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (clips, frames, 3, 32, 32)).astype(np.uint8)


def test_a_network_answers_alike_as_written_and_as_used(weights: Path) -> None:
    used, written = load_model(weights), load_model(weights, folded=False)
    np.testing.assert_allclose(used.logits(crops()), written.logits(crops()), atol=1e-4)
    assert used.logits(crops()).shape == (2, 3)
    if written.record.is_image_model:
        singles = np.stack([written.logits(crops()[:, [frame]]) for frame in range(3)])
        np.testing.assert_allclose(written.logits(crops()), singles.mean(0), atol=1e-5)


def test_every_parameter_of_a_network_learns_once(weights: Path) -> None:
    net = load_model(weights, folded=False).network.net
    net.requires_grad_(True)
    net.learn_only("all")
    learning = [p for group in parameter_groups(net, 0.05, 0.5, 0.1) for p in group["params"]]
    assert len(learning) == len({id(p) for p in learning}) == len(list(net.parameters()))
    assert net.head.out_features == net.config.classes
    assert net.config.fits(net.config.input_size)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_is_said_in_its_range_and_travels(weights: Path, name: str) -> None:
    alone, network = load_model(weights), with_signals(load_model(weights), (name,))
    (signal,) = network.record.signals
    answer = said(network, crops())
    beside = answer[:, 3:]
    assert signal.name == name
    assert signal.derived_from, "what is computed is called derived"
    assert beside.shape == (2, len(signal.labels))
    assert ((signal.low <= beside) & (beside <= signal.high)).all()
    np.testing.assert_array_equal(answer[:, :3], alone.probabilities(crops()))
    np.testing.assert_array_equal(said(pickle.loads(pickle.dumps(network)), crops()), answer)


@pytest.mark.parametrize("target", TARGETS)
def test_a_network_is_exported_with_the_same_answers(weights: Path, target: str, tmp_path: Path) -> None:
    with unchecked():
        made = export(load_model(weights), target, tmp_path)
    assert made.parity.logits <= 1e-4


@pytest.mark.parametrize("name", METHODS)
def test_a_method_explains_every_network_or_says_what_it_lacks(weights: Path, name: str) -> None:
    model, method = load_model(weights, folded=False), METHODS[name]()
    images = crops(1, 2)[0]
    clip = FaceClip(1, images, np.arange(2) * 0.04, (0, 1), np.array([True, True]), 0.0, 0.08)
    if not method.can_ask(model):
        with pytest.raises(ConfigError):
            method.map(model, images, 0)
        return
    (evidence,) = explain_clip(model, clip, [method]).evidence
    assert evidence.values.shape == (2, 32, 32)
    assert np.isfinite(evidence.values).all()
    assert evidence.values.min() >= 0


@pytest.mark.parametrize("name", TERMS)
def test_a_term_of_the_loss_has_a_gradient(name: str) -> None:
    term = TERMS[name](Setting(LABELS, 4, torch.tensor([5, 3, 2])))
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    answer = Answer(logits, torch.randn(6, 4))
    targets = torch.eye(3)[torch.arange(6) % 3]
    loss = term(answer, Step(torch.rand(6, 1, 1, 8, 8), targets, targets.argmax(1), 0, lambda: answer))
    loss.backward()
    assert loss.ndim == 0
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_can_be_run_from_the_command_line(name: str) -> None:
    recipe = RECIPES[name]
    assert callable(recipe.run)
    assert ABOUT[name]


def test_shapes_by_name_build(tmp_path: Path) -> None:
    for name, config in CONFIGS.items():
        with torch.device("meta"):
            assert sum(p.numel() for p in build(config).parameters()) > 1e4, name


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_refuses_an_empty_folder_in_words(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as told:
        find_dataset(name).read(tmp_path)
    assert told.value.expected
    assert told.value.fix


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_finds_a_face_or_says_what_it_wants(name: str, portrait: np.ndarray) -> None:
    if name == "mtcnn":
        assert len(DETECTORS[name]().detect(portrait)) == 1
        return
    with pytest.raises((InputError, TypeError), match=r"path|file"):  # of boxes, of weights
        DETECTORS[name]()
