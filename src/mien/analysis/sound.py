"""The sound of a film beside its pictures: late fusion of what a sound net hears with what the network sees.

The film is listened to once more, as it streams, a window every 0.1 s; the net's answers to them are kept, some
60 bytes each. The answer to a window of faces is fused with that to the sound around its middle. It stays the picture's
to the last bit where there is no sound or silence, and where several faces are read at once: whose voice it is nobody
knows, and one person's laughter must not become another's expression.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float64

from mien.analysis.state import source_files
from mien.core.errors import ConfigError, SourceError
from mien.core.forks import library_work
from mien.core.labels import canonical
from mien.core.signals import places
from mien.core.types import Prediction
from mien.media.files import is_pipe
from mien.media.listen import Listener, windows
from mien.media.source import SourceInfo
from mien.models.joined import JoinedModel
from mien.models.record import ModelRecord
from mien.models.sound_net import SoundModel

if TYPE_CHECKING:
    from mien.analysis.settings import AnalysisSettings
    from mien.faces import Detector

STEP = 0.1
"""Seconds from one window of sound to the next."""
AT_ONCE = 64
"""Windows the net hears in one call."""


@dataclass(frozen=True, eq=False)
class Sounds:
    """What a sound net says of a film.

    Attributes:
        facts: which net, which stream, how much was heard and, where nothing was, why: for the provenance.
        probabilities: a row a window, in the order of the picture model's labels, then the numbers of a scale that both
            say; the windows' middles are 0, 0.1, ...
        audible: whether there was something to hear.
        problems: of the sound, a sentence each.
        of_clips: where sound and picture are joined within the network: its answers to windows of faces with a sound,
            by track, start and end, in the place of ``probabilities``, which are none then.
    """

    facts: dict[str, Any]
    probabilities: Float64[np.ndarray, "k c"]
    audible: Bool[np.ndarray, " k"]
    problems: tuple[str, ...] = ()
    of_clips: dict[tuple[int, float, float], Float64[np.ndarray, " c"]] | None = None

    def beside(self, one: Prediction) -> Float64[np.ndarray, " c"] | None:
        """What was said of the sound around the middle of a window of faces; None without one."""
        place = round((one.start + one.end) / 2 / STEP)
        if not (0 <= place < len(self.audible) and self.audible[place]):
            return None
        return (
            self.probabilities[place] if self.of_clips is None else self.of_clips.get((one.track, one.start, one.end))
        )


class Ears:
    """A sound net beside a picture model.

    Args:
        model: the sound net, with the fusion.
        record: of the picture model.

    Raises:
        ConfigError: the fusion was fitted for another picture model, or another reading of it.
    """

    def __init__(self, model: SoundModel | JoinedModel, record: ModelRecord) -> None:
        known = model.record
        if known.picture_sha256 != record.sha256 or known.picture_prior != record.prior:
            looks = f"{known.picture} ({known.picture_sha256[:12]}), prior {known.picture_prior}"
            expected = f"the model that {known.name} was fitted to: {looks}"
            fix = "choose that with --model and --prior, or fit the sound anew with `mien train sound --picture`"
            raise ConfigError(expected, f"{record.name} ({record.sha256[:12]}), prior {record.prior}", fix)
        place = {canonical(name): number for number, name in enumerate(known.labels.labels)}
        if place.keys() != {canonical(name) for name in record.labels.labels}:
            expected = f"a sound net of the labels {', '.join(record.labels.labels)}"
            raise ConfigError(expected, ", ".join(known.labels.labels), "train one on a set with those labels")
        self.model = model
        self._columns = np.array([place[canonical(name)] for name in record.labels.labels])
        self._fuse = known.fusion.reordered(self._columns.tolist())
        self._plane = known.plane if known.plane and known.plane.signal in record.signals else None
        self._place = places(record.signals)[self._plane.signal.name] if self._plane else slice(0)
        scale = np.arange(len(self._plane.weights) if self._plane else 0)
        self._said = np.concatenate([self._columns, len(self._columns) + scale])

    @property
    def sha256(self) -> str:
        """Of the sound net's file."""
        return self.model.record.sha256

    def hear(
        self,
        origin: object,
        info: SourceInfo,
        looks: Sequence[tuple[float, float]],
        settings: AnalysisSettings,
        detector: Detector | None = None,
    ) -> Sounds:
        """What the film ``origin`` sounds like; nothing, and why, where it is no film or has no sound.

        Args:
            origin: what was given as the source.
            info: what it is.
            looks: from when to when faces were looked at, seconds; outside of them all nothing is listened to.
            settings: how they were looked at; its ``stream`` is the one whose clock counts.
            detector: likewise.
        """
        why = _unheard(origin, info) if looks else "no face that can be read"
        if why is not None:
            return self._nothing(why)
        (path,) = source_files(origin)
        try:
            with Listener(path, settings.stream) as listener:
                sounds = self._sounds(listener, looks, origin, settings, detector)
        except SourceError:  # its pictures were read by something else than FFmpeg
            return self._nothing("no sound stream")
        facts: dict[str, Any] = {"streams": listener.streams, "stream": listener.stream}
        if not sounds.audible.any():
            why = "no sound stream" if listener.stream is None else "nothing but silence"
            return replace(self._nothing(why, **facts), problems=tuple(listener.problems))
        facts = {**self._facts(), **facts, "heard": round(STEP * int(sounds.audible.sum()), 3)}
        return replace(sounds, facts=facts, problems=tuple(listener.problems))

    def _sounds(
        self,
        listener: Listener,
        looks: Sequence[tuple[float, float]],
        origin: object,
        settings: AnalysisSettings,
        detector: Detector | None,
    ) -> Sounds:
        """What is said of all that is heard, without facts."""
        answers, heard = self._answers(listener, min(looks)[0], max(end for _, end in looks))
        return Sounds({}, answers, heard)

    def _answers(
        self, listener: Listener, low: float, high: float
    ) -> tuple[Float64[np.ndarray, "k c"], Bool[np.ndarray, " k"]]:
        """The net's answers to the windows up to ``high`` seconds, NaN before ``low`` and in silence; which are not."""
        assert isinstance(self.model, SoundModel), "one that answers alone"
        rows: list[Float64[np.ndarray, "k c"]] = []
        heard: list[bool] = []
        parts = windows(listener.pieces(), self.model.record.config.seconds, STEP)
        within = takewhile(lambda window: window.time < high + STEP, parts)
        while some := list(islice(within, AT_ONCE)):
            audible = [window.audible and window.time > low - STEP for window in some]
            answer = np.full((len(some), len(self._said)), np.nan)
            if any(audible):
                waves = np.stack([window.wave for window, loud in zip(some, audible, strict=True) if loud])
                with library_work:
                    said = (self.model.answers if self._plane else self.model.probabilities)(waves)
                answer[np.array(audible)] = said[:, self._said]
            rows.append(answer)
            heard += audible
        return np.concatenate(rows) if rows else np.empty((0, len(self._said))), np.array(heard, np.bool_)

    def _facts(self) -> dict[str, Any]:
        record = self.model.record
        way = record.fusion.way if record.trunk is None else "bottleneck"
        return {"model": record.name, "sha256": record.sha256, "way": way}

    def _nothing(self, why: str, **facts: Any) -> Sounds:
        none = np.empty((0, len(self._said)))
        return Sounds({**self._facts(), **facts, "heard": 0.0, "why": why}, none, np.zeros(0, np.bool_))

    def fused(
        self, predictions: dict[int, list[Prediction]], sounds: Sounds
    ) -> tuple[dict[int, list[Prediction]], dict[str, Any]]:
        """The answers to windows of faces, by track, with the sound around their middles where that can be; and facts.

        A prediction that is not fused comes back as the same object.
        """
        every = [one for track in predictions.values() for one in track]
        several = dict(zip(map(id, every), _among_others(every), strict=True))
        count = {"fused": 0, "silent": 0, "several_faces": 0}

        def answer(one: Prediction) -> Prediction:
            heard = sounds.beside(one)
            if heard is None:
                count["silent"] += 1
                return one
            if several[id(one)]:
                count["several_faces"] += 1
                return one
            count["fused"] += 1
            classes = len(self._columns)
            both = self._fuse(one.probabilities[None].astype(np.float64), heard[None, :classes])[0]
            if self._plane is None:
                return replace(one, probabilities=both)
            signals = one.signals.copy()
            signals[self._place] = self._plane(one.signals[None, self._place], heard[None, classes:])[0]
            return replace(one, probabilities=both, signals=signals)

        found = {track: [answer(one) for one in some] for track, some in predictions.items()}
        used = "picture and sound" if count["fused"] else "picture alone"
        return found, {**sounds.facts, "answer": used, "windows": count}


def _unheard(origin: object, info: SourceInfo) -> str | None:
    """Why a source cannot be listened to; None where it can."""
    files = source_files(origin)
    if info.kind != "video" or len(files) != 1 or not os.path.isfile(files[0]):
        return "not a film in a file, which alone is listened to"
    return "a pipe, which passes once" if isinstance(origin, str | Path) and is_pipe(str(origin)) else None


def _among_others(predictions: Sequence[Prediction]) -> list[bool]:
    """Of every window, whether another track has one at the same time."""
    found = [False] * len(predictions)
    order = sorted(range(len(predictions)), key=lambda place: predictions[place].start)
    open_: list[int] = []
    for place in order:
        one = predictions[place]
        open_ = [other for other in open_ if predictions[other].end > one.start]
        for other in open_:
            if predictions[other].track != one.track:
                found[place] = found[other] = True
        open_.append(place)
    return found
