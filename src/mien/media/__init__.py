"""Pixels in and out: one ``open`` for every source, what to take of it, ``VideoWriter``; loaded on first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mien.media.files import expand as expand
    from mien.media.opening import open as open
    from mien.media.opening import probe as probe
    from mien.media.selection import Selection as Selection
    from mien.media.source import Source as Source
    from mien.media.source import SourceInfo as SourceInfo
    from mien.media.writer import VideoWriter as VideoWriter

_CONTENTS = {
    "open": "mien.media.opening",
    "probe": "mien.media.opening",
    "expand": "mien.media.files",
    "Selection": "mien.media.selection",
    "Source": "mien.media.source",
    "SourceInfo": "mien.media.source",
    "VideoWriter": "mien.media.writer",
}


def __getattr__(name: str) -> object:
    if name not in _CONTENTS:
        raise AttributeError(f"module 'mien.media' has no attribute {name!r}; it has {', '.join(sorted(_CONTENTS))}")
    return getattr(importlib.import_module(_CONTENTS[name]), name)


def __dir__() -> list[str]:
    return sorted(_CONTENTS)
