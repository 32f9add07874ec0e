"""Sound carried over: every click stays on its flash, whatever the codec, the container and the clocks."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mien import media
from mien.core.errors import SourceError

RATE, SIDE = 25, 32


def film(path: Path, codec: str, picture_at: float = 0.0, sound_at: float = 0.0, rate: int = 48000) -> Path:
    """Two seconds: a flash and a click at each full one; the streams' clocks begin where asked."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=RATE, options={"bf": "0"})
        video.width = video.height = SIDE
        video.pix_fmt = "yuv420p"
        audio = container.add_stream(codec, rate=rate)
        audio.codec_context.layout = "mono"
        audio.codec_context.open(strict=False)
        packets = [*_pictures(video, picture_at), *_clicks(audio, sound_at, rate)]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def _pictures(stream: av.VideoStream, start: float) -> list[av.Packet]:
    packets = []
    for number in range(2 * RATE):
        image = np.full((SIDE, SIDE, 3), 255 if number % RATE == 0 else 0, np.uint8)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = number + round(start * RATE), Fraction(1, RATE)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _clicks(stream: av.AudioStream, start: float, rate: int) -> list[av.Packet]:
    context, times = stream.codec_context, np.arange(2 * rate) / rate
    wave = (np.where(times % 1 < 0.02, 0.8, 0) * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)
    whole = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
    whole.rate = rate
    cut = av.AudioResampler(context.format.name, "mono", rate, context.frame_size or 1024)
    place, packets = round(start * rate), []
    for frame in [*cut.resample(whole), *cut.resample(None)]:
        frame.pts, frame.time_base = place, Fraction(1, rate)
        place += frame.samples
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def flashes(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        frames = [(float(frame.pts * frame.time_base), frame) for frame in container.decode(video=0)]
        return [time for time, frame in frames if frame.to_ndarray(format="gray").mean() > 128]


def clicks(path: Path) -> list[float]:
    found: list[float] = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "mono", 48000)
        for frame in container.decode(audio=0):
            start = float(frame.pts * frame.time_base)
            loud = np.abs(np.concatenate([one.to_ndarray()[0] for one in resampler.resample(frame)])) > 0.2
            times = start + np.flatnonzero(loud) / 48000
            found += [float(time) for time in times[:1] if not found or time - found[-1] > 0.5]
    return found


def carried(source: Path, path: Path) -> str | None:
    with media.open(source) as frames, media.VideoWriter(path, SIDE, SIDE, RATE, sound_of=source) as writer:
        for frame in frames:
            writer.write(frame.image, frame.time)
    assert writer.sound is not None
    assert writer.sound.problem is None
    return writer.sound.how


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("name", "codec", "in_mp4"),
    [
        ("a.mp4", "aac", "aac, copied"),
        ("a.mp4", "libmp3lame", "mp3, copied"),
        ("a.mkv", "libopus", "opus, copied"),
        ("a.mkv", "pcm_s16le", "aac, from pcm_s16le"),
        ("a.mp4", "ac3", "aac, from ac3"),
    ],
)
def test_clicks_stay_on_their_flashes(tmp_path: Path, name: str, codec: str, in_mp4: str, suffix: str) -> None:
    source, path = film(tmp_path / name, codec), tmp_path / f"out{suffix}"
    how = carried(source, path)
    assert how == (
        in_mp4 if suffix == ".mp4" else f"{in_mp4.rsplit(' ')[-1] if 'from' in in_mp4 else in_mp4[:-8]}, copied"
    )
    assert len(flashes(path)) == 2
    assert clicks(path) == pytest.approx(flashes(path), abs=0.012)


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
@pytest.mark.parametrize(("picture_at", "sound_at"), [(0.0, 0.4), (0.4, 0.0), (3.0, 3.2)])
def test_an_offset_between_the_streams_is_kept(tmp_path: Path, codec: str, picture_at: float, sound_at: float) -> None:
    source, path = film(tmp_path / "a.mkv", codec, picture_at, sound_at), tmp_path / "out.mp4"
    carried(source, path)
    assert flashes(path)[0] == pytest.approx(picture_at, abs=0.001)
    assert clicks(path) == pytest.approx([sound_at, sound_at + 1.0], abs=0.012)


def test_copied_sound_is_the_same_to_the_byte(tmp_path: Path) -> None:
    source, path = film(tmp_path / "a.mp4", "aac"), tmp_path / "out.mp4"
    carried(source, path)

    def packets(file: Path) -> list[bytes]:
        with av.open(str(file)) as container:
            return [bytes(packet) for packet in container.demux(audio=0) if packet.size]

    assert packets(path) == packets(source)


def test_a_silent_source_gives_a_silent_video(tmp_path: Path) -> None:
    source, path = tmp_path / "a.mp4", tmp_path / "out.mp4"
    with media.VideoWriter(source, SIDE, SIDE, RATE) as writer:
        writer.write(np.zeros((SIDE, SIDE, 3), np.uint8), 0.0)
    assert carried(source, path) is None
    assert media.probe(path).has_audio is False


def test_a_file_that_is_gone_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="without sound"):
        media.VideoWriter(tmp_path / "a.mp4", SIDE, SIDE, RATE, sound_of=tmp_path / "gone.mp4")
    assert list(tmp_path.iterdir()) == []


def test_the_index_comes_before_the_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with media.VideoWriter(path, SIDE, SIDE, RATE) as writer:
        for number in range(10):
            writer.write(np.zeros((SIDE, SIDE, 3), np.uint8), number / RATE)
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
