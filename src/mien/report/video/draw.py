"""The source once more, with what was read from it drawn in: boxes, labels, probability bars, a strip of the spans.

Frames are matched to rows by their number and keep their own times, so variable frame rates stay as they are.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Float

from mien.core.errors import ConfigError, NoLandmarksError, SourceError
from mien.core.files import whole_file
from mien.core.types import FaceRow, Frame
from mien.report.tables import row_verdict, span_of_rows
from mien.report.video.blur import FacePaths, blur_face
from mien.report.video.marks import FaceMark, Image, draw_faces, verdict_text
from mien.report.video.ribbon import Ribbon
from mien.report.video.steady import steady_boxes

if TYPE_CHECKING:
    from mien.media import VideoWriter
    from mien.report.findings import Findings

STILLS = (".png", ".jpg", ".jpeg")
DEFAULT_RATE = 25.0
LOG = logging.getLogger("mien")


def draw_result(
    result: Findings, path: Path, blur: bool = False, landmarks: bool = False, strip: bool = True, sound: bool = True
) -> Path:
    """Write the annotated source to ``path``; see :meth:`mien.report.result.Result.draw`."""
    from mien import media

    _check(result, path)
    overlay = Overlay(result, blur=blur, landmarks=landmarks)
    with media.open(result.origin, selection=result.selection) as source:
        if path.suffix.lower() in STILLS:
            _write_still(path, overlay(next(iter(source))))
            return path
        from mien.media.writer import fitted

        width, height = result.source.width, result.source.height
        ribbon = Ribbon(result, width, height) if strip else None
        rate = result.selection.frame_rate or (result.source.frame_rate or DEFAULT_RATE) / result.selection.every
        below = ribbon.height if ribbon else 0
        with media.VideoWriter(path, width, height + below, rate, _sound_file(result) if sound else None) as writer:
            for frame in source:
                image = fitted(overlay(frame), width, height)
                writer.write(ribbon.under(image, frame.time) if ribbon else image, frame.time)
        _tell(writer)
    return path


def _sound_file(result: Findings) -> Path | None:
    """The file with the sound, where the source is one; an address is not opened a second time for it."""
    if not result.source.has_audio or not isinstance(result.origin, str | Path):
        return None
    return path if (path := Path(result.origin)).is_file() else None


def _tell(writer: VideoWriter) -> None:
    """Say how it was coded: loudly where a viewer would miss something."""
    if writer.codec == "mpeg4":
        LOG.warning("%s is MPEG-4 Part 2: FFmpeg has no H.264 encoder here. Browsers do not play it.", writer.path.name)
    if writer.sound is not None and writer.sound.problem:
        LOG.warning("%s: %s", writer.path.name, writer.sound.problem)
    sound = writer.sound.how if writer.sound is not None else None
    LOG.info("%s: video by %s, sound %s", writer.path.name, writer.codec, sound or "none")


def _check(result: Findings, path: Path) -> None:
    if result.origin is None or result.source.kind == "camera":
        raise SourceError("a source that can be opened again", result.source.kind, "record it to a file first")
    if isinstance(result.origin, str | Path) and Path(result.origin).resolve() == path.resolve():
        raise ConfigError("a path other than the source's own", str(path), "choose another name for the drawing")
    if path.suffix.lower() in STILLS and result.source.kind != "image":
        raise ConfigError("a video path for a source of many pictures", path.name, "use a suffix such as .mp4")


def _write_still(path: Path, image: Image) -> None:
    with whole_file(path) as draft:
        draft.write_bytes(cv2.imencode(path.suffix.lower(), image[..., ::-1])[1].tobytes())


class Overlay:
    """Draws what ``result`` says about a frame into a copy of it.

    Args:
        result: of the source the frames come from.
        blur: hide every face that was found, in every frame it may be seen in. A face that was never found stays
            visible: look at the video before you share it.
        landmarks: draw the landmarks that ``result.landmarker`` finds, while drawing; without one, the five points
            each face was aligned by.
    """

    def __init__(self, result: Findings, blur: bool = False, landmarks: bool = False) -> None:
        self._table, self._spans = result.frames, result.spans
        self._labels = result.labels.labels
        self._frame_of_row = result.frames.column("index")
        self._span_of_row = span_of_rows(result.frames, result.spans)
        self._boxes = steady_boxes(result.frames)
        self._paths = FacePaths(result.frames) if blur else None
        self._landmarks, self._finder = landmarks, result.landmarker

    def __call__(self, frame: Frame) -> Image:
        """The annotated copy of ``frame``."""
        image = np.array(frame.image)
        if self._paths is not None:
            for box in self._paths.at(frame.time):
                blur_face(image, box)
        first, last = np.searchsorted(self._frame_of_row, [frame.index, frame.index + 1])
        rows = [self._table[row] for row in range(first, last)]
        points = self._points(frame.image, rows)
        marks = [self._mark(first + place, row, points[place]) for place, row in enumerate(rows)]
        draw_faces(image, marks, self._labels)
        return image

    def _mark(self, number: int, row: FaceRow, points: Float[np.ndarray, "p 2"] | None) -> FaceMark:
        place = int(self._span_of_row[number])
        label, score, reason = row_verdict(row, self._spans[place] if place >= 0 else None, self._labels)
        text = verdict_text(row.track, label, score, reason)
        return FaceMark(self._boxes[number], label, text, row.probabilities, points)

    def _points(self, image: Image, rows: list[FaceRow]) -> list[Float[np.ndarray, "p 2"] | None]:
        if not self._landmarks:
            return [None] * len(rows)
        if self._finder is not None:
            try:
                return list(self._finder(image, [row.face for row in rows]))
            except NoLandmarksError:  # known only once it is asked
                self._finder = None
                LOG.warning("these weights hold no landmark net: the five points of the alignment are drawn instead")
        return [row.face.points for row in rows]
