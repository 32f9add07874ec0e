"""A model by name, ready to answer, on the engine that was asked for or that is known to be fastest here.

No torch is imported where an exported engine is at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mien.core.errors import ConfigError
from mien.core.forks import library_work
from mien.core.registry import did_you_mean
from mien.core.settings import calm_openmp
from mien.engines.base import ExportedNetwork
from mien.engines.cached import EXPORTERS, PACKAGES, SUFFIXES, engine_file, engine_folder, installed, read_choice
from mien.engines.ready import open_engine
from mien.models.find import find_weights
from mien.models.network import asked_of
from mien.models.record import ModelRecord, read_record

if TYPE_CHECKING:
    from mien.models.zoo import LoadedModel

Backend = Literal["auto", "torch", "onnx", "openvino"]
BACKENDS = ("auto", "torch", "onnx", "openvino")
Say = Callable[[str], None]


def open_model(
    name: str | Path | None = None,
    backend: Backend = "auto",
    *,
    prior: str | None = None,
    signals: Collection[str] = (),
    trial: bool = False,
    say: Say | None = None,
) -> LoadedModel | ExportedNetwork:
    """Load weights onto an engine.

    Args:
        name: as :func:`mien.models.zoo.load_model` takes it; or an ``.onnx`` or ``.xml`` file of `mien export`.
        backend: an engine; ``auto``: the one that an earlier trial chose for these weights on this machine, else
            PyTorch.
        prior: how its logits are read, by a name of :attr:`mien.models.record.ModelRecord.readings`; None: as the file
            says.
        signals: see :func:`mien.models.network.asked_of`.
        trial: with ``auto``, measure the engines when no choice is known (about a minute, once a machine).
        say: told in a line what takes long.

    Raises:
        WeightsError, ConfigError: as ``load_model`` does; ConfigError for a prior that the weights do not know.
        MissingDependencyError: a named engine, or what makes its file, is not installed.
    """
    if backend not in BACKENDS:
        raise ConfigError("a backend", repr(backend), did_you_mean(backend, list(BACKENDS)))
    model = _open(name, backend, signals, trial, say)
    model.record = asked_of(model.record.read_as(prior), signals)
    return model


def _open(
    name: str | Path | None, backend: Backend, signals: Collection[str], trial: bool, say: Say | None
) -> LoadedModel | ExportedNetwork:
    if name is not None and is_exported(name):
        return _open_exported(Path(name), backend)
    if backend == "torch":
        return _in_torch(name)
    weights = find_weights(name)
    record = read_record(weights)
    asked = asked_of(record, signals)
    if backend == "auto":
        return _chosen(weights, record, asked, trial, say)
    return _on_engine(weights, record, asked, backend, None, say)


def _on_engine(
    weights: Path, record: ModelRecord, asked: ModelRecord, engine: str, threads: int | None, say: Say | None
) -> ExportedNetwork:
    """In float32; where nothing is asked beside the expression, from a file without heads."""
    said = record if asked.signals else asked
    if not engine_file(said, engine).is_file():
        _tell(say, f"exporting {record.name} to {engine}, once; it stays in the cache")
        _export(weights, said, engine)
    return open_engine(said, weights, engine, "float32", threads)


def is_exported(name: str | Path) -> bool:
    """Whether that names a file of `mien export` that an engine here runs."""
    return Path(name).suffix in SUFFIXES.values()


def _chosen(
    weights: Path, record: ModelRecord, asked: ModelRecord, trial: bool, say: Say | None
) -> LoadedModel | ExportedNetwork:
    choice = read_choice(record)
    if choice is None and trial and can_try():
        from mien.engines.trial import try_apart

        _tell(say, f"measuring which engine runs {record.name} fastest here, once; --backend torch leaves it out")
        choice = try_apart(weights)
    if choice is None or choice.engine == "torch":
        return _in_torch(weights, None if choice is None else choice.threads)
    if choice.precision == "float32":
        return _on_engine(weights, record, asked, choice.engine, choice.threads, say)
    return open_engine(record, weights, choice.engine, choice.precision, choice.threads)


def can_try() -> bool:
    """Whether the packages for a trial are installed: what exports, and at least one engine."""
    return installed(*EXPORTERS) and any(installed(*PACKAGES[engine]) for engine in SUFFIXES)


def _open_exported(path: Path, backend: Backend) -> ExportedNetwork:
    fitting = next(engine for engine, suffix in SUFFIXES.items() if suffix == path.suffix)
    if backend not in ("auto", fitting):
        raise ConfigError(f"--backend {fitting} or auto for {path.name}", backend, "or name the weights themselves")
    if fitting == "onnx":
        from mien.engines.onnx import OnnxNetwork

        return OnnxNetwork(path)
    from mien.engines.openvino import OpenVinoNetwork

    return OpenVinoNetwork(path)


def _export(weights: Path, said: ModelRecord, engine: str) -> None:
    from mien.engines.export import export

    model = _in_torch(weights)
    model.record = said
    export(model, engine, engine_folder(said))


def _in_torch(name: str | Path | None, threads: int | None = None) -> LoadedModel:
    calm_openmp()
    with library_work:
        from mien.models.zoo import LoadedModel, load_model

    path = find_weights(name)
    model = load_model(path, threads=threads)
    return LoadedModel(model.network, model.record, model.precision, model.threads, origin=path)


def _tell(say: Say | None, text: str) -> None:
    if say is not None:
        say(text)
