"""From a source to the clips worth explaining: for every face the one whose label is surest, or the one at a moment.

Faces are followed and windows cut by :func:`mien.analysis.reading.see`, as in an analysis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.analysis.reading import see
from mien.analysis.settings import AnalysisSettings
from mien.core.absence import LEAST_MISSED
from mien.core.errors import ConfigError
from mien.core.types import FaceClip, Frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mien.faces import Detector
    from mien.media import SourceInfo
    from mien.models.zoo import LoadedModel

Progress = Callable[[int, int | None, float], None]
"""Called after every frame with: frames done, frames in all (None when unknown), seconds of video done."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """The clips to explain.

    Attributes:
        source: what was looked at.
        clips: one a face, by number; empty where no face could be read.
        faces: numbers of all faces that could be read.
        problems: damage met in the file.
    """

    source: SourceInfo
    clips: tuple[FaceClip, ...]
    faces: tuple[int, ...]
    problems: list[str] = field(default_factory=list)


def choose_clips(
    source: Any,
    model: LoadedModel,
    settings: AnalysisSettings | None = None,
    at: float | None = None,
    track: int | None = None,
    detector: Detector | None = None,
    progress: Progress | None = None,
) -> Chosen:
    """One clip a face of ``source``. Memory holds one clip a face.

    Args:
        source: whatever :func:`mien.media.open` takes.
        model: tells how sure the label of a clip is.
        settings: how to look; defaults when None.
        at: seconds; take the clip whose middle is nearest, of those that show this moment, instead of the surest.
        track: number of the only face to explain; None for all.
        detector: used instead of the one ``settings.faces`` names.
        progress: called after every frame.

    Raises:
        SourceError: the source cannot be read.
        ConfigError: there is no face ``track``, or ``at`` is negative.
    """
    from mien import media

    if at is not None and at < 0:
        raise ConfigError("a moment of 0 s or later", f"{at} s", "give seconds as players show them")
    settings = settings or AnalysisSettings()
    reach = settings.pace(model.record).window + settings.faces.max_gap
    best = _Best(model, settings.batch, at, track)
    with media.open(source, selection=settings.selection) as frames:
        seen = _counted(frames, frames.expected, progress)
        for one in see(_until(seen, at, reach), model.record, settings, detector, pictures=frames.info.pictures):
            for clip in one.clips:
                best.add(clip)
        info, problems = frames.info, list(frames.problems)
    clips = best.clips()
    if track is not None and best.faces and track not in best.faces:
        known = ", ".join(map(str, sorted(best.faces)))
        raise ConfigError(f"the number of a face: {known}", str(track), "choose one of them, or leave --track out")
    return Chosen(info, clips, tuple(sorted(best.faces)), problems)


def _counted(frames: Iterable[Frame], total: int | None, progress: Progress | None) -> Iterator[Frame]:
    for done, frame in enumerate(frames, 1):
        yield frame
        if progress is not None:
            progress(done, total, frame.time)


def _until(frames: Iterable[Frame], at: float | None, reach: float) -> Iterator[Frame]:
    """Frames up to where no window that shows ``at`` can begin any more, nor a face seen there be still unconfirmed."""
    later = 0
    for frame in frames:
        later += at is not None and frame.time > at
        if at is not None and later > LEAST_MISSED and frame.time > at + reach:
            return
        yield frame


class _Best:
    """Keeps of every face the clip that is worth most."""

    def __init__(self, model: LoadedModel, batch: int, at: float | None, track: int | None) -> None:
        self._model, self._batch, self._at, self._track = model, batch, at, track
        self._waiting: list[FaceClip] = []
        self._kept: dict[int, tuple[float, FaceClip]] = {}
        self.faces: set[int] = set()

    def add(self, clip: FaceClip) -> None:
        """Take in a clip."""
        self.faces.add(clip.track)
        if self._track not in (None, clip.track):
            return
        if self._at is not None:
            if clip.start <= self._at < clip.end or clip.start == clip.end == self._at:
                self._weigh(clip, -abs((clip.start + clip.end) / 2 - self._at))
            return
        self._waiting.append(clip)
        if len(self._waiting) == self._batch:
            self._ask()

    def clips(self) -> tuple[FaceClip, ...]:
        """The clips kept, by face."""
        self._ask()
        return tuple(self._kept[track][1] for track in sorted(self._kept))

    def _ask(self) -> None:
        if self._waiting:
            rows = self._model.probabilities(np.stack([clip.images for clip in self._waiting]))
            for clip, row in zip(self._waiting, rows, strict=True):
                self._weigh(clip, float(row.max()))
            self._waiting.clear()

    def _weigh(self, clip: FaceClip, worth: float) -> None:
        if clip.track not in self._kept or worth > self._kept[clip.track][0]:
            self._kept[clip.track] = worth, clip
