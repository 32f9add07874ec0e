"""Which engine a model gets: the one that was named, the one a trial chose here, else PyTorch."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mien.core.errors import ConfigError, MienError, MissingDependencyError, WeightsError
from mien.engines import cached, opening, trial
from mien.engines import export as exporting
from mien.engines.cached import Choice, engine_file, keep_choice, read_choice
from mien.engines.crops import sample_clips
from mien.engines.export import export, halve_openvino
from mien.engines.opening import open_model
from mien.engines.openvino import OpenVinoNetwork
from mien.models.zoo import LoadedModel
from shape_checks import unchecked


@pytest.fixture
def furnished(files, models, tmp_path, monkeypatch) -> Path:
    """A cache in which the video model's files lie already."""
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path))
    record = models["video"].record
    places = {
        engine_file(record, "onnx"): files["video", "onnx"].path,
        engine_file(record, "openvino"): files["video", "openvino"].path,
        engine_file(record, "openvino", "bfloat16"): files["video", "openvino"].path,  # OpenVINO takes no half of it
    }
    for place, made in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        for path in {made, made.with_suffix(".bin") if made.suffix == ".xml" else made}:
            shutil.copy(path, place.with_suffix(path.suffix))
    return tmp_path


def test_without_a_trial_it_is_pytorch(furnished, weights, monkeypatch) -> None:
    monkeypatch.setattr(trial, "try_apart", lambda weights: pytest.fail("nobody asked for a trial"))
    assert isinstance(open_model(weights["video"]), LoadedModel)
    assert isinstance(open_model(weights["video"], "torch", trial=True), LoadedModel)


@pytest.mark.parametrize(
    ("engine", "name", "precision"),
    [("onnx", "onnxruntime", "float32"), ("openvino", "openvino", "float32"), ("openvino", "openvino", "bfloat16")],
)
def test_a_choice_is_taken_and_answers_alike(furnished, weights, models, engine, name, precision) -> None:
    record = models["video"].record
    keep_choice(record, Choice(engine, precision))
    network = open_model(weights["video"])
    assert network.path == engine_file(record, engine, precision)
    assert (network.engine, network.precision) == (name, precision)
    clips = sample_clips(4, 3, 40)
    close = 1e-4 if precision == "float32" else 0.05
    np.testing.assert_allclose(network.probabilities(clips), models["video"].probabilities(clips), atol=close)


def test_a_choice_holds_for_one_machine_and_while_its_file_is_there(furnished, models, monkeypatch) -> None:
    record, choice = models["video"].record, Choice("onnx", "float32", {"onnx float32": 0.1})
    keep_choice(record, choice)
    assert read_choice(record) == choice
    assert read_choice(replace(record, sha256="0" * 64)) is None
    with monkeypatch.context() as patch:
        patch.setenv("MIEN_THREADS", "7")
        assert read_choice(record) is None
    with monkeypatch.context() as patch:
        patch.setattr(cached, "_version", lambda package: "another")
        assert read_choice(record) is None
    engine_file(record, "onnx").unlink()
    assert read_choice(record) is None


def test_long_work_makes_a_trial_once(furnished, weights, models, monkeypatch) -> None:
    made: list[Path] = []

    def fake_trial(path: Path) -> Choice:
        made.append(path)
        keep_choice(models["video"].record, Choice("onnx", "float32"))
        return Choice("onnx", "float32")

    said: list[str] = []
    monkeypatch.setattr(trial, "try_apart", fake_trial)
    for _ in range(2):
        assert open_model(weights["video"], trial=True, say=said.append).engine == "onnxruntime"
    assert made == [weights["video"]]
    assert len(said) == 1
    assert "--backend torch" in said[0]


def test_no_trial_where_it_cannot_be(furnished, weights, monkeypatch) -> None:
    monkeypatch.setattr(opening, "EXPORTERS", ("a-package-that-is-not-there",))
    monkeypatch.setattr(trial, "try_apart", lambda weights: pytest.fail("nothing to try with"))
    assert isinstance(open_model(weights["video"], trial=True), LoadedModel)


@pytest.fixture
def measured(monkeypatch) -> None:
    """The order of speed: OpenVINO in bfloat16, OpenVINO, ONNX Runtime, PyTorch. More than two threads gain little."""
    order = ["torch float32", "onnx float32", "openvino float32", "openvino bfloat16"]

    def seconds(one: Any) -> float:
        return {1: 1.0, 2: 0.6}.get(one, 0.58) if isinstance(one, int) else 1 - order.index(one.name) / 9

    monkeypatch.setattr(trial, "_measure", lambda ready, clip: {one: seconds(one) for one in ready})


def test_the_quickest_is_chosen(furnished, measured, weights, models, monkeypatch) -> None:
    monkeypatch.setattr(trial, "has_bfloat16", lambda: False)
    choice = trial.try_engines(weights["video"])
    assert (choice.engine, choice.precision) == ("openvino", "float32")
    assert list(choice.left_out) == ["openvino bfloat16"]
    assert read_choice(models["video"].record) == choice


def test_the_file_for_bfloat16_is_half_as_large_and_says_the_same(models, tmp_path) -> None:
    with unchecked():
        whole, half = export(models["image"], "openvino", tmp_path).path, tmp_path / "half.xml"
    halve_openvino(whole, half)
    sizes = [path.with_suffix(".bin").stat().st_size for path in (whole, half)]
    assert sizes[1] < 0.6 * sizes[0]
    one, other = OpenVinoNetwork(whole), OpenVinoNetwork(half, bfloat16=True)
    assert replace(one.record, source="") == replace(other.record, source="")
    assert other.precision == "bfloat16"


def test_a_half_that_cannot_be_compiled_stays_whole(files, tmp_path, monkeypatch) -> None:
    def refuse(path: Path, **options: object) -> None:
        raise WeightsError("a file of `mien export`", str(path), "export the weights again")

    monkeypatch.setattr(exporting, "OpenVinoNetwork", refuse)
    whole, half = files["video", "openvino"].path, tmp_path / "half.xml"
    halve_openvino(whole, half)
    assert half.with_suffix(".bin").stat().st_size == whole.with_suffix(".bin").stat().st_size
    assert OpenVinoNetwork(half).record.name == "video"


def test_threads_that_gain_little_are_left_to_others(furnished, measured, weights, monkeypatch) -> None:
    monkeypatch.setattr(trial, "has_bfloat16", lambda: False)
    monkeypatch.setenv("MIEN_THREADS", "5")
    choice = trial.try_engines(weights["video"])
    assert list(choice.by_threads) == ["1", "2", "4", "5"]
    assert choice.threads == 2
    network = open_model(weights["video"])
    assert isinstance(network, OpenVinoNetwork)
    assert network.threads == 2
    monkeypatch.setenv("MIEN_THREADS", "1")  # as in a worker beside others
    assert pickle.loads(pickle.dumps(network)).threads == 1


def test_pytorch_takes_the_threads_of_the_choice(furnished, weights, models, monkeypatch) -> None:
    monkeypatch.setenv("MIEN_THREADS", "5")
    keep_choice(models["video"].record, Choice("torch", "float32", threads=3))
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    open_model(weights["video"])
    assert asked == [3]


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [({1: 1.0}, 1), ({1: 1.0, 2: 0.97}, 1), ({1: 1.0, 2: 0.5, 4: 0.6}, 2), ({1: 1.0, 2: 0.96, 4: 0.9}, 4)],
)
def test_more_threads_must_be_worth_it(seconds: dict[int, float], chosen: int) -> None:
    assert trial.worthwhile(seconds) == chosen


@pytest.mark.parametrize("flaw", [5.0, float("nan")])
def test_what_answers_otherwise_is_not_chosen(furnished, measured, weights, monkeypatch, flaw: float) -> None:
    monkeypatch.setattr(trial, "has_bfloat16", lambda: True)
    right = OpenVinoNetwork.logits

    def wrong(self: OpenVinoNetwork, clips: np.ndarray) -> np.ndarray:
        logits = right(self, clips)
        logits[0, 0] += flaw * (self.precision == "bfloat16")
        return logits

    monkeypatch.setattr(OpenVinoNetwork, "logits", wrong)
    choice = trial.try_engines(weights["video"])
    assert (choice.engine, choice.precision) == ("openvino", "float32")
    assert "differs" in choice.left_out["openvino bfloat16"]


def test_labels_that_would_be_named_must_agree(models) -> None:
    model = models["video"]
    trial._demand_alike(lambda clips: model.logits(clips) + 1e-3, model)
    with pytest.raises(MienError, match="differs"):
        trial._demand_alike(lambda clips: -model.logits(clips), model)


def test_engines_that_break_down_leave_pytorch(furnished, measured, weights, monkeypatch) -> None:
    def broken(*args: object) -> object:
        raise MienError("it does not start")

    monkeypatch.setattr(trial, "open_engine", broken)
    choice = trial.try_engines(weights["video"])
    assert choice.engine == "torch"
    assert len(choice.left_out) == 3


def test_the_measure_counts_every_candidate() -> None:
    one, two = trial.CANDIDATES[:2]
    calls: list[int] = []
    seconds = trial._measure(
        {one: lambda clips: calls.append(1), two: lambda clips: calls.append(2)}, sample_clips(1, 1, 8)
    )
    assert set(seconds) == {one, two}
    assert calls == [1, 2] * (trial.ROUNDS + 1)


def test_a_named_engine_makes_its_file_once(weights, models, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path))
    said: list[str] = []
    with unchecked():
        for _ in range(2):
            assert open_model(weights["image"], "onnx", say=said.append).engine == "onnxruntime"
    assert len(said) == 1
    assert engine_file(models["image"].record, "onnx").is_file()


def test_an_engine_that_is_not_installed(furnished, weights, models, monkeypatch) -> None:
    for package, backend in (("onnxruntime", "onnx"), ("openvino", "openvino")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingDependencyError, match=r"pip install 'mien\[engines\]'"):
            open_model(weights["video"], backend)


def test_an_exported_file_is_a_model(files) -> None:
    path = files["video", "onnx"].path
    assert open_model(path).engine == "onnxruntime"
    assert open_model(files["video", "openvino"].path).engine == "openvino"
    with pytest.raises(ConfigError, match="--backend onnx"):
        open_model(path, "openvino")
    with pytest.raises(ConfigError, match="did you mean"):
        open_model(path, "onx")


def test_analysis_on_an_engine_loads_no_torch(furnished, weights, models, portrait, tmp_path) -> None:
    import cv2

    picture = tmp_path / "portrait.png"
    cv2.imwrite(str(picture), portrait[:256, 96:352, ::-1])
    keep_choice(models["video"].record, Choice("onnx", "float32"))
    program = (
        "import sys\nfrom mien.cli.main import main\n"
        f"main(['analyze', {str(picture)!r}, '-o', {str(tmp_path / 'out')!r}, '--model', {str(weights['video'])!r}])\n"
        "print('loaded:', sorted({'torch', 'onnx'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "loaded: []"
    assert "video runs on onnxruntime, float32" in ran.stderr
    assert '"name": "onnxruntime"' in (tmp_path / "out" / "portrait" / "result.json").read_text()
