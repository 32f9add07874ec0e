"""What every map of evidence is: the flow here, the one question a method answers in its own file.

A method says how much of the answer each place of each crop stands for. No method proves a cause: rollout and fovea
tell what the network looks at whatever it answers, occlusion what it misses when a place is hidden. Where they agree,
believe them more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np
from jaxtyping import Float, Float64, UInt8

from mien.core.errors import ConfigError

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

    from mien.models.s2d import S2D
    from mien.models.zoo import LoadedModel


class Method(ABC):
    """One way to ask a model where it looks. A subclass fills :meth:`places`.

    Attributes:
        name: on the command line and in explain.json.
        title: in pictures, two short lines.
        unit: what a map's values count.
        in_all: whether ``--method all`` asks it.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str]
    in_all: ClassVar[bool] = True

    def map(self, model: LoadedModel, images: UInt8[np.ndarray, "t 3 s s"], label: int) -> Float64[np.ndarray, "t s s"]:
        """Evidence for every pixel of every crop, >= 0, in :attr:`unit`.

        Args:
            model: in use for the answer that is to be explained.
            images: the crops of one clip, RGB.
            label: class index of the answer.

        Raises:
            ConfigError: the model has not the part that this method looks at.
        """
        return on_crop(np.asarray(self.places(model, images, label), np.float64), images.shape[-1])

    def can_ask(self, model: LoadedModel) -> bool:
        """Whether the model has the part that this method looks at."""
        return True

    @abstractmethod
    def places(
        self, model: LoadedModel, images: UInt8[np.ndarray, "t 3 s s"], label: int
    ) -> Float[np.ndarray, "t g g"]:
        """Evidence on a square grid of places over every crop, >= 0."""


def on_crop(places: Float64[np.ndarray, "t g g"], side: int) -> Float64[np.ndarray, "t s s"]:
    """A grid of values over crops as values of their pixels, bilinear between the middles of the places."""
    if places.shape[-1] == side:
        return places
    return np.stack([cv2.resize(frame, (side, side), interpolation=cv2.INTER_LINEAR) for frame in places])


def even(weights: Float64[np.ndarray, "t l"]) -> Float64[np.ndarray, "t g g"]:
    """Weights of l places in reading order on their square grid, scaled so that 1 is what an even spread gives."""
    side = round(weights.shape[1] ** 0.5)
    scaled: Float64[np.ndarray, "t l"] = weights * weights.shape[1] / weights.sum(axis=1, keepdims=True)
    return scaled.reshape(len(weights), side, side)


def readable(model: LoadedModel) -> S2D:
    """The network whose parts can be listened to. Raises ConfigError for one folded for speed."""
    from mien.models.s2d import S2D

    net = model.network.net
    if model.record.network != "s2d":
        raise ConfigError("an S2D network for this method", model.record.network, "use --method gradcam or occlusion")
    if not isinstance(net, S2D):
        raise ConfigError("a model with readable parts", "a folded one", "load it with load_model(name, folded=False)")
    return net


@contextmanager
def listening(handles: list[RemovableHandle]) -> Iterator[None]:
    """Take hooks off the network again, whatever happens in between."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
