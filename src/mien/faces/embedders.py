"""What tells whether two aligned crops may show one person, and which ways there are. None comes with mien.

Used for two things alone, each off by default: to give a person who comes back in one film the number from before, and
to keep the items of one person of a data set in one split. Vectors live in memory while that is done; none is written
anywhere, none is compared with another film, and nobody is named (docs/intended-use.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8

from mien.core.errors import ConfigError
from mien.core.registry import Place, Registry


@runtime_checkable
class Embedder(Protocol):
    """Crops of one person to vectors that lie near each other."""

    def __call__(self, crops: UInt8[np.ndarray, "n 3 a b"], /) -> Float64[np.ndarray, "n d"]:
        """A vector of length 1 for every RGB crop; likeness is their cosine."""


EMBEDDERS: Registry[Callable[..., Embedder]] = Registry(
    "embedder", {"onnx": Place("mien.faces.embedder_file:EmbedderFile")}
)
"""Builders by name: ``EMBEDDERS["onnx"](path="net.onnx", words=("colours=bgr",))``."""
USUAL = 0.5
"""Likeness, where nothing is said of it."""


@dataclass(frozen=True)
class EmbedderSettings:
    """Which embedder, and what it takes to be one person. The docstrings below the fields are the command's help.

    Raises:
        ConfigError: an unknown name, words without a file, or a likeness out of range.
    """

    embedder: str = "onnx"
    """How faces are told apart: onnx, a network of your own."""
    embedder_file: Path | None = None
    """Its ONNX file: a vector for a crop. None: faces are not told apart. No vector is written, nobody named."""
    embedder_input: tuple[str, ...] = ()
    """How it takes a crop: size=112 colours=rgb|bgr mean=0.5 std=0.5, of values from 0 to 1."""
    same_person: float = USUAL
    """Cosine of two faces' vectors, above 0 up to 1, from which on they are one person. Look at pairs that you know:
    networks differ, and crops of mien are tighter than most were trained on."""

    def __post_init__(self) -> None:
        EMBEDDERS.demand(self.embedder)
        if not 0 < self.same_person <= 1:
            raise ConfigError("a same_person above 0 up to 1", str(self.same_person), "use 0.5")
        if self.embedder_file is None and (self.embedder_input or self.same_person != USUAL):
            fix = "name the file, or leave both out"
            raise ConfigError("--embedder-file beside --embedder-input or --same-person", "none", fix)

    def make(self) -> Embedder | None:
        """The embedder; None where none is asked for.

        Raises:
            ConfigError: words that it does not know.
            WeightsError: a file that is missing or no such network.
        """
        if self.embedder_file is None:
            return None
        return EMBEDDERS[self.embedder](path=self.embedder_file, words=self.embedder_input)
