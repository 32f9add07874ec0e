"""What is heard is heard when it sounds: clocks, late starts, gaps, rates, channels, streams, and none at all."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from test_sound import film

from films import film as streams_film
from mien.core.errors import ConfigError, SourceError
from mien.media.listen import RATE, Listener, Piece, windows

TICK = Fraction(1, 48_000)


def heard(path: Path) -> np.ndarray:
    """The whole of it from 0.0; NaN where there is none."""
    with Listener(path) as listener:
        pieces = list(listener.pieces())
    whole = np.full(max((round(one.start * RATE) + len(one.wave) for one in pieces), default=0), np.nan, np.float32)
    for piece in pieces:
        place = slice(round(piece.start * RATE), round(piece.start * RATE) + len(piece.wave))
        assert np.isnan(whole[place]).all(), "pieces never overlap"
        whole[place] = piece.wave
    return whole


def clicks(wave: np.ndarray) -> list[float]:
    loud = np.flatnonzero(np.nan_to_num(np.abs(wave)) > 0.2) / RATE
    return [float(time) for place, time in enumerate(loud) if not place or time - loud[place - 1] > 0.5]


def written(path: Path, parts: Sequence[tuple[float, np.ndarray]], rate: int = 48_000) -> Path:
    """Sound alone, in stretches (channels, n) that begin where they are said to."""
    with av.open(str(path), "w") as container:
        layout = {1: "mono", 2: "stereo"}[len(parts[0][1])]
        stream = container.add_stream("pcm_f32le", rate=rate, layout=layout)
        for start, wave in parts:
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(wave.T.reshape(1, -1), np.float32), format="flt", layout=layout
            )
            frame.rate, frame.pts, frame.time_base = rate, round(start * rate), Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def tone(seconds: float, hertz: float = 440.0, rate: int = 48_000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.mp4", "aac", 48_000), ("a.mkv", "pcm_s16le", 8_000), ("a.mkv", "libopus", 48_000), ("a.ts", "mp2", 44_100)],
)
@pytest.mark.parametrize("sound_at", [0.0, 0.4])
def test_clicks_are_heard_when_they_sound(tmp_path: Path, name: str, codec: str, rate: int, sound_at: float) -> None:
    wave = heard(film(tmp_path / name, codec, 0.0, sound_at, rate))
    first = clicks(wave)[0]
    assert clicks(wave) == pytest.approx([first, first + 1.0], abs=0.012)
    with av.open(str(tmp_path / name)) as container:  # broadcasts' clocks begin anywhere: at what comes first
        pictures, sound = (float(one.start_time * one.time_base) for one in container.streams)
    zero = min(pictures, sound) if name.endswith(".ts") else 0.0
    assert first == pytest.approx(max(sound, 0.0) - zero, abs=0.03)


def test_gaps_stay_gaps_and_sound_may_begin_before_the_pictures(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mkv", [(0.5, tone(1)[None]), (3.0, tone(0.5)[None])])
    sound = ~np.isnan(heard(path))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], sound, [0]]).astype(int))) / RATE
    assert edges == pytest.approx([0.5, 1.5, 3.0, 3.5], abs=0.002)
    assert clicks(heard(film(tmp_path / "early.mkv", "pcm_s16le", 2.0, 0.0))) == pytest.approx([0.0, 1.0], abs=0.012)


def test_it_is_the_mean_of_the_channels_at_16_khz(tmp_path: Path) -> None:
    wave = tone(1.0)
    alone = heard(written(tmp_path / "mono.wav", [(0.0, wave[None])]))
    half = heard(written(tmp_path / "left.wav", [(0.0, np.stack([wave, 0 * wave]))]))
    assert len(alone) == RATE
    np.testing.assert_allclose(half, alone / 2, atol=1e-5)
    np.testing.assert_allclose(alone[200:-200], tone(1.0, rate=RATE)[200:-200], atol=2e-3)


def test_a_film_without_sound_or_with_an_empty_stream_has_no_pieces(tmp_path: Path) -> None:
    with Listener(streams_film(tmp_path / "silent.mp4")) as listener:
        assert (listener.streams, listener.stream, list(listener.pieces())) == (0, None, [])
    with Listener(streams_film(tmp_path / "empty.mkv", sound=0.0, seconds=0.0)) as listener:
        assert (listener.streams, listener.stream, list(listener.pieces())) == (1, 0, [])
    with Listener(streams_film(tmp_path / "zeros.mp4", sound=0.0)) as listener:
        assert not any(window.audible for window in windows(listener.pieces(), 0.5, 0.25)), "silence is not audible"


def test_of_several_streams_the_marked_one_is_heard(tmp_path: Path) -> None:
    for marked in (0, 1):
        path = tmp_path / f"{marked}.mkv"
        with av.open(str(path), "w") as container:
            streams = [container.add_stream("pcm_f32le", rate=48_000, layout="mono") for _ in range(2)]
            for place, stream in enumerate(streams):
                stream.disposition = av.stream.Disposition.default if place == marked else 0
            for place, stream in enumerate(streams):
                wave = np.full((1, 4800), 0.25 * (place + 1), np.float32)
                frame = av.AudioFrame.from_ndarray(wave, format="flt", layout="mono")
                frame.rate, frame.pts, frame.time_base = 48_000, 0, TICK
                container.mux([*stream.encode(frame), *stream.encode(None)])
        with Listener(path) as listener:
            assert (listener.streams, listener.stream) == (2, marked)
            wave = np.concatenate([piece.wave for piece in listener.pieces()])
        assert wave[800] == pytest.approx(0.25 * (marked + 1), abs=1e-3)


def test_a_torn_film_says_so_and_a_text_is_refused(tmp_path: Path) -> None:
    whole = film(tmp_path / "a.mkv", "pcm_s16le").read_bytes()
    (tmp_path / "torn.mkv").write_bytes(whole[: len(whole) // 2])
    assert 0 < len(heard(tmp_path / "torn.mkv")) < 2 * RATE
    (tmp_path / "a.txt").write_text("no film\n" * 100)
    with pytest.raises(SourceError, match=r"a\.txt"):
        Listener(tmp_path / "a.txt")


def test_windows_lie_around_their_middles() -> None:
    ramp = np.arange(2 * RATE, dtype=np.float32) / (2 * RATE)
    found = list(windows([Piece(0.5, ramp[:RATE]), Piece(1.5, ramp[RATE:])], 1.0, 0.25))
    assert [window.time for window in found] == pytest.approx(np.arange(0, 2.51, 0.25))
    assert found[4].wave[0] == ramp[0], "the window around 1.0 begins at 0.5, with the sound"
    assert [round(window.heard, 2) for window in found] == [0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 0.75, 0.5]
    assert [window.audible for window in found] == [False, False, *[True] * 9]
    with pytest.raises(ConfigError, match="step"):
        next(windows([], 1.0, 2.0))


def test_hours_of_sound_and_of_gaps_are_never_held_at_once() -> None:
    def pieces() -> Iterator[Piece]:
        for minute in (*range(3), 240):
            for second in range(60):
                yield Piece(60.0 * minute + second, np.full(RATE, 0.1, np.float32))

    tracemalloc.start()
    count = sum(window.audible for window in windows(pieces(), 1.0, 0.5))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2 * (3 * 60 + 60) + 2
    assert peak < 8e6
