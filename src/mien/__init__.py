"""mien: which expression does each face in this video show, when, and why.

>>> import mien
>>> model = mien.load()
>>> result = model.analyze("talk.mp4")          # doctest: +SKIP

This file is a lazy table of contents: importing it loads neither torch nor cv2 nor av.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from mien.core.version import __version__

if TYPE_CHECKING:
    from mien.analysis.expressions import ExpressionModel as ExpressionModel
    from mien.analysis.expressions import load as load
    from mien.analysis.settings import AnalysisSettings as AnalysisSettings
    from mien.core.errors import InputError as InputError
    from mien.core.errors import MienError as MienError
    from mien.report.read import read as read
    from mien.report.result import Result as Result
    from mien.scale.running import sweep as sweep
    from mien.studies.run import study as study
    from mien.studies.settings import StudySettings as StudySettings

_CONTENTS = {
    "load": "mien.analysis.expressions",
    "ExpressionModel": "mien.analysis.expressions",
    "read": "mien.report.read",
    "AnalysisSettings": "mien.analysis.settings",
    "Result": "mien.report.result",
    "study": "mien.studies.run",
    "sweep": "mien.scale.running",
    "StudySettings": "mien.studies.settings",
    "MienError": "mien.core.errors",
    "InputError": "mien.core.errors",
}
__all__ = [*_CONTENTS, "__version__"]


def __getattr__(name: str) -> object:
    if name not in _CONTENTS:
        raise AttributeError(f"module 'mien' has no attribute {name!r}; it has {', '.join(sorted(_CONTENTS))}")
    return getattr(importlib.import_module(_CONTENTS[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
