"""What the network says of windows: waiting until a batch is full, and never looking at the same crop twice.

Windows overlap, so most crops lie in two of them. The outputs of an image model for a clip are the mean of its crops'
outputs (a mean of features, then linear heads; :attr:`mien.models.record.ModelRecord.averages`): it is given every crop
once, whatever the number of windows over it, and crops that no window picked never. A video model mixes its frames from
the first block on and sees every window whole, and so does an image model with a head that is not linear.

What an image model itself says beside the expression is kept of single crops too: a blink is over within a window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float64

from mien.core.types import FaceClip, Looks, Prediction
from mien.models.network import Network, outputs_of, said, values_of


class Answers:
    """Clips in as windows end, predictions out as batches fill, in the order of the clips.

    Memory holds one batch of clips, and for an image model the outputs of the last ``reach`` seconds.

    Args:
        network: is asked.
        batch: clips to wait for, >= 1; the network gets at most this many clips, or their crops, in one call.
        reach: seconds that a clip may go back behind the clips that came before it. A crop that is forgotten sooner
            than it is needed is given to the network again.
    """

    def __init__(self, network: Network, batch: int, reach: float) -> None:
        self._network, self._batch = network, batch
        self._waiting: list[FaceClip] = []
        self._classes = len(network.record.labels)
        self._crops = _CropOutputs(network, reach) if network.record.averages else None
        own = [not signal.derived_from for signal in network.record.signals for _ in signal.labels]
        self._own = np.array(own, np.bool_) if self._crops is not None else np.zeros(len(own), np.bool_)

    def push(self, clips: Sequence[FaceClip]) -> list[Prediction]:
        """Take clips; the predictions of every batch that is now full."""
        self._waiting += clips
        full = len(self._waiting) - len(self._waiting) % self._batch
        ready, self._waiting = self._waiting[:full], self._waiting[full:]
        return self._answer(ready)

    def finish(self) -> list[Prediction]:
        """The predictions of all clips that still wait."""
        ready, self._waiting = self._waiting, []
        return self._answer(ready)

    def _answer(self, clips: list[FaceClip]) -> list[Prediction]:
        answers: list[Prediction] = []
        for some in _chunks(clips, self._batch):
            if self._crops is None:
                rows = said(self._network, np.stack([clip.images for clip in some]))
                looks: list[Looks | None] = [None] * len(some)
            else:
                outputs = self._crops.of_clips(some)
                rows = values_of(self._network, np.stack([one.mean(0) for one in outputs]))
                looks = self._looks(some, outputs)
            answers += [self._prediction(*one) for one in zip(some, rows, looks, strict=True)]
        return answers

    def _looks(self, clips: list[FaceClip], outputs: list[Float64[np.ndarray, "t m"]]) -> list[Looks | None]:
        if not self._own.any():
            return [None] * len(clips)
        values = values_of(self._network, np.concatenate(outputs))[:, self._classes :]
        values = np.where(self._own, values, np.nan)
        parts = np.split(values, np.cumsum([len(one) for one in outputs])[:-1])
        return [Looks(clip.times, part) for clip, part in zip(clips, parts, strict=True)]

    def _prediction(self, clip: FaceClip, row: Float64[np.ndarray, " n"], looks: Looks | None) -> Prediction:
        return Prediction(clip.track, clip.start, clip.end, row[: self._classes], row[self._classes :], looks)


class _CropOutputs:
    """The outputs of an image model for the crops of the last ``reach`` seconds."""

    def __init__(self, network: Network, reach: float) -> None:
        self._network, self._reach = network, reach
        self._known: dict[tuple[int, int], tuple[float, Float64[np.ndarray, " m"]]] = {}

    def of_clips(self, clips: Sequence[FaceClip]) -> list[Float64[np.ndarray, "t m"]]:
        """A row a place of each clip; a crop that fills two of them has two, and so counts twice in the mean."""
        new = {
            key: (time, image)
            for clip in clips
            for key, time, image in zip(_keys(clip), clip.times.tolist(), clip.images, strict=True)
            if key not in self._known
        }
        if new:
            rows = outputs_of(self._network, np.stack([image for _, image in new.values()])[:, None])
            self._known |= {key: (time, row) for (key, (time, _)), row in zip(new.items(), rows, strict=True)}
        rows_of = [np.stack([self._known[key][1] for key in _keys(clip)]) for clip in clips]
        oldest = max(clip.end for clip in clips) - self._reach
        self._known = {key: (time, row) for key, (time, row) in self._known.items() if time >= oldest}
        return rows_of


def _keys(clip: FaceClip) -> list[tuple[int, int]]:
    """What names a crop: whose it is, and the frame it comes from."""
    return [(clip.track, index) for index in clip.indices]


def _chunks(clips: list[FaceClip], size: int) -> Iterator[list[FaceClip]]:
    for begin in range(0, len(clips), size):
        yield clips[begin : begin + size]
