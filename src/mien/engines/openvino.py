"""OpenVINO: runs ``NAME.xml`` (with ``NAME.bin`` beside it) on the CPU."""

from __future__ import annotations

import ctypes
import queue
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from mien.core.errors import MissingDependencyError, WeightsError
from mien.engines.base import ExportedNetwork, unreadable
from mien.engines.header import raw_outputs, read_header

RT_INFO = "mien"
"""Where the header stands in the file's rt_info."""


class OpenVinoNetwork(ExportedNetwork):
    """An OpenVINO file of `mien export`.

    Args:
        path: the ``.xml`` file.
        weights: the weights it was made from, for landmarks; None when they are not at hand.
        bfloat16: compute a float32 file in bfloat16 (and what an int8 file leaves in float32); slower where the CPU
            lacks it.
        cache: folder for the compiled network, so that the next start is quicker; None keeps none.
        threads: to compute with at most; None: as many as mien may use.

    Raises:
        MissingDependencyError: openvino is not installed.
        WeightsError: not a file of `mien export`.
    """

    engine = "openvino"

    def __init__(
        self,
        path: Path,
        weights: Path | None = None,
        *,
        bfloat16: bool = False,
        cache: Path | None = None,
        threads: int | None = None,
    ) -> None:
        self._bfloat16, self._cache = bfloat16, cache
        super().__init__(path, weights, threads=threads)

    def _start(self) -> Any:
        core = openvino_core()
        if not self.path.is_file():
            raise WeightsError("an .xml file", f"no file at {self.path}", "make it with `mien export`")
        hints: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": "bf16" if self._bfloat16 else "f32",
        }
        if self._cache is not None:
            hints["CACHE_DIR"] = str(self._cache)
        try:
            self.record, stored = read_header(_texts(core, self.path), str(self.path))
            # From the path, a cached network comes without a second copy of its weights: 60 MiB less.
            compiled = core.compile_model(self.path, "CPU", hints)
        except RuntimeError as error:
            raise unreadable(self.path, error) from error
        self.precision = "bfloat16" if self._bfloat16 and stored == "float32" else stored
        return _Requests(compiled)

    def _run(self, session: Any, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float[np.ndarray, "b m"]:
        with self._turns:
            outputs: Float[np.ndarray, "b m"] = session.outputs(clips, raw_outputs(self.record))
        return outputs

    def abandon(self) -> None:
        """As of every engine; nor may the core end there."""
        super().abandon()
        core = openvino_core()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(core))


class _Requests:
    """A compiled network and its requests, each in one thread's hands at a time: two would find it busy."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._idle.put(compiled.create_infer_request())

    def outputs(self, clips: UInt8[np.ndarray, "b t 3 h w"], names: list[str]) -> Float[np.ndarray, "b m"]:
        """Those of contiguous clips with these names, side by side; no request holds on to the answer."""
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            answer = request.infer({"clips": clips})
            return np.concatenate([answer[name] for name in names], axis=1)
        finally:
            self._idle.put(request)


def _texts(core: Any, path: Path) -> dict[str, str]:
    """Our header in a file's rt_info; what OpenVINO keeps of the file ends with this call."""
    model = core.read_model(path)
    info = model.get_rt_info([RT_INFO]).value if model.has_rt_info([RT_INFO]) else {}
    texts = {key: str(value.value if hasattr(value, "value") else value) for key, value in info.items()}
    del info  # before the model it belongs to
    return texts


def openvino_core() -> Any:
    """The one ``openvino.Core`` of this process; raises MissingDependencyError without the package."""
    return _core(import_openvino())


@cache
def _core(openvino: Any) -> Any:
    # Every Core gives its thread another stack for signals, and puts the one before it back when it ends. Where two end
    # in the order in which they began, that one is gone, and the next signal (Ctrl-C, a child's end) kills the process
    # (OpenVINO 2026.4). So there is one, and it does not end.
    return openvino.Core()


def import_openvino() -> Any:
    """The package; raises MissingDependencyError without it."""
    try:
        import openvino
    except ImportError as error:
        raise MissingDependencyError("openvino", "no such package", "pip install 'mien[engines]'") from error
    return openvino
