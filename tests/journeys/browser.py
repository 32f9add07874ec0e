"""A film a browser plays, and a report about two people in it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from mien import media
from mien.core.labels import LABEL_SPACES
from mien.core.table import FaceTable
from mien.core.types import Face, FaceRow, Quality, Span
from mien.media import SourceInfo
from mien.report.result import Result

WIDTH, HEIGHT, RATE, SECONDS = 160, 96, 25, 6.0
LABELS = LABEL_SPACES["ferplus"]
SPANS = (
    Span(1, 0.0, 2.0, "neutral", 0.9),
    Span(2, 1.0, 3.4, "sadness", 0.7),
    Span(1, 2.0, 3.0, "unclear", 0.0, True, "turned away"),
    Span(1, 3.0, 6.0, "happiness", 0.8),
    Span(2, 3.4, 5.0, "unclear", 0.4, True, "low confidence"),
)
BOXES = {1: (10, 20, 60, 80), 2: (95, 20, 145, 80)}


def film(path: Path, seconds: float = SECONDS) -> Path:
    """A film whose brightness rises with time: H.264 for ``.mp4``, VP8 for ``.webm``."""
    frames = [np.full((HEIGHT, WIDTH, 3), 20 + index, np.uint8) for index in range(int(seconds * RATE))]
    if path.suffix != ".webm":
        with media.VideoWriter(path, WIDTH, HEIGHT, RATE) as writer:
            for index, frame in enumerate(frames):
                writer.write(frame, index / RATE)
        return path
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def result_about(origin: Path | None, name: str = "talk.mp4") -> Result:
    """What :data:`SPANS` says, with the label's score as its probability and the rest spread over the others."""
    table = FaceTable(len(LABELS))
    for index in range(int(SECONDS * RATE)):
        for span in SPANS:
            if span.start <= index / RATE < span.end:
                box = np.array(BOXES[span.track], np.float32)
                points = box[:2] + np.array([[13, 23], [37, 23], [25, 34], [15, 44], [36, 44]], np.float32)
                unread = span.reason == "turned away"
                quality = Quality(50, 99, 0, span.reason if unread else None)
                probabilities = None if unread else _spread(span)
                table.append(FaceRow(index, index / RATE, span.track, Face(box, 0.9, points), quality, probabilities))
    info = SourceInfo(name, "video", WIDTH, HEIGHT, SECONDS, RATE, int(SECONDS * RATE))
    facts = {"mien": "0", "model": {"name": "none", "threshold": 0.62}, "command": f"mien analyze '{name}'"}
    return Result(info, LABELS, SPANS, table, facts, origin=origin)


def still_about(origin: Path) -> Result:
    """Two faces in a picture."""
    table = FaceTable(len(LABELS))
    spans = (Span(1, 0.0, 0.0, "happiness", 0.8), Span(2, 0.0, 0.0, "unclear", 0.4, True, "low confidence"))
    for span in spans:
        box = np.array(BOXES[span.track], np.float32)
        table.append(
            FaceRow(0, 0.0, span.track, Face(box, 0.9, np.zeros((5, 2), np.float32)), Quality(50, 99, 0), _spread(span))
        )
    return Result(SourceInfo(origin.name, "image", WIDTH, HEIGHT), LABELS, spans, table, {}, origin=origin)


def _spread(span: Span) -> np.ndarray:
    chosen = 0 if span.abstained else LABELS.index(span.label)
    probabilities = np.full(len(LABELS), (1 - span.score) / (len(LABELS) - 1))
    probabilities[chosen] = span.score
    return probabilities
