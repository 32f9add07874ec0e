"""Which engine runs these weights fastest here and still answers as PyTorch does: about a minute of measuring."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from jaxtyping import Float, UInt8

from mien.core.errors import MienError
from mien.core.processes import end_with_parent
from mien.core.settings import thread_count
from mien.engines.cached import Choice, EngineName, engine_file, engine_folder, keep_choice
from mien.engines.crops import sample_clips
from mien.engines.header import Precision
from mien.engines.ready import open_engine

if TYPE_CHECKING:
    from mien.engines.export import Exporter
    from mien.models.zoo import LoadedModel

ROUNDS = 5
MOST_SECONDS = 20.0
"""No new round begins after this long."""
BFLOAT16_DIFFERENCE = 0.05
"""Largest difference of a probability in bfloat16; beside it all labels that are not unclear must agree."""
WORTH_A_THREAD = 0.95
"""More threads must take at most this share of the time of fewer: what gains less is left for finding faces."""
FACES = 48
"""Single crops on which bfloat16 is compared."""

Clips = UInt8[np.ndarray, "b t 3 h w"]
Key = TypeVar("Key")
Logits = Callable[[Clips], Float[np.ndarray, "b c"]]


@dataclass(frozen=True)
class _Candidate:
    engine: EngineName
    precision: Precision

    @property
    def name(self) -> str:
        return f"{self.engine} {self.precision}"


CANDIDATES = (_Candidate("onnx", "float32"), _Candidate("openvino", "float32"), _Candidate("openvino", "bfloat16"))
TORCH = _Candidate("torch", "float32")


def try_engines(weights: Path) -> Choice:
    """Export, compare, measure in turn; files and choice stay in the cache.

    Args:
        weights: a weights file.

    Raises:
        WeightsError: not a weights file of mien.
    """
    from mien.engines.export import Exporter
    from mien.models.zoo import load_model

    model = load_model(weights)
    record = model.record
    ready: dict[_Candidate, Logits] = {TORCH: model.logits}
    left_out: dict[str, str] = {}
    exporter = Exporter(model)
    for candidate in CANDIDATES:
        try:
            ready[candidate] = _prepared(candidate, exporter, model, weights)
        except (MienError, RuntimeError, ImportError, OSError) as error:
            left_out[candidate.name] = " ".join(str(error).split())[:200]
    clip = sample_clips(1, record.frames, record.preprocessing.crop_size)
    seconds = _measure(ready, clip)
    best = min(seconds, key=lambda candidate: seconds[candidate])
    by_threads = _measure({count: _on_threads(count, best, model, weights) for count in _thread_counts()}, clip)
    choice = Choice(
        *(best.engine, best.precision, {one.name: took for one, took in seconds.items()}, left_out),
        threads=worthwhile(by_threads),
        by_threads={str(count): took for count, took in by_threads.items()},
    )
    keep_choice(record, choice)
    return choice


def try_apart(weights: Path) -> Choice:
    """:func:`try_engines` in a process of its own, whose memory ends with it; only for programs that can be spawned."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), end_with_parent) as pool:
        return pool.submit(try_engines, weights).result()


def _prepared(candidate: _Candidate, exporter: Exporter, model: LoadedModel, weights: Path) -> Logits:
    """The candidate with its file made and compared; raises where it does not run or answers otherwise."""
    record = model.record
    if candidate.precision == "bfloat16" and not has_bfloat16():
        raise MienError("this CPU does not compute in it")
    plain, path = (engine_file(record, candidate.engine, kind) for kind in (TORCH.precision, candidate.precision))
    if not plain.is_file():
        exporter.write(candidate.engine, engine_folder(record))
    if not path.is_file():
        from mien.engines.export import halve_openvino

        halve_openvino(plain, path)
    network = open_engine(record, weights, candidate.engine, candidate.precision)
    if candidate.precision == "bfloat16":
        _demand_alike(network.logits, model)
    return network.logits


def _demand_alike(logits: Logits, model: LoadedModel) -> None:
    """Raise MienError unless probabilities are near those of float32 and no label that would be named changes."""
    record = model.record
    faces = sample_clips(FACES, 1, record.preprocessing.crop_size, seed=1)
    theirs, ours = (record.calibration.probabilities(of(faces)) for of in (logits, model.logits))
    difference = np.abs(theirs - ours).max()
    named = ours.max(1) >= record.calibration.threshold
    changed = int((theirs.argmax(1) != ours.argmax(1))[named].sum())
    if not (difference <= BFLOAT16_DIFFERENCE and changed == 0):  # nor where they are no numbers
        raise MienError(f"differs from float32 by {difference:.3f} in a probability, and in {changed} labels")


def has_bfloat16() -> bool:
    """Whether the CPU computes in bfloat16, as OpenVINO sees it."""
    from mien.engines.openvino import openvino_core

    return "BF16" in openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _thread_counts() -> list[int]:
    """1, 2, 4 ... and all that mien may use."""
    most = thread_count()
    return sorted({most, *(2**power for power in range(most.bit_length()) if 2**power < most)})


def _on_threads(count: int, candidate: _Candidate, model: LoadedModel, weights: Path) -> Logits:
    """The candidate with so many threads."""
    if candidate.engine != "torch":
        return open_engine(model.record, weights, candidate.engine, candidate.precision, count).logits
    import torch

    def logits(clips: Clips) -> Float[np.ndarray, "b c"]:
        torch.set_num_threads(count)
        return model.logits(clips)

    return logits


def worthwhile(seconds: dict[int, float]) -> int:
    """The number of threads to take, of ``seconds`` by that number: more only where they gain enough."""
    chosen = min(seconds)
    for count in sorted(seconds):
        if seconds[count] <= WORTH_A_THREAD * seconds[chosen]:
            chosen = count
    return chosen


def _measure(ready: dict[Key, Logits], clip: Clips) -> dict[Key, float]:
    """Seconds of each in its best round, for what else the machine does only ever adds; in turn, to favour none."""
    taken: dict[Key, list[float]] = {candidate: [] for candidate in ready}
    for logits in ready.values():
        logits(clip)  # the first call sets up memory
    begin = time.perf_counter()
    for _ in range(ROUNDS):
        for candidate, logits in ready.items():
            start = time.perf_counter()
            logits(clip)
            taken[candidate].append(time.perf_counter() - start)
        if time.perf_counter() - begin > MOST_SECONDS:
            break
    return {candidate: min(some) for candidate, some in taken.items()}
