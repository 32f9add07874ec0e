"""Exported files answer as PyTorch does, for any number of clips and frames, and say what they are."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mien.core.errors import ConfigError, WeightsError
from mien.engines import export as exporting
from mien.engines.crops import sample_clips
from mien.engines.export import MOST_DIFFERENCE, ParityError, export, open_pt2
from mien.engines.graph import Resize
from mien.engines.header import header, read_header
from mien.engines.onnx import OnnxNetwork
from mien.engines.openvino import OpenVinoNetwork
from mien.models.network import said
from shape_checks import unchecked

SHAPES = [(1, 1), (3, 2), (2, 9)]


def open_file(path: Path):
    return {".onnx": OnnxNetwork, ".xml": OpenVinoNetwork}[path.suffix](path)


@pytest.mark.parametrize("case", [("video", "onnx"), ("video", "openvino"), ("image", "onnx")], ids="-".join)
@pytest.mark.parametrize(("b", "t"), SHAPES)
def test_a_file_answers_as_pytorch_does(files, models, case, b: int, t: int) -> None:
    network, model = open_file(files[case].path), models[case[0]]
    clips = sample_clips(b, t, model.record.preprocessing.crop_size, seed=7)
    np.testing.assert_allclose(network.logits(clips), model.logits(clips), atol=MOST_DIFFERENCE)
    np.testing.assert_allclose(network.probabilities(clips), model.probabilities(clips), atol=MOST_DIFFERENCE)
    np.testing.assert_allclose(said(network, clips), said(model, clips), atol=MOST_DIFFERENCE)


def test_a_pt2_file_answers_as_pytorch_does(files, models) -> None:
    outputs = open_pt2(files["video", "pt2"].path)
    for b, t in SHAPES:
        clips = sample_clips(b, t, 40, seed=7)
        np.testing.assert_allclose(outputs(clips), models["video"].outputs(clips), atol=MOST_DIFFERENCE)


def test_the_models_under_test_have_opinions(models) -> None:
    for model in models.values():
        clips = sample_clips(9, 2, model.record.preprocessing.crop_size)
        assert np.ptp(model.logits(clips), axis=0).max() > 100 * MOST_DIFFERENCE
        forward, backward = model.logits(clips), model.logits(clips[:, ::-1])
        temporal = np.abs(forward - backward).max() > 10 * MOST_DIFFERENCE
        assert temporal == (model.record.config["frames"] is not None)


def test_the_probabilities_in_the_file_are_calibrated(files, models) -> None:
    session = OnnxNetwork(files["video", "onnx"].path)._session
    clips = sample_clips(2, 3, 40)
    inside = session.run(["probabilities"], {"clips": clips})[0]
    assert inside.dtype == np.float32
    np.testing.assert_allclose(inside, models["video"].probabilities(clips), atol=MOST_DIFFERENCE)


def test_a_signal_stands_in_the_file_as_values_too(files, models) -> None:
    session = OnnxNetwork(files["video", "onnx"].path)._session
    clips = sample_clips(2, 3, 40)
    inside = np.hstack(session.run(["action_units", "pose"], {"clips": clips}))
    np.testing.assert_allclose(inside, said(models["video"], clips)[:, 8:], atol=MOST_DIFFERENCE)
    assert [one.name for one in session.get_outputs()] == [
        *("probabilities", "logits", "action_units", "action_units.raw", "pose", "pose.raw")
    ]


def test_the_file_knows_its_weights(files, models) -> None:
    for (kind, target), exported in files.items():
        if target == "pt2":
            continue
        network, record = open_file(exported.path), models[kind].record
        assert replace(network.record, source=record.source) == record
        assert (network.precision, network.record.source) == ("float32", str(exported.path))


def test_the_metadata_speaks_to_programs_without_mien(files, models) -> None:
    texts = OnnxNetwork(files["video", "onnx"].path)._session.get_modelmeta().custom_metadata_map
    record = models["video"].record
    assert tuple(texts["labels"].split(",")) == record.labels.labels
    assert (texts["weights_sha256"], texts["licence"]) == (record.sha256, "any")
    assert (float(texts["temperature"]), float(texts["threshold"])) == (0.8, 0.3)
    assert json.loads(texts["preprocessing"])["crop_size"] == 40


def test_a_file_tells_no_path_of_the_machine_it_was_made_on(files) -> None:
    for (_, target), exported in files.items():
        parts = [exported.path.read_bytes()]
        if target == "pt2":
            with zipfile.ZipFile(exported.path) as archive:
                parts = [archive.read(name) for name in archive.namelist()]
        assert parts
        assert not any(str(Path(exporting.__file__).parents[1]).encode() in part for part in parts), target


def test_a_copy_in_another_process_answers_the_same(files) -> None:
    for target in ("onnx", "openvino"):
        network = open_file(files["video", target].path)
        clips = sample_clips(1, 2, 40)
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(network)).logits(clips), network.logits(clips))


def test_landmarks_come_from_the_weights_or_not_at_all(files, models, weights) -> None:
    path, crops = files["video", "onnx"].path, sample_clips(1, 2, 40)[0]
    np.testing.assert_allclose(OnnxNetwork(path, weights["video"]).points(crops), models["video"].points(crops))
    with pytest.raises(WeightsError, match="landmark"):
        OnnxNetwork(path).points(crops)
    with pytest.raises(WeightsError, match="landmark"):
        OnnxNetwork(files["image", "onnx"].path, weights["image"]).points(crops)


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_engines_start_without_torch(files, target: str) -> None:
    kind = {"onnx": "OnnxNetwork", "openvino": "OpenVinoNetwork"}[target]
    program = (
        "import sys, numpy, pathlib\n"
        f"from mien.engines.{target} import {kind}\n"
        f"network = {kind}(pathlib.Path({str(files['video', target].path)!r}))\n"
        "print(network.probabilities(numpy.zeros((1, 2, 3, 40, 40), numpy.uint8)).sum())\n"
        "print(sorted({'torch', 'onnx', 'cv2'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    total, loaded = ran.stdout.splitlines()
    assert float(total) == pytest.approx(1)
    assert loaded == "[]"


def test_a_signal_after_openvino_networks_have_gone_is_handled(files) -> None:
    program = (
        "import os, pathlib, signal\n"
        "from mien.engines.openvino import OpenVinoNetwork\n"
        f"one, other = (OpenVinoNetwork(pathlib.Path({str(files['video', 'openvino'].path)!r})) for _ in range(2))\n"
        "del one\n"
        "del other\n"
        "signal.signal(signal.SIGINT, lambda number, frame: print('stopped by', number))\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ran.stdout, ran.returncode) == ("stopped by 2\n", 0)


def test_a_file_that_answers_otherwise_is_not_kept(models, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(exporting, "MOST_DIFFERENCE", 0.0)
    with unchecked(), pytest.raises(ParityError, match="differs from PyTorch"):
        export(models["image"], "pt2", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_wrong_targets_and_files_are_refused_in_words(models, tmp_path) -> None:
    with pytest.raises(ConfigError, match="onnx"):
        export(models["image"], "onx", tmp_path)
    for name in ("absent.onnx", "torn.onnx", "absent.xml", "torn.xml"):
        path = tmp_path / name
        if name.startswith("torn"):
            path.write_bytes(b"nothing of the kind")
        with pytest.raises(WeightsError, match=name):
            open_file(path)


@pytest.mark.parametrize(("side", "size", "antialias"), [(48, 98, False), (98, 14, True), (14, 3, True), (5, 5, False)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_a_resize_is_exactly_torchs(side: int, size: int, antialias: bool, align_corners: bool) -> None:
    if antialias and align_corners:
        pytest.skip("nothing here does both")
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(images, (size, size), mode="bilinear", antialias=antialias, align_corners=align_corners)
    resize = Resize(side, size, antialias=antialias, align_corners=align_corners)
    torch.testing.assert_close(resize(images), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mien", lambda text: text.replace('"name": "image"', '"name": "../escaped"')),
        ("mien", lambda text: text.replace('"temperature": 0.8', '"temperature": 0')),
        ("mien", lambda text: text.replace('"contempt"', '"=cmd()"')),
        ("mien", lambda text: "[" * 300_000),
        ("mien", lambda text: "[]"),
        ("weights_sha256", lambda text: "../../escaped"),
        ("precision", lambda text: "../x"),
    ],
)
def test_a_header_of_another_hand_is_refused(models, key: str, value) -> None:
    texts = header(models["image"].record, "float32")
    assert read_header(texts, "x.onnx")[0].name == "image"
    changed = {**texts, key: value(texts[key])}
    assert changed != texts
    with pytest.raises(WeightsError, match=r"x\.onnx"):
        read_header(changed, "x.onnx")


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_crops_of_another_side_are_refused(files, target: str) -> None:
    network = open_file(files["video", target].path)
    side = 2 * network.record.preprocessing.crop_size
    with pytest.raises(ConfigError, match="torch"):
        network.outputs(np.zeros((4, 1, 3, side, side), np.uint8))


def test_an_exported_network_that_computes_no_numbers_says_so(files) -> None:
    network = OnnxNetwork(files["image", "onnx"].path)
    side = network.record.preprocessing.crop_size
    network._run = lambda session, clips: np.full((len(clips), 8), np.nan, np.float32)
    with pytest.raises(WeightsError, match="that compute numbers"):
        network.probabilities(np.zeros((1, 2, 3, side, side), np.uint8))
    network._run = lambda session, clips: np.zeros((len(clips), 7), np.float32)
    with pytest.raises(WeightsError, match="8 outputs"):
        network.probabilities(np.zeros((1, 2, 3, side, side), np.uint8))
