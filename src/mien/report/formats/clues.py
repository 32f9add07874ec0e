"""Clues, reading, labels: what a span shows in words, in the three parts of EMER (Lian et al., arXiv 2306.15401).

For whoever lets a language model of their own go on from there, or compares one with mien. No language model wrote any
of it: clues and reading are those of :mod:`mien.report.reading`; labels are the expression that is named and, where two
at once were asked for, the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.compound import Compound
from mien.core.types import Span
from mien.report.compounds import compounds_of
from mien.report.formats.base import Format
from mien.report.reading import SpanReading, clues_of, read_of, readings_of
from mien.report.tables import SCORE_DIGITS, TIME_DIGITS, write_json

if TYPE_CHECKING:
    from mien.report.findings import Findings

NOTE = "Expressions shown, not emotions felt. Words are made of numbers by a rule."
UNREAD = SpanReading({}, {}, "open", "")
"""Of a model that knows no action units; of a face that could not be read, too, nothing is known."""


def write(result: Findings, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.clues.json``: an item a span, in the order of spans.csv."""
    spans = result.spans
    readings = readings_of(result.frames, spans, result.labels.labels) or [UNREAD] * len(spans)
    pairs = compounds_of(result) or [None] * len(spans)
    items = [
        {
            **_about(span),
            "clues": clues_of(read.seen),
            "reading": read_of(read.fits) if read.fits else "",
            "labels": _labels(span, pair),
        }
        for span, read, pair in zip(spans, readings, pairs, strict=True)
    ]
    path = folder / f"{stem}.clues.json"
    write_json(path, {"source": result.source.name, "note": NOTE, "items": items})
    return [path]


def _about(span: Span) -> dict[str, Any]:
    times = {"start": round(span.start, TIME_DIGITS), "end": round(span.end, TIME_DIGITS)}
    return {"track": span.track, **times, "score": round(span.score, SCORE_DIGITS)}


def _labels(span: Span, pair: Compound | None) -> list[str]:
    named = [] if span.abstained else [span.label]
    return list(dict.fromkeys([*named, *(pair.of if pair is not None and pair.name is not None else ())]))


FORMAT = Format(write)
