"""What is written is what can be read again: frames, times, sizes, colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_pictures import corners, quarters

from mien import media
from mien.core.errors import ConfigError, MissingDependencyError
from mien.core.types import Frame
from mien.media import writer


def write(path: Path, images: list[np.ndarray], times: list[float]) -> str:
    height, width = images[0].shape[:2]
    with media.VideoWriter(path, width, height, 25) as video:
        for image, time in zip(images, times, strict=True):
            video.write(image, time)
    return video.codec


def read(path: Path) -> list[Frame]:
    with media.open(path) as source:
        assert source.problems == []
        return list(source)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
def test_frames_keep_their_own_times(
    tmp_path: Path, suffix: str, encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "working_encoder", lambda: encoder)
    times = [0.0, 1001 / 30000, 0.1, 0.1137, 0.9, 2.0, 2.02]
    path = tmp_path / f"a{suffix}"
    assert write(path, [np.full((32, 48, 3), 30 * n, np.uint8) for n in range(7)], times) == encoder
    frames = read(path)
    assert [frame.time for frame in frames] == pytest.approx(times, abs=0.0006 if suffix == ".mkv" else 1e-5)
    assert media.probe(path).duration == pytest.approx(2.04, abs=0.021), "a player shows the last frame too"
    assert [float(frame.image.mean()) for frame in frames] == pytest.approx([30 * n for n in range(7)], abs=4)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(1e-7, 2.0), min_size=1, max_size=30))
def test_any_increasing_times_survive(tmp_path: Path, gaps: list[float]) -> None:
    times = np.cumsum([0.0, *gaps]).tolist()
    write(tmp_path / "a.mp4", [np.zeros((32, 32, 3), np.uint8)] * len(times), times)
    frames = read(tmp_path / "a.mp4")
    assert len(frames) == len(times)
    assert np.abs(np.subtract([frame.time for frame in frames], times)).max() < 31 / 60000, "at most a tick a frame"


def test_colours_come_back(tmp_path: Path) -> None:
    image = np.zeros((96, 96, 3), np.uint8)
    colours = np.array([(220, 40, 40), (40, 200, 60), (30, 60, 210), (230, 180, 150), (128, 128, 128), (90, 60, 40)])
    for number, colour in enumerate(colours):
        image[:, 16 * number : 16 * number + 16] = colour
    write(tmp_path / "a.mp4", [image] * 3, [0, 0.04, 0.08])
    seen = read(tmp_path / "a.mp4")[1].image[48, 8::16]
    assert np.abs(seen.astype(int) - colours).max() <= 6


@pytest.mark.parametrize(("width", "height"), [(51, 35), (51, 36), (1, 1), (2, 3)])
def test_odd_sizes_grow_by_one_and_lose_nothing(tmp_path: Path, width: int, height: int) -> None:
    write(tmp_path / "a.mp4", [quarters(height, width)] * 2, [0, 0.04])
    frame = read(tmp_path / "a.mp4")[0]
    assert frame.image.shape == (height + height % 2, width + width % 2, 3)
    if width > 50:
        assert corners(frame.image) == "RGBW"


def test_a_picture_of_another_size_is_fitted_on_black(tmp_path: Path) -> None:
    with media.VideoWriter(tmp_path / "a.mp4", 64, 64, 25) as video:
        video.write(np.full((64, 64, 3), 255, np.uint8), 0.0)
        video.write(np.full((20, 40, 3), 255, np.uint8), 0.04)
    image = read(tmp_path / "a.mp4")[1].image
    assert image.shape == (64, 64, 3)
    assert image[32].mean() > 240
    assert image[4].mean() < 15


def test_the_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.mp4"
    with media.VideoWriter(path, 32, 32, 25) as video:
        video.write(quarters(32, 32), 0.0)
        assert not path.exists()
    assert [entry.name for entry in path.parent.iterdir()] == ["a.mp4"]
    whole = path.read_bytes()

    def fail() -> None:
        with media.VideoWriter(path, 32, 32, 25) as video:
            video.write(quarters(32, 32), 0.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == whole, "the older file is untouched"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.mp4"]


def test_nothing_written_leaves_nothing(tmp_path: Path) -> None:
    with media.VideoWriter(tmp_path / "a.mp4", 32, 32, 25) as video:
        pass
    video.close()
    assert list(tmp_path.iterdir()) == []


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    video = media.VideoWriter(tmp_path / "a.mp4", 32, 32, 25)
    video.write(quarters(32, 32), 0.0)
    video.close()
    video.close()
    assert len(read(tmp_path / "a.mp4")) == 1


def test_times_that_do_not_increase_are_refused(tmp_path: Path) -> None:
    with media.VideoWriter(tmp_path / "a.mp4", 32, 32, 25) as video:
        video.write(quarters(32, 32), 0.5)
        for time in (0.5, 0.4, float("nan"), -1.0):
            with pytest.raises(ValueError, match="increase"):
                video.write(quarters(32, 32), time)


def test_what_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.mp4"):
        media.VideoWriter(tmp_path / "a.avi", 32, 32, 25)
    for width, rate in ((0, 25), (32, 0), (32, float("nan"))):
        with pytest.raises(ConfigError, match="positive"):
            media.VideoWriter(tmp_path / "a.mp4", width, 32, rate)
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_that_does_not_open_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    real = writer._opens
    monkeypatch.setattr(writer, "_opens", lambda name, options: name != "libx264" and real(name, options))
    writer.working_encoder.cache_clear()
    try:
        assert writer.working_encoder() != "libx264"
        monkeypatch.setattr(writer, "_opens", lambda *_: False)
        writer.working_encoder.cache_clear()
        with pytest.raises(MissingDependencyError, match="mpeg4"):
            writer.working_encoder()
    finally:
        writer.working_encoder.cache_clear()
