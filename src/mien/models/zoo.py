"""Named configurations, and loading weights by name, file or hub address."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Float64, UInt8

from mien.core.errors import ConfigError, WeightsError
from mien.core.forks import forked, library_work
from mien.core.registry import Registry, did_you_mean
from mien.core.settings import cpu_count, thread_count
from mien.models.find import find_weights
from mien.models.landmarks import fold
from mien.models.memory import keep_freed_memory
from mien.models.net import Net
from mien.models.nets import NETS, NetConfig
from mien.models.network import own_values
from mien.models.packed import pack
from mien.models.record import ModelRecord, demand_answers
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


def named_shape(name: str) -> NetConfig:
    """A named configuration, or the default one of a network that :data:`mien.models.nets.NETS` names.

    Raises:
        ConfigError: neither.
    """
    if name in CONFIGS:
        return CONFIGS[name]
    if name in NETS:
        shape: NetConfig = NETS[name].config.found()()
        return shape
    raise ConfigError("a known shape or network", repr(name), did_you_mean(name, [*CONFIGS, *NETS]))


def make_config(name: str, **changes: object) -> S2DConfig:
    """A named configuration with some fields changed, e.g. ``make_config("s2d-base", frames=16)``."""
    return replace(CONFIGS[name], **changes)  # type: ignore[arg-type]


class LoadedModel:
    """Weights ready for use. Threads may share it, and processes that are forked.

    Args:
        network: uint8 crops to logits, in eval mode.
        record: what the weights say about themselves.
        precision: of the arithmetic.
        threads: it computes with; None: as many as mien may use. They stay as many in another process, for the last
            digits of an answer depend on them.
        origin: the weights file: a pickle holds its path instead of the network, which is loaded again when it is first
            asked; None: the pickle holds the network.

    Attributes:
        engine: what computes, for the provenance.
    """

    engine: ClassVar[str] = "torch"

    def __init__(
        self,
        network: Recognizer,
        record: ModelRecord,
        precision: Precision = "float32",
        threads: int | None = None,
        origin: Path | None = None,
    ) -> None:
        self.record, self.precision = record, precision
        self.threads, self._origin = threads or thread_count(), origin and origin.absolute()
        self._begin(network)

    def _begin(self, network: Recognizer | None) -> None:
        self._network = network
        self._opening = threading.Lock()  # both are only taken within library work: a fork finds them free
        self._turns = threading.BoundedSemaphore(max(1, cpu_count() // self.threads))

    @property
    def network(self) -> Recognizer:
        """The network itself. Raises WeightsError where its file was changed before it came to this process."""
        if self._network is None:
            with library_work, self._opening:
                if self._network is None:
                    self._network = self._load_again()
        return self._network

    def _load_again(self) -> Recognizer:
        assert self._origin is not None
        again = _load(self._origin, self.threads)
        if again.record.sha256 != self.record.sha256:
            got = f"{self._origin}, which was changed since"
            raise WeightsError(f"the weights {self.record.sha256[:16]}", got, "load the model again")
        return again.network

    def outputs(self, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float64[np.ndarray, "b m"]:
        """Logits of b clips of t aligned RGB crops, then the signals, before softmax and sigmoid.

        Raises WeightsError for weights that give no numbers.
        """
        network, says = self.network, [signal.name for signal in self.record.signals]
        with library_work, self._turns, torch.inference_mode():
            device = next(network.parameters()).device
            pixels = torch.from_numpy(np.ascontiguousarray(clips)).to(device)
            outputs = (network.outputs(pixels, says) if says else network(pixels)).double().cpu()
        answer: Float64[np.ndarray, "b m"] = outputs.numpy()
        demand_answers(self.record, answer)
        return answer

    def logits(self, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float64[np.ndarray, "b c"]:
        """Uncalibrated scores of b clips of t aligned RGB crops. Raises WeightsError for weights that give none."""
        return self.outputs(clips)[:, : len(self.record.labels)]

    def values(self, outputs: Float64[np.ndarray, "b m"]) -> Float64[np.ndarray, "b n"]:
        """Calibrated probabilities, then the signals in their ranges."""
        return own_values(self.record, outputs)

    def probabilities(self, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float64[np.ndarray, "b c"]:
        """Calibrated probabilities of b clips of t aligned RGB crops; rows sum to 1."""
        return self.record.calibration.probabilities(self.logits(clips))

    def points(self, crops: UInt8[np.ndarray, "n 3 h w"]) -> Float[np.ndarray, "n 68 2"]:
        """68 landmarks of aligned crops, as fractions of the crop's side."""
        with library_work, self._turns:
            found = self.network.points(torch.from_numpy(np.ascontiguousarray(crops)))
        points: Float[np.ndarray, "n 68 2"] = found.numpy()
        return points

    def __getstate__(self) -> dict[str, Any]:
        left = {"_opening", "_turns", *(("_network",) if self._origin else ())}
        return {name: value for name, value in self.__dict__.items() if name not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin(state.get("_network"))
        if self._network is not None:
            _prepare(self.threads)


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
    count = min(thread_count(), threads or thread_count())
    return _load(find_weights(name), count, folded=folded, precision=precision, device=device)


def _load(
    path: Path, threads: int, *, folded: bool = True, precision: Precision = "float32", device: str = "cpu"
) -> LoadedModel:
    with library_work:
        _prepare(threads)
        network, record = load_weights(path)
        if network.landmarks is not None:
            network.landmarks = fold(network.landmarks)
        if network.tail is not None:
            network.tail = fold(network.tail)
        faster = NETS[network.network].faster
        if folded and faster:
            # Not the same class, but the same in all that use asks of it: the call and the config.
            fast: Net = faster.found()(network.net, getattr(torch, precision))
            network.put(pack(fast) if torch.device(device).type == "cpu" else fast)
        return LoadedModel(network.to(device), record, precision, threads)


def _prepare(threads: int) -> None:
    """Make this process compute with so many threads, and one after a fork."""
    torch.set_num_threads(1 if forked() else threads)
    keep_freed_memory()
