"""Results of films whose spans are known."""

from __future__ import annotations

import numpy as np

from mien.core.labels import LabelSpace
from mien.core.table import FaceTable
from mien.core.types import Face, FaceRow, Quality, Span
from mien.media.source import SourceInfo
from mien.report.frames import FrameTable
from mien.report.result import Result

LABELS = LabelSpace("three", ("neutral", "happiness", "sadness"))


def result_of(name: str, spans: tuple[Span, ...]) -> Result:
    """A film at ten frames a second with a face wherever a span is."""
    table = FaceTable(len(LABELS))
    for span in spans:
        for index in range(round(span.start * 10), round(span.end * 10)):
            box, points = np.array([0, 0, 50, 50], np.float32), np.zeros((5, 2), np.float32)
            face, quality = Face(box, 0.9, points), Quality(50, 100, 0)
            table.append(FaceRow(index, index / 10, span.track, face, quality, np.array([0.2, 0.5, 0.3])))
    table.sort()
    info = SourceInfo(name, "video", 100, 100, 20.0, 10.0, 200)
    return Result(info, LABELS, spans, FrameTable(table, spans, LABELS.labels), {})
