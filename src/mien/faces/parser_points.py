"""Parts of a face by its 68 points."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from mien.core.errors import ConfigError
from mien.faces.landmarkers import Landmarker
from mien.faces.parsers import Parsed
from mien.faces.regions import region_masks


class ByPoints:
    """Polygons between landmarks (:func:`mien.faces.regions.region_masks`); what covers a face they do not know.

    Args:
        find: the landmark net.

    Raises:
        ConfigError: none is given.
    """

    def __init__(self, find: Landmarker | None = None) -> None:
        if find is None:
            fix = "add --landmarker mobilefacenet, or say --parser onnx with a file of your own"
            raise ConfigError("a landmark net, for --parser points", "none", fix)
        self._find = find

    def __call__(self, crops: UInt8[np.ndarray, "n 3 s s"], /) -> Parsed:
        """See :class:`mien.faces.parsers.Parser`."""
        return Parsed(region_masks(self._find(crops), crops.shape[-1]))
