"""What a weights file says about itself. No torch here: ``mien models`` must start fast.

The record is JSON in the safetensors header under ``mien``, so preprocessing, label order and calibration cannot drift
away from the numbers they belong to.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mien.core.errors import ConfigError, WeightsError
from mien.core.labels import LabelSpace

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
FORMAT = 1
SHIPPED = Path(__file__).parents[1] / "weights"


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


@dataclass(frozen=True)
class ModelRecord:
    """Everything about a set of weights except the numbers.

    Attributes:
        name: as ``mien models`` lists it.
        labels: the classes, in the order of the logits.
        preprocessing: how frames become input.
        config: fields of :class:`mien.models.s2d.S2DConfig`.
        frames: how many frames a clip has in use.
        temperature: logits are divided by it before the softmax (calibration, Guo et al., arXiv 1706.04599).
        threshold: probability under which the default analysis answers "unclear".
        trained_on: data and recipe, in a sentence.
        dataset: name of the data set it was trained on, as `mien prepare` has it; empty when unknown.
        fold: of that set; 0 without folds.
        protocol: ``clean`` (choices made on held-out training data) or ``official`` (as published: on the test set);
            empty when unknown.
        licence: of the weights, with what bears on it.
        scores: measured figures by name, in [0, 1] unless the name says otherwise.
        parameters: number of parameters, landmark net included.
        sha256: of the file; empty until it is written.
        source: file the record was read from.
    """

    name: str
    labels: LabelSpace
    preprocessing: Preprocessing
    config: dict[str, Any]
    frames: int = 16
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

    @property
    def is_image_model(self) -> bool:
        """Whether a clip's logits are exactly the mean of its frames' logits (no temporal parts)."""
        return "frames" in self.config and self.config["frames"] is None

    def to_json(self) -> str:
        """The header's text; hash and path are facts about a file and stay out."""
        body = dataclasses.asdict(self)
        del body["sha256"], body["source"]
        return json.dumps({"format": FORMAT, **body})


def parse_record(text: str, source: str, sha256: str) -> ModelRecord:
    """The inverse of :meth:`ModelRecord.to_json`; raises WeightsError for a header that is not one of ours."""
    try:
        body = json.loads(text)
        if body.pop("format") != FORMAT:
            raise KeyError("format")
        labels = LabelSpace(body["labels"]["name"], tuple(body["labels"]["labels"]))
        plain = body.pop("preprocessing")
        preprocessing = Preprocessing(**{**plain, "mean": tuple(plain["mean"]), "std": tuple(plain["std"])})
        return ModelRecord(
            **{**body, "labels": labels, "preprocessing": preprocessing, "source": source, "sha256": sha256}
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise WeightsError(
            f"a mien weights header of format {FORMAT}", f"{source}: {error!r}", "update mien"
        ) from error


def read_record(path: Path) -> ModelRecord:
    """The record in a weights file, without loading the weights.

    Raises:
        WeightsError: missing, truncated, or not a weights file of mien.
    """
    expected = "a .safetensors file written by mien"
    if not path.is_file():
        raise WeightsError(expected, f"no file at {path}", "check the path, or see `mien models`")
    data = path.read_bytes()
    try:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        end = 8 + length + max(entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__")
    except (struct.error, ValueError, TypeError, KeyError) as error:
        raise WeightsError(
            expected, f"{path}: not a safetensors file", "convert checkpoints with `mien convert`"
        ) from error
    if end != len(data):
        raise WeightsError(f"{end} bytes", f"{path}: {len(data)} bytes", "the file is torn: copy or download it again")
    text = header.get("__metadata__", {}).get("mien")
    if text is None:
        raise WeightsError(expected, f"{path}: no mien record", "convert checkpoints with `mien convert`")
    return parse_record(text, str(path), hashlib.sha256(data).hexdigest())


def shipped_records() -> list[ModelRecord]:
    """The records of the weights inside the package, by name."""
    return [read_record(path) for path in sorted(SHIPPED.glob("*.safetensors"))]
