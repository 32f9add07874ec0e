"""The source once more, with what was read from it drawn in: boxes, labels, probability bars.

Frames are matched to rows by their number and keep their own times, so variable frame rates stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from mien.core.errors import ConfigError, SourceError
from mien.core.files import whole_file
from mien.core.types import UNCLEAR, FaceRow, Frame
from mien.report.hide import FacePaths, hide
from mien.report.palette import INK, WHITE, Colour, colours, text_colour
from mien.report.tables import row_verdict, span_of_rows
from mien.report.text import put_text, text_width

if TYPE_CHECKING:
    from mien.report.result import Result

STILLS = (".png", ".jpg", ".jpeg")
MOST_PANELS = 3  # More faces in a frame get boxes and labels only: their bars would cover each other.
DEFAULT_RATE = 25.0
Image = UInt8[np.ndarray, "h w 3"]


def draw_result(result: Result, path: Path, blur: bool = False, landmarks: bool = False) -> Path:
    """Write the annotated source to ``path``; see :meth:`mien.report.result.Result.draw`."""
    from mien import media

    _check(result, path)
    overlay = Overlay(result, blur=blur, landmarks=landmarks)
    with media.open(result.origin, frame_rate=result.frame_rate) as source:
        if path.suffix.lower() in STILLS:
            _write_still(path, overlay(next(iter(source))))
            return path
        rate = result.frame_rate or result.source.frame_rate or DEFAULT_RATE
        with media.VideoWriter(path, result.source.width, result.source.height, rate) as writer:
            for frame in source:
                writer.write(overlay(frame), frame.time)
    return path


def _check(result: Result, path: Path) -> None:
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
        landmarks: draw the five points of each face.
    """

    def __init__(self, result: Result, blur: bool = False, landmarks: bool = False) -> None:
        self._table, self._spans = result.frames, result.spans
        self._labels = result.labels.labels
        self._frame_of_row = result.frames.column("index")
        self._span_of_row = span_of_rows(result.frames, result.spans)
        self._colours = colours(self._labels)
        self._paths = FacePaths(result.frames) if blur else None
        self._landmarks = landmarks

    def __call__(self, frame: Frame) -> Image:
        """The annotated copy of ``frame``."""
        image = np.array(frame.image)
        if self._paths is not None:
            for box in self._paths.at(frame.time):
                hide(image, box)
        first, last = np.searchsorted(self._frame_of_row, [frame.index, frame.index + 1])
        rows = [(self._table[row], int(self._span_of_row[row])) for row in range(first, last)]
        for row, place in rows:
            self._draw_face(image, row, place, panel=len(rows) <= MOST_PANELS)
        return image

    def _draw_face(self, image: Image, row: FaceRow, place: int, panel: bool) -> None:
        label, score, reason = row_verdict(row, self._spans[place] if place >= 0 else None, self._labels)
        colour, size = self._colours[label], lettering(image)
        draw_box(image, row.face.box, colour, size)
        if self._landmarks:
            draw_points(image, row.face.points, size)
        verdict = f"{label} {score:.2f}" if score is not None else UNCLEAR + (f": {reason}" if reason else "")
        draw_chip(image, row.face.box, f"{row.track}  {verdict}", colour, size)
        if panel and row.probabilities is not None:
            shades = [self._colours[name] for name in self._labels]
            draw_panel(image, row.face.box, self._labels, row.probabilities, shades, size)


def lettering(image: Image) -> float:
    """Font size in pixels that reads well on an image of this size."""
    return float(np.clip(min(image.shape[:2]) / 26, 11, 48))


def draw_box(image: Image, box: Float[np.ndarray, " 4"], colour: Colour, size: float) -> None:
    """A frame around the face, with a dark rim that shows on bright ground."""
    corners = (round(float(box[0])), round(float(box[1]))), (round(float(box[2])), round(float(box[3])))
    width = max(2, round(size / 7))
    cv2.rectangle(image, *corners, INK, width + 2, cv2.LINE_AA)
    cv2.rectangle(image, *corners, colour, width, cv2.LINE_AA)


def draw_points(image: Image, points: Float[np.ndarray, "n 2"], size: float) -> None:
    """The landmarks, as white dots with a dark rim."""
    radius = max(2, round(size / 6))
    for x, y in points:
        cv2.circle(image, (round(float(x)), round(float(y))), radius + 1, INK, -1, cv2.LINE_AA)
        cv2.circle(image, (round(float(x)), round(float(y))), radius, WHITE, -1, cv2.LINE_AA)


def draw_chip(image: Image, box: Float[np.ndarray, " 4"], text: str, colour: Colour, size: float) -> None:
    """A label on its own ground above the box, or inside it at the frame's upper edge; never cut by the frame."""
    pad = round(size / 3)
    width, height = text_width(text, size) + 2 * pad, round(size * 1.25) + pad
    left = int(np.clip(round(float(box[0])), 0, max(0, image.shape[1] - width)))
    top = round(float(box[1])) - height
    top = int(np.clip(top if top >= 0 else round(float(box[1])), 0, max(0, image.shape[0] - height)))
    image[top : top + height, left : left + width] = colour
    put_text(image, text, (float(left + pad), top + height - pad - size * 0.12), size, text_colour(colour))


def draw_panel(
    image: Image,
    box: Float[np.ndarray, " 4"],
    labels: Sequence[str],
    probabilities: Float[np.ndarray, " c"],
    shades: Sequence[Colour],
    size: float,
) -> None:
    """A bar for every expression, beside the box where there is room."""
    small = max(10.0, size * 0.72)
    line, pad = round(small * 1.35), round(small / 2)
    words, bars = max(text_width(label, small) for label in labels), round(small * 4.5)
    width, height = words + bars + 3 * pad, line * len(labels) + pad
    left, top = _panel_place(image, box, width, height, pad)
    ground = image[top : top + height, left : left + width]
    ground[:] = (ground * 0.25).astype(np.uint8)
    for place, (label, probability, shade) in enumerate(zip(labels, probabilities, shades, strict=True)):
        base = top + pad // 2 + place * line
        put_text(image, label, (float(left + pad), base + line * 0.78), small, WHITE)
        start, length = left + words + 2 * pad, round(bars * float(np.clip(probability, 0, 1)))
        cv2.rectangle(image, (start, base + 3), (start + bars, base + line - 3), (90, 90, 90), -1)
        cv2.rectangle(image, (start, base + 3), (start + length, base + line - 3), shade, -1)


def _panel_place(image: Image, box: Float[np.ndarray, " 4"], width: int, height: int, gap: int) -> tuple[int, int]:
    """Upper left corner: right of the box, else left of it, else at the frame's right edge."""
    right, left = round(float(box[2])) + gap, round(float(box[0])) - gap - width
    room = max(0, image.shape[1] - width)
    column = right if right <= room else left if left >= 0 else room
    return column, int(np.clip(round(float(box[1])), 0, max(0, image.shape[0] - height)))
