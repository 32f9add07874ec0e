"""What finds 68 points in an aligned crop, and which ones there are.

A model's own landmark net is used where nobody says otherwise. Another draws the marks, makes the regions of an
explanation and, by ``--pose points``, says how a head is turned. It never feeds S2D's prompters: these have learnt to
read the 128 x 14 x 14 map of their own net, and heat maps of another would need a convolution that is trained.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8

from mien.core.errors import ConfigError
from mien.core.registry import Place, Registry

POINTS = 68


@runtime_checkable
class Landmarker(Protocol):
    """Finds landmarks in aligned crops; :meth:`mien.models.zoo.LoadedModel.points` is one."""

    def __call__(self, crops: UInt8[np.ndarray, "n 3 s s"], /) -> Float[np.ndarray, "n p 2"]:
        """x, y of every landmark as shares of the crop's side; of a landmark net 68, in the order of iBUG 300-W."""


LANDMARKS: Registry[Callable[..., Landmarker]] = Registry(
    "landmark net",
    {
        "mobilefacenet": Place("mien.models.own_landmarks:OwnLandmarks"),
        "onnx": Place("mien.faces.landmark_file:LandmarkFile"),
    },
)
"""Builders by name: ``LANDMARKS["onnx"](path="net.onnx", words=("size=256",))``."""


@dataclass(frozen=True)
class LandmarkSettings:
    """Which landmark net. The docstrings below the fields are the command's help.

    Raises:
        ConfigError: an unknown name, or a file for none.
    """

    landmarker: str | None = None
    """Whose 68 points: mobilefacenet, the net in weights of mien, or onnx, a network of your own. None: the model's. It
    never changes the expression."""
    landmarker_file: Path | None = None
    """The ONNX file of onnx: points, or a heat map each. Of mobilefacenet weights, if not the default ones."""
    landmarker_input: tuple[str, ...] = ()
    """How onnx takes a crop and gives points: size=112 colours=rgb|bgr mean=0.5 std=0.5 (of values from 0 to 1; one
    number or three with commas) points=shares|pixels."""

    def __post_init__(self) -> None:
        if self.landmarker is None and (self.landmarker_file is not None or self.landmarker_input):
            raise ConfigError("--landmarker NAME beside its file or input", "none", "say --landmarker onnx")
        if self.landmarker is not None:
            LANDMARKS.demand(self.landmarker)

    def make(self) -> Landmarker | None:
        """The net that is asked for; None where none is.

        Raises:
            ConfigError: words that the net does not know.
            WeightsError: a file that is missing or no such network.
        """
        if self.landmarker is None:
            return None
        return LANDMARKS[self.landmarker](path=self.landmarker_file, words=self.landmarker_input)
