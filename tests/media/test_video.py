"""Videos as they really come: frames, times and colours of files made to be awkward."""

from __future__ import annotations

import gc
import wave
import weakref
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media_pictures import Encode, corners, quarters

from mien import media
from mien.core.errors import SourceError
from mien.core.types import Frame
from mien.media import video


def read(path: Path, **options: float) -> tuple[list[Frame], media.Source]:
    with media.open(path, **options) as source:
        return list(source), source


def noise(count: int, side: int = 64) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (side, side, 3), dtype=np.uint8) for _ in range(count)]


TIMES = [0.0, 0.02, 0.1, 0.11, 0.5, 0.51, 1.2]


@pytest.mark.parametrize("name", ["vary.mp4", "vary.mov", "vary.mkv"])
@pytest.mark.parametrize("start", [0.0, 3.0])
def test_a_variable_frame_rate_is_kept_and_starts_where_players_do(encode: Encode, name: str, start: float) -> None:
    images = [np.full((32, 32, 3), 30 * number, np.uint8) for number in range(len(TIMES))]
    frames, source = read(encode(name, images, [start + time for time in TIMES]))
    assert [frame.index for frame in frames] == list(range(len(TIMES)))
    assert [frame.time for frame in frames] == pytest.approx([start + time for time in TIMES], abs=0.0006)
    assert source.info.start == frames[0].time
    shades = [float(frame.image.mean()) for frame in frames]
    assert shades == pytest.approx([30 * number for number in range(len(TIMES))], abs=4), "in order of display"
    assert source.problems == []
    if name == "vary.mkv":
        assert source.info.duration == pytest.approx(TIMES[-1], abs=0.06), "from the first frame, not from zero"


def test_colours_and_odd_sizes(encode: Encode) -> None:
    frames, source = read(encode("odd.mp4", [quarters(35, 51)] * 3, pix_fmt="yuv444p"))
    assert (source.info.width, source.info.height) == (51, 35)
    assert frames[1].image.shape == (35, 51, 3)
    assert frames[1].image.flags.c_contiguous
    assert corners(frames[1].image) == "RGBW"


@pytest.mark.parametrize(
    ("degrees", "flip", "seen", "rotation"),
    [
        (0, False, "RGBW", 0),
        (90, False, "GWRB", 270),
        (-90, False, "BRWG", 90),
        (180, False, "WBGR", 180),
        (0, True, "GRWB", 0),
    ],
)
def test_rotation_and_mirroring_are_applied(
    encode: Encode, degrees: float, flip: bool, seen: str, rotation: int
) -> None:
    """Degrees are FFmpeg's: counterclockwise."""
    frames, source = read(encode("turned.mp4", [quarters(48, 64)] * 2, turn=(degrees, flip)))
    size = (64, 48) if degrees in (0, 180) else (48, 64)
    assert (source.info.width, source.info.height) == size
    assert frames[0].image.shape == (size[1], size[0], 3)
    assert corners(frames[0].image) == seen
    assert source.info.rotation == rotation


def test_pixels_that_are_not_square_become_square(encode: Encode) -> None:
    frames, source = read(encode("wide.mp4", [quarters(48, 64)] * 2, aspect=Fraction(3, 2)))
    assert (source.info.width, source.info.height) == (96, 48)
    assert frames[0].image.shape == (48, 96, 3)


def test_grey_and_deep_videos(encode: Encode) -> None:
    ramp = np.tile(np.arange(0, 64, dtype=np.uint8) * 4, (32, 1))
    for name, image, options in (
        ("grey.mkv", ramp, {"pix_fmt": "gray", "given": "gray"}),
        ("deep.mkv", ramp.astype(np.uint16) * 257, {"pix_fmt": "gray16le", "given": "gray16le"}),
        ("ten.mkv", np.dstack([ramp] * 3), {"pix_fmt": "yuv420p10le"}),
    ):
        frames, _ = read(encode(name, [image] * 2, codec="ffv1", **options))
        assert frames[0].image.shape == (32, 64, 3)
        assert np.abs(frames[0].image.astype(int) - ramp[..., None]).max() <= 3, name


def test_transparency_is_laid_on_white(encode: Encode) -> None:
    image = np.zeros((16, 32, 4), np.uint8)
    image[:, :16] = (200, 0, 0, 255)
    frames, _ = read(encode("alpha.mov", [image] * 2, codec="png", pix_fmt="rgba", given="rgba"))
    assert frames[0].image[8, 4].tolist() == [200, 0, 0]
    assert frames[0].image[8, 20].tolist() == [255, 255, 255]


def test_a_stream_without_time_stamps_is_timed_by_its_rate(encode: Encode) -> None:
    frames, source = read(encode("bare.h264", noise(6)))
    assert [frame.time for frame in frames] == pytest.approx([number / 25 for number in range(6)], abs=1e-4)
    assert source.info.duration is None


def test_thinning_keeps_numbers_and_skips_the_conversion(encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode("a.mp4", noise(25))
    converted = []
    real = video._VideoReader._pixels
    monkeypatch.setattr(video._VideoReader, "_pixels", lambda *given: converted.append(1) or real(*given))
    frames, _ = read(path, frame_rate=5)
    assert [frame.index for frame in frames] == [0, 5, 10, 15, 20]
    assert [frame.time for frame in frames] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert len(converted) == 5


def test_lazy_frames_are_converted_when_asked_and_are_the_same(encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode("turned.mp4", [quarters(48, 64), quarters(48, 64) // 2] * 3, turn=(90, False))
    whole, _ = read(path)
    converted = []
    real = video._VideoReader._pixels
    monkeypatch.setattr(video._VideoReader, "_pixels", lambda *given: converted.append(1) or real(*given))
    with media.open(path) as source:
        source.lazy = True
        frames = list(source)
    assert not converted
    assert {frame.image.size for frame in frames} == {0}
    for frame, expected in zip(frames, whole, strict=True):  # after the source is closed, too
        made = frame.developed()
        assert (made.index, made.time) == (expected.index, expected.time)
        np.testing.assert_array_equal(made.image, expected.image)
        assert made.developed() is made
    assert len(converted) == 6


def test_only_one_frame_is_held_at_a_time(encode: Encode) -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    gc.freeze()  # collections look at what comes from here on, not at all that the tests before this one loaded
    try:
        with media.open(encode("a.mp4", noise(30))) as source:
            for frame in source:
                alive.append(weakref.ref(frame.image))
                gc.collect()
                assert sum(image() is not None for image in alive) <= 2
    finally:
        gc.unfreeze()
    assert len(alive) == 30


def test_what_is_known_before_reading(encode: Encode) -> None:
    info = media.probe(encode("a.mp4", noise(10)))
    assert (info.name, info.kind, info.width, info.height) == ("a.mp4", "video", 64, 64)
    assert (info.frame_count, info.has_audio, info.rotation) == (10, False, 0)
    assert info.duration == pytest.approx(0.4, abs=0.01)
    assert info.frame_rate == pytest.approx(25)


def test_a_file_cut_off_gives_what_is_there_and_says_so(encode: Encode) -> None:
    path = encode("cut.mkv", noise(50))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames, source = read(path)
    assert 15 < len(frames) < 35
    assert (np.diff([frame.time for frame in frames]) > 0).all()
    assert "should last 2.00 s" in " ".join(source.problems)


def test_a_file_damaged_in_the_middle_gives_the_rest(encode: Encode) -> None:
    path = encode("torn.mp4", noise(50), options={"g": "5"})
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = np.random.default_rng(0).bytes(9000)
    path.write_bytes(data)
    frames, source = read(path)
    assert 30 < len(frames) <= 50
    assert frames[-1].time == pytest.approx(49 / 25)
    assert "damaged" in source.problems[0]


@pytest.mark.parametrize("data", [b"", b"hello world\n" * 50, bytes(5000), b"\x00\x00\x00\x18ftypmp42" + bytes(100)])
@pytest.mark.parametrize("name", ["file.mp4", "file.txt", "file"])
def test_what_is_no_video_is_refused(tmp_path: Path, data: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=name) as refusal:
        media.open(tmp_path / name)
    assert refusal.value.fix


def test_a_file_cut_off_before_its_index_is_refused(encode: Encode) -> None:
    path = encode("cut.mp4", noise(10))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(SourceError, match=r"cut\.mp4"):
        media.open(path)


def test_sound_alone_and_cover_pictures_are_no_video(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "talk.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    with pytest.raises(SourceError, match="holds audio"):
        media.open(tmp_path / "talk.wav")


def test_sound_beside_the_video_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = 32
        sound = container.add_stream("aac", rate=8000)
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(quarters(32, 32), format="rgb24")))
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 8000
        container.mux(sound.encode(samples))
        container.mux([*stream.encode(None), *sound.encode(None)])
    frames, source = read(path)
    assert source.info.has_audio
    assert len(frames) == 5


def test_names_that_ffmpeg_could_misread(encode: Encode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode("plain.mp4", noise(3))
    monkeypatch.chdir(tmp_path)
    for name in ("concat:a|b.mp4", "talk: part 1.mp4", "100%03d.mp4", "Größe é.mp4", "a[1].mp4"):
        path = path.rename(name)
        assert len(read(Path(name))[0]) == 3


def test_an_animation_is_a_video(encode: Encode) -> None:
    frames, source = read(encode("dance.gif", [quarters(32, 32)] * 3, codec="gif", pix_fmt="rgb8"))
    assert source.info.kind == "video"
    assert len(frames) == 3
