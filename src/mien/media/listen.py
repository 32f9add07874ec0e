"""What a film sounds like: mono at 16 kHz, at times on the film's own clock, as it streams by.

The clock is that of the pictures (:func:`mien.media.streams.clock_zero`), so that a window of sound lies around the
frames that it belongs to: sound that starts late starts late here too, gaps stay gaps, and what encoders put before 0.0
is left out. Memory holds a packet and a window, whatever the length of the film.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard, Disposition
from jaxtyping import Float32

from mien.core.errors import ConfigError
from mien.core.names import printable
from mien.media.clock import RESTART_SECONDS
from mien.media.streams import NO_FILM, choose_stream, clock_zero, open_container

RATE = 16_000
"""Samples a second of all that is listened to."""
RESYNC = 0.05
"""Seconds by which a stamp may leave the count of samples: Matroska rounds to a millisecond, and clocks drift."""
LEAST_PEAK = 1e-4
"""Of full scale (-80 dB): a window that stays below is silence."""
LEAST_HEARD = 0.5
"""Share of a window of which there must be sound."""
HOLE = 10 * RATE
"""Samples of a gap that are held at once."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of sound without a gap.

    Attributes:
        start: of its first sample, seconds on the film's clock, >= 0.
        wave: the mean of the channels, full scale being -1 to 1.
    """

    start: float
    wave: Float32[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Window:
    """The sound around a moment.

    Attributes:
        time: its middle, seconds on the film's clock.
        wave: zero where the film has no sound.
        heard: share of it of which the film has sound, 0 to 1.
    """

    time: float
    wave: Float32[np.ndarray, " n"]
    heard: float

    @property
    def audible(self) -> bool:
        """Whether there is something to hear: sound for at least half of it, and not only silence."""
        return self.heard >= LEAST_HEARD and float(np.abs(self.wave).max(initial=0.0)) >= LEAST_PEAK


class Listener:
    """The sound of a film, once: ``with Listener("talk.mp4") as heard: for piece in heard.pieces(): ...``.

    Args:
        source: a film, or sound alone.
        number: of the video stream whose clock counts; None: the one that players show.

    Raises:
        SourceError: the file cannot be opened. A film without sound is no error: it has no pieces.

    Attributes:
        streams: how many audio streams there are. The one marked as default is heard, else the first.
        stream: its number among them; None where there is none.
        problems: damage met so far, one sentence each.
    """

    def __init__(self, source: str | os.PathLike[str], number: int | None = None) -> None:
        self._name = printable(Path(source).name)
        self._container: InputContainer = open_container(f"file:{os.fspath(source)}", self._name)
        self.problems: list[str] = []
        try:
            streams = self._container.streams.audio
            self.streams = len(streams)
            known = [place for place, one in enumerate(streams) if one.codec_context is not None]
            marked = [place for place in known if streams[place].disposition & Disposition.default]
            self.stream: int | None = next(iter(marked or known), None)
            self._zero = _zero(self._container, self._name, number)
            for one in self._container.streams:
                one.discard = Discard.all
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Free the file."""
        self._container.close()

    def pieces(self) -> Iterator[Piece]:
        """The sound in order of time; pieces never overlap."""
        if self.stream is None:
            return
        stream = self._container.streams.audio[self.stream]
        stream.discard = Discard.default
        chain, end, shift = _Chain(), 0, Fraction(0)
        for frame in self._decoded(stream):
            if frame is None or not frame.samples:
                continue
            expected = chain.reached
            time = expected if frame.pts is None else float(_seconds(frame, stream) - self._zero + shift)
            if expected is not None and time is not None and time < expected - RESTART_SECONDS:
                shift += Fraction(expected - time)  # a clock that began again, as in films joined end to end
                time = expected
            for piece in chain.take(frame, max(0.0, expected or 0.0) if time is None else time):
                end = yield from _after(end, piece)
        for piece in chain.rest():
            end = yield from _after(end, piece)

    def _decoded(self, stream: AudioStream) -> Iterator[AudioFrame]:
        """Every frame that can be decoded; what cannot is counted, and a broken container ends the sound."""
        packets, damaged = self._container.demux(stream), 0
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError) as error:
                self.problems.append(f"the sound breaks off: {error.strerror or 'it cannot be read further'}")
                packet = None
            if packet is None:
                break
            try:
                frames = stream.decode(packet)
            except av.error.FFmpegError:
                frames, damaged = [], damaged + 1
            yield from frames
        if damaged:
            self.problems.append(f"the sound is damaged: {damaged} packets could not be decoded")


def _zero(container: InputContainer, name: str, number: int | None) -> Fraction:
    """The stamp at which the film's clock shows 0: pictures that begin before the container's zero begin there."""
    zero = clock_zero(container)
    if all(stream.disposition & NO_FILM for stream in container.streams.video):
        return zero
    pictures, _ = choose_stream(container, name, number)
    if pictures.start_time is None or not pictures.time_base:
        return zero
    return min(zero, pictures.start_time * pictures.time_base)


def _seconds(frame: AudioFrame, stream: AudioStream) -> Fraction:
    return (frame.pts or 0) * (frame.time_base or stream.time_base or Fraction(1, frame.sample_rate))


def _after(end: int, piece: Piece) -> Generator[Piece, None, int]:
    """The piece without what was heard before sample ``end``, or lies before 0.0; the new end comes back."""
    first = round(piece.start * RATE)
    late = max(end - first, 0)
    if late < len(piece.wave):
        yield Piece((first + late) / RATE, piece.wave[late:])
    return max(end, first + len(piece.wave))


class _Chain:
    """From decoded frames that follow one another to mono at 16 kHz; begins anew at a gap or another format.

    Attributes:
        reached: seconds at which the frames taken so far end; None before the first.
    """

    def __init__(self) -> None:
        self.reached: float | None = None
        self._resampler: AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None
        self._start, self._made = 0.0, 0

    def take(self, frame: AudioFrame, time: float) -> Iterator[Piece]:
        """What can be said once this frame is there, which begins at ``time``."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self.reached is None or kind != self._kind or abs(time - self.reached) > RESYNC:
            yield from self.rest()
            self._resampler, self._kind = AudioResampler("fltp", frame.layout.name, RATE), kind
            self._start, self._made, self.reached = time, 0, time
        assert self._resampler is not None
        assert self.reached is not None
        self.reached += frame.samples / frame.sample_rate
        frame.pts = None  # counted here
        yield from self._pieces(self._resampler.resample(frame))

    def rest(self) -> Iterator[Piece]:
        """What the resampler still holds."""
        if self._resampler is not None:
            yield from self._pieces(self._resampler.resample(None))
            self._resampler = None

    def _pieces(self, frames: list[AudioFrame]) -> Iterator[Piece]:
        for frame in frames:
            wave = frame.to_ndarray().mean(0, dtype=np.float32)
            if len(wave):
                yield Piece(self._start + self._made / RATE, np.nan_to_num(wave))
                self._made += len(wave)


def filled(pieces: Iterable[Piece]) -> Iterator[tuple[Float32[np.ndarray, " n"], bool]]:
    """Stretches that follow each other from 0.0 on: the pieces, True, and zeros where there is none, False."""
    end = 0
    for piece in pieces:
        while (gap := round(piece.start * RATE) - end) > 0:  # by and by: a gap may last hours
            yield np.zeros(min(gap, HOLE), np.float32), False
            end += min(gap, HOLE)
        yield piece.wave, True
        end += len(piece.wave)


def windows(pieces: Iterable[Piece], seconds: float, step: float) -> Iterator[Window]:
    """Windows whose middles are 0, ``step``, 2 ``step``, ... seconds, up to where the sound ends.

    Args:
        pieces: in order of time.
        seconds: length of a window, above 0.
        step: from one middle to the next, above 0 and at most ``seconds``.
    """
    size, hop = round(seconds * RATE), round(step * RATE)
    if not 0 < hop <= size:
        raise ConfigError(f"a step above 0 and at most the window's {seconds} s", f"{step} s", "change one of them")
    held = _Held(size, hop)
    for wave, known in filled(pieces):
        yield from held.add(wave, known)
    if held.end:
        yield from held.add(np.zeros(size - size // 2, np.float32), False)


class _Held:
    """The last window's worth of samples."""

    def __init__(self, size: int, hop: int) -> None:
        self._size, self._hop = size, hop
        self._wave, self._known = np.zeros(size // 2, np.float32), np.zeros(size // 2, np.bool_)
        self._first = -(size // 2)

    @property
    def end(self) -> int:
        """Number of the sample that comes next."""
        return self._first + len(self._wave)

    def add(self, wave: Float32[np.ndarray, " n"], known: bool) -> Iterator[Window]:
        """The windows that are complete with these samples."""
        self._wave = np.concatenate([self._wave, wave])
        self._known = np.concatenate([self._known, np.full(len(wave), known)])
        begin = 0
        while begin + self._size <= len(self._wave):
            part = slice(begin, begin + self._size)
            middle = (self._first + begin + self._size // 2) / RATE
            yield Window(middle, self._wave[part].copy(), float(self._known[part].mean()))
            begin += self._hop
        self._wave, self._known = self._wave[begin:], self._known[begin:]
        self._first += begin
