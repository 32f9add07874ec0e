"""Which frames of a stored clip make the network's input: pure functions of numbers.

The sampling is that of the S2D authors' reader (published: 16 frames, rate 1; test: 2 segments). It differs in two
things: every start is drawn, also the last possible one, which theirs never picks; and a rate above 1 means a constant
stride, where theirs rounds a stretched line. At rate 1 the frames are the same.

Every function returns frame numbers in [0, frames), in order.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64


def dense_window(frames: int, length: int, rate: int, start: int) -> Int64[np.ndarray, " length"]:
    """``length`` frames from ``start`` on, every ``rate``-th; past the end, the last one taken is repeated.

    Args:
        frames: frames the clip has, >= 1.
        length: frames wanted, >= 1.
        rate: stride, >= 1.
        start: first frame, in [0, frames).

    Raises:
        ValueError: a number out of its range.
    """
    _check(frames=frames, length=length, rate=rate)
    if not 0 <= start < frames:
        raise ValueError(f"start must lie in [0, {frames}) but is {start}")
    available = np.arange(start, frames, rate)
    return available[np.minimum(np.arange(length), len(available) - 1)]


def random_window(frames: int, length: int, rate: int, rng: np.random.Generator) -> Int64[np.ndarray, " length"]:
    """A dense window for training: its start is drawn uniformly from those that need no padding, 0 when there is none.

    Args:
        frames: frames the clip has, >= 1.
        length: frames wanted, >= 1.
        rate: stride, >= 1.
        rng: where the start is drawn from; one draw a call, so equal seeds give equal windows.

    Raises:
        ValueError: a number out of its range.
    """
    _check(frames=frames, length=length, rate=rate)
    span = (length - 1) * rate + 1
    return dense_window(frames, length, rate, int(rng.integers(max(frames - span, 0) + 1)))


def uniform_sample(frames: int, length: int) -> Int64[np.ndarray, " length"]:
    """The middle frames of ``length`` equal parts of the clip; frames repeat evenly when there are fewer.

    Raises:
        ValueError: frames or length below 1.
    """
    _check(frames=frames, length=length)
    return (2 * np.arange(length) + 1) * frames // (2 * length)


def evaluation_views(frames: int, length: int, segments: int, rate: int = 1) -> Int64[np.ndarray, "segments length"]:
    """Dense windows spread over the clip for testing: the first from its start, the last up to its end.

    Args:
        frames: frames the clip has, >= 1.
        length: frames a view has, >= 1.
        segments: views; a single one lies in the middle.
        rate: stride, >= 1.

    Raises:
        ValueError: a number out of its range.
    """
    _check(frames=frames, length=length, segments=segments, rate=rate)
    strided = np.arange(0, frames, rate)
    spare = max(len(strided) - length, 0)
    steps = max(segments - 1, 1)
    starts = np.arange(segments) * spare // steps if segments > 1 else np.array([spare // 2])
    places = np.minimum(starts[:, None] + np.arange(length), len(strided) - 1)
    views: Int64[np.ndarray, "segments length"] = strided[places]
    return views


def unique_views(
    views: Int64[np.ndarray, "views length"],
) -> tuple[Int64[np.ndarray, "unique length"], Int64[np.ndarray, " views"]]:
    """The distinct views, and for every view its place among them: compute each once, then ``answers[place].mean(0)``.

    With the paper's 2 segments a clip of at most ``length`` frames has one distinct view.
    """
    unique, place = np.unique(views, axis=0, return_inverse=True)
    return unique, place.reshape(-1)


def _check(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name} must be at least 1 but is {number}")
