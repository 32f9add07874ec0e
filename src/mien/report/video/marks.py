"""What is drawn on a face: its box, a chip with the label, a bar for every expression, its landmarks.

Sizes follow the picture's, so the marks read alike on a phone's clip and in 4K. A dark rim keeps them apart from any
ground, and colour is never alone: the label is written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from mien.report.palette import INK, WHITE, Colour, colours, text_colour
from mien.report.text import put_text, text_width

MOST_PANELS = 3  # More faces in a frame get boxes and labels only: their bars would cover each other.
SMALLEST_TYPE = 11.0
Image = UInt8[np.ndarray, "h w 3"]
Rectangle = tuple[int, int, int, int]
"""Left, top, right, bottom."""
OPEN_CONTOURS = ((0, 17), (17, 22), (22, 27), (27, 31), (31, 36))
CLOSED_CONTOURS = ((36, 42), (42, 48), (48, 60), (60, 68))
"""Jaw, brows, nose; eyes and lips among the 68 points of iBUG 300-W: first, one past the last."""


@dataclass(frozen=True, eq=False)
class FaceMark:
    """One face as it is to be drawn.

    Attributes:
        box: x0, y0, x1, y1 in pixels.
        label: names the colour.
        text: stands on the chip.
        probabilities: bars beside the box; None draws none.
        points: landmarks in pixels, 68 or any other number; None draws none.
    """

    box: Float[np.ndarray, " 4"]
    label: str
    text: str
    probabilities: Float[np.ndarray, " c"] | None = None
    points: Float[np.ndarray, "n 2"] | None = None


def verdict_text(track: int, label: str, score: float | None, reason: str | None) -> str:
    """``2  happiness 0.91`` or ``2  unclear: turned away``."""
    said = f"{label} {score:.2f}" if score is not None else label + (f": {reason}" if reason else "")
    return f"{track}  {said}"


def draw_faces(image: Image, marks: Sequence[FaceMark], labels: Sequence[str]) -> None:
    """Draw all faces of a frame in place; chips step aside for each other where there is room."""
    size, shades = lettering(image), colours(labels)
    for mark in marks:
        draw_box(image, mark.box, shades[mark.label], size)
        if mark.points is not None:
            draw_points(image, mark.points, mark.box)
    for mark in marks:
        if mark.probabilities is not None and len(marks) <= MOST_PANELS:
            draw_panel(image, mark.box, labels, mark.probabilities, [shades[label] for label in labels], size)
    taken: list[Rectangle] = []
    for mark in marks:
        taken.append(draw_chip(image, mark.box, mark.text, shades[mark.label], size, taken))


def lettering(image: Image) -> float:
    """Font size in pixels that reads well on an image of this size."""
    return max(float(min(image.shape[:2])) / 26, SMALLEST_TYPE)


def draw_box(image: Image, box: Float[np.ndarray, " 4"], colour: Colour, size: float) -> None:
    """A frame around the face, with a dark rim that shows on bright ground."""
    corners = (round(float(box[0])), round(float(box[1]))), (round(float(box[2])), round(float(box[3])))
    width = max(2, round(size / 7))
    cv2.rectangle(image, *corners, INK, width + 2, cv2.LINE_AA)
    cv2.rectangle(image, *corners, colour, width, cv2.LINE_AA)


def draw_points(image: Image, points: Float[np.ndarray, "n 2"], box: Float[np.ndarray, " 4"]) -> None:
    """The landmarks as white dots with a dark rim, in the size of the face; 68 are joined along the features."""
    # 4 bits of a pixel: whole pixels would make still points tremble.
    places = np.round(np.asarray(points, np.float64) * 16).astype(np.int32)
    side = float(min(box[2] - box[0], box[3] - box[1]))
    radius = max(1.0, side / 110) if len(points) == 68 else max(2.0, side / 40)
    if len(points) == 68:
        for first, end in (*OPEN_CONTOURS, *CLOSED_CONTOURS):
            closed = (first, end) in CLOSED_CONTOURS
            line = [places[first:end].reshape(-1, 1, 2)]
            cv2.polylines(image, line, closed, INK, max(2, round(radius)) + 1, cv2.LINE_AA, 4)
            cv2.polylines(image, line, closed, WHITE, max(1, round(radius / 2)), cv2.LINE_AA, 4)
    for grow, colour in ((1.0, INK), (0.0, WHITE)):
        for x, y in places.tolist():
            cv2.circle(image, (x, y), round((radius + grow) * 16), colour, -1, cv2.LINE_AA, 4)


def draw_chip(
    image: Image,
    box: Float[np.ndarray, " 4"],
    text: str,
    colour: Colour,
    size: float,
    taken: Sequence[Rectangle] = (),
) -> Rectangle:
    """A label on rimmed ground: above the box, else below, else inside; never cut by the frame. Returns its place."""
    room = image.shape[1] - 4
    size = min(size, size * room / max(1.0, text_width(text, size) + size))
    pad, rim = round(size / 3), max(1, round(size / 14))
    width, height = min(text_width(text, size) + 2 * pad, room), round(size * 1.25) + pad
    left = int(np.clip(round(float(box[0])), 0, max(0, image.shape[1] - width)))
    above, below, inside = round(float(box[1])) - height, round(float(box[3])) + rim, round(float(box[1]))
    lowest = max(0, image.shape[0] - height)
    tops = [top for top in (above, below, inside) if 0 <= top <= lowest] or [int(np.clip(inside, 0, lowest))]
    places = [(left, top, left + width, top + height) for top in tops]
    place = next((one for one in places if not any(_overlap(one, other) for other in taken)), places[0])
    top = place[1]
    cv2.rectangle(image, (left - rim, top - rim), (left + width + rim - 1, top + height + rim - 1), INK, -1)
    cv2.rectangle(image, (left, top), (left + width - 1, top + height - 1), colour, -1)
    put_text(image, text, (float(left + pad), top + height - pad - size * 0.12), size, text_colour(colour))
    return place


def _overlap(one: Rectangle, other: Rectangle) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


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
