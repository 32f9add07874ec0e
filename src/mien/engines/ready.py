"""An engine whose file is in the cache already. No torch here."""

from __future__ import annotations

from pathlib import Path

from mien.engines.base import ExportedNetwork
from mien.engines.cached import engine_file, engine_folder
from mien.engines.header import Precision
from mien.models.record import ModelRecord


def open_engine(
    record: ModelRecord, weights: Path, engine: str, precision: Precision, threads: int | None = None
) -> ExportedNetwork:
    """The cached file of ``weights`` on an engine. Raises WeightsError when there is none."""
    path = engine_file(record, engine, precision)
    if engine == "onnx":
        from mien.engines.onnx import OnnxNetwork

        return OnnxNetwork(path, weights, threads=threads)
    from mien.engines.openvino import OpenVinoNetwork

    compiled = engine_folder(record) / "compiled"
    return OpenVinoNetwork(path, weights, bfloat16=precision == "bfloat16", cache=compiled, threads=threads)
