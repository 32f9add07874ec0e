"""One pass over a source: frames in; faces, and what the network says about their windows, out."""

from __future__ import annotations

from array import array
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int

from mien.analysis.ahead import work_ahead
from mien.analysis.answers import Answers
from mien.analysis.settings import AnalysisSettings
from mien.core.forks import library_work
from mien.core.types import NO_PIXELS, FaceClip, FaceCrop, Frame, Prediction
from mien.models.network import Network

if TYPE_CHECKING:
    from mien.faces import Detector
    from mien.models.record import ModelRecord


LOOKS = 1.5
"""Looks at a face for each crop that its windows ask for, at most: what is nearest to a place of a window is then never
further off than a third of the way to the next."""


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


@dataclass(frozen=True, eq=False)
class Seen:
    """What one frame brings before the network is asked.

    Attributes:
        frame: the frame; None for the end of the source.
        crops: the faces in it.
        clips: windows that are complete with it.
    """

    frame: Frame | None
    crops: list[FaceCrop]
    clips: list[FaceClip]


def see(
    frames: Iterable[Frame],
    record: ModelRecord,
    settings: AnalysisSettings,
    detector: Detector | None = None,
    ahead: int = 0,
    pictures: int = 0,
) -> Generator[Seen]:
    """Find faces and cut the windows that the network of ``record`` is asked about; arguments as in :func:`read`."""
    with library_work:
        from mien.clips.windows import Windows
        from mien.faces import follow

    pace = settings.pace(record)
    windows = Windows(*pace, settings.faces.max_gap)
    rate = LOOKS * pace.frames / pace.window if settings.sparse else inf
    followed = follow(frames, settings.faces, record.preprocessing.crop_size, detector, pictures, rate)
    with closing(work_ahead(map(_without_pixels, followed), ahead) if ahead else followed) as found:
        for frame, crops in found:
            clips = [clip for crop in crops for clip in windows.push(crop)]
            yield Seen(frame, crops, [*clips, *windows.frame_over(frame.time)])
    yield Seen(None, [], list(windows.finish()))


def read(
    frames: Iterable[Frame],
    network: Network,
    settings: AnalysisSettings,
    batch: int,
    detector: Detector | None = None,
    ahead: int = 0,
    pictures: int = 0,
) -> Generator[Reading]:
    """Find faces, cut windows of what can be read, and ask the network, ``batch`` windows at a time.

    Memory holds the crops of one window a face and one batch of windows, whatever the length of the source.

    Args:
        frames: in order of time.
        network: is asked.
        settings: how to look.
        batch: windows per call of the network.
        detector: used instead of the one ``settings.faces`` names.
        ahead: frames whose faces may be found, in a thread of their own, while the network is busy; 0: none, all in
            turn. The answer is the same. With a thread, frames come without their pixels (0 x 0), which would only
            wait; and the generator must be closed before the source is.
        pictures: how many still pictures the source is made of, 0 for a film; see :func:`mien.faces.stream.follow`.
    """
    # A lost face's last window comes when the gap is over.
    pace = settings.pace(network.record)
    answers = Answers(network, batch, reach=pace.window + settings.faces.max_gap)
    with closing(see(frames, network.record, settings, detector, ahead, pictures)) as seen:
        for one in seen:
            predictions = answers.push(one.clips)
            yield Reading(one.frame, one.crops, predictions + (answers.finish() if one.frame is None else []))


def _without_pixels(seen: tuple[Frame, list[FaceCrop]]) -> tuple[Frame, list[FaceCrop]]:
    frame, crops = seen
    return Frame(frame.index, frame.time, NO_PIXELS), crops


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

    def ends(self, indices: Int[np.ndarray, " n"], last: float | None = None) -> Float64[np.ndarray, " n"]:
        """Seconds at which the frames of these numbers give way to the next.

        Args:
            indices: numbers of frames that were noted.
            last: when the last frame gives way; None: it lasts as long as most do.
        """
        times = np.array(self._times)
        if last is None or last <= times[-1]:
            last = times[-1] + (float(np.median(np.diff(times))) if len(times) > 1 else self._nominal)
        ends: Float64[np.ndarray, " n"] = np.append(times[1:], last)[self.places(indices)]
        return ends

    def places(self, indices: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """The places of the frames of these numbers in the row of all frames looked at, from 0."""
        return np.searchsorted(np.array(self._indices), indices)
