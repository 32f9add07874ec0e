"""Loaded weights to a file that other engines run: ONNX, OpenVINO or pt2 (``torch.export``).

A file takes uint8 crops and gives calibrated probabilities and logits; preprocessing and landmark net are inside, the
numbers of clips and frames are free. Nothing is kept that does not answer as PyTorch does.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from mien.core.errors import ConfigError, MienError, MissingDependencyError, WeightsError
from mien.core.files import whole_file
from mien.core.registry import Registry
from mien.engines.crops import sample_clips
from mien.engines.graph import ClipGraph
from mien.engines.header import header, outputs, raw_outputs, read_header
from mien.engines.onnx import OnnxNetwork
from mien.engines.openvino import RT_INFO, OpenVinoNetwork, import_openvino, openvino_core
from mien.models.fast import FoldedBlock, FoldedFusion, FoldedPrompt
from mien.models.network import own_values
from mien.models.packed import unpack
from mien.models.record import ModelRecord
from mien.models.zoo import LoadedModel

MOST_DIFFERENCE = 1e-4
"""Largest difference of a logit or a probability from PyTorch's that a float32 file may have."""
OPSET = 20
"""The first with GELU as one operator. Opset 23 has attention as one, which gains nothing in either engine here."""
TARGETS = {"onnx": ".onnx", "openvino": ".xml", "pt2": ".pt2"}
"""What can be made, and the suffix of its file; OpenVINO's weights lie beside it in a ``.bin``."""
ORIGIN = "pkg.torch.onnx.class_hierarchy"
EDGE, INNER = "edge_", "inner_"
"""Begin the names of nodes: those inside the blocks, and those of all before and after them. Int8 leaves the edges
(resizes, landmark net, patches, head) in float32: cosine of features 0.9995, else 0.998 (s2d-tiny, OpenVINO)."""
PT2_HEADER = "mien.json"
TRIAL_SHAPES = ((2, 3), (1, 1), (1, 8), (3, 1))
"""Clips and frames that parity is measured on: the file must not be tied to one shape."""

Clips = UInt8[np.ndarray, "b t 3 h w"]
Outputs = Float[np.ndarray, "b m"]
"""Logits, then signals, before calibration, softmax and sigmoid."""


class ParityError(MienError):
    """An exported network answers otherwise than PyTorch; its file is gone."""


@dataclass(frozen=True)
class Parity:
    """How far an engine's answers are from PyTorch's, at most.

    Attributes:
        logits: largest absolute difference of a logit.
        probabilities: of a calibrated probability, or of what a signal says, as a share of its range.
        labels: share of clips with the same best label, in [0, 1].
    """

    logits: float
    probabilities: float
    labels: float


@dataclass(frozen=True)
class Exported:
    """A file that was made.

    Attributes:
        path: the file; OpenVINO's weights lie beside it in a ``.bin``.
        bytes: size, all files together.
        parity: against PyTorch in float32.
    """

    path: Path
    bytes: int
    parity: Parity


def export(model: LoadedModel, target: str, folder: Path) -> Exported:
    """Write one file of ``model`` into ``folder``. See :class:`Exporter`."""
    return Exporter(model).write(target, folder)


class Exporter:
    """Writes NAME.onnx, NAME.xml with NAME.bin, or NAME.pt2, NAME being the record's, and compares it with PyTorch.

    Args:
        model: loaded weights, on the CPU.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        # A copy: torch.onnx.export resets the training flags of all modules, and knows no packed maps.
        network = LoadedModel(unpack(copy.deepcopy(model.network)), model.record)
        self._graph = ClipGraph(network).eval().requires_grad_(False)
        self._texts = header(model.record, "float32")

    def write(self, target: str, folder: Path) -> Exported:
        """Write one file.

        Args:
            target: one of :data:`TARGETS`.
            folder: made if it is not there.

        Raises:
            ConfigError: no target has that name, or the network cannot be exported.
            MissingDependencyError: the packages of the target are not installed.
            ParityError: the file differs from PyTorch by more than :data:`MOST_DIFFERENCE`; it is removed.
        """
        if why := getattr(self._graph.net, "not_exported", ""):
            got = f"{self._model.record.network}: {why}"
            raise ConfigError("a network that can be exported", got, "use its .safetensors with mien")
        way = Registry("target", {"onnx": self._onnx, "openvino": self._openvino, "pt2": self._pt2})[target]
        return way(folder / f"{self._model.record.name}{TARGETS[target]}")

    def program(self, *, whole_prelu: bool) -> torch.onnx.ONNXProgram:
        """The network as an ONNX program with the record in its metadata.

        Args:
            whole_prelu: PReLU as one operator, which OpenVINO joins with the convolution before it; else as a sum of
                two maps, which ONNX Runtime computes faster.
        """
        _import_onnx()
        with _quiet(), torch.set_grad_enabled(not whole_prelu):  # see mien.models.landmarks.PReLU
            program = torch.onnx.export(
                self._graph,
                self._example(),
                dynamo=True,
                opset_version=OPSET,
                input_names=["clips"],
                output_names=outputs(self._model.record),
                dynamic_shapes=_free(),
                verbose=False,
            )
        assert program is not None
        program.model.producer_name = "mien"
        program.model.metadata_props.update(self._texts)
        for place, node in enumerate(program.model.graph):
            origin = node.metadata_props.get(ORIGIN, "")
            inner = any(part.__name__ in origin for part in (FoldedBlock, FoldedPrompt, FoldedFusion))
            node.name = f"{INNER if inner else EDGE}{place}"
            node.metadata_props.clear()  # it tells where on this machine the code lies
        return program

    def _onnx(self, path: Path) -> Exported:
        with whole_file(path) as draft:
            self.program(whole_prelu=False).save(draft)
            _import_onnx().checker.check_model(draft, full_check=True)
            found = self._demand(OnnxNetwork(draft).outputs, path)
        return Exported(path, path.stat().st_size, found)

    def _openvino(self, path: Path) -> Exported:
        program = self.program(whole_prelu=True)
        network = openvino_core().read_model(program.model_proto.SerializeToString())
        with openvino_draft(path) as draft:
            save_openvino(network, self._texts, draft)
            found = self._demand(OpenVinoNetwork(draft).outputs, path)
        return Exported(path, openvino_bytes(path), found)

    def _pt2(self, path: Path) -> Exported:
        with whole_file(path) as draft, _quiet():
            program = torch.export.export(self._graph, self._example(), dynamic_shapes=_free(), strict=False)
            for node in program.graph.nodes:
                node.meta.pop("stack_trace", None)  # it names the folders of the machine that exported
            torch.export.save(program, draft, extra_files={PT2_HEADER: json.dumps(self._texts)})
            found = self._demand(open_pt2(draft), path)
        return Exported(path, path.stat().st_size, found)

    def _example(self) -> tuple[torch.Tensor]:
        return (torch.from_numpy(sample_clips(2, 3, self._model.record.preprocessing.crop_size)),)

    def _demand(self, said: Callable[[Clips], Outputs], path: Path) -> Parity:
        found = compare(self._model, said)
        worst = max(found.logits, found.probabilities)
        if not worst <= MOST_DIFFERENCE:  # not a number is no parity either
            raise ParityError(f"{path.name} differs from PyTorch by {worst:.1e}, allowed are {MOST_DIFFERENCE:.0e}")
        return found


def open_pt2(path: Path) -> Callable[[Clips], Outputs]:
    """Logits and signals by a file of :func:`export_pt2`. Raises WeightsError for another one."""
    texts = {PT2_HEADER: ""}
    program = torch.export.load(path, extra_files=texts)
    record, _ = read_header(json.loads(texts[PT2_HEADER]), str(path))
    network, names = program.module(), outputs(record)
    wanted = [names.index(name) for name in raw_outputs(record)]

    def said(clips: Clips) -> Outputs:
        with torch.inference_mode():
            answer = network(torch.from_numpy(clips))
        return np.concatenate([answer[place].numpy() for place in wanted], axis=1)

    return said


def compare(model: LoadedModel, said: Callable[[Clips], Outputs], clips: list[Clips] | None = None) -> Parity:
    """An engine against PyTorch.

    Args:
        model: the weights in PyTorch, float32.
        said: the engine's outputs.
        clips: batches to compare on; None: seeded pictures of nobody, of several shapes.
    """
    record = model.record
    if clips is None:
        size = record.preprocessing.crop_size
        clips = [sample_clips(b, t, size, seed) for seed, (b, t) in enumerate(TRIAL_SHAPES)]
    theirs, ours = (np.concatenate([of(batch) for batch in clips]) for of in (said, model.outputs))
    return difference(theirs, ours, record)


def difference(theirs: Outputs, ours: Outputs, record: ModelRecord) -> Parity:
    """How far two tables of outputs are apart, as logits, as values and as labels."""
    spans = [1.0] * len(record.labels) + [one.high - one.low for one in record.signals for _ in one.labels]
    values = np.abs(own_values(record, theirs) - own_values(record, ours)) / spans
    one, other = (table[:, : len(record.labels)] for table in (theirs, ours))
    labels = (one.argmax(1) == other.argmax(1)).mean()
    return Parity(float(np.abs(one - other).max()), float(values.max()), float(labels))


def save_openvino(network: Any, texts: dict[str, str], path: Path) -> None:
    """Write an ``openvino.Model`` with our header, in float32 as it is."""
    network.set_rt_info(texts, [RT_INFO])
    import_openvino().save_model(network, path, compress_to_fp16=False)


def halve_openvino(source: Path, path: Path) -> None:
    """The file ``source`` with weights in float16, to compute with in bfloat16, which keeps fewer digits than that.

    It loads from its cache with a third less memory (175 MiB instead of 255 for s2d-small, OpenVINO 2026.4).
    """
    openvino = import_openvino()
    network = openvino_core().read_model(source)
    with openvino_draft(path) as draft:
        openvino.save_model(network, draft, compress_to_fp16=True)
        try:
            OpenVinoNetwork(draft, bfloat16=True)
        except WeightsError:  # it cannot compile every network that is stored so (a small video model, 2026.4)
            for part in (draft, draft.with_suffix(".bin")):
                part.unlink()  # not written over: OpenVINO may still have the old one mapped, and would die of it
            openvino.save_model(network, draft, compress_to_fp16=False)


@contextmanager
def openvino_draft(path: Path) -> Iterator[Path]:
    """As :func:`mien.core.files.whole_file`, for the two files of OpenVINO."""
    with whole_file(path) as draft:
        tensors = draft.with_suffix(".bin")  # where OpenVINO writes and looks for them
        try:
            yield draft
            tensors.replace(path.with_suffix(".bin"))
        finally:
            tensors.unlink(missing_ok=True)


def openvino_bytes(path: Path) -> int:
    """Size of both files."""
    return path.stat().st_size + path.with_suffix(".bin").stat().st_size


def _free() -> tuple[dict[int, Any], ...]:
    return ({0: torch.export.Dim("b"), 1: torch.export.Dim("t")},)


def _import_onnx() -> Any:
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch.onnx.export needs it
    except ImportError as error:
        raise MissingDependencyError("onnx and onnxscript", str(error), "pip install 'mien[export]'") from error
    return onnx


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporters warn of their own insides; what matters is measured afterwards."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.ERROR)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
