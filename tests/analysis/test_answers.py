"""An image model is given every crop once, and its answers are those of giving it every window whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from brightness import BRIGHT, DARK, LEFT, RIGHT, BrightnessNetwork, picture

from mien.analysis.answers import Answers
from mien.analysis.reading import read
from mien.analysis.settings import AnalysisSettings
from mien.core.softmax import softmax
from mien.core.types import FaceClip, Frame, Prediction

RECORD = replace(BrightnessNetwork.record, config={"frames": None}, temperature=1.7)


class ImageNetwork:
    """Answers with the mean over the frames of a linear map of their pixels; keeps what it was given."""

    record = RECORD

    def __init__(self) -> None:
        self.crops: list[bytes] = []
        self.calls: list[tuple[int, ...]] = []

    def logits(self, clips: np.ndarray) -> np.ndarray:
        self.calls.append(clips.shape[:2])
        self.crops += [crop.tobytes() for crop in clips.reshape(-1, *clips.shape[2:])]
        corners = clips[..., ::7, ::11].astype(np.float64).reshape(*clips.shape[:2], -1)
        weights = np.random.default_rng(0).normal(0, 0.002, (corners.shape[-1], 3))
        return (corners @ weights).mean(axis=1)

    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        return softmax(self.logits(clips), self.record.temperature)


class VideoNetwork(ImageNetwork):
    """The same sum, said to mix its frames: every window must be given whole."""

    record = replace(RECORD, config={"frames": 4})


def two_faces(length: int, gap: range = range(0)) -> Iterator[Frame]:
    """A face on the left, one on the right from frame 9 on; the left one is away in ``gap``; every frame differs."""
    for index in range(length):
        faces = [] if index in gap else [(LEFT, DARK + index % 90)]
        faces += [(RIGHT, BRIGHT - index % 90)] if index >= 9 else []
        yield Frame(index, index / 25, picture(*faces, seed=index))


def answers(network: ImageNetwork, settings: AnalysisSettings, frames: Iterator[Frame]) -> list[Prediction]:
    return [one for reading in read(frames, network, settings, settings.batch) for one in reading.predictions]


@pytest.mark.parametrize("batch", [1, 2, 7, 50])
@pytest.mark.parametrize("step", [None, 0.07])
def test_the_answer_is_that_of_whole_windows(lenient: AnalysisSettings, batch: int, step: float | None) -> None:
    settings = replace(lenient, batch=batch, step=step)
    once = answers(ImageNetwork(), settings, two_faces(90, range(30, 60)))
    whole = answers(VideoNetwork(), settings, two_faces(90, range(30, 60)))
    assert len(once) > 10
    assert [(one.track, one.start, one.end) for one in once] == [(one.track, one.start, one.end) for one in whole]
    for one, other in zip(once, whole, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_no_crop_is_given_twice_and_none_that_no_window_shows(lenient: AnalysisSettings) -> None:
    settings = replace(lenient, window=0.8, step=0.4)  # 4 places in 20 frames
    network, whole = ImageNetwork(), VideoNetwork()
    answers(network, settings, two_faces(100))
    answers(whole, settings, two_faces(100))
    assert len(network.crops) == len(set(network.crops))
    assert set(network.crops) == set(whole.crops)
    assert len(network.crops) < 0.7 * len(whole.crops)
    assert all(frames == 1 for _, frames in network.calls)


def test_fewer_frames_of_a_window_are_fewer_crops_and_as_many_answers(lenient: AnalysisSettings) -> None:
    usual, fewer = ImageNetwork(), ImageNetwork()
    answers_of = [answers(net, replace(lenient, frames=n), two_faces(100)) for net, n in ((usual, None), (fewer, 2))]
    assert len(fewer.crops) < 0.7 * len(usual.crops)
    assert [(one.track, one.start) for one in answers_of[0]] == [(one.track, one.start) for one in answers_of[1]]


def test_crops_of_several_faces_and_windows_share_a_call(lenient: AnalysisSettings) -> None:
    network = ImageNetwork()
    answers(network, replace(lenient, batch=6), two_faces(100))
    assert max(count for count, _ in network.calls) > 2 * network.record.frames


def test_a_place_that_repeats_the_crop_before_it_counts_again(lenient: AnalysisSettings) -> None:
    slow = replace(lenient, window=0.4)
    frames = [Frame(index, index / 5, frame.image) for index, frame in enumerate(two_faces(9))]  # 2 crops, 4 places
    once, whole = answers(ImageNetwork(), slow, iter(frames)), answers(VideoNetwork(), slow, iter(frames))
    for one, other in zip(once, whole, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


def clip(track: int, first: int) -> FaceClip:
    indices = tuple(range(first, first + 4))
    images = np.stack([np.full((3, 24, 24), (track * 31 + index) % 251, np.uint8) for index in indices])
    times = np.array(indices) / 25
    return FaceClip(track, images, times, indices, np.ones(4, np.bool_), times[0], times[-1] + 0.04)


def test_what_is_kept_does_not_grow(lenient: AnalysisSettings) -> None:
    network = ImageNetwork()
    waiting = Answers(network, 2, reach=1.4)
    for number in range(400):
        waiting.push([clip(1 + number // 3, 2 * number)])  # a new person every third window
        assert len(waiting._crops._known) <= 2 * 1.4 * 25  # type: ignore[union-attr]


def test_a_crop_that_was_forgotten_is_given_again(lenient: AnalysisSettings) -> None:
    network = ImageNetwork()
    waiting = Answers(network, 1, reach=0.5)
    (first,) = waiting.push([clip(1, 0)])
    waiting.push([clip(2, 100)])
    (again,) = waiting.push([clip(1, 0)])
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    assert [count for count, _ in network.calls] == [4, 4, 4]


def test_the_shipped_model_answers_as_with_whole_windows() -> None:
    from mien.models.zoo import load_model

    model = load_model()
    side, length = model.record.preprocessing.crop_size, model.record.frames
    crops = np.random.default_rng(0).integers(0, 256, (length + 4, 3, side, side), np.uint8)
    windows = [np.arange(length), np.minimum(np.arange(length) + 4, 9)]  # the second repeats its last crop
    clips = [
        FaceClip(1, crops[places], places / 25, tuple(places.tolist()), np.diff(places, prepend=-1) > 0, 0.0, 0.5)
        for places in windows
    ]
    assert model.record.is_image_model
    once = np.stack([one.probabilities for one in Answers(model, 2, 1.4).push(clips)])
    np.testing.assert_allclose(once, model.probabilities(np.stack([one.images for one in clips])), atol=1e-6)
