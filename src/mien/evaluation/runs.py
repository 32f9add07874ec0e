"""From what a user names to predictions: a run, a data set, the split that may be measured."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mien.core.checks import parse_json
from mien.core.errors import ConfigError, DataError, WeightsError
from mien.data.datasets import find_dataset
from mien.data.manifest import Manifest, Split, load_manifest
from mien.data.splits import hold_out
from mien.engines.opening import Backend, is_exported, open_model
from mien.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from mien.engines.base import ExportedNetwork
    from mien.evaluation.corruptions import Corruption
    from mien.evaluation.views import Progress
    from mien.models.zoo import LoadedModel

ProtocolName = Literal["clean", "official"]
FACTS = "run.json"


@dataclass(frozen=True)
class Ground:
    """What is measured, and how.

    Attributes:
        data: folder of a prepared set, or the FERPlus .npz; None: what the run was trained on.
        split: which split; valid is what a clean run's training held out. Choose on valid, read test once.
        fold: of a set with folds; None: the run's own.
        protocol: clean or official, for weights that do not state theirs; runs of another one are refused.
        views: temporal segments of a clip, as many views as are averaged.
        map: where the labels of model and set differ, evaluate the classes that both have; else that is refused.
    """

    data: Path | None = None
    split: Split = "test"
    fold: int | None = None
    protocol: ProtocolName | None = None
    views: int = 2
    map: bool = False

    def __post_init__(self) -> None:
        if self.views < 1:
            raise ConfigError("at least one view", str(self.views), "use --views 2, as the paper does")


@dataclass(frozen=True, eq=False)
class Run:
    """Weights and what is known of their training.

    Attributes:
        model: ready for use, on PyTorch or another engine.
        facts: ``run.json`` of the run's folder; empty for weights elsewhere.
    """

    model: LoadedModel | ExportedNetwork
    facts: dict[str, Any]

    @property
    def protocol(self) -> str:
        """``clean``, ``official``, or empty when not stated."""
        return str(self.model.record.protocol or self.facts.get("protocol", ""))

    @property
    def dataset(self) -> str:
        """Name of the data set it was trained on; empty when unknown."""
        return str(self.model.record.dataset or self.facts.get("dataset", ""))

    @property
    def fold(self) -> int:
        """The fold it was trained on; 0 when unknown, or for a set without folds."""
        return int(self.model.record.fold or self.facts.get("fold", 0))

    @property
    def seed(self) -> int:
        """Of the draw of the rows that a clean run held out."""
        return int(self.facts.get("fields", {}).get("fit", {}).get("seed", 0))


def open_run(name: str | None, device: str = "cpu", backend: Backend = "torch", prior: str | None = None) -> Run:
    """Load a run's weights.

    Args:
        name: a run's folder, or whatever :func:`mien.engines.opening.open_model` takes: a file of `mien export` runs on
            its own engine.
        device: as torch names them; ``auto`` takes a GPU where there is one. Other engines use the CPU.
        backend: what computes.
        prior: how the logits are read; None: as the weights say.

    Raises:
        WeightsError: no weights there, or several, or a torn ``run.json``.
        ConfigError: no such model, device or backend; another engine than PyTorch on a GPU.
        MissingDependencyError: the engine is not installed.
    """
    facts = {} if name is None else _facts(Path(name))
    if name is not None and is_exported(name) and backend == "torch":
        backend = "auto"  # the file's own
    if backend == "torch":
        from mien.models.zoo import load_model

        model = load_model(name, device=find_device(device))
        model.record = model.record.read_as(prior)
        return Run(model, facts)
    if device not in ("auto", "cpu"):
        raise ConfigError("--device cpu for an engine other than PyTorch", repr(device), "leave out one of them")
    return Run(open_model(name, backend, prior=prior), facts)


def find_device(name: str) -> str:
    """``name``, or for ``auto`` a GPU where torch can use one. Raises ConfigError for a device that is not there."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    there = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    there += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if name not in there:
        raise ConfigError(f"a device of this machine: {', '.join(there)}", repr(name), "leave out --device")
    return name


def open_data(path: Path) -> Manifest:
    """The rows of a prepared set, or of the FERPlus ``.npz`` (majority rule). Raises DataError."""
    if path.is_dir():
        return load_manifest(path)
    if not path.is_file() or path.suffix != ".npz":
        got = f"{path}" if path.is_file() else f"no file at {path}"
        raise DataError("the folder of a prepared set, or the FERPlus .npz", got, "make it with `mien prepare`")
    return find_dataset("ferplus").read(path)


def predict_run(
    run: Run, ground: Ground, progress: Progress | None = None, change: Corruption | None = None
) -> Predictions:
    """A run's answers; ``change`` spoils what the model sees. Raises as :func:`rows_of`."""
    return predict_rows(run, ground, *rows_of(run, ground), progress, change)


def predict_rows(
    run: Run,
    ground: Ground,
    rows: Manifest,
    protocol: str,
    progress: Progress | None = None,
    change: Corruption | None = None,
) -> Predictions:
    """:func:`predict_run` on what :func:`rows_of` gave."""
    from mien.evaluation.views import predict_clips

    predictions = predict_clips(run.model, rows, ground.views, progress=progress, shared=ground.map, change=change)
    return dataclasses.replace(predictions, protocol=protocol)


def rows_of(run: Run, ground: Ground) -> tuple[Manifest, str]:
    """The items that a run is measured on, and its protocol.

    Raises:
        ConfigError: no data set is named, a protocol other than the run's, labels that differ.
        DataError: a data set, split or fold that is not there; a fold whose test items the run was trained on; a split
            that training drew, without the run.json that says how.
    """
    manifest, protocol = find_rows(run, ground)
    return manifest.select(ground.split), protocol


def find_rows(run: Run, ground: Ground) -> tuple[Manifest, str]:
    """All rows of the fold on which a run is measured, in their splits, and the protocol.

    Raises:
        ConfigError, DataError: as :func:`rows_of`.
    """
    named = ground.data or (Path(data) if (data := run.facts.get("data")) else None)
    if named is None:
        raise ConfigError("--data for a model without run.json", "none", "name a prepared set or the FERPlus .npz")
    protocol = run.protocol or ground.protocol or ""
    if ground.protocol not in (None, protocol):
        got = f"{run.model.record.name} of protocol {protocol}"
        raise ConfigError(f"runs of protocol {ground.protocol}", got, "leave out --protocol, or train again")
    manifest = open_data(named)
    own = manifest.name == run.dataset
    fold = _fold(manifest, run.fold if own else 0, ground.fold, ground.split)
    manifest = manifest.select(fold=fold)
    if own and protocol == "clean" and ground.split != "test":
        drawn = hold_out(manifest, seed=run.seed)
        if drawn is not manifest and not run.facts:
            # Another seed's draw would measure on items that the model has learnt.
            got = f"{run.model.record.name} without it"
            raise DataError("run.json beside the weights: it says what training held out", got, "name the run's folder")
        manifest = drawn
    return manifest, protocol


def _fold(manifest: Manifest, trained: int, asked: int | None, split: Split) -> int:
    if trained and asked not in (None, trained):
        # Folds share their items: what one tests, the others train on.
        got = f"a run trained on fold {trained} of {manifest.name}"
        raise DataError(f"a run trained on fold {asked}", got, f"its {split} items are only those of its own fold")
    fold = asked if asked is not None else trained
    if fold == 0 and len(manifest.folds) == 1:
        return manifest.folds[0]
    if fold not in manifest.folds:
        there = ", ".join(map(str, manifest.folds))
        raise DataError(f"a fold of {manifest.name}: {there}", str(fold or "none"), "choose one with --fold")
    return fold


def _facts(run: Path) -> dict[str, Any]:
    """``run.json`` of a run's folder, or of the folder of its weights file; empty where there is none."""
    path = (run if run.is_dir() else run.parent) / FACTS
    if not path.is_file():
        return {}
    try:
        facts = parse_json(path.read_text("utf-8"))
        if not isinstance(facts, dict):
            raise ValueError(type(facts).__name__)
    except (OSError, ValueError) as error:
        got = f"{path}: {error}"
        raise WeightsError("a run.json written by `mien train`", got, "copy the weights into another folder") from error
    # Other weights may lie in a run's folder: what is said there is not of them.
    return facts if run.is_dir() or facts.get("fields", {}).get("name", run.stem) == run.stem else {}
