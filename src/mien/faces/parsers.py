"""What tells the parts of a face in an aligned crop apart, pixel by pixel, and which ways there are.

The 68 points do by default (:mod:`mien.faces.regions`). A parsing net knows hair and glasses as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from mien.core.action_units import Region
from mien.core.errors import ConfigError
from mien.core.registry import Place, Registry
from mien.faces.landmarkers import Landmarker


@dataclass(frozen=True, eq=False)
class Parsed:
    """Parts of faces.

    Attributes:
        regions: which pixels of every crop belong to which; none to two.
        covered: by name of what covers it, the share of every face, in [0, 1]; empty where that is not known.
    """

    regions: dict[Region, Bool[np.ndarray, "n s s"]]
    covered: dict[str, Float64[np.ndarray, " n"]] = field(default_factory=dict)


@runtime_checkable
class Parser(Protocol):
    """Tells parts apart."""

    def __call__(self, crops: UInt8[np.ndarray, "n 3 s s"], /) -> Parsed:
        """The parts of the face in every RGB crop, at the crop's own side."""


PARSERS: Registry[Callable[..., Parser]] = Registry(
    "parser",
    {
        "points": Place("mien.faces.parser_points:ByPoints"),
        "onnx": Place("mien.faces.parser_file:ParserFile"),
    },
)
"""Builders by name: ``PARSERS["onnx"](path="net.onnx", words=("size=512",), labels=("skin=1", "mouth=11,12"))``."""


@dataclass(frozen=True)
class ParserSettings:
    """Which parser. The docstrings below the fields are the command's help.

    Raises:
        ConfigError: an unknown name, or a file for none.
    """

    parser: str | None = None
    """What says where the face's regions lie: points, the 68 landmarks, or onnx, a parsing network of your own. None:
    points, where the model has a landmark net."""
    parser_file: Path | None = None
    """The ONNX file of onnx: a score of every class and pixel, or the class itself."""
    parser_input: tuple[str, ...] = ()
    """How onnx takes a crop, if not so: size=512 colours=rgb mean=0.485,0.456,0.406 std=0.229,0.224,0.225."""
    parser_labels: tuple[str, ...] = ()
    """Which of its classes, from 0, are what: skin=1 brows=2,3 eyes=4,5 nose=10 mouth=11,12,13, all needed; glasses=6
    hair=17 cover=18 (hand, mask, ...) if it knows them. The others are elsewhere."""

    def __post_init__(self) -> None:
        more = self.parser_file is not None or self.parser_input or self.parser_labels
        if more and self.parser != "onnx":
            raise ConfigError("--parser onnx beside its file, input or labels", str(self.parser), "say --parser onnx")
        if self.parser is not None:
            PARSERS.demand(self.parser)

    def make(self, find: Landmarker | None) -> Parser | None:
        """The parser that is asked for; None where none is and no landmark net is given.

        Args:
            find: a landmark net, for points.

        Raises:
            ConfigError: words it does not know, points without a landmark net, or a landmark net it does not need.
            WeightsError: a file that is missing or no such network.
        """
        if self.parser is None and find is None:
            return None
        how: dict[str, Any] = {"find": find}
        if self.parser == "onnx":
            how |= {"path": self.parser_file, "words": self.parser_input, "labels": self.parser_labels}
        return PARSERS[self.parser or "points"](**how)
