"""What every run leaves beside its weights: how they were made, and their calibration from held-out items."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from mien.core import checks
from mien.core.checks import parse_json
from mien.core.errors import ConfigError
from mien.core.files import whole_file
from mien.core.softmax import softmax
from mien.evaluation.calibration import bias_helps, fit_bias, temperature_alone, threshold_for
from mien.evaluation.metrics import confusion, expected_calibration_error, uar, war
from mien.models.calibration import Calibration

ABSTAIN_PRECISION = 0.95
"""Share of right answers, on the validation split, among those at or above the default threshold."""


class Calibrated(NamedTuple):
    """A reading of logits, and what its probabilities are worth on the items it was fitted on.

    Attributes:
        reading: its bias is empty where that does not help; above its threshold :data:`ABSTAIN_PRECISION` of the
            answers are right.
        figures: ``war``, ``uar`` and ``ece`` there, in [0, 1].
    """

    reading: Calibration
    figures: dict[str, float]


def calibrate(logits: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> Calibrated:
    """Fit temperature, bias and threshold. Never on test items."""
    fit = fit_bias if bias_helps(logits, labels) else temperature_alone
    temperature, bias = fit(logits, labels)
    reading = Calibration(temperature, 0.0, tuple(bias.tolist()) if bias.any() else ())
    probabilities = reading.probabilities(logits)
    reading = replace(reading, threshold=threshold_for(ABSTAIN_PRECISION, probabilities, labels))
    return Calibrated(reading, figures(probabilities, labels))


def uncalibrated(logits: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> Calibrated:
    """Of items that must not calibrate what they then measure."""
    return Calibrated(Calibration(), figures(softmax(logits), labels))


def figures(probabilities: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> dict[str, float]:
    """``war``, ``uar`` and ``ece``."""
    matrix = confusion(labels, probabilities.argmax(1), probabilities.shape[1])
    ece = expected_calibration_error(probabilities, labels)
    return {"war": war(matrix), "uar": uar(matrix), "ece": ece}


LEARNS_BY = ("recipe", "fold", "protocol", "start", "picture")
"""Fields of a run, where it has them, that must stay while it goes on; its data may have moved."""
TOLD = 3
"""Differences that an error names."""


def demand_same(told: Path, run: Any, only: Collection[str] = (), **beside: Any) -> None:
    """Raise ConfigError where a run that resumes has other options than what was begun in its folder.

    Args:
        told: JSON file with the ``fields`` of what was begun; none: nothing was.
        run: whose fields count, but for its folder and how long it learns.
        only: of those fields; empty: all.
        beside: what else the file must say.
    """
    if not run.resume or not told.is_file():
        return
    try:
        then = parse_json(told.read_text("utf-8"))
        before = {**then.get("fields", {}), **{name: then.get(name) for name in beside}}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        fix = "choose another --out, or take --resume away and begin anew there"
        raise ConfigError("what a run was begun with", f"{told}, which is torn", fix) from error
    now = json.loads(json.dumps(dataclasses.asdict(run), default=str))
    counts = [name for name in now if name in (only or now) and name not in ("out", "resume", "fit")]
    asked = {**{name: now[name] for name in counts}, **json.loads(json.dumps(beside, default=str))}
    if other := [text for name in asked for text in _differences(name, before.get(name), asked[name])]:
        more = f" and {len(other) - TOLD} more" * (len(other) > TOLD)
        got = f"{'; '.join(other[:TOLD])}{more}, by {told}"
        raise ConfigError("--resume with the options that the run was begun with", got, "choose another --out")


def _differences(name: str, before: Any, now: Any) -> list[str]:
    """What differs between values in JSON, in words; a field that an earlier version did not have does not count."""
    if isinstance(before, dict) and isinstance(now, dict):
        shared = [key for key in now if key in before]
        return [text for key in shared for text in _differences(f"{name}.{key}", before[key], now[key])]
    return [] if before == now else [f"{name} {now!r} instead of {before!r}"]


def write_facts(run: Any, dataset: str, fold: int = 0, protocol: str = "clean") -> None:
    """``run.json`` in the run's folder: every field of its dataclass, and what a later evaluation must know.

    Raises:
        ConfigError: a name that the weights cannot have, or a run that resumes by another recipe, start or set than it
            was begun with; better said now than when the weights are written.
    """
    checks.file_name("--name", run.name)
    demand_same(run.out / "run.json", run, LEARNS_BY, dataset=dataset)
    facts: dict[str, Any] = {"recipe": type(run).__name__, "dataset": dataset, "data": str(run.data.resolve())}
    facts |= {"fold": fold, "protocol": protocol, "fields": dataclasses.asdict(run)}
    with whole_file(run.out / "run.json") as draft:
        draft.write_text(json.dumps(facts, indent=2, default=str) + "\n")
