"""Who is where: detectors, guidance between detections, tracks, alignment, quality gates, and one stream of them all.

The flow is :func:`mien.faces.stream.follow`; every stage is also usable alone. ``align`` here is the
module: write ``from mien.faces.align import align``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.faces.align import TEMPLATE as TEMPLATE
    from mien.faces.detectors import DETECTORS as DETECTORS
    from mien.faces.detectors import Detector as Detector
    from mien.faces.detectors import detect_shrunk as detect_shrunk
    from mien.faces.detectors import make_detector as make_detector
    from mien.faces.settings import FaceSettings as FaceSettings
    from mien.faces.stream import follow as follow

_CONTENTS = {
    "TEMPLATE": "mien.faces.align",
    "DETECTORS": "mien.faces.detectors",
    "Detector": "mien.faces.detectors",
    "detect_shrunk": "mien.faces.detectors",
    "make_detector": "mien.faces.detectors",
    "FaceSettings": "mien.faces.settings",
    "follow": "mien.faces.stream",
}
__all__ = [*_CONTENTS]


def __getattr__(name: str) -> object:
    if name not in _CONTENTS:
        raise AttributeError(f"module 'mien.faces' has no attribute {name!r}; it has {', '.join(sorted(_CONTENTS))}")
    return getattr(importlib.import_module(_CONTENTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
