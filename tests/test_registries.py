"""Everything that has a name can be built, run, kept and taken elsewhere, or says why not."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.analysis.answers import Answers
from mien.core.errors import ConfigError, InputError, WeightsError
from mien.core.labels import LabelSpace
from mien.core.signals import Signal, places
from mien.core.types import FaceClip
from mien.data.datasets import DATASETS, find_dataset
from mien.engines.export import TARGETS, export
from mien.engines.onnx import import_onnxruntime
from mien.engines.opening import open_model
from mien.explain.explanation import METHODS, explain_clip
from mien.faces.detectors import DETECTORS
from mien.faces.embedders import EMBEDDERS
from mien.faces.landmarkers import LANDMARKS
from mien.faces.mean_face import MEAN_FACE
from mien.faces.parsers import PARSERS
from mien.models.beside import POSES
from mien.models.heads import build_heads
from mien.models.landmarks import MobileFaceNet
from mien.models.net import Answer, Net, parameter_groups
from mien.models.nets import HEADS, NETS, build
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


def test_a_network_gives_tokens_where_it_is_asked_for_them(weights: Path) -> None:
    for network in (load_model(weights).network, load_model(weights, folded=False).network):
        frames = network.frames_of(torch.from_numpy(crops()) / 255)
        given = (frames, network.landmark_map(frames.flatten(0, 1)))
        plain = network.net(*given)
        assert plain.tokens is None
        if not NETS[network.network].net.found().gives_tokens:
            return
        asked = network.net(*given, tokens=True)
        assert asked.tokens.shape == (2, 3, asked.tokens.shape[2], network.net.config.dim)
        torch.testing.assert_close(asked[:2], plain[:2])


def test_every_parameter_of_a_network_learns_once(weights: Path) -> None:
    net = load_model(weights, folded=False).network.net
    net.requires_grad_(True)
    net.learn_only("all")
    learning = [p for group in parameter_groups(net, 0.05, 0.5, 0.1) for p in group["params"]]
    fixed = {id(p) for name in net.fixed for p in getattr(net, name).parameters()}
    assert len(learning) == len({id(p) for p in learning}) == len(list(net.parameters())) - len(fixed)
    assert not fixed & {id(p) for p in learning}
    assert net.head.out_features == net.config.classes
    assert net.config.fits(net.config.input_size)


BESIDE = (
    Signal("affect", ("valence", "arousal"), "scale", -1.0, 1.0),
    Signal("action_units", ("AU1", "AU4", "AU12"), "flags"),
    Signal("gaze", ("here", "away"), "classes"),
)


@pytest.fixture(scope="module", params=HEADS)
def headed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network with a head of every kind for a signal of every kind that it can say, in a file."""
    torch.manual_seed(0)
    config = NETS["cnn"].config.found().tiny(len(LABELS))
    signals = tuple(signal for signal in BESIDE if signal.kind in HEADS[request.param].says)
    kinds, pixels = {signal.name: request.param for signal in signals}, Preprocessing(32, config.input_size)
    heads = build_heads(kinds, signals, config.dim)
    for name, parameter in (pair for head in heads.values() for pair in head.named_parameters()):
        if name == "layer.weight":
            torch.nn.init.normal_(parameter, std=3)  # far enough apart that what is not linear shows
    landmarks = MobileFaceNet() if any(head.reads_tail for head in heads.values()) else None
    record = ModelRecord("headed", LABELS, pixels, {}, frames=2, signals=signals, heads=kinds)
    path = tmp_path_factory.mktemp(request.param) / "headed.safetensors"
    save_weights(Recognizer(build(config), landmarks, pixels, heads).eval(), record, path)
    return path


def test_a_head_says_its_signal_and_comes_back_from_its_file(headed: Path) -> None:
    used, written = load_model(headed), load_model(headed, folded=False)
    assert used.record.signals == written.record.signals != ()
    answer = said(used, crops())
    np.testing.assert_allclose(answer, said(written, crops()), atol=1e-4)
    np.testing.assert_array_equal(answer[:, :3], used.probabilities(crops()))
    beside = answer[:, 3:]
    for signal in used.record.signals:
        values = beside[:, places(used.record.signals)[signal.name]]
        assert ((values >= signal.low) & (values <= signal.high)).all()
        assert signal.kind != "classes" or np.allclose(values.sum(1), 1)
    outputs = used.outputs(crops())
    np.testing.assert_array_equal(outputs[:, :3], used.logits(crops()))
    singles = np.stack([used.outputs(crops()[:, [frame]]) for frame in range(3)]).mean(0)
    alike = np.abs(singles - outputs)[:, 3:].max() < 1e-5
    assert alike == used.record.averages, "frames may be asked one by one where the head is linear"


def test_an_analysis_asks_a_head_for_whole_windows_or_single_frames(headed: Path) -> None:
    """The second window has the first one's last crop again; either way it hears what the whole clip would say."""
    model, images = load_model(headed), crops(1, 5)[0]
    windows = [slice(0, 3), slice(2, 5)]
    clips = [
        FaceClip(1, images[part], np.arange(5)[part] / 25, tuple(range(5))[part], np.ones(3, bool), 0.0, 0.2)
        for part in windows
    ]
    told = Answers(model, 2, reach=1.0).push(clips)
    whole = said(model, np.stack([clip.images for clip in clips]))
    np.testing.assert_allclose([one.probabilities for one in told], whole[:, :3], atol=1e-5)
    np.testing.assert_allclose([one.signals for one in told], whole[:, 3:], atol=1e-5)


def test_a_signal_that_nothing_says_is_refused(headed: Path, tmp_path: Path) -> None:
    network, record = load_model(headed, folded=False).network, load_model(headed).record
    network.heads = torch.nn.ModuleDict()
    save_weights(network, dataclasses.replace(record, heads={}), tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="none for"):
        load_model(tmp_path / "x.safetensors")


def test_a_head_is_exported_with_the_same_answers(headed: Path, tmp_path: Path) -> None:
    model = load_model(headed)
    with unchecked():
        made = export(model, "onnx", tmp_path)
    network = open_model(made.path)
    assert network.record.signals == model.record.signals
    np.testing.assert_allclose(said(network, crops()), said(model, crops()), atol=1e-4)
    given = (
        import_onnxruntime()
        .InferenceSession(made.path)
        .run([one.name for one in model.record.signals], {"clips": crops()})
    )
    np.testing.assert_allclose(np.hstack(given), said(model, crops())[:, 3:], atol=1e-4)


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
    model = load_model(weights)
    if why := NETS[model.record.network].net.found().not_exported:
        with pytest.raises(ConfigError, match=why):
            export(model, target, tmp_path)
        return
    with unchecked():
        made = export(model, target, tmp_path)
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
    attention = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    feature = torch.randn(6, 4, generator=torch.Generator().manual_seed(2)).requires_grad_(True)
    answer = Answer(logits, feature, attention=attention)
    targets = torch.eye(3)[torch.arange(6) % 3]
    points = torch.from_numpy(MEAN_FACE.copy()).float().expand(6, 1, -1, -1)
    step = Step(torch.rand(6, 1, 1, 8, 8), targets, targets.argmax(1), 0, lambda: answer, {}, points)
    loss = term(answer, step._replace(mirrored=lambda: Answer(logits.detach().flip(1), feature.detach())))
    loss.backward()
    assert loss.ndim == 0
    read = [attention] if term.reads_attention else [logits, feature]
    assert sum(part.grad.abs().sum() for part in read if part.grad is not None) > 0


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


PLUG_INS = {"landmarker": LANDMARKS, "parser": PARSERS, "embedder": EMBEDDERS}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in PLUG_INS.items() for name in names])
def test_a_plug_in_looks_at_crops_or_says_what_it_wants(kind: str, name: str) -> None:
    if name == "mobilefacenet":
        assert PLUG_INS[kind][name](path="s2d-tiny")(crops(2, 3)[0]).shape == (3, 68, 2)
        return
    with pytest.raises(InputError, match=f"--{kind}-|--landmarker"):
        PLUG_INS[kind][name]()


@pytest.mark.parametrize("name", POSES)
def test_a_way_to_tell_pose_says_three_angles_or_what_it_lacks(weights: Path, name: str) -> None:
    network = load_model(weights)
    if name == "head" or network.network.landmarks is None:
        with pytest.raises(ConfigError, match=r"--pose points|--landmarker"):
            POSES[name](network)
        return
    # A net that has learnt nothing puts all points in one place, of which no pose is told.
    turns = [0.02, -0.02]
    network.points = lambda images: np.stack(  # type: ignore[method-assign]
        [MEAN_FACE + np.eye(68)[30][:, None] * [turns[int(one.sum()) % 2], 0] for one in images]
    )
    posed = POSES[name](network)
    answer = said(posed, crops())
    assert answer.shape == (2, 6)
    np.testing.assert_array_equal(answer[:, :3], network.probabilities(crops()))
    singles = np.stack([said(posed, crops()[:, [frame]])[:, 3:] for frame in range(3)]).mean(0)
    np.testing.assert_allclose(singles, answer[:, 3:], atol=1e-5)
