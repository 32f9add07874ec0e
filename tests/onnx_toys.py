"""ONNX files as users bring them, each of one linear step, so that what it must say is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np


def conv_file(path: Path, weight: np.ndarray, bias: np.ndarray, side: int, stride: int = 1) -> Path:
    """Channels to maps by one convolution, padded to keep the middle of every place."""
    nodes = _node("Conv", ["x", "w", "b"], strides=[stride] * 2, pads=[weight.shape[-1] // 2] * 4)
    return _write(path, nodes, weight, bias, side, (side // stride,) * 2)


def mean_file(path: Path, weight: np.ndarray, bias: np.ndarray, side: int) -> Path:
    """The mean colour to a row of numbers: weight (k, 3), bias (k,)."""
    nodes = [
        *_node("GlobalAveragePool", ["x"], "pooled"),
        *_node("Flatten", ["pooled"], "flat", axis=1),
        *_node("Gemm", ["flat", "w", "b"], transB=1),
    ]
    return _write(path, nodes, weight, bias, side)


def _node(kind: str, given: Sequence[str], out: str = "y", **how: Any) -> list[Any]:
    from onnx import helper

    return [helper.make_node(kind, list(given), [out], **how)]


def _write(
    path: Path, nodes: list[Any], weight: np.ndarray, bias: np.ndarray, side: int, maps: tuple[int, ...] = ()
) -> Path:
    from onnx import TensorProto, helper, numpy_helper, save

    tensors = [numpy_helper.from_array(one.astype(np.float32), name) for one, name in ((weight, "w"), (bias, "b"))]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, side, side])
    said = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, len(bias), *maps])
    graph = helper.make_graph(nodes, "toy", [given], [said], tensors)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path
