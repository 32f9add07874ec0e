"""Exported files in int8: several times faster, and checked on real faces before they are kept.

ONNX Runtime: weights in int8, activations scaled as they come (dynamic). OpenVINO: scales of activations are measured
on face crops (post-training quantisation by NNCF); noise will not do, it gave a cosine of 0.907 with the float32
features where faces gave 0.9995.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from mien.core.errors import ConfigError, MissingDependencyError, WeightsError
from mien.core.files import whole_file
from mien.engines.export import EDGE, Exported, Parity, compare, openvino_bytes, openvino_draft, save_openvino
from mien.engines.header import PRECISION, header
from mien.engines.onnx import OnnxNetwork, stay_silent
from mien.engines.openvino import OpenVinoNetwork, openvino_core
from mien.models.record import ModelRecord
from mien.models.zoo import LoadedModel

LEAST_AGREEMENT = 0.99
"""Share of real clips whose best label must stay the same."""
CALIBRATION_CLIPS = 16
"""OpenVINO measures on so many of the clips, spread evenly."""
LEAST_CLIPS = 3
MOST_CLIPS = 100

Clip = UInt8[np.ndarray, "1 t 3 h w"]


def quantize(model: LoadedModel, exported: Exported, clips: Sequence[Clip], *, force: bool = False) -> Exported:
    """``NAME-int8.onnx`` or ``.xml`` beside the float32 file it is made from; its parity is measured on ``clips``.

    Args:
        model: the weights in PyTorch.
        exported: an ONNX or OpenVINO file of them in float32.
        clips: of real faces, such as :func:`face_clips` finds; at least :data:`LEAST_CLIPS`.
        force: keep the file even where labels differ.

    Raises:
        ConfigError: too few clips, or a pt2 file.
        MissingDependencyError: nncf or onnx is not installed.
        WeightsError: fewer than :data:`LEAST_AGREEMENT` of the labels are those of PyTorch.
    """
    if len(clips) < LEAST_CLIPS:
        raise ConfigError(f"at least {LEAST_CLIPS} windows with a face", str(len(clips)), "name clips with more faces")
    path = exported.path.with_stem(f"{exported.path.stem}-int8")
    texts = header(model.record, "int8")
    if path.suffix == ".onnx":
        with whole_file(path) as draft:
            _quantize_onnx(exported.path, draft)
            found = _demand(compare(model, OnnxNetwork(draft).outputs, list(clips)), path, force)
        return Exported(path, path.stat().st_size, found)
    if path.suffix == ".xml":
        with openvino_draft(path) as draft:
            save_openvino(_quantized_openvino(exported.path, clips), texts, draft)
            found = _demand(compare(model, OpenVinoNetwork(draft).outputs, list(clips)), path, force)
        return Exported(path, openvino_bytes(path), found)
    raise ConfigError("int8 for onnx or openvino", path.suffix, "choose one of them")


def face_clips(sources: Sequence[str], record: ModelRecord, window: float, step: float) -> list[Clip]:
    """Windows of the faces in ``sources`` as the analysis cuts them, at most :data:`MOST_CLIPS`, evenly from all.

    Args:
        sources: videos.
        record: how the model wants its crops.
        window: seconds.
        step: seconds from one window to the next.
    """
    from mien import media
    from mien.clips.windows import Windows
    from mien.faces import follow
    from mien.faces.settings import FaceSettings

    found: list[Clip] = []
    for source in sources:
        windows, clips = Windows(record.frames, window, step), []
        with media.open(source) as frames:
            for _, crops in follow(frames, FaceSettings(), record.preprocessing.crop_size):
                clips += [clip for crop in crops for clip in windows.push(crop)]
        found += [clip.images[None] for clip in clips + windows.finish()]
    return _spread(found, MOST_CLIPS)


def _spread(clips: Sequence[Clip], most: int) -> list[Clip]:
    places = np.linspace(0, len(clips) - 1, min(most, len(clips))).round().astype(int)
    return [clips[place] for place in places]


def _quantize_onnx(path: Path, out: Path) -> None:
    stay_silent()
    try:
        import onnx
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError as error:
        raise MissingDependencyError("onnx and onnxruntime", str(error), "pip install 'mien[export]'") from error
    plain = onnx.load(path)
    del plain.graph.value_info[:]  # the exporter's optimiser leaves shapes from before it turned weights over
    quantize_dynamic(
        plain,
        out,
        op_types_to_quantize=["MatMul", "Gemm"],
        nodes_to_exclude=[node.name for node in plain.graph.node if node.name.startswith(EDGE)],
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    network = onnx.load(out)
    for entry in network.metadata_props:
        if entry.key == PRECISION:
            entry.value = "int8"
    onnx.save(network, out)


def _quantized_openvino(path: Path, clips: Sequence[Clip]) -> Any:
    core = openvino_core()
    os.environ.setdefault("NNCF_CI", "1")  # or it would report its use over the network
    try:
        import nncf
    except ImportError as error:
        raise MissingDependencyError("nncf", str(error), "pip install 'mien[export]'") from error
    nncf.set_log_level(40)
    sample = nncf.Dataset([{"clips": clip} for clip in _spread(clips, CALIBRATION_CLIPS)])
    network = core.read_model(path)
    # Moving scales from activations to weights ("smooth quant") costs more than it gains on a folded network: cosine of
    # features 0.988 with it.
    unsmoothed = nncf.AdvancedSmoothQuantParameters(convolution=-1, matmul=-1)
    return nncf.quantize(
        network,
        sample,
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=CALIBRATION_CLIPS,
        ignored_scope=nncf.IgnoredScope(patterns=[f"{EDGE}.*"]),
        advanced_parameters=nncf.AdvancedQuantizationParameters(smooth_quant_alphas=unsmoothed),
    )


def _demand(found: Parity, path: Path, force: bool) -> Parity:
    if found.labels < LEAST_AGREEMENT and not force:
        expected = f"{path.name} to give {LEAST_AGREEMENT:.0%} of the labels of float32"
        fix = "use another engine or more clips, or --force to keep it"
        raise WeightsError(expected, f"{found.labels:.1%}", fix)
    return found
