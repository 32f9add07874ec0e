"""Films heard and seen by one network: the answers of a picture model and a sound trunk joined in every block.

The picture model answers first, as ever. Then the film is read once more, faces and sound side by side, and the joined
network answers every window of faces that has a sound around its middle; the two answers are fused as those of a
picture model and a sound net are. It takes twice the time, and a minute of sound in memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien import media
from mien.analysis.reading import see
from mien.analysis.sound import STEP, Ears, Sounds
from mien.core.errors import ConfigError, InputError
from mien.core.forks import library_work
from mien.core.types import FaceClip
from mien.media.listen import Listener, Window, windows
from mien.models.find import find_weights
from mien.models.joined import JoinedModel, load_joined
from mien.models.record import ModelRecord
from mien.models.sound import read_sound_record
from mien.models.sound_net import load_sound

if TYPE_CHECKING:
    from mien.analysis.settings import AnalysisSettings
    from mien.faces import Detector

KEPT = 600
"""Windows of sound that are kept: a window of faces comes later than its middle by no more than such a minute."""


def ears_of(path: Path, record: ModelRecord) -> Ears:
    """What hears beside the picture model of ``record``, from weights of `mien train sound`.

    Raises:
        WeightsError: missing, torn, or not such weights.
        ConfigError: fitted to another picture model, or another reading of it.
    """
    if read_sound_record(path).trunk is None:
        return Ears(load_sound(path), record)
    # An exported model holds its weights folded; those that ship are there besides.
    try:
        picture = record.source if record.source.endswith(".safetensors") else str(find_weights(record.name))
    except InputError as error:
        fix = "name the .safetensors that it was exported from"
        raise ConfigError("the picture model's weights, for sound that is joined to it", record.source, fix) from error
    return JoinedEars(load_joined(path, picture), record)


class JoinedEars(Ears):
    """Sound joined to the picture in every block.

    Args:
        model: of both.
        record: of the picture model.

    Raises:
        ConfigError: as :class:`Ears`.
    """

    def __init__(self, model: JoinedModel, record: ModelRecord) -> None:
        super().__init__(model, record)
        self.joined, self._picture = model, record

    def _sounds(
        self,
        listener: Listener,
        looks: Sequence[tuple[float, float]],
        origin: object,
        settings: AnalysisSettings,
        detector: Detector | None,
    ) -> Sounds:
        along = _Along(windows(listener.pieces(), self.model.record.config.seconds, STEP))
        answers: dict[tuple[int, float, float], np.ndarray] = {}
        waiting: list[tuple[FaceClip, Window]] = []

        def answer() -> None:
            if waiting:
                waves, crops = (np.stack(part) for part in zip(*((w.wave, c.images) for c, w in waiting), strict=True))
                with library_work:
                    rows = self.joined.probabilities(waves, crops)[:, self._columns]
                for (clip, _), row in zip(waiting, rows, strict=True):
                    answers[clip.track, clip.start, clip.end] = row
                waiting.clear()

        with media.open(origin, selection=settings.selection) as frames:
            for seen in see(frames, self._picture, settings, detector, pictures=frames.info.pictures):
                for clip in seen.clips:
                    window = along.at((clip.start + clip.end) / 2)
                    if window is not None and window.audible:
                        waiting.append((clip, window))
                    if len(waiting) == settings.batch:
                        answer()
        answer()
        heard = np.array(along.audible, np.bool_)
        return Sounds({}, np.full((len(heard), len(self._columns)), np.nan), heard, of_clips=answers)


class _Along:
    """Windows of sound as far as pictures have come, and the last :data:`KEPT` of them."""

    def __init__(self, sound: Iterator[Window]) -> None:
        self._sound, self._kept = sound, deque[Window](maxlen=KEPT)
        self.audible: list[bool] = []

    def at(self, time: float) -> Window | None:
        """The one whose middle is nearest; None where there is no sound, or no longer."""
        place = round(time / STEP)
        while len(self.audible) <= place:
            window = next(self._sound, None)
            if window is None:
                return None
            self._kept.append(window)
            self.audible.append(window.audible)
        back = len(self.audible) - place
        return self._kept[-back] if back <= len(self._kept) else None
