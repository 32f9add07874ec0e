"""The sound of a video file, carried over to a new file on the pictures' clock: copied where it can be, else as AAC."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from mien.media.streams import clock_zero

MP4_CODECS = frozenset({"aac", "mp3", "opus", "flac"})
"""Copied into .mp4, .m4v and .mov: what browsers play from there. AC-3, ALAC and PCM would fit too, but stay silent."""
MKV_CODECS = MP4_CODECS | {"vorbis", "ac3", "eac3", "alac", "mp2", "dts", "pcm_s16le", "pcm_s24le"}
AAC_RATES = (48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
AAC_BITS = 64_000
"""Bits per second and channel of what is encoded anew."""
EARLIEST = -0.05
"""Seconds on the clock from which sound is kept: decoders warm up on what encoders put before 0.0."""


class Sound:
    """The first audio stream of a file, on its way into another file.

    Its times stay on the source's clock, as those of the pictures do: what was in step stays so.

    Args:
        source: the file with the sound.
        container: the open output; its video stream is there already, nothing was written yet.
        suffix: of the output, lower case, with its dot.

    Attributes:
        how: ``"aac, copied"``, ``"aac, from pcm_u8"``, or None where there is no sound.
        problem: why it ends early, or None.
    """

    def __init__(self, source: str | os.PathLike[str], container: OutputContainer, suffix: str) -> None:
        self.how: str | None = None
        self.problem: str | None = None
        self._output = container
        self._input: InputContainer = av.open(f"file:{os.fspath(source)}")
        self._pending: list[tuple[float, Packet[AudioStream]]] = []
        self._packets: Iterator[tuple[float, Packet[AudioStream]]] = iter(())
        if not self._input.streams.audio:
            return
        zero = clock_zero(self._input)
        stream = self._input.streams.audio[0]
        name = stream.codec_context.name
        codec = {"mp3float": "mp3", "libopus": "opus"}.get(name, name)
        if codec in (MKV_CODECS if suffix == ".mkv" else MP4_CODECS):
            self.how = f"{codec}, copied"
            self._packets = _copied(self._input, stream, container.add_stream_from_template(stream), zero)
        else:
            self.how = f"aac, from {codec}"
            self._packets = _encoded(self._input, stream, _aac(container, stream), zero)

    def mux_until(self, time: float) -> None:
        """Write the sound up to ``time`` seconds; damage ends the sound, not the video."""
        while self._pending or self._fetch():
            start, packet = self._pending[0]
            if start > time:
                return
            self._pending.clear()
            self._output.mux(packet)

    def _fetch(self) -> bool:
        try:
            self._pending = [next(self._packets)]
        except StopIteration:
            return False
        except (av.error.FFmpegError, OSError) as error:
            self.problem = f"the sound breaks off: {error.strerror or 'it cannot be read further'}"
            self._packets = iter(())
            return False
        return True

    def close(self) -> None:
        """Free the source."""
        self._packets = iter(())
        self._input.close()


def _seconds(ticks: int | None, tick: Fraction | None) -> Fraction:
    return (ticks or 0) * (tick or Fraction(0))


def _copied(
    container: InputContainer, stream: AudioStream, output: AudioStream, zero: Fraction
) -> Iterator[tuple[float, Packet[AudioStream]]]:
    last: int | None = None
    for packet in container.demux(stream):
        if packet.dts is None or packet.pts is None or not packet.time_base:
            continue
        shift = round(zero / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        time = float(packet.pts * packet.time_base)
        if time < EARLIEST or (last is not None and packet.dts <= last):
            continue
        last = packet.dts
        packet.stream = output
        yield time, packet


def _aac(container: OutputContainer, stream: AudioStream) -> AudioStream:
    rate = stream.codec_context.sample_rate
    layout = "mono" if stream.codec_context.layout.nb_channels == 1 else "stereo"
    output = container.add_stream("aac", rate=rate if rate in AAC_RATES else 48000)
    output.codec_context.layout = layout
    output.bit_rate = AAC_BITS * (1 if layout == "mono" else 2)
    return output


def _encoded(
    container: InputContainer, stream: AudioStream, output: AudioStream, zero: Fraction
) -> Iterator[tuple[float, Packet[AudioStream]]]:
    context = output.codec_context
    context.open(strict=False)
    rate = context.sample_rate
    resampler = AudioResampler("fltp", context.layout, rate, context.frame_size)
    place: int | None = None

    def packets(frames: list[AudioFrame]) -> Iterator[tuple[float, Packet[AudioStream]]]:
        nonlocal place
        for frame in frames:
            assert place is not None
            frame.pts, frame.time_base = place, Fraction(1, rate)
            place += frame.samples
            for packet in output.encode(frame):
                yield float(_seconds(packet.pts, packet.time_base)), packet

    for frame in container.decode(stream):
        time = _seconds(frame.pts, frame.time_base) - zero
        if time < 0 and place is None:
            continue
        place = round(time * rate) if place is None else place
        frame.pts = None  # counted here: the resampler's count would start from the source's clock
        yield from packets(resampler.resample(frame))
    if place is not None:
        yield from packets(resampler.resample(None))
        for packet in output.encode(None):
            yield float(_seconds(packet.pts, packet.time_base)), packet
