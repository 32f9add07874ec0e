"""What a run learns from: files read ahead by workers, faces in memory, or clips made of such faces.

A source hands out batches of clips with their targets and labels. Whatever is random about an item depends on the run's
seed and on how manyth showing it is (files), or is drawn from the device's generator (in memory).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from mien.clips.indices import random_window
from mien.core.errors import DataError
from mien.core.signals import places
from mien.data.clip_transforms import ClipAugmentation, augment_clip
from mien.data.manifest import Manifest
from mien.data.moving import Motion, laid_on, moving_clips
from mien.data.pixels import frame_count, read_clip
from mien.data.sampling import item_generator
from mien.data.transforms import Augmentation, augment
from mien.models.preprocess import to_colour
from mien.models.record import Preprocessing
from mien.models.weights import Recognizer

POINTS_AT_ONCE = 16
"""The landmark net's maps of so many faces stay in the cache; those of 256 take 2.5 times as long."""
CONVERTED_AT_ONCE = 4096


class Batch(NamedTuple):
    """Items as the network's input begins.

    Attributes:
        clips: in [0, 1], one channel of luma or three.
        targets: shares of the labels; NaN where nobody labelled.
        labels: -1 for none.
        styles: targets of labels given in other styles, by style; NaN where an item has none.
        signals: what is known beside the label, by signal; NaN where nothing is.
        subjects: number of each item's person, see :class:`Source`; -1 for none.
    """

    clips: Float[Tensor, "b t _ s s"]
    targets: Float[Tensor, "b c"]
    labels: Int64[Tensor, " b"]
    styles: Mapping[str, Float[Tensor, "b c"]] = {}
    signals: Mapping[str, Float[Tensor, "b k"]] = {}
    subjects: Int64[Tensor, " b"] | None = None


class Source(ABC):
    """Labelled items.

    Attributes:
        rows: of the set.
        targets: of the items.
        labels: of the items.
        signals: of the items, by signal, see :class:`Batch`.
        subjects: number of each item's person among those the rows name; -1 for none.
        people: how many those are.
        loaded: items for the loop's workers; None: :meth:`batch` makes all of a batch from its numbers.
        size: side of the clips in pixels; the task sets it for every epoch.
    """

    loaded: Dataset[Batch] | None = None

    def __init__(self, rows: Manifest, size: int) -> None:
        self.rows, self.size = rows, size
        self.targets = torch.from_numpy(rows.targets())
        self.targets[self.targets.sum(1) == 0] = float("nan")
        self.labels = torch.from_numpy(rows.indices())
        numbers, where = torch.from_numpy(rows.beside()), places(rows.signals)
        self.signals = {name: numbers[:, part] for name, part in where.items()}
        names = {name: place for place, name in enumerate(sorted({row.subject for row in rows.rows} - {""}))}
        self.subjects, self.people = torch.tensor([names.get(row.subject, -1) for row in rows.rows]), len(names)

    def _known(self, items: int | Int64[Tensor, " b"]) -> dict[str, Tensor]:
        return {name: numbers[items] for name, numbers in self.signals.items()}

    def __len__(self) -> int:
        return len(self.rows)

    @abstractmethod
    def batch(self, given: Batch | Int64[Tensor, " b"], rng: torch.Generator) -> Batch:
        """A batch of what the loop hands over: what ``loaded`` gave, or the numbers of the items."""


class Files(Source, Dataset[Batch]):
    """Items read from their files when they are due, each augmented for itself; a clip is a stretch of its frames.

    A key is (item, draw); what is random depends on ``seed`` and ``draw`` alone.

    Args:
        rows: the items.
        size: side of the clips.
        frames: of a clip.
        rate: every how many frames one is taken.
        augmentation: changes.
        seed: of everything random.
    """

    def __init__(
        self, rows: Manifest, size: int, frames: int, rate: int, augmentation: ClipAugmentation, seed: int
    ) -> None:
        super().__init__(rows, size)
        self.frames, self.rate, self.augmentation, self.seed = frames, rate, augmentation, seed

    @property
    def loaded(self) -> Dataset[Batch]:  # type: ignore[override]
        """The items themselves."""
        return self

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        item, draw = key
        row, place = self.rows.rows[item], np.random.default_rng((self.seed, draw))
        chosen = random_window(frame_count(self.rows, row), self.frames, self.rate, place)
        clip = torch.from_numpy(read_clip(self.rows, row, chosen))
        images = augment_clip(clip, self.size, self.augmentation, item_generator(self.seed, draw))
        return Batch(images, self.targets[item], self.labels[item], {}, self._known(item), self.subjects[item])

    def batch(self, given: Batch | Int64[Tensor, " b"], rng: torch.Generator) -> Batch:
        """As it came."""
        assert isinstance(given, tuple)
        return Batch(*given)


class Faces(Source):
    """Single faces of one size, in memory, augmented a batch at a time: what small crops are quickest as.

    Args:
        rows: images.
        preprocessing: grey ones are kept as one channel.
        augmentation: changes.
    """

    def __init__(self, rows: Manifest, preprocessing: Preprocessing, augmentation: Augmentation) -> None:
        super().__init__(rows, preprocessing.input_size)
        self.images, self.augmentation = faces_of(rows, preprocessing), augmentation

    def batch(self, given: Batch | Int64[Tensor, " b"], rng: torch.Generator) -> Batch:
        """Clips of one frame."""
        assert isinstance(given, Tensor)
        images = augment(self.images[given].float() / 255, self.size, self.augmentation, rng)
        return Batch(
            images[:, None], self.targets[given], self.labels[given], {}, self._known(given), self.subjects[given]
        )


class Beside(Source):
    """Faces, and beside every batch of them some of other sets, drawn anew each time.

    What the others are labelled with is learned as the faces' own labels are, or, in a style of its own, by a head of
    its own: what a textbook calls anger, a crowd calls neutral, and one head cannot serve both.

    Args:
        faces: all of them are shown in every epoch.
        others: style and faces of every other set; the style "" is that of ``faces``.
        share: items of all other sets together for each of ``faces``.

    Attributes:
        styles: the styles but that of ``faces``, and how many items of each there are for one of ``faces``: the weight
            with which an item counts as much as any other, whoever labelled it.
    """

    def __init__(self, faces: Source, others: Sequence[tuple[str, Source]], share: float) -> None:
        super().__init__(faces.rows, faces.size)
        self.faces, self.others, self.share = faces, others, share
        of = [style for style, _ in others]
        self.styles = {style: share * of.count(style) / len(of) for style in of if style}

    def batch(self, given: Batch | Int64[Tensor, " b"], rng: torch.Generator) -> Batch:
        """The faces first."""
        assert isinstance(given, Tensor)
        count = max(round(len(given) * self.share / len(self.others)), 1)
        sources, numbers = [self.faces], [given]
        for _, source in self.others:
            sources.append(source)
            numbers.append(torch.randint(len(source), (count,), generator=rng))
        for source in sources:
            source.size = self.size
        batches = [source.batch(some, rng) for source, some in zip(sources, numbers, strict=True)]
        of = ["", *(style for style, _ in self.others)]
        clips = torch.cat([batch.clips for batch in batches])
        by_style = {style: _targets_of(style, of, batches) for style in ("", *self.styles)}
        labels = [
            batch.labels if not style else torch.full_like(batch.labels, -1)
            for style, batch in zip(of, batches, strict=True)
        ]
        return Batch(clips, by_style.pop(""), torch.cat(labels), by_style, _signals_of(batches))


def _targets_of(style: str, of: Sequence[str], batches: Sequence[Batch]) -> Float[Tensor, "b c"]:
    parts = zip(of, batches, strict=True)
    return torch.cat(
        [batch.targets if own == style else torch.full_like(batch.targets, math.nan) for own, batch in parts]
    )


def _signals_of(batches: Sequence[Batch]) -> dict[str, Float[Tensor, "b k"]]:
    """Those of all batches, NaN for the items of the sets that do not have them."""
    widths = {name: numbers.shape[1] for batch in batches for name, numbers in batch.signals.items()}
    blank = {
        name: [torch.full((len(batch.labels), wide), math.nan) for batch in batches] for name, wide in widths.items()
    }
    return {
        name: torch.cat([batch.signals.get(name, none) for batch, none in zip(batches, blank[name], strict=True)])
        for name in widths
    }


class MovingFaces(Source):
    """Clips made of single faces, some of which change into another face: what they show is what the middle shows.

    Args:
        rows: images.
        recognizer: whose landmark net finds how faces are laid on each other.
        frames: of a clip.
        motion: what moves, and how far.
    """

    def __init__(self, rows: Manifest, recognizer: Recognizer, frames: int, motion: Motion) -> None:
        super().__init__(rows, recognizer.preprocessing.input_size)
        self.frames, self.motion = frames, motion
        self.images = faces_of(rows, recognizer.preprocessing)
        crops = self.images.expand(-1, 3, -1, -1)
        self.points = torch.cat([recognizer.points(part) for part in crops.split(POINTS_AT_ONCE)])  # type: ignore[no-untyped-call]
        names = rows.labels.labels
        neutral = names.index("neutral") if "neutral" in names else -2
        self.neutral = torch.from_numpy(np.flatnonzero(self.labels.numpy() == neutral))

    def batch(self, given: Batch | Int64[Tensor, " b"], rng: torch.Generator) -> Batch:
        """Clips of some faces, each perhaps coming from or going over to another."""
        assert isinstance(given, Tensor)
        others = torch.randint(len(self), (len(given),), generator=rng)
        if len(self.neutral):
            neutral = self.neutral[torch.randint(len(self.neutral), (len(given),), generator=rng)]
            wanted = torch.rand(len(given), generator=rng) < self.motion.neutral
            others = torch.where(wanted, neutral, others)
        with torch.autocast("cpu", enabled=False):  # the arithmetic of places and pixels stays in float32
            clips, share = moving_clips(
                self.images[given].float() / 255,
                self.images[others].float() / 255,
                laid_on(self.points[given], self.points[others]),
                self.frames,
                self.size,
                self.motion,
                rng,
            )
        targets = torch.lerp(self.targets[others], self.targets[given], share[:, None])
        return Batch(clips, targets, targets.argmax(1))


def _no_larger(image: UInt8[np.ndarray, "3 h w"], side: int) -> UInt8[np.ndarray, "3 _ _"]:
    if min(image.shape[1:]) <= side:
        return image
    small = cv2.resize(image.transpose(1, 2, 0), (side, side), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small.transpose(2, 0, 1))


def faces_of(rows: Manifest, preprocessing: Preprocessing) -> UInt8[Tensor, "n c h w"]:
    """All images of a set in memory, larger ones as small as the network's crops; one channel of luma where it is shown
    grey ones.

    Raises:
        DataError: an item that is no single image, or images of several sizes.
    """
    images = []
    for row in rows.rows:
        if row.kind not in ("image", "array"):
            raise DataError("single faces", f"{row.id}, a {row.kind}", "use the recipe for clips")
        images.append(_no_larger(read_clip(rows, row)[0], preprocessing.crop_size))
        if images[-1].shape != images[0].shape:
            got = f"{images[-1].shape[1:]} and {images[0].shape[1:]} in {rows.name}"
            raise DataError("faces of one size", got, "crop them with `mien prepare`, or use the recipe for clips")
    whole = torch.from_numpy(np.stack(images))
    if preprocessing.colour == "rgb":
        return whole
    parts = whole.split(CONVERTED_AT_ONCE)  # type: ignore[no-untyped-call]
    return torch.cat([to_colour(part.float(), preprocessing).round().to(torch.uint8) for part in parts])
