"""A model in use: a source goes in, a :class:`~mien.report.result.Result` comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Float, UInt8

from mien.analysis.covers import REASON, too_covered, warnings
from mien.analysis.current import Now, follow_live
from mien.analysis.filters import filtered
from mien.analysis.fitting import demand_fit
from mien.analysis.held import pickled, unpickled
from mien.analysis.live import LiveSpans
from mien.analysis.plugins import PlugIns
from mien.analysis.provenance import engine_facts, provenance
from mien.analysis.reading import FrameClock, Reading, read
from mien.analysis.reunion import renamed
from mien.analysis.settings import AnalysisSettings
from mien.analysis.smoothing import (
    SpanRule,
    TrackReadings,
    frame_probabilities,
    frame_signals,
    track_spans,
)
from mien.analysis.state import demand_unchanged, state_of
from mien.analysis.turned import TURNED, turned
from mien.analysis.upright import leaning
from mien.core.errors import ConfigError
from mien.core.forks import library_work
from mien.core.settings import thread_count
from mien.core.table import FaceTable
from mien.core.types import FaceRow, Frame, Prediction, Span
from mien.models.network import LandmarkNetwork, Network, as_it_speaks, with_signals
from mien.report.frames import FrameTable
from mien.report.result import Result

if TYPE_CHECKING:
    from mien.analysis.sound import Ears
    from mien.engines.opening import Backend
    from mien.faces import Detector
    from mien.media import Source, SourceInfo
    from mien.models.record import ModelRecord
    from mien.report.points import PointFinder

Progress = Callable[[int, int | None, float], None]
"""Called after every frame with: frames done, frames in all (None when unknown), seconds of video done."""
STANDARD_RATE = 25.0
AHEAD = 16
"""Frames whose faces are found while the network is busy: more than it is given in one call (a batch of 2 windows has
about 10 new ones), so that neither waits for the other."""


def load(
    name: str | Path | None = None,
    backend: Backend = "auto",
    *,
    prior: str | None = None,
    signals: Iterable[str] = (),
    sound: str | Path | None = None,
    plugins: PlugIns | None = None,
    trial: bool = False,
    say: Callable[[str], None] | None = None,
) -> ExpressionModel:
    """The model to analyse with.

    Args:
        name: a model's name, a weights file, or a folder with one; an ``.onnx`` or ``.xml`` file of `mien export`;
            None for the default that mien ships.
        backend: the engine that runs it: ``torch``, ``onnx``, ``openvino``; ``auto`` takes the one that an earlier
            trial found fastest on this machine (`mien doctor --engines`), else PyTorch.
        prior: which shares of the expressions its answers expect: ``trained``, those of its training set; ``balanced``,
            none before another, where the weights know how; None: as the weights say.
        signals: what it is to say beside the expression, such as ``affect``: valence and arousal, derived from the
            expression (:data:`mien.models.network.SIGNALS`). What the weights say themselves (:mod:`mien.core.facial`)
            needs no asking; ``expression`` leaves it out but for what is named.
        sound: weights of `mien train sound`: films are listened to as well, and what is heard is fused with what is
            seen, see :mod:`mien.analysis.sound`. None: nothing is.
        plugins: nets of your own beside the model; None: none.
        trial: with ``auto``, make that trial now when there was none (about a minute).
        say: told in a line what takes long.

    Raises:
        WeightsError: the weights are missing or torn.
        ConfigError: no model, backend, prior or signal has that name, the signal does not follow from the labels, or
            the sound net was fitted to another model.
        MissingDependencyError: the backend that was named is not installed.
    """
    with library_work:
        from mien.engines.opening import open_model

    names = tuple(signals)
    network = open_model(name, backend, prior=prior, signals=names, trial=trial, say=say)
    ears = None if sound is None else _ears(Path(sound), network.record)
    return ExpressionModel(with_signals(network, names), ears, plugins)


def _ears(path: Path, record: ModelRecord) -> Ears:
    with library_work:
        from mien.analysis.joined import ears_of

        return ears_of(path, record)


class ExpressionModel:
    """Reads expressions with one set of weights.

    Threads may share it. It goes to other processes by fork, or by pickle, and then loads its weights again there.

    Args:
        network: the loaded weights.
        ears: a sound net fitted to them; None: nothing is listened to.
        plugins: put around the network; None: nothing is.

    Attributes:
        plugins: likewise.
    """

    def __init__(self, network: Network, ears: Ears | None = None, plugins: PlugIns | None = None) -> None:
        self.plugins = plugins or PlugIns()
        self._held: Network | bytes = self.plugins.around(as_it_speaks(network))
        self._ears: Ears | bytes | None = ears

    @property
    def _network(self) -> Network:
        return cast("Network", unpickled(self, "_held"))

    @property
    def ears(self) -> Ears | None:
        """The sound net beside the network."""
        return cast("Ears | None", unpickled(self, "_ears"))

    def __getstate__(self) -> dict[str, Any]:
        # As bytes, opened at first use: multiprocessing's own way for a tensor needs open files, which a fresh process
        # does not get, and that process must know its number of threads before.
        return {**self.__dict__, "_held": pickled(self._held), "_ears": self._ears and pickled(self._ears)}

    @property
    def engine(self) -> dict[str, str | None]:
        """What computes the answers: name, version, precision."""
        return engine_facts(self._network)

    @property
    def record(self) -> ModelRecord:
        """What the weights say about themselves: labels, preprocessing, scores, licence, hash."""
        return self._network.record

    def analyze(
        self,
        source: Any,
        settings: AnalysisSettings | None = None,
        progress: Progress | None = None,
        detector: Detector | None = None,
        *,
        bgr: bool = False,
    ) -> Result:
        """Who shows what, when, in ``source``.

        Memory does not grow with the source's length but for the table of faces, about 280 bytes a face and frame.
        A still picture gives one span a face, from 0.0 to 0.0 s.

        Args:
            source: whatever :func:`mien.media.open` takes: path, folder, glob, list, camera number, URL; or pixels in
                RGB: array, tensor, PIL image, a list or generator of them.
            settings: how to look; defaults when None.
            progress: called after every frame.
            detector: used instead of the one ``settings.faces`` names.
            bgr: the arrays' colours lie as blue, green, red, as OpenCV reads them.

        Raises:
            SourceError: the source cannot be read, or its file was written to or replaced meanwhile. A source without a
                face is no error: its result has no spans.
        """
        settings = settings or AnalysisSettings()
        demand_fit(self.record, settings)
        state = state_of(source)
        if bgr:
            from mien.media.arrays import Pictures

            source = Pictures(source, bgr)
        with _opened(source, settings) as frames:
            notes = _Notes(self.record, frames.info)
            reunion = None if frames.info.pictures else self.plugins.reunion()
            ahead = AHEAD if thread_count() > 1 else 0
            pictures = frames.info.pictures
            with closing(read(frames, self._network, settings, settings.batch, detector, ahead, pictures)) as readings:
                for reading in readings:
                    notes.add(reading)
                    if reunion is not None:
                        reunion.see(reading.crops)
                    if progress is not None and reading.frame is not None:
                        progress(notes.frames_done, frames.expected, reading.frame.time)
            info, problems = replace(frames.info, sizes=tuple(frames.sizes)), list(frames.problems)
            notes.end = frames.end
        heard = {} if self.ears is None else notes.hear(self.ears, source, settings, detector)
        rule = self._rule(settings)
        used = detector.name if detector is not None else settings.faces.detector
        facts = provenance(self.record, self.engine, settings, source, used, rule.threshold) | self.plugins.facts
        demand_unchanged(source, state)
        if reunion is not None:
            notes.rename(reunion.persons())
        spans = notes.spans(rule, settings)
        return Result(
            source=info,
            labels=self.record.labels,
            spans=spans,
            frames=FrameTable(notes.table, spans, self.record.labels.labels),
            provenance={**facts, **heard, "problems": [*problems, *notes.problems, *warnings(notes.table)]},
            compound=settings.compounds,
            origin=source,
            selection=settings.selection,
            landmarker=self._landmarker(),
        )

    def _landmarker(self) -> PointFinder | None:
        if not isinstance(self._network, LandmarkNetwork):
            return None
        with library_work:
            from mien.report.points import PointFinder

        return PointFinder(self._network.points, self.record.preprocessing.crop_size)

    def predict(self, clips: UInt8[np.ndarray, "b t 3 h w"]) -> Float[np.ndarray, "b c"]:
        """Probabilities of aligned face crops: the network alone, without detection or smoothing.

        Args:
            clips: RGB crops as :func:`mien.faces.align` makes them, square; a single clip is ``clip[None]``.

        Returns:
            One row a clip, in the order of ``record.labels``; rows sum to 1.

        Raises:
            ConfigError: another type, number of axes, or shape.
        """
        expected = "uint8 clips of shape (b, t, 3, h, h), RGB"
        if not isinstance(clips, np.ndarray) or clips.dtype != np.uint8:
            got = f"{clips.dtype} values" if isinstance(clips, np.ndarray) else type(clips).__name__
            raise ConfigError(expected, got, "give the crops as uint8 in 0..255; mien normalises them itself")
        if clips.ndim != 5 or clips.shape[2] != 3 or clips.shape[3] != clips.shape[4]:
            raise ConfigError(expected, f"shape {clips.shape}", "add axes with clip[None], or move colour to axis 2")
        if not clips.size:
            raise ConfigError(expected, f"no pixel in shape {clips.shape}", "leave the call out when there is no clip")
        return self._network.probabilities(clips)

    def watch(
        self, camera: Any = 0, settings: AnalysisSettings | None = None, detector: Detector | None = None
    ) -> Iterator[Span]:
        """Spans as they end, a second or two behind, for as long as the source lasts.

        Args:
            camera: a camera's number, an URL, or any other source.
            settings: how to look; defaults when None.
            detector: used instead of the one ``settings.faces`` names.
        """
        settings = self._for_live(settings)
        _, window, step = settings.pace(self.record)
        live = LiveSpans(self._rule(settings), window, step)
        with _opened(camera, settings) as frames:
            for reading in read(frames, self._network, settings, 1, detector, pictures=frames.info.pictures):
                yield from live.push(reading)

    def live(
        self, frames: Iterable[Frame], settings: AnalysisSettings | None = None, detector: Detector | None = None
    ) -> Iterator[Now]:
        """What every face shows at each frame, and the spans that end, while the frames still come.

        Args:
            frames: in order of time, such as a :class:`mien.media.newest.Newest`, which drops what is too late.
            settings: how to look; defaults when None.
            detector: used instead of the one ``settings.faces`` names.
        """
        settings = self._for_live(settings)
        return follow_live(frames, self._network, self._rule(settings), settings, detector)

    def _rule(self, settings: AnalysisSettings) -> SpanRule:
        threshold = self.record.calibration.threshold if settings.threshold is None else settings.threshold
        return SpanRule(self.record.labels.labels, threshold, settings.min_span, settings.faces.max_gap)

    def _for_live(self, settings: AnalysisSettings | None) -> AnalysisSettings:
        """Settings that can be followed while the source runs."""
        settings = settings or AnalysisSettings()
        late = {
            "--sound": self.ears is not None,
            "--compound": settings.compound,
            f"--filter {settings.filter}": settings.filter != "none",
            "--most-yaw": settings.most_yaw is not None,
            "--covered": settings.covered is not None,
            "--embedder-file": self.plugins.persons.embedder_file is not None,
        }
        if any(late.values()):
            got = next(name for name, on in late.items() if on)
            fix = "leave it out, or record it and use `mien analyze`"
            raise ConfigError("settings that need no more than what was seen so far", got, fix)
        return replace(settings, sparse=False)


def _opened(source: Any, settings: AnalysisSettings) -> Source:
    with library_work:
        from mien import media

        opened = media.open(source, selection=settings.selection)
    opened.lazy = settings.sparse
    return opened


class _Notes:
    """What is kept of a source while it streams by: the table, the clock, and every window's answer.

    Attributes:
        end: seconds at which the last frame gives way, once the source has said so.
        problems: of the sound, and why none was heard.
    """

    end: float | None = None

    def __init__(self, record: ModelRecord, info: SourceInfo) -> None:
        self.problems: list[str] = []
        self._info = info
        self.table = FaceTable(len(record.labels), record.signals)
        still = info.kind == "image"
        self._clock = FrameClock(0.0 if still else 1 / (info.frame_rate or STANDARD_RATE))
        self._predictions: dict[int, list[Prediction]] = {}

    @property
    def frames_done(self) -> int:
        return len(self._clock)

    def rename(self, persons: Mapping[int, int]) -> None:
        """Tracks of one person become one."""
        self.table.rename(persons)
        self._predictions = renamed(self._predictions, persons)

    def add(self, reading: Reading) -> None:
        if reading.frame is not None:
            self._clock.tick(reading.frame)
        for crop in reading.crops:
            self.table.append(FaceRow(crop.index, crop.time, crop.track, crop.face, crop.quality, None))
        for prediction in reading.predictions:
            self._predictions.setdefault(prediction.track, []).append(prediction)

    def hear(self, ears: Ears, source: object, settings: AnalysisSettings, detector: Detector | None) -> dict[str, Any]:
        """Fuse every window's answer with the sound around it; what the provenance says of it."""
        every = [one for track in self._predictions.values() for one in track]
        looks = [(one.start, one.end) for one in every]
        sounds = ears.hear(source, self._info, looks, settings, detector)
        self._predictions, facts = ears.fused(self._predictions, sounds)
        alone = every and not facts["windows"]["fused"]
        why = sounds.facts.get("why") or (alone and "no window with a single face and a sound")
        self.problems += [*sounds.problems, *([f"the picture alone answers: {why}"] if why else [])]
        return {"sound": facts}

    def spans(self, rule: SpanRule, settings: AnalysisSettings) -> tuple[Span, ...]:
        """Smooth every track, write its probabilities into the table, and cut it into spans."""
        self.table.sort()
        if not len(self.table):
            return ()
        tracks = self.table.column("track")
        rows_of_tracks = np.split(
            order := np.argsort(tracks, kind="stable"), np.flatnonzero(np.diff(tracks[order])) + 1
        )
        starts, codes = self.table.column("time"), self.table.column("reason")
        indices, points = self.table.column("index"), self.table.column("points")
        ends, places = self._clock.ends(indices, self.end), self._clock.places(indices)
        spans: list[Span] = []
        for rows in rows_of_tracks:
            track, readable = int(tracks[rows[0]]), codes[rows] == 0
            reasons = [self.table.reasons[code] for code in codes[rows]]
            probabilities = np.full((len(rows), self.table.classes), np.nan)
            if readable.any():
                asked = rows[readable]
                probabilities[readable] = frame_probabilities(starts[asked], ends[asked], self._predictions[track])
                signals = frame_signals(starts[asked], ends[asked], self._predictions[track])
                signals = leaning(self.table.signals, signals, points[asked])
                gates = {
                    TURNED: turned(self.table.signals, signals, settings.most_yaw),
                    REASON: too_covered(self.table.signals, signals, settings.covered),
                }
                there, gone = np.flatnonzero(readable), np.zeros(len(asked), np.bool_)
                for reason, away in gates.items():
                    for place in there[away]:
                        probabilities[place], readable[place], reasons[place] = np.nan, False, reason
                    self.table.leave(asked[away], reason)
                    gone |= away
                asked, signals = asked[~gone], signals[~gone]
            seen = TrackReadings(track, starts[rows], ends[rows], probabilities, reasons, places[rows])
            seen = filtered(seen, rule, settings.filter, settings.filter_width)
            if readable.any():
                self.table.set_probabilities(asked, seen.probabilities[readable], signals)
            spans += track_spans(seen, rule)
        return tuple(sorted(spans, key=lambda span: (span.start, span.track)))
