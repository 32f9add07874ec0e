"""What an exported file says about itself: the record of its weights, and the same in words for other programs.

All engines keep a map of texts beside the network: ONNX its metadata, OpenVINO its rt_info, pt2 an extra file.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Literal, cast, get_args

from mien.core.errors import WeightsError
from mien.models.record import ModelRecord, parse_record

Precision = Literal["float32", "bfloat16", "int8"]
RECORD, SHA256, PRECISION = "mien", "weights_sha256", "precision"


def header(record: ModelRecord, precision: Precision) -> dict[str, str]:
    """The texts of a file that holds the network of ``record``."""
    return {
        RECORD: record.to_json(),
        SHA256: record.sha256,
        PRECISION: precision,
        "name": record.name,
        "labels": ",".join(record.labels.labels),
        "licence": record.licence,
        "trained_on": record.trained_on,
        "prior": record.prior,
        "temperature": repr(record.calibration.temperature),
        "threshold": repr(record.calibration.threshold),
        "frames": str(record.frames),
        "preprocessing": json.dumps(dataclasses.asdict(record.preprocessing)),
        "input": "clips: uint8 (b, t, 3, h, w), aligned RGB face crops; any b and t; h = w = preprocessing.crop_size",
        "output": "probabilities: float32 (b, c), calibrated, in the order of labels; logits: before calibration",
        **({"signals": json.dumps([one.to_dict() for one in record.signals])} if record.signals else {}),
    }


def raw_outputs(record: ModelRecord) -> list[str]:
    """Names of a file's outputs that say it all, before softmax and sigmoid: logits, then a signal each."""
    return ["logits", *(f"{signal.name}.raw" for signal in record.signals)]


def outputs(record: ModelRecord) -> list[str]:
    """Names of all of a file's outputs, in order: every signal as values, too, under its own name."""
    return ["probabilities", "logits", *(name for one in record.signals for name in (one.name, f"{one.name}.raw"))]


def read_header(texts: Mapping[str, str], source: str) -> tuple[ModelRecord, Precision]:
    """The inverse: record and precision. Raises WeightsError for a file that is not of `mien export`."""
    missing = [key for key in (RECORD, SHA256, PRECISION) if key not in texts]
    if missing:
        got = f"{source}: no {', '.join(missing)} in its metadata"
        raise WeightsError("a file of `mien export`", got, "export the weights with `mien export`")
    precision = texts[PRECISION]
    if precision not in get_args(Precision):
        got = f"{source}: {precision!r}"
        raise WeightsError(f"a precision: {', '.join(get_args(Precision))}", got, "export the weights again")
    return parse_record(texts[RECORD], source, texts[SHA256]), cast(Precision, precision)
