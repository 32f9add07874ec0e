"""One pass over a source: frames in; faces, and what the network says about their windows, out."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float64, Int, UInt8

from mien.analysis.settings import AnalysisSettings
from mien.core.types import FaceClip, FaceCrop, Frame, Prediction

if TYPE_CHECKING:
    from mien.faces import Detector
    from mien.models.record import ModelRecord


@runtime_checkable
class Network(Protocol):
    """What analysis needs of a model; :class:`mien.models.zoo.LoadedModel` is one."""

    @property
    def record(self) -> ModelRecord:
        """Labels, preprocessing, clip length, threshold."""

    def probabilities(self, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float[np.ndarray, "b c"]:
        """Calibrated probabilities, one row a clip."""


@runtime_checkable
class LandmarkNetwork(Protocol):
    """A network that may also find landmarks."""

    def points(self, crops: UInt8[np.ndarray, "n 3 h w"], /) -> Float[np.ndarray, "n 68 2"]:
        """As shares of the crop's side; raises WeightsError where the weights hold no landmark net."""


@dataclass(frozen=True, eq=False)
class Reading:
    """News of one frame.

    Attributes:
        frame: the frame; None for the last reading, when the source has ended.
        crops: the faces in it.
        predictions: windows the network has answered since the reading before, of this and earlier frames.
    """

    frame: Frame | None
    crops: list[FaceCrop]
    predictions: list[Prediction]


def read(
    frames: Iterable[Frame],
    network: Network,
    settings: AnalysisSettings,
    batch: int,
    detector: Detector | None = None,
) -> Iterator[Reading]:
    """Find faces, cut windows of what can be read, and ask the network, ``batch`` windows at a time.

    Memory holds the crops of one window a face and one batch of windows, whatever the length of the source.
    """
    from mien.clips.windows import Windows
    from mien.faces import follow

    record, max_gap = network.record, settings.faces.max_gap
    windows = Windows(record.frames, settings.window, settings.stride)
    waiting: list[FaceClip] = []
    last_seen: dict[int, float] = {}
    for frame, crops in follow(frames, settings.faces, record.preprocessing.crop_size, detector):
        for crop in crops:
            waiting += windows.push(crop)
            last_seen[crop.track] = crop.time
        for track in [track for track, time in last_seen.items() if frame.time - time > max_gap]:
            waiting += windows.end(track)
            del last_seen[track]
        ready = len(waiting) - len(waiting) % batch
        yield Reading(frame, crops, _ask(network, waiting[:ready], batch))
        del waiting[:ready]
    yield Reading(None, [], _ask(network, waiting + windows.finish(), batch))


def _ask(network: Network, clips: list[FaceClip], batch: int) -> list[Prediction]:
    answers: list[Prediction] = []
    for begin in range(0, len(clips), batch):
        some = clips[begin : begin + batch]
        rows = network.probabilities(np.stack([clip.images for clip in some]))
        answers += [Prediction(clip.track, clip.start, clip.end, row) for clip, row in zip(some, rows, strict=True)]
    return answers


class FrameClock:
    """When every frame of a source ends: 16 bytes a frame.

    Args:
        nominal: seconds a frame lasts if it is the only one; 0.0 for a still.
    """

    def __init__(self, nominal: float = 0.0) -> None:
        self._nominal = nominal
        self._indices, self._times = array("q"), array("d")

    def __len__(self) -> int:
        return len(self._times)

    def tick(self, frame: Frame) -> None:
        """Note a frame; frames come in order."""
        self._indices.append(frame.index)
        self._times.append(frame.time)

    def ends(self, indices: Int[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        """Seconds at which the frames of these numbers give way to the next; the last one lasts as long as most do."""
        times = np.array(self._times)
        typical = float(np.median(np.diff(times))) if len(times) > 1 else self._nominal
        ends = np.append(times[1:], times[-1] + typical)
        return ends[np.searchsorted(np.array(self._indices), indices)]
