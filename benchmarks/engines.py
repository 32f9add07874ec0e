"""P2: engines and precisions against the published layout, and what lower precision does to answers.

    python benchmarks/engines.py FOLDER [--models s2d-tiny ...] [--runs 3] [--quick | --long] [--compile]

One thread each, CPU time of the process, variants in turn. The shipped model: windows of the faces in the sample clips
of FOLDER, speed and labels; on OpenVINO alone, as an export takes half a minute a network and engine. With --long all
engines, and the paper's shapes: clips of 1x16x224x224, random weights as S2D initialises them; the head passes the
features on, so cosines are those of features. --compile adds torch.compile, which takes a minute or two a model.
"""

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from published import Plain
from rounds import in_turn, ratios, spread, use_threads

from mien.analysis.settings import AnalysisSettings
from mien.core.labels import LabelSpace
from mien.engines.export import Exporter
from mien.engines.onnx import OnnxNetwork
from mien.engines.openvino import OpenVinoNetwork
from mien.engines.quantize import face_clips, quantize
from mien.engines.trial import has_bfloat16
from mien.models.fast import fold_s2d
from mien.models.find import find_weights
from mien.models.landmarks import MobileFaceNet, fold
from mien.models.packed import computes_in, pack
from mien.models.preprocess import normalise, to_unit
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D
from mien.models.weights import Recognizer, load_weights
from mien.models.zoo import LoadedModel, load_model, make_config

FRAMES = 16
TARGETS = {"s2d-base": 4.5, "s2d-small": 4.5, "s2d-tiny": 5.0}
ENGINES = {"onnx": ("ONNX Runtime", OnnxNetwork), "openvino": ("OpenVINO", OpenVinoNetwork)}
CALIBRATION = 4
"""Windows to calibrate the random networks on."""
SHIPPED_CALIBRATION, SHIPPED_WINDOWS = 25, 10
"""Windows to calibrate the shipped network on, and to take its time on."""
CLIPS = ("single_face.mp4", "WolfgangLanger_Pexels.mp4")

Logits = Callable[[np.ndarray], np.ndarray]


def random_model(name: str) -> LoadedModel:
    """A video model in the readable layout whose logits are its features."""
    torch.manual_seed(0)
    dim = make_config(name).dim
    config = make_config(name, frames=FRAMES, classes=dim)
    s2d = S2D(config, zero_init=False)
    torch.nn.init.eye_(s2d.head.weight)
    record = ModelRecord(
        name,
        LabelSpace("features", tuple(f"f{i}" for i in range(dim))),
        Preprocessing(),
        dataclasses.asdict(config),
        frames=FRAMES,
    )
    return LoadedModel(Recognizer(s2d, MobileFaceNet(), Preprocessing()).eval().requires_grad_(False), record)


def as_published(model: LoadedModel) -> Logits:
    """The network of ``model`` in the published layout, from uint8 as all are."""
    plan = model.record.preprocessing
    plain = Plain(model.network.s2d, model.network.landmarks).eval()

    @torch.inference_mode()
    def logits(clips: np.ndarray) -> np.ndarray:
        frames = normalise(to_unit(torch.from_numpy(clips).flatten(0, 1), plan), plan)
        return plain(frames.view(*clips.shape[:2], *frames.shape[1:])).numpy()

    return logits


def folded(model: LoadedModel, dtype: torch.dtype = torch.float32) -> LoadedModel:
    """As :func:`mien.models.zoo.load_model` makes it."""
    s2d = pack(fold_s2d(model.network.s2d, dtype))
    network = Recognizer(s2d, fold(model.network.landmarks), model.record.preprocessing)
    return LoadedModel(network.eval().requires_grad_(False), model.record)


def compiled(model: LoadedModel) -> tuple[LoadedModel, float]:
    """The folded network through ``torch.compile``, and the seconds that its first clip took."""
    network = Recognizer(fold_s2d(model.network.s2d), fold(model.network.landmarks), model.record.preprocessing)
    fast = LoadedModel(torch.compile(network.eval().requires_grad_(False)), model.record)
    start = time.perf_counter()
    fast.logits(np.zeros((1, FRAMES, 3, 224, 224), np.uint8))
    return fast, time.perf_counter() - start


def in_engines(model: LoadedModel, clips: list[np.ndarray], folder: Path, targets: Sequence[str]) -> dict[str, Logits]:
    """The files of ``model`` on their engines; ``clips`` to calibrate on."""
    exporter = Exporter(model)
    variants: dict[str, Logits] = {}
    for target in targets:
        name, engine = ENGINES[target]
        plain = exporter.write(target, folder)
        int8 = quantize(model, plain, clips, force=True)
        variants |= {f"{name} fp32": engine(plain.path).logits, f"{name} int8": engine(int8.path).logits}
        if target == "openvino" and has_bfloat16():
            variants[f"{name} bf16"] = OpenVinoNetwork(plain.path, bfloat16=True).logits
            variants[f"{name} int8 + bf16"] = OpenVinoNetwork(int8.path, bfloat16=True).logits
    return variants


def faces(folder: Path, record: ModelRecord) -> list[np.ndarray]:
    """Windows of the real faces in the sample clips."""
    pace = AnalysisSettings().pace(record)
    return face_clips([str(folder / name) for name in CLIPS], record, pace.window, pace.step)


def cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float((ours * theirs).sum() / np.linalg.norm(ours) / np.linalg.norm(theirs))


def speed(name: str, folder: Path, runs: int, compile_too: bool, targets: Sequence[str]) -> list[str]:
    """Rows of one configuration."""
    model = random_model(name)
    windows = faces(folder, model.record)
    step = max(len(windows) // (CALIBRATION + 1), 1)
    clip, calibration = windows[0], windows[step::step][:CALIBRATION]
    variants: dict[str, Logits] = {
        "published layout": as_published(model),
        "PyTorch fp32, folded": folded(model).logits,
    }
    if computes_in(torch.bfloat16):
        variants["PyTorch bf16, folded"] = folded(model, torch.bfloat16).logits
    if compile_too:
        fast, took = compiled(model)
        variants[f"torch.compile, {took:.0f} s"] = fast.logits
    with tempfile.TemporaryDirectory() as out:
        variants |= in_engines(folded(model), calibration, Path(out), targets)
        answers = {title: logits(clip)[0] for title, logits in variants.items()}  # warms up, too
        seconds = in_turn({title: lambda of=of: of(clip) for title, of in variants.items()}, runs, time.process_time)
    reference = seconds["published layout"]
    rows = [f"{name}: 1x{FRAMES}x224x224, one thread, {runs} rounds, times as fast as published (cosine of features)"]
    best, most = "", 0.0
    for title, some in seconds.items():
        gains = ratios(reference, some)
        close = cosine(answers["published layout"], answers[title])
        rows.append(f"  {title:<22} {statistics.median(some):6.2f} s   {spread(gains)}   cosine {close:.6f}")
        if statistics.median(gains) > most and close >= 0.999:
            best, most = title, statistics.median(gains)
    return [*rows, f"P2 {name} {most:.2f} (target {TARGETS[name]}): {best}"]


def as_shipped(folder: Path, runs: int, every: int, targets: Sequence[str]) -> list[str]:
    """Rows on the shipped model: speed, and labels of each ``every``-th window with a face."""
    model = load_model()
    windows = faces(folder, model.record)[::every]
    with tempfile.TemporaryDirectory() as out:
        variants: dict[str, Logits] = {
            "published layout": as_published(LoadedModel(load_weights(find_weights(None))[0], model.record)),
            "PyTorch fp32, folded": model.logits,
            **in_engines(model, windows[:: max(len(windows) // SHIPPED_CALIBRATION, 1)], Path(out), targets),
        }
        answers = {title: np.concatenate([of(clip) for clip in windows]) for title, of in variants.items()}
        some = windows[:: max(len(windows) // SHIPPED_WINDOWS, 1)]
        flows = {title: lambda of=of: [of(clip) for clip in some] for title, of in variants.items()}
        seconds = in_turn(flows, runs, time.process_time)
    ours, reference = answers["PyTorch fp32, folded"], seconds["published layout"]
    frames, side = model.record.frames, model.record.preprocessing.input_size
    rows = [
        f"{model.record.name}, shipped, 1x{frames}x{side}x{side}: times as fast as published; labels as PyTorch fp32 "
        f"of {len(windows)} windows of {len(CLIPS)} real clips (target 99 %)"
    ]
    gains = {title: ratios(reference, taken) for title, taken in seconds.items()}
    for title, theirs in answers.items():
        same = (ours.argmax(1) == theirs.argmax(1)).mean()
        rows.append(f"  {title:<22} {spread(gains[title])}   {same:7.2%}, logits within {abs(ours - theirs).max():.1e}")
    best = max(gains, key=lambda title: statistics.median(gains[title]))
    return [*rows, f"P2 {model.record.name} as shipped {statistics.median(gains[best]):.2f}: {best}"]


def measure(
    folder: Path,
    quick: bool = False,
    models: Sequence[str] = (),
    runs: int = 3,
    compile_too: bool = False,
    long: bool = False,
) -> list[str]:
    """The rows of the table."""
    use_threads(1)
    torch.set_num_threads(1)
    targets = list(ENGINES) if long else ["openvino"]
    names = models or (TARGETS if long else ())
    rows = [row for name in names for row in speed(name, folder, runs, compile_too, targets)]
    return [*rows, *as_shipped(folder, runs, 1 if long else 10 if quick else 2, targets)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", nargs="+", choices=list(TARGETS))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="fewer windows")
    parser.add_argument("--long", action="store_true", help="the paper's shapes, all engines, every window")
    parser.add_argument("--compile", action="store_true", help="torch.compile, too")
    given = parser.parse_args()
    rows = measure(given.folder, given.quick, given.models or (), given.runs, given.compile, given.long)
    print("\n".join(rows))
