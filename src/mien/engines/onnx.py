"""ONNX Runtime: runs ``NAME.onnx`` on the CPU."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from mien.core.errors import MissingDependencyError, WeightsError
from mien.engines.base import ExportedNetwork, unreadable
from mien.engines.header import raw_outputs, read_header

ERRORS_ONLY = 3


class OnnxNetwork(ExportedNetwork):
    """An ONNX file of `mien export`.

    Raises:
        MissingDependencyError: onnxruntime is not installed.
        WeightsError: not a file of `mien export`.
    """

    engine = "onnxruntime"

    def _start(self) -> Any:
        runtime = import_onnxruntime()
        if not self.path.is_file():
            raise WeightsError("an .onnx file", f"no file at {self.path}", "make it with `mien export`")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        # Threads that wait busily take the cores from decoding and detection.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = ERRORS_ONLY
        try:
            session = runtime.InferenceSession(self.path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no base of their own
            raise unreadable(self.path, error) from error
        self.record, self.precision = read_header(session.get_modelmeta().custom_metadata_map, str(self.path))
        return session

    def _run(self, session: Any, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float[np.ndarray, "b m"]:
        return np.concatenate(session.run(raw_outputs(self.record), {"clips": clips}), axis=1)


def import_onnxruntime() -> Any:
    """The package; raises MissingDependencyError without it."""
    stay_silent()
    try:
        import onnxruntime as runtime
    except ImportError as error:
        raise MissingDependencyError("onnxruntime", "no such package", "pip install 'mien[engines]'") from error
    return runtime


def stay_silent() -> None:
    """Call before onnxruntime is imported: from version 1.29 on it reports its use over the network.

    The thread that does so is waited for, for ever, when the child of a fork ends.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
