"""What an analysis hands back: the spans, the table they rest on, and verbs that show them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.labels import LabelSpace
from mien.core.table import FaceTable
from mien.core.types import Span
from mien.report import tables

if TYPE_CHECKING:
    from mien.media import SourceInfo

RESULT_FILE = "result.json"


@dataclass(frozen=True, eq=False)
class Result:
    """Who showed what, when.

    Attributes:
        source: what was looked at.
        labels: the model's expressions, in the order of the probabilities.
        spans: by start, then track; empty when no face was found.
        frames: one row a face and frame, by frame, then track.
        provenance: how the numbers came about (:func:`mien.analysis.provenance.provenance`).
        origin: what was given to ``analyze``, kept so that :meth:`draw` can open it again.
        frame_rate: pictures per second that were looked at; None when all were.
    """

    source: SourceInfo
    labels: LabelSpace
    spans: tuple[Span, ...]
    frames: FaceTable
    provenance: dict[str, Any]
    origin: Any = field(default=None, repr=False)
    frame_rate: float | None = field(default=None, repr=False)

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``spans.csv``, ``frames.csv`` and, last, ``result.json`` into ``folder``; returns the three paths."""
        place = Path(folder)
        spans, frames, result = (place / name for name in ("spans.csv", "frames.csv", RESULT_FILE))
        tables.write_spans(spans, self.spans)
        tables.write_frames(frames, self.frames, self.spans, self.labels.labels)
        tables.write_json(result, self.to_dict())
        return [spans, frames, result]

    def to_dict(self) -> dict[str, Any]:
        """The content of ``result.json``, in the types of JSON."""
        content = {
            "schema": tables.SCHEMA,
            "source": asdict(self.source),
            "label_space": self.labels.name,
            "labels": self.labels.labels,
            "tracks": tables.track_totals(self.frames, self.spans),
            "spans": [tables.span_record(span) for span in self.spans],
            "provenance": self.provenance,
        }
        unwrapped: dict[str, Any] = tables.plain(content)
        return unwrapped

    def draw(self, path: str | Path, blur: bool = False, landmarks: bool = False) -> Path:
        """Write the source again with boxes, labels and probability bars drawn in; returns the path.

        Args:
            path: a video file, or ``.png`` / ``.jpg`` when the source is one picture.
            blur: hide every face that was found (see :func:`mien.report.draw.hide`).
            landmarks: draw the five points of each face.

        Raises:
            SourceError: the source cannot be opened a second time (a camera), or the path does not fit it.
        """
        from mien.report.draw import draw_result

        return draw_result(self, Path(path), blur=blur, landmarks=landmarks)

    def timeline(self, path: str | Path) -> Path:
        """Write a picture with a row per face and its spans over time: ``.svg``, or ``.png``; returns the path."""
        from mien.report.timeline import write_timeline

        return write_timeline(self, Path(path))
