"""A model's answers on a prepared set, with the views of the paper (s2d-spec, "Recipes": 2 segments x 2 crops).

The paper averages the softmax of 2 temporal segments x 2 spatial crops of every clip. Faces are square, so both crops
are the same pixels, and a clip no longer than a view has one segment: equal views are computed once and counted as
often as they occur. Same answer, a quarter of the passes for 16-frame releases. Frames that are not square are resized
whole, as in use, instead of cropped twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float64, Int64, UInt8

from mien.clips.indices import evaluation_views, unique_views
from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace, canonical
from mien.data.manifest import Manifest, Row
from mien.data.pixels import frame_count, read_clip
from mien.evaluation.predictions import Predictions
from mien.models.calibration import TRAINED

if TYPE_CHECKING:
    from mien.engines.base import ExportedNetwork
    from mien.evaluation.corruptions import Corruption
    from mien.models.zoo import LoadedModel

Progress = Callable[[int, int], None]
View = tuple[int, float, UInt8[np.ndarray, "t 3 h w"]]
"""Number of the item, share of its answer, pixels."""
FRAMES_A_PASS = 128


def predict_clips(
    model: LoadedModel | ExportedNetwork,
    manifest: Manifest,
    views: int = 2,
    frames: int | None = None,
    batch: int = FRAMES_A_PASS,
    progress: Progress | None = None,
    shared: bool = False,
    change: Corruption | None = None,
) -> Predictions:
    """Calibrated probabilities of every labelled item, in the order of the set's labels.

    Items that cannot be read are left out and noted.

    Args:
        model: the weights, on any engine.
        manifest: the items: one split of one fold.
        views: temporal segments of a clip; an image has one.
        frames: frames a view has; None: as the weights say.
        batch: frames the network sees at once; memory grows with it.
        progress: told how many items of how many are done.
        shared: where the labels of model and set differ, keep to the classes both have, their probabilities scaled to
            sum to 1; else such a model is refused.
        change: spoils the pixels of every view before the model sees them; the item's number seeds it.

    Raises:
        ConfigError: the labels differ.
        DataError: no item is labelled, or none can be read.
    """
    space, columns, notes = match_labels(model.record.labels, manifest.labels, shared)
    rows = [row for row in manifest.rows if row.label in space.labels]
    if not rows:
        raise DataError(f"items labelled {', '.join(space.labels)}", f"none in {manifest.name}", "check its labels")
    if len(rows) < len(manifest):
        notes.append(f"{len(manifest) - len(rows)} items without one of these labels are left out")
    sums, failures = mean_answers(
        model, model.probabilities, manifest, rows, views, batch, progress, frames=frames, change=change
    )
    kept = [item for item in range(len(rows)) if item not in failures]
    if not kept:
        raise next(iter(failures.values()))
    if failures:
        notes.append(f"{len(failures)} items could not be read and are left out; the first: {failures[min(failures)]}")
    probabilities = sums[kept][:, columns]
    if len(columns) < len(model.record.labels):
        probabilities /= probabilities.sum(1, keepdims=True)
    if model.record.prior != TRAINED:
        notes.append(f"the logits are read as {model.record.prior}, see `mien models {model.record.name}`")
    if model.engine != "torch":
        notes.append(f"computed by {model.engine} in {model.precision}")
    return Predictions(
        ids=tuple(rows[item].id for item in kept),
        labels=space,
        probabilities=probabilities,
        targets=np.array([space.labels.index(rows[item].label) for item in kept], np.int64),
        dataset=manifest.name,
        split="+".join(sorted({row.split for row in rows})),
        fold=rows[0].fold,
        protocol=model.record.protocol,
        model=model.record.name,
        threshold=model.record.calibration.threshold,
        notes=tuple(notes),
    )


def mean_answers(
    model: LoadedModel | ExportedNetwork,
    ask: Callable[[UInt8[np.ndarray, "b t 3 h w"]], Float64[np.ndarray, "b m"]],
    manifest: Manifest,
    rows: list[Row],
    views: int,
    batch: int,
    progress: Progress | None = None,
    *,
    frames: int | None = None,
    change: Corruption | None = None,
) -> tuple[Float64[np.ndarray, "n m"], dict[int, DataError]]:
    """The mean over its views of what ``ask`` answers to an item, a row an item, and the items that cannot be read.

    Args:
        model: whose clips they are.
        ask: of the model.
        manifest: the items' set.
        rows: the items.
        views: see :func:`predict_clips`; likewise the rest.
        batch: likewise.
        progress: likewise.
        frames: likewise.
        change: likewise.
    """
    failures: dict[int, DataError] = {}
    sums = np.zeros((len(rows), 0))
    stream = _views(manifest, rows, views, frames or model.record.frames, model.record.is_image_model, failures)
    if change is not None:
        stream = ((item, share, change(pixels, item)) for item, share, pixels in stream)
    for item, share, answer in _answers(ask, stream, batch):
        if not sums.shape[1]:
            sums = np.zeros((len(rows), len(answer)))
        sums[item] += share * answer
        if progress is not None:
            progress(item + 1, len(rows))
    return sums, failures


def match_labels(
    model: LabelSpace, wanted: LabelSpace, shared: bool = False
) -> tuple[LabelSpace, Int64[np.ndarray, " c"], list[str]]:
    """Which classes are evaluated, in the set's order; the model's column of each; notes on what is left out.

    Raises:
        ConfigError: the names differ and ``shared`` is off, or fewer than two are common.
    """
    columns = {canonical(name): column for column, name in enumerate(model.labels)}
    common = tuple(name for name in wanted.labels if canonical(name) in columns)
    missing = [name for name in wanted.labels if name not in common]
    extra = [name for name in model.labels if canonical(name) not in map(canonical, common)]
    notes = []
    if missing or extra:
        only = f"only in the model: {', '.join(extra) or 'none'}; only in the data: {', '.join(missing) or 'none'}"
        if not shared or len(common) < 2:
            fix = "choose another model, or evaluate the shared classes with --map"
            raise ConfigError(f"a model with the labels of {wanted.name}", only, fix)
        notes.append(f"evaluated on the {len(common)} shared classes; {only}")
    return LabelSpace(wanted.name, common), np.array([columns[canonical(name)] for name in common], np.int64), notes


def _views(
    manifest: Manifest, rows: list[Row], views: int, length: int, stills: bool, failures: dict[int, DataError]
) -> Iterator[View]:
    """The distinct views of every item; an item that cannot be read goes to ``failures``."""
    for item, row in enumerate(rows):
        try:
            count = frame_count(manifest, row)
            # An image model's mean over copies of one frame is that frame's answer.
            distinct, place = unique_views(evaluation_views(count, 1 if stills and count == 1 else length, views))
            # Views overlap: every frame is read once.
            numbers = np.unique(distinct)
            pixels = read_clip(manifest, row, numbers)
        except DataError as error:
            failures[item] = error
            continue
        for indices, times in zip(distinct, np.bincount(place), strict=True):
            yield item, float(times / views), pixels[np.searchsorted(numbers, indices)]


def _answers(
    ask: Callable[[UInt8[np.ndarray, "b t 3 h w"]], Float64[np.ndarray, "b m"]], stream: Iterator[View], batch: int
) -> Iterator[tuple[int, float, Float[np.ndarray, " m"]]]:
    """The model's answer for every view; neighbours of one shape share a pass."""
    for views in _batches(stream, batch):
        answers = ask(np.stack([clip for _, _, clip in views]))
        yield from ((item, share, answer) for (item, share, _), answer in zip(views, answers, strict=True))


def _batches(stream: Iterator[View], batch: int) -> Iterator[list[View]]:
    waiting: list[View] = []
    for view in stream:
        clip = view[2]
        if waiting and (clip.shape != waiting[0][2].shape or (len(waiting) + 1) * len(clip) > batch):
            yield waiting
            waiting = []
        waiting.append(view)
    if waiting:
        yield waiting
