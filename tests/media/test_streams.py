"""What containers say: whose clock counts, which stream is the picture, what is damage and what is only sound."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from films import SIDE, film, number
from mien import media
from mien.core.errors import SourceError
from mien.core.types import Frame
from mien.media.selection import Selection


def read(path: Path, **wanted: object) -> tuple[list[Frame], media.Source]:
    with media.open(path, selection=Selection(**wanted)) as source:
        return list(source), source


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_a_picture_that_starts_after_its_sound_has_the_times_that_players_show(tmp_path: Path, suffix: str) -> None:
    frames, source = read(film(tmp_path / f"late{suffix}", [2.0], sound=0.0, seconds=4.0))
    # MPEG-TS counts the encoder's delay of the sound in.
    assert frames[0].time == pytest.approx(2.0, abs=0.06 if suffix == ".ts" else 0.001)
    assert source.info.start == frames[0].time
    assert np.diff([frame.time for frame in frames]) == pytest.approx(0.1, abs=0.001)
    assert source.problems == []


def test_a_broadcast_starts_where_its_first_stream_does_whatever_its_clock_shows(tmp_path: Path) -> None:
    path = film(tmp_path / "air.ts", [1.0], sound=0.0, options={"output_ts_offset": "95443"})
    assert read(path)[0][0].time == pytest.approx(1.0, abs=0.06)


def test_a_film_of_pictures_alone_keeps_its_containers_clock(tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv"):
        frames, source = read(film(tmp_path / f"alone{suffix}", [2.0]))
        assert (frames[0].time, source.info.start) == pytest.approx((2.0, 2.0), abs=0.001)
        assert source.info.duration == pytest.approx(2.0, abs=0.11)


def test_the_stream_marked_as_default_is_read_and_the_others_are_named(tmp_path: Path) -> None:
    path = film(tmp_path / "two.mkv", [0.0, 0.0], marked=1)
    frames, source = read(path)
    assert frames[0].image.shape[1] == SIDE + 16
    assert source.problems == [
        "two.mkv holds 2 video streams: stream 1 is read, marked as default; choose with --stream"
    ]
    frames, source = read(path, stream=0)
    assert (frames[0].image.shape[1], source.problems) == (SIDE, [])
    with pytest.raises(SourceError, match=r"number 2 of two\.mkv, which has 2"):
        media.open(path, selection=Selection(stream=2))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".avi"])
def test_sound_that_goes_on_after_the_picture_is_no_damage(tmp_path: Path, suffix: str) -> None:
    _, source = read(film(tmp_path / f"long{suffix}", [0.0], sound=0.0, seconds=6.0))
    assert source.problems == []
    assert source.end == pytest.approx(2.0, abs=0.21)


def test_a_slow_film_is_not_called_cut_off_and_its_last_picture_lasts(tmp_path: Path) -> None:
    with media.VideoWriter(tmp_path / "slow.mp4", 32, 32, 0.2) as writer:
        for place in range(3):
            writer.write(np.full((32, 32, 3), 50 * place, np.uint8), 5.0 * place)
    _, source = read(tmp_path / "slow.mp4")
    assert source.problems == []
    assert source.end == pytest.approx(source.info.duration)
    assert source.end > 10.0


def test_a_torn_film_gives_every_picture_it_holds_however_many_threads_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"movflags": "frag_keyframe+empty_moov"}
    path = film(tmp_path / "torn.mp4", [0.0], sound=0.0, count=40, seconds=4.0, options=options, coder={"g": "8"})
    data = path.read_bytes()
    path.write_bytes(data[: round(0.8 * len(data))])
    pictures = {}
    for threads in (1, 2, 4):
        monkeypatch.setenv("MIEN_THREADS", str(threads))
        pictures[threads] = [(frame.index, frame.time, number(frame.image)) for frame in read(path)[0]]
    assert len(pictures[1]) >= 24, "the sound that is missing takes no picture with it"
    assert pictures[1] == pictures[2] == pictures[4]


def test_a_codec_without_a_decoder_is_said(tmp_path: Path) -> None:
    path = film(tmp_path / "codec.mp4")
    path.write_bytes(path.read_bytes().replace(b"avc1", b"brxq"))
    with pytest.raises(SourceError, match="whose codec it does not know"):
        media.open(path)


def test_pictures_that_turn_midway_keep_their_shape(tmp_path: Path) -> None:
    import cv2

    tall, wide = np.full((64, 32, 3), 40, np.uint8), np.full((32, 64, 3), 200, np.uint8)
    path = tmp_path / "turn.mjpeg"
    path.write_bytes(b"".join(cv2.imencode(".jpg", image)[1].tobytes() for image in [wide] * 3 + [tall] * 3))
    frames, source = read(path)
    assert [frame.image.shape[:2] for frame in frames] == [(32, 64)] * 3 + [(64, 32)] * 3
    assert [size[1:] for size in source.sizes] == [(32, 64)]
    info = dataclasses.replace(source.info, sizes=tuple(source.sizes))
    assert info.sizes_at(np.array([frame.time for frame in frames])).tolist() == [[64, 32]] * 3 + [[32, 64]] * 3
    assert len(source.problems) == 1
    assert "from 64 x 32 to 32 x 64 pixels" in source.problems[0]
