"""A small drawing: bars, letters and lines, put down as SVG or as pixels.

The SVG carries a ``<title>`` for every bar that has one, for screen readers and as a tooltip.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

import numpy as np
from jaxtyping import UInt8

from mien.report.palette import PALE, WHITE, Colour, hex_colour
from mien.report.text import put_text, text_width

HATCH: Colour = (170, 170, 170)
PNG_SCALE = 2


@dataclass(frozen=True)
class Bar:
    """A filled rectangle; ``title`` is read out and shown on hovering."""

    x: float
    y: float
    width: float
    height: float
    colour: Colour
    hatched: bool = False
    title: str = ""


@dataclass(frozen=True)
class Letters:
    """A line of text; ``y`` is its baseline."""

    x: float
    y: float
    text: str
    size: float
    colour: Colour
    anchor: Literal["start", "middle", "end"] = "start"


@dataclass(frozen=True)
class Line:
    """A thin upright line, for the ticks of the axis."""

    x: float
    top: float
    bottom: float
    colour: Colour


Item = Bar | Letters | Line


@dataclass(frozen=True)
class Picture:
    """Everything to draw, in order, on a white sheet; units are pixels."""

    width: int
    height: int
    title: str
    summary: str
    items: tuple[Item, ...]


def to_svg(picture: Picture) -> str:
    """The picture as a stand-alone SVG document."""
    pale, line = hex_colour(WHITE), hex_colour(HATCH)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {picture.width} {picture.height}" '
        f'width="{picture.width}" height="{picture.height}" role="img" aria-labelledby="title desc" '
        'font-family="Inter, Helvetica, Arial, sans-serif">',
        f'<title id="title">{escape(picture.title)}</title>',
        f'<desc id="desc">{escape(picture.summary)}</desc>',
        '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="7" height="7" fill="{hex_colour(PALE)}"/>'
        f'<line x1="0" y1="0" x2="0" y2="7" stroke="{line}" stroke-width="2"/></pattern></defs>',
        f'<rect width="100%" height="100%" fill="{pale}"/>',
    )
    return "\n".join([*head, *(_svg(item) for item in picture.items), "</svg>\n"])


def _svg(item: Item) -> str:
    if isinstance(item, Line):
        ends = f'x1="{item.x:.1f}" y1="{item.top:.1f}" x2="{item.x:.1f}" y2="{item.bottom:.1f}"'
        return f'<line {ends} stroke="{hex_colour(item.colour)}"/>'
    if isinstance(item, Letters):
        place = f'x="{item.x:.1f}" y="{item.y:.1f}" font-size="{item.size:g}" text-anchor="{item.anchor}"'
        # Letters let the mouse through, to the tooltip of the bar below them.
        return f'<text {place} fill="{hex_colour(item.colour)}" pointer-events="none">{escape(item.text)}</text>'
    fill = "url(#hatch)" if item.hatched else hex_colour(item.colour)
    size = f'x="{item.x:.2f}" y="{item.y:.1f}" width="{item.width:.2f}" height="{item.height:.1f}" rx="3"'
    title = f"<title>{escape(item.title)}</title>" if item.title else ""
    return f'<rect {size} fill="{fill}">{title}</rect>'


def to_pixels(picture: Picture, scale: int = PNG_SCALE) -> UInt8[np.ndarray, "h w 3"]:
    """The picture as RGB pixels, ``scale`` to a unit."""
    sheet = np.full((picture.height * scale, picture.width * scale, 3), WHITE, np.uint8)
    for item in picture.items:
        _paint(sheet, item, scale)
    return sheet


def _paint(sheet: UInt8[np.ndarray, "h w 3"], item: Item, scale: int) -> None:
    if isinstance(item, Line):
        left = round(item.x * scale)
        sheet[round(item.top * scale) : round(item.bottom * scale), left : left + scale] = item.colour
    elif isinstance(item, Letters):
        width = text_width(item.text, item.size * scale)
        start = item.x * scale - {"start": 0, "middle": width / 2, "end": width}[item.anchor]
        put_text(sheet, item.text, (start, item.y * scale), item.size * scale, item.colour)
    else:
        left, right = round(item.x * scale), round((item.x + item.width) * scale)
        bar = sheet[round(item.y * scale) : round((item.y + item.height) * scale), left : max(left + 1, right)]
        bar[:] = _hatching(bar.shape[0], bar.shape[1], scale) if item.hatched else item.colour


def _hatching(height: int, width: int, scale: int) -> UInt8[np.ndarray, "h w 3"]:
    diagonal = np.add.outer(np.arange(height), np.arange(width)) % (10 * scale)
    return np.where((diagonal < 3 * scale)[..., None], HATCH, PALE).astype(np.uint8)
