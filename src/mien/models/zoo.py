"""Named configurations, and loading weights by name, file or hub address."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal, cast

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8

from mien.core.errors import ConfigError
from mien.core.registry import Registry
from mien.core.settings import thread_count
from mien.core.softmax import softmax
from mien.models.fast import fold_s2d
from mien.models.find import find_weights
from mien.models.landmarks import fold
from mien.models.memory import keep_freed_memory
from mien.models.packed import pack
from mien.models.record import ModelRecord, demand_answers
from mien.models.s2d import S2D
from mien.models.shape import S2DConfig
from mien.models.weights import Recognizer, load_weights

Precision = Literal["float32", "bfloat16"]

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
        precision: of the arithmetic.
        engine: what computes, for the provenance.
    """

    network: Recognizer
    record: ModelRecord
    precision: Precision = "float32"
    engine: ClassVar[str] = "torch"

    def logits(self, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float64[np.ndarray, "b c"]:
        """Uncalibrated scores of b clips of t aligned RGB crops. Raises WeightsError for weights that give none."""
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            logits = self.network(torch.from_numpy(np.ascontiguousarray(clips)).to(device)).double().cpu()
        answer: Float64[np.ndarray, "b c"] = logits.numpy()
        demand_answers(self.record, answer)
        return answer

    def probabilities(self, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float64[np.ndarray, "b c"]:
        """Calibrated probabilities of b clips of t aligned RGB crops; rows sum to 1."""
        return softmax(self.logits(clips), self.record.temperature)

    def points(self, crops: UInt8[np.ndarray, "n 3 h w"]) -> Float[np.ndarray, "n 68 2"]:
        """68 landmarks of aligned crops, as fractions of the crop's side."""
        points: Float[np.ndarray, "n 68 2"] = self.network.points(torch.from_numpy(np.ascontiguousarray(crops))).numpy()
        return points


def load_model(
    name: str | Path | None = None,
    *,
    folded: bool = True,
    precision: Precision = "float32",
    device: str = "cpu",
    threads: int | None = None,
) -> LoadedModel:
    """Load weights.

    Args:
        name: None for the shipped default; the name of shipped weights; a ``.safetensors`` file or a folder with one;
            or ``hf://owner/repository@revision`` (needs ``huggingface_hub``; the download is cached).
        folded: make the network fast (:mod:`mien.models.fast`); else ``network.s2d`` is the :class:`S2D` of the
            paper, whose parts can be looked into and learn.
        precision: of the folded network; bfloat16 is for CPUs that compute in it, and moves probabilities a little.
        device: as torch names them.
        threads: to compute with at most; None: as many as mien may use.

    Raises:
        WeightsError: nothing there, or not weights of mien.
        ConfigError: a name that is neither shipped nor a path; bfloat16 without ``folded``.
    """
    if precision != "float32" and not folded:
        raise ConfigError("float32 for the readable network", precision, "leave out folded=False")
    torch.set_num_threads(min(thread_count(), threads or thread_count()))
    keep_freed_memory()
    network, record = load_weights(find_weights(name))
    if network.landmarks is not None:
        network.landmarks = fold(network.landmarks)
    if folded:
        fast = fold_s2d(network.s2d, getattr(torch, precision))
        # Not an S2D, but one in all that use asks of it: the call and the config.
        network.s2d = cast(S2D, pack(fast) if torch.device(device).type == "cpu" else fast)
    return LoadedModel(network.to(device), record, precision)
