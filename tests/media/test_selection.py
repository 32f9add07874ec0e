"""A part of a film: the same pictures, numbers and times as in the whole, without decoding what is before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from films import film
from mien import media
from mien.core.errors import ConfigError, SourceError
from mien.media.selection import Picker, Selection
from mien.media.source import Shot, Source, SourceInfo


def read(path: Path, **wanted: Any) -> list[tuple[int, float, int]]:
    with media.open(path, selection=Selection(**wanted)) as source:
        return [(frame.index, round(frame.time, 6), int(frame.image.sum())) for frame in source]


CODECS: list[tuple[str, str, dict[str, str]]] = [
    ("a.mp4", "libx264", {"bf": "2", "g": "10"}),
    ("a.mkv", "libx264", {"bf": "2", "x264-params": "open-gop=1:keyint=10"}),
    ("a.webm", "libvpx", {"g": "10"}),
    ("a.ts", "mpeg2video", {"bf": "2", "g": "6"}),
    ("a.avi", "mpeg4", {"g": "10"}),
]


@pytest.mark.parametrize(("name", "codec", "coder"), CODECS, ids=[name for name, *_ in CODECS])
@pytest.mark.parametrize("late", [0.0, 2.0])
def test_a_late_part_has_the_pictures_numbers_and_times_of_the_whole(
    tmp_path: Path, name: str, codec: str, coder: dict[str, str], late: float
) -> None:
    sound = 0.0 if name.endswith((".mp4", ".mkv", ".ts")) else None
    late = late if sound is not None else 0.0
    path = film(tmp_path / name, [late], sound, count=48, seconds=7.0, codec=codec, coder=coder)
    whole = read(path)
    assert [index for index, *_ in whole] == list(range(48))
    for start in (0.1, 0.95, 1.0, 2.55, 3.1, 4.4):
        begin = late + start
        wanted = [row for row in whole if begin <= row[1] < begin + 0.8]
        assert wanted
        assert read(path, start=begin, end=begin + 0.8) == wanted


def test_what_is_before_a_late_part_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mien.media.keyframes import KeyGroups

    seen: list[int] = []
    monkeypatch.setattr(KeyGroups, "add", lambda self, packet: seen.append(1))
    monkeypatch.setattr(KeyGroups, "missed", lambda self, context: iter(()))
    path = film(tmp_path / "long.mp4", count=48, coder={"g": "10"})
    assert len(read(path, start=4.1)) == 7
    assert len(seen) < 15


def test_every_takes_each_nth_picture_of_the_part(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", count=30)
    assert [index for index, *_ in read(path, every=7)] == [0, 7, 14, 21, 28]
    assert [index for index, *_ in read(path, every=7, start=0.5, end=2.5)] == [5, 12, 19]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [({}, 100), ({"frame_rate": 2.0}, 20), ({"every": 5}, 20), ({"start": 5.0}, 70), ({"start": 5.0, "end": 6.0}, 10)],
)
def test_how_many_pictures_are_to_be_expected(wanted: dict[str, Any], expected: int) -> None:
    info = SourceInfo("a", "video", 8, 8, duration=10.0, frame_rate=10.0, frame_count=100, start=2.0)
    assert Source(info, iter(()), selection=Selection(**wanted)).expected == expected


def test_a_part_outside_the_film_is_said_with_the_films_own_times(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [2.0])
    with media.open(path, selection=Selection(start=9.0)) as source, pytest.raises(SourceError) as caught:
        list(source)
    assert "none of a.mp4 from 9 s on" in str(caught.value)
    assert "it starts at 2 s and lasts 2.00 s" in str(caught.value)


@pytest.mark.parametrize(
    "wanted",
    [
        *({"every": 0}, {"start": -1.0}, {"end": 0.0}, {"start": 3.0, "end": 3.0}, {"frame_rate": 0.0}),
        *({"stream": -1}, {"max_pixels": 0}, {"start": float("nan")}, {"frame_rate": 5.0, "every": 2}),
    ],
)
def test_selections_that_make_no_sense_are_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Selection(**wanted)


def test_large_pictures_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    with pytest.raises(SourceError, match=r"at most 1,000 pixels.*32 x 32"):
        media.open(path, selection=Selection(max_pixels=1000))


def test_a_clock_that_shows_too_many_pictures_a_second_is_not_believed() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    shots = (Shot(place * 1e-6, lambda: black) for place in range(10_000))
    source = Source(SourceInfo("burst", "video", 4, 4), shots, selection=Selection(most_rate=1000.0))
    assert len(list(source)) == pytest.approx(10, abs=1)
    assert "more than 1000 pictures a second" in source.problems[0]
    picker = Picker(Selection(most_rate=1000.0))
    assert all(picker.wants(place / 240) for place in range(100)), "a fast camera is no broken clock"


def test_a_picture_has_no_time_and_is_read_whatever_part_is_wanted(tmp_path: Path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "face.png"), np.zeros((8, 8, 3), np.uint8))
    assert len(read(tmp_path / "face.png", start=5.0, frame_rate=2.0)) == 1
