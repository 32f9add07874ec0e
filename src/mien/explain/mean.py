"""Where a model looks for each expression, on average: maps of many labelled faces, laid on an ordinary one.

Networks are compared with people so: heat maps of aligned faces are averaged by class and held against masks of where
an expression should show (Pearson, IoU). Here every map goes by the similarity of its
own 68 points to :data:`mien.faces.mean_face.MEAN_FACE`, counts as much as any other, and the mean is compared with the
regions of the expected action units (:func:`mien.explain.regions.overlap`) and with their cue
(:mod:`mien.faces.cues`). It says where a model looks, not that it is right to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from jaxtyping import Float, Float64, UInt8

from mien.core.action_units import expectation
from mien.core.errors import ConfigError, DataError
from mien.core.labels import canonical
from mien.data.manifest import Manifest, Row
from mien.data.pixels import frame_count, read_clip
from mien.explain.base import Method
from mien.explain.explanation import significant
from mien.explain.regions import Overlap, RegionScore, overlap, region_scores
from mien.faces.align import similarity
from mien.faces.cues import CODEBOOK, cue_map
from mien.faces.landmarkers import Landmarker
from mien.faces.mean_face import MEAN_FACE
from mien.faces.regions import region_masks

if TYPE_CHECKING:
    from mien.models.zoo import LoadedModel

SIDE = 56
"""Pixels of a mean map: finer than any network's last map."""
DRAWS = 500
"""Of the bootstrap."""
Progress = Callable[[int, int], None]
"""Called after every face with: faces done, faces in all."""


@dataclass(frozen=True, eq=False)
class MeanMap:
    """What one method says of the faces of one class.

    Attributes:
        label: of the faces.
        method: its name.
        faces: how many.
        values: the mean, a face's mean being 1, over an ordinary face.
        regions: what each region of it gets.
        overlap: with the regions that theory expects; None where it expects none.
        interval: of the IoU, 95 % by drawing faces anew; None likewise.
        cue: cosine of the map, from 0 to 1, with the cue of its own class, and the mean of those with the others'; None
            for a class without one.
    """

    label: str
    method: str
    faces: int
    values: Float64[np.ndarray, "s s"]
    regions: dict[str, RegionScore]
    overlap: Overlap | None
    interval: tuple[float, float] | None
    cue: tuple[float, float] | None

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pixels."""
        return {
            "label": self.label,
            "method": self.method,
            "faces": self.faces,
            "regions": {name: _rounded(score) for name, score in self.regions.items()},
            "overlap": None if self.overlap is None else _rounded(self.overlap),
            "iou_interval": None if self.interval is None else [significant(edge) for edge in self.interval],
            "cue": None if self.cue is None else {"own": significant(self.cue[0]), "others": significant(self.cue[1])},
        }


def _rounded(score: RegionScore | Overlap) -> dict[str, float]:
    return {name: significant(value) for name, value in asdict(score).items()}


def mean_maps(
    model: LoadedModel,
    items: Manifest,
    methods: Sequence[Method],
    each: int,
    seed: int = 0,
    progress: Progress | None = None,
    find: Landmarker | None = None,
) -> list[MeanMap]:
    """A map a class and method, in the order of the model's labels; classes without a face are left out.

    Args:
        model: in use, with a landmark net.
        items: labelled faces or clips, of which the middle frame is taken.
        methods: what to ask; each explains the item's own label.
        each: faces of a class at most, >= 1; which ones depends on ``seed`` alone.
        seed: of the choice and of the bootstrap.
        progress: called after every face.
        find: lays faces on the ordinary one; None: the model's own landmark net.

    Raises:
        ConfigError: no landmark net, or a method looks at a part that the model has not.
        DataError: no item has a label of the model, or an item cannot be read.
    """
    if find is None and model.network.landmarks is None:
        fix = "choose another, or add --landmarker mobilefacenet"
        raise ConfigError("a model with a landmark net, to lay faces on one", model.record.name, fix)
    find = find or model.points
    chosen = _chosen(items, model.record.labels.labels, each, seed)
    maps: dict[tuple[str, str], list[Float64[np.ndarray, "s s"]]] = defaultdict(list)
    for done, (label, row) in enumerate(chosen, 1):
        image = read_clip(items, row, np.array([frame_count(items, row) // 2]))
        points = find(image)[0]
        for method in methods:
            place = model.record.labels.labels.index(label)
            maps[label, method.name].append(_laid(method.map(model, image, place)[0], points))
        if progress is not None:
            progress(done, len(chosen))
    labels = [label for label in model.record.labels.labels if (label, methods[0].name) in maps]
    return [
        _mean(label, method.name, np.stack(maps[label, method.name]), seed) for label in labels for method in methods
    ]


def _chosen(items: Manifest, labels: Sequence[str], each: int, seed: int) -> list[tuple[str, Row]]:
    """Label, as the model calls it, and row."""
    names = {canonical(label): label for label in labels}
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in items.rows:
        if (label := names.get(canonical(row.label))) is not None:
            rows[label].append(row)
    if not rows:
        raise DataError(f"items labelled {', '.join(labels)}", f"none in {items.name}", "check its labels and --split")
    rng = np.random.default_rng(seed)
    return [
        (label, rows[label][place])
        for label in labels
        if label in rows
        for place in sorted(rng.permutation(len(rows[label]))[:each].tolist())
    ]


def _laid(values: Float64[np.ndarray, "h h"], points: Float[np.ndarray, "68 2"]) -> Float64[np.ndarray, "s s"]:
    """A map over an ordinary face, with a mean of 1; 0 everywhere where it is 0 everywhere."""
    side = values.shape[-1]
    # Whole numbers are the middles of pixels.
    motion = similarity(points * side - 0.5, MEAN_FACE * SIDE - 0.5)
    laid = cv2.warpAffine(values, motion, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    found: Float64[np.ndarray, "s s"] = laid.astype(np.float64) / max(float(laid.mean()), 1e-12)
    return found


def _mean(label: str, method: str, maps: Float64[np.ndarray, "n s s"], seed: int) -> MeanMap:
    values = maps.mean(0)
    masks = region_masks(MEAN_FACE[None], SIDE)
    expected = expectation(label)
    agreement = interval = None
    if expected is not None:
        agreement = overlap(values[None], masks, expected.regions)
        rng = np.random.default_rng(seed)
        counts = rng.multinomial(len(maps), np.full(len(maps), 1 / len(maps)), DRAWS)
        drawn = (counts / len(maps)) @ maps.reshape(len(maps), -1)
        found = [overlap(one.reshape(1, SIDE, SIDE), masks, expected.regions).iou for one in drawn]
        low, high = np.quantile(found, [0.025, 0.975])
        interval = float(low), float(high)
    return MeanMap(
        label, method, len(maps), values, region_scores(values[None], masks), agreement, interval, _cue(values, label)
    )


def _cue(values: Float64[np.ndarray, "s s"], label: str) -> tuple[float, float] | None:
    if canonical(label) not in CODEBOOK:
        return None
    shares = ((values - values.min()) / max(float(np.ptp(values)), 1e-12)).ravel()
    found = {name: _cosine(shares, cue_map(MEAN_FACE, name, SIDE)) for name in CODEBOOK}
    own = found.pop(canonical(label))
    return own, float(np.mean(list(found.values())))


def _cosine(shares: Float64[np.ndarray, " l"], cue: Float[np.ndarray, "s s"] | None) -> float:
    assert cue is not None
    return float(shares @ cue.ravel() / max(float(np.linalg.norm(shares) * np.linalg.norm(cue)), 1e-12))


def picture_of(maps: Sequence[MeanMap], methods: Sequence[str]) -> UInt8[np.ndarray, "h w 3"]:
    """All maps, RGB: a row a class, a column a method, dark to bright, what theory expects outlined."""
    scale, masks = 2, region_masks(MEAN_FACE[None], 2 * SIDE)
    rows: dict[str, list[UInt8[np.ndarray, "h w 3"]]] = defaultdict(list)
    for one in maps:
        shown = cv2.resize(one.values, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        grey = np.rint(255 * shown / max(float(shown.max()), 1e-12)).astype(np.uint8)
        tile = np.ascontiguousarray(cv2.applyColorMap(grey, cv2.COLORMAP_MAGMA)[..., ::-1])
        expected = expectation(one.label)
        for region in expected.regions if expected else ():
            outlines, _ = cv2.findContours(masks[region][0].astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(tile, outlines, -1, (255, 255, 255), 1)
        rows[one.label].append(cv2.copyMakeBorder(tile, 2, 2, 2, 2, cv2.BORDER_CONSTANT))
    assert all(len(row) == len(methods) for row in rows.values())
    picture: UInt8[np.ndarray, "h w 3"] = np.vstack([np.hstack(row) for row in rows.values()])
    return picture
