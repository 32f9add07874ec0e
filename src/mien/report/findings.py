"""What an analysis found: the spans, the table they rest on, and how they came about. :class:`Result` adds verbs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mien.core.compound import CompoundRule
from mien.core.labels import LabelSpace
from mien.core.signals import Signal
from mien.core.types import Span
from mien.media.selection import Selection
from mien.media.source import SourceInfo
from mien.report.edits import Edits
from mien.report.frames import FrameTable

if TYPE_CHECKING:
    from mien.report.points import PointFinder


@dataclass(frozen=True, eq=False)
class Findings:
    """Who showed what, when.

    Attributes:
        source: what was looked at.
        labels: the model's expressions, in the order of the probabilities.
        spans: by start, then track; empty when no face was found.
        frames: one row a face and frame, by frame, then track; ``frames.to_pandas()`` and ``frames.to_polars()`` are
            what frames.csv holds.
        provenance: how the numbers came about (:func:`mien.analysis.provenance.provenance`).
        origin: what was given to ``analyze``, kept so that it can be drawn on later.
        selection: which pictures were looked at.
        compound: the rule by which pairs of expressions are named (:mod:`mien.report.compounds`); None: they are not.
        edits: what a person corrected, which spans and frames already follow (:mod:`mien.report.edited`).
        landmarker: the model's landmark net, for drawing; None where it has none. Not kept when pickled.
    """

    source: SourceInfo
    labels: LabelSpace
    spans: tuple[Span, ...]
    frames: FrameTable
    provenance: dict[str, Any]
    origin: Any = field(default=None, repr=False)
    selection: Selection = field(default_factory=Selection, repr=False)
    compound: CompoundRule | None = None
    edits: Edits = field(default_factory=Edits, repr=False)
    landmarker: PointFinder | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # Also of a plain table, and after dataclasses.replace: the frames speak of these spans.
        object.__setattr__(self, "frames", FrameTable(self.frames, self.spans, self.labels.labels))

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the landmark net, which is the model's."""
        return {**self.__dict__, "landmarker": None}

    @property
    def signals(self) -> tuple[Signal, ...]:
        """What the model says beside the expression: columns of the frames."""
        return self.frames.signals

    @property
    def end(self) -> float:
        """Seconds on the source's clock at which its pictures (by its header) or its last span end."""
        return max([self.source.start + (self.source.duration or 0.0), *(span.end for span in self.spans)])
