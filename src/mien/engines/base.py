"""An exported network in use: what every engine beside PyTorch has in common. Imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, UInt8

from mien.core.errors import WeightsError
from mien.core.settings import thread_count
from mien.core.softmax import softmax
from mien.engines.header import Precision
from mien.models.record import ModelRecord, demand_answers


class ExportedNetwork(ABC):
    """A file of `mien export`, run with NumPy arrays in and out; a subclass is an engine.

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
        self.path, self._weights, self._most_threads = path, weights, threads
        self._session: Any = self._start()
        self._torch: Any = None

    @abstractmethod
    def _start(self) -> Any:
        """Open the file with ``threads`` threads; sets ``record`` and ``precision``."""

    @abstractmethod
    def _run(self, session: Any, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float[np.ndarray, "b c"]:
        """Logits of contiguous clips."""

    @property
    def threads(self) -> int:
        """To compute with: never more than this process may use."""
        return min(thread_count(), self._most_threads or thread_count())

    def logits(self, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float64[np.ndarray, "b c"]:
        """Uncalibrated scores of b clips of t aligned RGB crops. Raises WeightsError for weights that give none."""
        if self._session is None:
            self._session = self._start()
        answer: Float64[np.ndarray, "b c"] = self._run(self._session, np.ascontiguousarray(clips)).astype(np.float64)
        demand_answers(self.record, answer)
        return answer

    def probabilities(self, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float64[np.ndarray, "b c"]:
        """Calibrated probabilities of b clips of t aligned RGB crops; rows sum to 1."""
        return softmax(self.logits(clips), self.record.temperature)

    def points(self, crops: UInt8[np.ndarray, "n 3 h w"]) -> Float[np.ndarray, "n 68 2"]:
        """68 landmarks of aligned crops, as fractions of the crop's side; PyTorch finds them in the weights file.

        Raises:
            WeightsError: the weights are not at hand, or hold no landmark net.
        """
        if self._weights is None:
            raise WeightsError("weights with a landmark net", f"{self.path}, which has none", "use the weights file")
        if self._torch is None:
            from mien.models.zoo import load_model

            self._torch = load_model(self._weights)
        points: Float[np.ndarray, "n 68 2"] = self._torch.points(crops)
        return points

    def __getstate__(self) -> dict[str, Any]:
        """Without the session: a worker opens its own, with its own number of threads."""
        return {**self.__dict__, "_session": None, "_torch": None}


def unreadable(path: Path, error: Exception) -> WeightsError:
    """The error for a file that the engine cannot open."""
    reason = " ".join(str(error).split())[:200]
    return WeightsError("a file of `mien export`", f"{path}: {reason}", "export the weights again")
