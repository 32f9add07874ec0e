"""A clip and a model in; every map, its regions, its overlap with theory and the moments that count, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float64

from mien.core.action_units import ACTION_UNITS, Expectation, Region, expectation
from mien.core.registry import Registry
from mien.core.types import UNCLEAR, FaceClip
from mien.explain.attention import LastAttention
from mien.explain.base import Method
from mien.explain.fovea import Fovea
from mien.explain.gradcam import GradCam
from mien.explain.moments import time_importance
from mien.explain.occlusion import Occlusion
from mien.explain.regions import Overlap, RegionScore, overlap, region_scores
from mien.explain.rollout import Rollout
from mien.faces.parser_points import ByPoints
from mien.faces.parsers import Parsed, Parser

if TYPE_CHECKING:
    from mien.models.zoo import LoadedModel

METHODS: Registry[type[Method]] = Registry(
    "method of explanation", {method.name: method for method in (Rollout, Fovea, GradCam, Occlusion, LastAttention)}
)
NOTE = (
    "Where a model's answer comes from, and how that agrees with published action units of posed expressions. "
    "A comparison with theory: no proof that the label is right, and none of an emotion felt."
)
DIGITS = 4


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one method found.

    Attributes:
        method: its name.
        title: for pictures.
        unit: of the values.
        values: evidence for every pixel of every crop, >= 0.
        regions: by region of the face; None where the model has no landmark net to draw them.
        overlap: with the regions that theory expects; None without regions, or where it expects none.
    """

    method: str
    title: str
    unit: str
    values: Float64[np.ndarray, "t s s"]
    regions: dict[str, RegionScore] | None
    overlap: Overlap | None


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why a model gives a clip its label.

    Attributes:
        clip: what was looked at.
        labels: of the model.
        label: the likeliest.
        probabilities: calibrated, one a label.
        unclear: the probability lies under the threshold, and an analysis would name no expression.
        expected: what theory says of the label; None where it says nothing.
        masks: the face's regions in every crop; None without a landmark net.
        evidence: one a method.
        importance: probability that every place's moment is worth; NaN for a still.
        covered: share of the face that each thing covers, on average over the crops; empty where nobody knows.
    """

    clip: FaceClip
    labels: tuple[str, ...]
    label: str
    probabilities: Float64[np.ndarray, " c"]
    unclear: bool
    expected: Expectation | None
    masks: dict[Region, Bool[np.ndarray, "t s s"]] | None
    evidence: tuple[Evidence, ...]
    importance: Float64[np.ndarray, " t"]
    covered: dict[str, float] = field(default_factory=dict)

    @property
    def probability(self) -> float:
        """Of the label."""
        return float(self.probabilities[self.labels.index(self.label)])

    @property
    def theory(self) -> Bool[np.ndarray, "t s s"] | None:
        """The pixels of the regions that theory expects; None where there are none."""
        if self.masks is None or self.expected is None:
            return None
        theory: Bool[np.ndarray, "t s s"] = np.logical_or.reduce([self.masks[one] for one in self.expected.regions])
        return theory

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pixels, as explain.json has it."""
        clip = self.clip
        return {
            "track": clip.track,
            "start": round(clip.start, DIGITS),
            "end": round(clip.end, DIGITS),
            "label": UNCLEAR if self.unclear else self.label,
            "likeliest": self.label,
            "probability": round(self.probability, DIGITS),
            "probabilities": dict(zip(self.labels, self.probabilities.round(DIGITS).tolist(), strict=True)),
            "times": clip.times.round(DIGITS).tolist(),
            "frames": list(clip.indices),
            "time_importance": [significant(value) for value in self.importance.tolist()],
            "expected": None if self.expected is None else _expected(self.expected),
            **({"covered": {name: significant(share) for name, share in self.covered.items()}} if self.covered else {}),
            "methods": {one.method: _found(one) for one in self.evidence},
        }


def _expected(expected: Expectation) -> dict[str, Any]:
    units = [{"number": number, "name": ACTION_UNITS[number].name} for number in expected.units]
    return {"action_units": units, "regions": list(expected.regions), "source": expected.source}


def _found(evidence: Evidence) -> dict[str, Any]:
    regions = None if evidence.regions is None else {k: _rounded(v) for k, v in evidence.regions.items()}
    agreement = None if evidence.overlap is None else _rounded(evidence.overlap)
    most = significant(float(evidence.values.max()))
    return {"unit": evidence.unit, "most": most, "regions": regions, "overlap": agreement}


def _rounded(score: RegionScore | Overlap) -> dict[str, float]:
    return {key: significant(value) for key, value in asdict(score).items()}


def significant(value: float) -> float:
    """``value`` to :data:`DIGITS` significant digits: an answer that is sure loses little, but not nothing."""
    return float(f"{value:.{DIGITS}g}")


def methods_of(name: str, model: LoadedModel | None = None) -> list[Method]:
    """The method of that name, or ``all`` that can ask this model. Raises ConfigError for a stranger."""
    if name != "all":
        return [METHODS[name]()]
    methods = [kind() for kind in METHODS.values() if kind.in_all]
    return [method for method in methods if model is None or method.can_ask(model)]


def explain_clip(
    model: LoadedModel,
    clip: FaceClip,
    methods: Sequence[Method],
    threshold: float | None = None,
    parser: Parser | None = None,
) -> Explanation:
    """Why ``model`` answers ``clip`` as it does.

    Args:
        model: in use.
        clip: aligned crops of one face, as :class:`~mien.clips.windows.Windows` cuts them.
        methods: what to ask; see :data:`METHODS`.
        threshold: probability under which the label is unclear; None for the model's own.
        parser: says where the regions of the face lie; None: the model's landmark net, if it has one.

    Raises:
        ConfigError: a method looks at a part that the model has not.
    """
    labels = model.record.labels.labels
    probabilities = model.probabilities(clip.images[None])[0].astype(np.float64)
    place = int(probabilities.argmax())
    parsed = _parsed(model, clip, parser)
    masks = None if parsed is None else parsed.regions
    expected = expectation(labels[place])
    limit = model.record.calibration.threshold if threshold is None else threshold
    return Explanation(
        clip=clip,
        labels=labels,
        label=labels[place],
        probabilities=probabilities,
        unclear=bool(probabilities[place] < limit),
        expected=expected,
        masks=masks,
        evidence=tuple(_ask(method, model, clip, place, masks, expected) for method in methods),
        importance=time_importance(model, clip, place),
        covered={} if parsed is None else {name: float(shares.mean()) for name, shares in parsed.covered.items()},
    )


def _parsed(model: LoadedModel, clip: FaceClip, parser: Parser | None) -> Parsed | None:
    if parser is None and model.network.landmarks is None:
        return None
    return (parser or ByPoints(model.points))(clip.images)


def _ask(
    method: Method,
    model: LoadedModel,
    clip: FaceClip,
    label: int,
    masks: dict[Region, Bool[np.ndarray, "t s s"]] | None,
    expected: Expectation | None,
) -> Evidence:
    values = method.map(model, clip.images, label)
    return Evidence(
        method=method.name,
        title=method.title,
        unit=method.unit,
        values=values,
        regions=None if masks is None else region_scores(values, masks),
        overlap=None if masks is None or expected is None else overlap(values, masks, expected.regions),
    )
