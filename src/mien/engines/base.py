"""An exported network in use: what every engine beside PyTorch has in common. Imports no torch."""

from __future__ import annotations

import ctypes
import os
import threading
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
from jaxtyping import Float, Float64, UInt8

from mien.core.errors import ConfigError, NoLandmarksError, WeightsError
from mien.core.forks import library_work
from mien.core.settings import calm_openmp, cpu_count, thread_count
from mien.engines.header import Precision
from mien.models.network import own_values
from mien.models.record import ModelRecord, demand_answers


class ExportedNetwork(ABC):
    """A file of `mien export`, run with NumPy arrays in and out; a subclass is an engine.

    Threads may share it. In a process that is forked or given it by pickle it opens its file again when it is asked.

    Args:
        path: the file.
        weights: the weights it was made from, for landmarks; None when they are not at hand.
        threads: to compute with at most; None: as many as mien may use.

    Attributes:
        engine: the engine's name, for the provenance.
        path: the file.
        record: what the weights say about themselves.
        precision: of the arithmetic.
    """

    engine: str
    record: ModelRecord
    precision: Precision

    def __init__(self, path: Path, weights: Path | None = None, *, threads: int | None = None) -> None:
        # Absolute: it may be opened again when the program has gone to another folder.
        self.path, self._weights = path.absolute(), weights and weights.absolute()
        self._most_threads = threads
        self._torch: Any = None
        self._begin()
        self._opened()

    def _begin(self) -> None:
        self._session: Any = None
        self._opening = threading.Lock()  # both are only taken within library work: a fork finds them free
        self._turns = threading.BoundedSemaphore(max(1, cpu_count() // self.threads))
        _NETWORKS.add(self)

    def _opened(self) -> Any:
        """The session of this process."""
        with library_work, self._opening:
            if self._session is None:
                known = getattr(self, "record", None)
                self._session = self._start()
                if known is not None and known.sha256 != self.record.sha256:
                    got = f"{self.path}, which holds others than when it was opened first"
                    raise WeightsError(f"the file of the weights {known.sha256[:16]}", got, "load the model again")
                self.record = known or self.record  # which may be read in another way than the file says
            return self._session

    @abstractmethod
    def _start(self) -> Any:
        """Open the file with ``threads`` threads; sets ``record`` and ``precision``."""

    @abstractmethod
    def _run(self, session: Any, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float[np.ndarray, "b m"]:
        """What :func:`mien.engines.header.raw_outputs` names, side by side, of contiguous clips."""

    @property
    def threads(self) -> int:
        """To compute with: never more than this process may use."""
        return min(thread_count(), self._most_threads or thread_count())

    def outputs(self, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float64[np.ndarray, "b m"]:
        """Logits of b clips of t aligned RGB crops, then the signals, before softmax and sigmoid.

        Raises:
            ConfigError: crops of another side than the file was made for.
            WeightsError: the weights give no numbers.
        """
        side = self.record.preprocessing.crop_size
        if clips.shape[-2:] != (side, side):
            # OpenVINO may answer all the same: it reads the pixels on as if they were more clips.
            got = " x ".join(map(str, clips.shape[-2:]))
            raise ConfigError(f"crops of {side} x {side} pixels, as the file reads them", got, "use --backend torch")
        with library_work:
            answer: Float64[np.ndarray, "b m"] = self._run(self._opened(), np.ascontiguousarray(clips)).astype(
                np.float64
            )
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
        """68 landmarks of aligned crops, as fractions of the crop's side; PyTorch finds them in the weights file.

        Raises:
            NoLandmarksError: the weights are not at hand, or hold no landmark net.
            WeightsError: they are torn.
        """
        if self._weights is None:
            fix = "use the weights file"
            raise NoLandmarksError("weights with a landmark net", f"{self.path}, which has none", fix)
        with library_work, self._opening:
            if self._torch is None:
                calm_openmp()
                from mien.models.zoo import load_model

                self._torch = load_model(self._weights)
        points: Float[np.ndarray, "n 68 2"] = self._torch.points(crops)
        return points

    def __getstate__(self) -> dict[str, Any]:
        """Without the session: a worker opens its own, with its own number of threads."""
        left = {"_session", "_opening", "_turns"}
        return {**{name: value for name, value in self.__dict__.items() if name not in left}, "_torch": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def abandon(self) -> None:
        """In the child of a fork: never use the parent's session, nor end it, which would wait for its threads."""
        if self._session is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._session))
        self._begin()


_NETWORKS: WeakSet[ExportedNetwork] = WeakSet()


def _abandon_all() -> None:
    for network in list(_NETWORKS):
        network.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)


def unreadable(path: Path, error: Exception) -> WeightsError:
    """The error for a file that the engine cannot open."""
    reason = " ".join(str(error).split())[:200]
    return WeightsError("a file of `mien export`", f"{path}: {reason}", "export the weights again")
