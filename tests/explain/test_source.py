from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from planted import LABELS, FacesAt, film

from mien import media
from mien.analysis.reading import read, see
from mien.analysis.settings import AnalysisSettings
from mien.core.errors import ConfigError, SourceError
from mien.core.types import FaceClip
from mien.explain.source import choose_clips
from mien.faces import FaceSettings
from mien.models.record import ModelRecord, Preprocessing


class Brightness:
    """Surer of ``standing`` the brighter the clip; notes what it is asked."""

    record = ModelRecord("brightness", LABELS, Preprocessing(24, 24), {}, frames=4, threshold=0.4)

    def __init__(self) -> None:
        self.asked: list[np.ndarray] = []

    def logits(self, clips: np.ndarray) -> np.ndarray:
        return np.log(self.probabilities(clips))

    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        self.asked += list(clips)
        bright = 0.5 + clips.mean(axis=(1, 2, 3, 4)) / 512
        return np.stack([1 - bright, bright], axis=1)


LENIENT = AnalysisSettings(faces=FaceSettings(min_sharpness=0.0, min_size=10.0, max_yaw=90.0, max_gap=0.5))
# The right face is brightest late; the left one goes away for longer than a gap, and comes back as another.
LEFT = [120] * 15 + [150] * 15 + [None] * 25 + [120] * 15
RIGHT = [None] * 5 + [130] * 40 + [160] * 25


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("films") / "two.mp4"
    frames = film(LEFT, RIGHT)
    with media.VideoWriter(path, frames.shape[2], frames.shape[1], 25.0) as writer:
        for number, frame in enumerate(frames):
            writer.write(frame, number / 25)
    return path


def chosen(source: object, **options: object) -> dict[int, FaceClip]:
    found = choose_clips(source, Brightness(), LENIENT, detector=FacesAt(), **options)  # type: ignore[arg-type]
    return {clip.track: clip for clip in found.clips}


def test_the_clips_are_those_of_an_analysis(video: Path) -> None:
    network = Brightness()
    with media.open(video) as frames:
        answers = [one for reading in read(frames, network, LENIENT, 2, FacesAt()) for one in reading.predictions]
    with media.open(video) as frames:
        clips = [clip for one in see(frames, network.record, LENIENT, FacesAt()) for clip in one.clips]
    assert len({clip.track for clip in clips}) == 3
    assert [(clip.track, clip.start, clip.end) for clip in clips] == [
        (one.track, one.start, one.end) for one in answers
    ]
    np.testing.assert_array_equal(np.stack([clip.images for clip in clips]), np.stack(network.asked))


def test_without_a_moment_the_surest_clip_of_every_face(video: Path) -> None:
    clips = chosen(video)
    assert sorted(clips) == [1, 2, 3]
    assert 0.59 <= clips[1].start < clips[1].end <= 1.21
    assert clips[2].start >= 1.79


def test_at_a_moment_the_clips_around_it(video: Path) -> None:
    clips = chosen(video, at=1.7)
    assert sorted(clips) == [2], "the left face is away"
    assert clips[2].start <= 1.7 < clips[2].end
    early = chosen(video, at=0.3)
    assert sorted(early) == [1, 2]
    assert abs((early[1].start + early[1].end) / 2 - 0.3) <= LENIENT.pace(Brightness.record).step / 2 + 0.02


def test_a_moment_is_answered_without_reading_on(video: Path) -> None:
    last: list[float] = []
    choose_clips(video, Brightness(), LENIENT, at=0.2, detector=FacesAt(), progress=lambda _, __, now: last.append(now))
    assert last[-1] < 1.5


def test_one_face_alone_is_looked_for(video: Path) -> None:
    assert sorted(chosen(video, track=2)) == [2]
    with pytest.raises(ConfigError, match="1, 2, 3"):
        chosen(video, track=9)
    with pytest.raises(ConfigError, match="0 s or later"):
        chosen(video, at=-1.0)


def test_nobody_there_is_a_result() -> None:
    found = choose_clips(film([None] * 8, [None] * 8), Brightness(), LENIENT, detector=FacesAt())  # type: ignore[arg-type]
    assert (found.clips, found.faces) == ((), ())


def test_a_still_gives_one_moment(tmp_path: Path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "still.png"), film([150], [None])[0])
    (clip,) = chosen(tmp_path / "still.png").values()
    assert clip.valid.tolist() == [True, False, False, False]
    assert chosen(tmp_path / "still.png", at=0.0)


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        chosen(tmp_path / "none.mp4")
