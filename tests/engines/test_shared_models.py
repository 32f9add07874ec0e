"""One loaded model in threads, in forked processes and by pickle, on every engine."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.analysis.expressions import ExpressionModel
from mien.core.errors import ConfigError, WeightsError
from mien.engines.crops import sample_clips
from mien.engines.opening import open_model
from mien.models.network import Around, said, with_signals
from mien.models.zoo import LoadedModel, load_model

ENGINES = ("torch", "onnx", "openvino")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


@pytest.fixture
def places(weights, files) -> dict[str, Path]:
    """What to open for each engine."""
    exported = {engine: files["video", engine].path for engine in ("onnx", "openvino")}
    return {"torch": weights["video"], **exported}


@pytest.fixture
def set_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """At first two threads a pass; calling it sets another number."""
    before = torch.get_num_threads()
    monkeypatch.setenv("MIEN_THREADS", "2")
    yield lambda count: monkeypatch.setenv("MIEN_THREADS", count)
    torch.set_num_threads(before)


@pytest.mark.parametrize("engine", ENGINES)
def test_threads_that_share_a_model_get_the_answers_of_one(places, engine: str) -> None:
    model = open_model(places[engine], engine)
    clips = [sample_clips(1 + number % 3, 2, 40, seed=number) for number in range(24)]
    alone = [model.logits(some) for some in clips]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(model.logits, clips * 3))
    for one, other in zip(alone * 3, together, strict=True):
        np.testing.assert_array_equal(one, other)


FORK = """
import os, signal, sys, threading, time
import numpy as np
from mien.engines.crops import sample_clips
from mien.engines.opening import open_model

path, engine, state = sys.argv[1:]
model = open_model(path, engine)
clips = sample_clips(4, 4, 40)
expected = model.logits(clips)
busy = threading.Event()

def work():
    while not busy.is_set():
        model.logits(clips)

thread = threading.Thread(target=work)
if state == "busy":
    thread.start()
for _ in range(8 if state == "busy" else 1):
    time.sleep(0.01)
    pid = os.fork()
    if not pid:
        signal.alarm(60)
        np.testing.assert_allclose(model.logits(clips), expected, atol=1e-4)
        if state == "thread":
            again = threading.Thread(target=lambda: os.write(1, b"%d" % len(model.logits(clips))))
            again.start()
            again.join()
        busy.set()
        sys.exit(7)  # as programs end: a server's worker too
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
busy.set()
np.testing.assert_array_equal(model.logits(clips), expected)
"""


@forks
@pytest.mark.parametrize("state", ["idle", "busy", "thread"])
@pytest.mark.parametrize("engine", ENGINES)
def test_a_forked_child_answers_and_ends(places, engine: str, state: str) -> None:
    """Two threads a pass, so that the child lacks one; in ``busy`` it is forked while another thread computes."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-c", FORK, places[engine], engine, state]
    ran = subprocess.run(command, env={**environment, "MIEN_THREADS": "2"}, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    said = {"idle": ["7"], "busy": ["7"] * 8, "thread": ["47"]}
    assert ran.stdout.split() == said[state], ran.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_a_signal_is_derived_alike_on_every_engine_in_threads_and_by_pickle(places, models, engine: str) -> None:
    network = with_signals(open_model(places[engine], engine), ("affect",))
    clips = [sample_clips(2, 4, 40, seed=number) for number in range(6)]
    ours = [said(with_signals(models["video"], ("affect",)), some) for some in clips]
    with ThreadPoolExecutor(3) as pool:
        theirs = list(pool.map(lambda some: said(network, some), clips))
    np.testing.assert_allclose(theirs, ours, atol=1e-4)
    np.testing.assert_array_equal([rows[:, :8] for rows in theirs], [network.probabilities(some) for some in clips])
    np.testing.assert_array_equal(said(pickle.loads(pickle.dumps(network)), clips[0]), theirs[0])
    assert ExpressionModel(network).engine == ExpressionModel(open_model(places[engine], engine)).engine


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pickle_holds_the_place_of_the_weights(places, engine: str) -> None:
    model = ExpressionModel(open_model(places[engine], engine))
    clips = sample_clips(2, 4, 40)
    expected = model.predict(clips)
    data = pickle.dumps(model)
    assert len(data) < 10_000
    again = pickle.loads(data)
    assert pickle.dumps(again) == data, "what was not asked yet is not opened either"
    np.testing.assert_array_equal(again.predict(clips), expected)
    assert again.engine == model.engine


def test_a_pickle_of_what_has_no_file_holds_the_network(weights) -> None:
    model = ExpressionModel(load_model(weights["video"]))
    clips = sample_clips(2, 4, 40)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(clips), model.predict(clips))


def test_a_network_that_does_not_pickle_is_refused_with_a_way_out(models) -> None:
    class Local(Around):
        """Of a class that no other process knows."""

    with pytest.raises(ConfigError, match="one process"):
        pickle.dumps(ExpressionModel(Local(models["video"], models["video"].record)))


@pytest.mark.parametrize("engine", ENGINES)
def test_weights_that_were_changed_meanwhile_are_not_taken_for_the_old(
    files, weights, places, tmp_path: Path, engine: str
) -> None:
    other = {"torch": weights["image"], "onnx": files["image", "onnx"].path}.get(engine)
    copy = tmp_path / places[engine].name
    for source in (places[engine], places[engine].with_suffix(".bin")):
        if source.exists():
            shutil.copy(source, copy.with_suffix(source.suffix))
    data = pickle.dumps(open_model(copy, engine))
    if other is None:
        text = copy.read_text("utf-8")
        digest = load_model(weights["video"]).record.sha256
        copy.write_text(text.replace(digest, "0" * 64), "utf-8")
    else:
        shutil.copy(other, copy)
    with pytest.raises(WeightsError, match="load the model again"):
        pickle.loads(data).logits(sample_clips(1, 4, 40))


def test_pytorch_keeps_its_number_of_threads_in_another_process(places, set_threads: Callable[[str], None]) -> None:
    """The last digits of its answers depend on it."""
    model = open_model(places["torch"], "torch")
    clips = sample_clips(5, 4, 40)
    expected = model.logits(clips)
    data = pickle.dumps(model)
    set_threads("1")
    torch.set_num_threads(1)
    again = pickle.loads(data)
    assert isinstance(again, LoadedModel)
    np.testing.assert_array_equal(again.logits(clips), expected)
    assert torch.get_num_threads() == 2


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted in /proc")
def test_onnxruntime_reports_to_nobody() -> None:
    """Its reporting has a thread of its own, from the import on."""
    program = (
        "import json, os, numpy\n"
        "count = lambda: len(os.listdir('/proc/self/task'))\n"
        "before = count()\n"
        "from mien.engines.onnx import import_onnxruntime\n"
        "import_onnxruntime()\n"
        "print(json.dumps([before, count(), os.environ['ORT_DISABLE_TELEMETRY']]))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("ORT_DISABLE_TELEMETRY", "CI")}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    before, after, variable = json.loads(ran.stdout)
    assert (after, variable) == (before, "1")
