"""What a weights file says about itself. No torch here: ``mien models`` must start fast.

The record is JSON in the safetensors header under ``mien``, so preprocessing, label order and calibration cannot drift
away from the numbers they belong to. Whatever reads one, from weights or from an exported file, takes it through
:func:`parse_record`; what its values may be is said by the classes here and by the network's configuration.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import struct
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from mien.core import checks
from mien.core.errors import ConfigError, WeightsError
from mien.core.labels import LabelSpace
from mien.core.registry import did_you_mean
from mien.core.signals import Signal, distinct, parse_signals, width
from mien.models.calibration import TRAINED, Calibration, parse_calibration
from mien.models.figures import figures_of
from mien.models.nets import HEADS, MOST_SIDE, config_of
from mien.models.texts import Texts, parse_texts

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
FORMAT = 1
SHIPPED = Path(__file__).parents[1] / "weights"
MOST_ANCHORS = 1024
"""Of a class."""
MOST_CLIP_FRAMES, MOST_CLIP_BYTES = 1024, 1 << 29
"""Of the crops of one clip, which are in memory for every face in sight."""
LEAST_STD, MOST_PIXEL = 1e-3, 1e3
WINDOWS = 0.01, 60.0
"""Least and most seconds of a window that weights can ask for."""
GET_AGAIN = "get the file again, or update mien"


@dataclass(frozen=True)
class Preprocessing:
    """How a frame becomes the network's input.

    Attributes:
        crop_size: side of the aligned crop in pixels.
        input_size: side the crop is resized to.
        colour: ``"grey"`` replaces the three channels by the luma.
        mean: per channel, for values in [0, 1].
        std: per channel.
    """

    crop_size: int = 224
    input_size: int = 224
    colour: Literal["rgb", "grey"] = "rgb"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        if self.colour not in ("rgb", "grey"):
            raise ConfigError("colour rgb or grey", repr(self.colour), "choose one of them")
        checks.whole("crop_size", self.crop_size, 1, MOST_SIDE)
        checks.whole("input_size", self.input_size, 1, MOST_SIDE)
        for name, least in (("mean", -MOST_PIXEL), ("std", LEAST_STD)):
            values = getattr(self, name)
            checks.demand(isinstance(values, tuple) and len(values) == 3, name, "three numbers", values)
            for value in values:
                checks.real(name, value, least, MOST_PIXEL)


@dataclass(frozen=True)
class ModelRecord:
    """Everything about a set of weights except the numbers.

    Attributes:
        name: as ``mien models`` lists it, and the files that are made of the weights are called.
        labels: the classes, in the order of the logits.
        preprocessing: how frames become input.
        config: fields of the network's configuration, such as :class:`mien.models.shape.S2DConfig`.
        frames: how many frames a clip has in use.
        window: seconds that these were taken from in training, and are in use; None: analysis decides.
        temperature: of the reading ``trained``: logits are divided by it before the softmax (calibration, Guo et al.,
            arXiv 1706.04599).
        threshold: of that reading: probability under which the default analysis answers "unclear".
        bias: of that reading, see :class:`mien.models.calibration.Calibration`; empty: none.
        calibrations: further readings of the logits by name, such as ``balanced``.
        prior: which reading is in use; the file names its default.
        trained_on: data and recipe, in a sentence.
        dataset: name of the data set it was trained on, as `mien prepare` has it; empty when unknown.
        fold: of that set; 0 without folds.
        protocol: ``clean`` (choices made on held-out training data) or ``official`` (as published: on the test set);
            empty when unknown.
        licence: of the weights, with what bears on it.
        scores: measured figures by name, in [0, 1] unless the name says otherwise: those that the run wrote, and
            those of :mod:`mien.models.figures`.
        parameters: number of parameters, landmark net included.
        sha256: of the file; empty until it is written.
        source: file the record was read from.
        network: which it is, by its name in :data:`mien.models.nets.NETS`.
        signals: what the model says beside the expression, in the order of its outputs after the logits.
        heads: of its signals those that a head says, with the kind, by its name in :data:`mien.models.nets.HEADS`.
        texts: of its signals those whose labels are vectors (:mod:`mien.models.text_head`), with what these are.
        anchors: of a class, which correct the logits (:mod:`mien.models.anchors`); 0: nothing does.
    """

    name: str
    labels: LabelSpace
    preprocessing: Preprocessing
    config: dict[str, Any]
    frames: int = 16
    window: float | None = None
    temperature: float = 1.0
    threshold: float = 0.0
    trained_on: str = ""
    dataset: str = ""
    fold: int = 0
    protocol: Literal["", "clean", "official"] = ""
    licence: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    parameters: int = 0
    sha256: str = ""
    source: str = ""
    network: str = "s2d"
    signals: tuple[Signal, ...] = ()
    heads: dict[str, str] = field(default_factory=dict)
    texts: dict[str, Texts] = field(default_factory=dict)
    anchors: int = 0
    bias: tuple[float, ...] = ()
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    prior: str = TRAINED

    def __post_init__(self) -> None:
        checks.file_name("name", self.name)
        checks.whole("frames", self.frames, 1, MOST_CLIP_FRAMES)
        if self.window is not None:
            checks.real("window", self.window, *WINDOWS)
        size = 3 * self.frames * self.preprocessing.crop_size**2
        checks.demand(size <= MOST_CLIP_BYTES, "frames x crop_size^2 x 3", f"at most {MOST_CLIP_BYTES} bytes", size)
        checks.demand(isinstance(self.calibrations, dict), "calibrations", "readings by name", self.calibrations)
        for name, reading in self.readings.items():
            checks.label("name of a calibration", name)
            reading.demand_classes(len(self.labels))
        checks.demand(self.prior in self.readings, "prior", f"one of {', '.join(self.readings)}", self.prior)
        for name in ("trained_on", "dataset", "licence"):
            checks.text(name, getattr(self, name))
        checks.text("name of the labels", self.labels.name, checks.MOST_LABEL)
        checks.whole("fold", self.fold, 0, 10_000)
        checks.demand(self.protocol in ("", "clean", "official"), "protocol", "clean or official", self.protocol)
        checks.demand(isinstance(self.scores, dict), "scores", "figures by name", self.scores)
        for name, value in self.scores.items():
            checks.text("name of a score", name, 3 * checks.MOST_LABEL)
            checks.real(f"score {name}", value, -1e12, 1e12)
        checks.whole("anchors", self.anchors, 0, MOST_ANCHORS)
        checks.whole("parameters", self.parameters, 0, 10**13)
        hashed = isinstance(self.sha256, str) and re.fullmatch("[0-9a-f]{64}|", self.sha256) is not None
        checks.demand(hashed, "sha256", "64 hexadecimal digits", self.sha256)
        distinct(self.signals)
        checks.demand(isinstance(self.heads, dict), "heads", "kinds by signal", self.heads)
        for name, kind in self.heads.items():
            said = [signal.kind for signal in self.signals if signal.name == name]
            known = bool(said) and isinstance(kind, str) and kind in HEADS
            checks.demand(known, f"head of {name}", f"for a signal, one of {', '.join(HEADS)}", kind)
            fits = said[0] in HEADS[kind].says
            checks.demand(fits, f"head of {name}", f"for a signal of {' or '.join(HEADS[kind].says)}", said[0])
        worded = isinstance(self.texts, dict) and all(self.heads.get(name) == "text" for name in self.texts)
        checks.demand(worded, "texts", "those of signals with a head text", self.texts)

    @property
    def readings(self) -> dict[str, Calibration]:
        """All ways to read the logits, by name."""
        return {TRAINED: Calibration(self.temperature, self.threshold, self.bias), **self.calibrations}

    @property
    def calibration(self) -> Calibration:
        """The reading in use."""
        return self.readings[self.prior]

    def saying(self, names: Collection[str]) -> ModelRecord:
        """The same weights, of whose signals only those among ``names`` are asked for."""
        kept = tuple(signal for signal in self.signals if signal.name in names)
        heads = {name: kind for name, kind in self.heads.items() if name in names}
        texts = {name: of for name, of in self.texts.items() if name in heads}
        return self if kept == self.signals else dataclasses.replace(self, signals=kept, heads=heads, texts=texts)

    def read_as(self, prior: str | None) -> ModelRecord:
        """The same weights, read in another way; None: as the file says. Raises ConfigError for an unknown name."""
        if prior is None or prior == self.prior:
            return self
        if prior not in self.readings:
            raise ConfigError(f"a --prior of {self.name}", repr(prior), did_you_mean(prior, list(self.readings)))
        return dataclasses.replace(self, prior=prior)

    @property
    def is_image_model(self) -> bool:
        """Whether a clip's feature is exactly the mean of its frames' features (no temporal parts), and so are its
        logits unless anchors correct them."""
        return bool(self.config) and self.config.get("frames") is None

    @property
    def averages(self) -> bool:
        """Whether all that the network says of a clip is the mean of what it says of its frames, before calibration."""
        own = [signal.name for signal in self.signals if not signal.derived_from]
        linear = self.is_image_model and not self.anchors
        return linear and all(name in self.heads and HEADS[self.heads[name]].linear for name in own)

    def to_json(self) -> str:
        """The header's text; hash and path are facts about a file and stay out."""
        body = dataclasses.asdict(self)
        del body["sha256"], body["source"]
        if self.network == "s2d":
            del body["network"]  # as always: what read such a file still does
        body["signals"] = [signal.to_dict() for signal in self.signals]
        for name in ("signals", "heads", "texts", "anchors"):
            if not body[name]:
                del body[name]  # likewise
        if not self.calibrations:
            del body["calibrations"], body["prior"]
        if not self.bias:
            del body["bias"]
        if self.window is None:
            del body["window"]
        return json.dumps({"format": FORMAT, **body})


def parse_record(text: str, source: str, sha256: str) -> ModelRecord:
    """The inverse of :meth:`ModelRecord.to_json`.

    Raises:
        WeightsError: a header that is not one of ours, values out of their range, or parts that contradict each other.
    """
    try:
        body = checks.parse_json(text)
        if not isinstance(body, dict) or body.pop("format", None) != FORMAT:
            raise ValueError("another format")
        labels, plain = body.pop("labels"), body.pop("preprocessing")
        if not isinstance(labels["labels"], list):
            raise ValueError("labels that are no list")
        if not isinstance(body["config"], dict):
            raise ValueError("a config without fields")
        if "bias" in body:
            body["bias"] = tuple(body["bias"])
        if "calibrations" in body:
            body["calibrations"] = {name: parse_calibration(value) for name, value in body["calibrations"].items()}
        if "texts" in body:
            body["texts"] = {name: parse_texts(value) for name, value in body["texts"].items()}
        signals = parse_signals(body.pop("signals", []))
        record = ModelRecord(
            labels=LabelSpace(labels["name"], tuple(labels["labels"])),
            preprocessing=Preprocessing(**{**plain, "mean": tuple(plain["mean"]), "std": tuple(plain["std"])}),
            **{**body, "signals": signals, "source": source, "sha256": sha256},
        )
        _demand_one_network(record)
    except ConfigError as error:
        raise WeightsError(f"weights with {error.expected}", f"{source}: {error.got}", GET_AGAIN) from error
    except (LookupError, TypeError, ValueError) as error:
        got = f"{source}: {type(error).__name__}: {str(error)[:200]}"
        raise WeightsError(f"a mien weights header of format {FORMAT}", got, GET_AGAIN) from error
    return record


def _demand_one_network(record: ModelRecord) -> None:
    """Raise ConfigError where the labels or the input are not those of the network."""
    shape, side = config_of(record.network, record.config), record.preprocessing.input_size
    checks.demand(shape.classes == len(record.labels), "labels", f"{shape.classes}, one an output", len(record.labels))
    checks.demand(shape.fits(side), "input_size", f"a side that the network takes, as {shape.input_size}", side)
    derived = [signal.name for signal in record.signals if signal.derived_from]
    checks.demand(not derived, "signals", "what the network itself says", derived)


def demand_answers(record: ModelRecord, outputs: Float[np.ndarray, "b m"]) -> None:
    """Raise WeightsError unless these are numbers, one a label: weights may be sound each and overflow together.

    Without this every face would be "unclear", or take another label's answer.
    """
    if outputs.shape[1] != (wanted := len(record.labels) + width(record.signals)):
        raise WeightsError(f"{wanted} outputs, one a label", f"{outputs.shape[1]} from {record.name}", GET_AGAIN)
    demand_numbers(record.name, outputs)


def demand_numbers(name: str, outputs: Float[np.ndarray, "b m"]) -> None:
    """Raise WeightsError for NaN or infinity from the weights of that name."""
    if not np.isfinite(outputs).all():
        raise WeightsError("weights that compute numbers", f"NaN or infinity from {name}", GET_AGAIN)


def read_record(path: Path) -> ModelRecord:
    """The record in a weights file, without loading the weights.

    Raises:
        WeightsError: missing, truncated, or not a weights file of mien.
    """
    expected = "a .safetensors file written by mien"
    if not os.path.isfile(path):  # unlike Path.is_file, not an error for a name too long to exist
        raise WeightsError(expected, f"no file at {path}", "check the path, or see `mien models`")
    try:
        data = path.read_bytes()
        metadata, end = _header(data)
    except OSError as error:
        raise WeightsError(expected, f"{path}: {error.strerror}", "make it readable") from error
    except (struct.error, ValueError, TypeError, LookupError) as error:
        raise WeightsError(
            expected, f"{path}: not a safetensors file", "convert checkpoints with `mien convert`"
        ) from error
    if end != len(data):
        raise WeightsError(f"{end} bytes", f"{path}: {len(data)} bytes", "the file is torn: copy or download it again")
    if "mien-sound" in metadata:  # KEY of models/sound.py, which loads too much for a start at once
        got = f"{path}, weights of a sound net"
        raise WeightsError("weights that look at faces", got, "give these as --sound of `mien analyze`")
    text = metadata.get("mien")
    if not isinstance(text, str):
        raise WeightsError(expected, f"{path}: no mien record", "convert checkpoints with `mien convert`")
    record = parse_record(text, str(path), hashlib.sha256(data).hexdigest())
    scores = record.scores | figures_of(path, record.sha256)
    return dataclasses.replace(record, scores=scores)


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    """A safetensors file's metadata, and where its last tensor should end."""
    (length,) = struct.unpack("<Q", data[:8])
    header = checks.parse_json(data[8 : 8 + length])
    if not isinstance(header, dict):
        raise ValueError("no table of tensors")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise ValueError("no table of texts")
    return metadata, 8 + length + max(entry["data_offsets"][1] for entry in header.values())


def shipped_records() -> list[ModelRecord]:
    """The records of the weights inside the package, by name."""
    return [read_record(path) for path in sorted(SHIPPED.glob("*.safetensors"))]
