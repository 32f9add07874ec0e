"""Named configurations, and loading weights by name, file or hub address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8

from mien.core.errors import ConfigError, InputError, MissingDependencyError, WeightsError
from mien.core.registry import Registry, did_you_mean
from mien.core.settings import cache_dir, offline, thread_count
from mien.models.calibration import calibrated
from mien.models.landmarks import fold
from mien.models.record import SHIPPED, ModelRecord, shipped_records
from mien.models.s2d import S2DConfig
from mien.models.weights import Recognizer, load_weights

DEFAULT = "s2d-small"

CONFIGS: Registry[S2DConfig] = Registry(
    "configuration",
    {
        "s2d-base": S2DConfig(),
        "s2d-small": S2DConfig(dim=384, heads=6),
        "s2d-tiny": S2DConfig(dim=192, heads=3),
        # For smoke runs and synthetic ablations: it reads 48-pixel faces, and learns in minutes on a CPU.
        "s2d-micro": S2DConfig(input_size=48, patch=12, dim=64, depth=2, heads=4),
    },
)


def make_config(name: str, **changes: object) -> S2DConfig:
    """A named configuration with some fields changed, e.g. ``make_config("s2d-base", frames=16)``."""
    return replace(CONFIGS[name], **changes)  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """Weights ready for use.

    Attributes:
        network: uint8 crops to logits, in eval mode.
        record: what the weights say about themselves.
    """

    network: Recognizer
    record: ModelRecord

    def logits(self, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float64[np.ndarray, "b c"]:
        """Uncalibrated scores of b clips of t aligned RGB crops."""
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            logits = self.network(torch.from_numpy(np.ascontiguousarray(clips)).to(device)).double().cpu()
        answer: Float64[np.ndarray, "b c"] = logits.numpy()
        return answer

    def probabilities(self, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float64[np.ndarray, "b c"]:
        """Calibrated probabilities of b clips of t aligned RGB crops; rows sum to 1."""
        return calibrated(self.logits(clips), self.record.temperature)

    def points(self, crops: UInt8[np.ndarray, "n 3 h w"]) -> Float[np.ndarray, "n 68 2"]:
        """68 landmarks of aligned crops, as fractions of the crop's side."""
        points: Float[np.ndarray, "n 68 2"] = self.network.points(torch.from_numpy(np.ascontiguousarray(crops))).numpy()
        return points


def load_model(name: str | Path | None = None) -> LoadedModel:
    """Load weights.

    Args:
        name: None for the shipped default; the name of shipped weights; a ``.safetensors`` file or a folder with one;
            or ``hf://owner/repository@revision`` (needs ``huggingface_hub``; the download is cached).

    Raises:
        WeightsError: nothing there, or not weights of mien.
        ConfigError: a name that is neither shipped nor a path.
    """
    torch.set_num_threads(thread_count())
    network, record = load_weights(find_weights(name))
    if network.landmarks is not None:
        network.landmarks = fold(network.landmarks)
    return LoadedModel(network, record)


def find_weights(name: str | Path | None) -> Path:
    """The weights file that :func:`load_model` would read, downloaded if need be. Raises as it does."""
    shipped = {record.name: Path(record.source) for record in shipped_records()}
    if name is None:
        if DEFAULT not in shipped:
            raise WeightsError(f"{DEFAULT}.safetensors in the package", f"none in {SHIPPED}", "install mien again")
        return shipped[DEFAULT]
    text = str(name)
    if text.startswith("hf://"):
        return _from_hub(text.removeprefix("hf://"))
    if text in shipped:
        return shipped[text]
    path = Path(name)
    if path.is_dir():
        return _only(sorted(path.glob("*.safetensors")), path)
    if path.suffix or path.exists() or "/" in text:
        return path  # load_weights says what is wrong with it
    raise ConfigError("the name of shipped weights or a path", repr(text), did_you_mean(text, list(shipped)))


def _only(files: list[Path], folder: Path) -> Path:
    if len(files) != 1:
        raise WeightsError("a folder with one .safetensors file", f"{len(files)} in {folder}", "give the file's path")
    return files[0]


def _from_hub(address: str) -> Path:
    repository, _, revision = address.partition("@")
    if not revision:
        raise ConfigError(
            "hf://owner/repository@revision", f"hf://{address}", "name the revision: results must be repeatable"
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingDependencyError("huggingface_hub", "no such package", "pip install 'mien[hub]'") from error
    try:
        folder = snapshot_download(
            repository,
            revision=revision,
            allow_patterns=["*.safetensors"],
            cache_dir=cache_dir() / "hub",
            local_files_only=offline(),
        )
    except InputError:
        raise
    except Exception as error:  # the hub's client raises a dozen kinds, all of them "not to be had"
        raise WeightsError(
            f"weights at hf://{address}", f"{type(error).__name__}: {error}", "check address and network"
        ) from error
    return _only(sorted(Path(folder).glob("*.safetensors")), Path(folder))
