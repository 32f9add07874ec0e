"""A strip below the picture of an annotated video: every person's spans over time, and where we are.

It is put under the picture, not over it, so it hides nothing. A long video turns pages of a minute: the strip stands
still while the playhead runs, and a second stays wide enough to be seen. What is to come is dimmed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from jaxtyping import UInt8

from mien.core.types import Span
from mien.report.palette import INK, WHITE, Colour, colours, text_colour
from mien.report.text import put_text, text_width
from mien.report.timeline import clock, tick_step
from mien.report.video.marks import lettering

if TYPE_CHECKING:
    from mien.report.findings import Findings

PAGE = 60.0
"""Seconds of a page; a video of at most half as long again is one page."""
MOST_PAGES = 2000
"""A video of more than 33 hours (or whose clock only says so) gets longer pages."""
MOST_ROWS = 5
GROUND: Colour = (24, 24, 24)
AXIS: Colour = (200, 200, 200)
DIMMED = 0.4
Sheet = UInt8[np.ndarray, "h w 3"]


class Ribbon:
    """The strip of one video.

    Args:
        result: whose spans are shown.
        width: pixels of the video's pictures.
        height: pixels of the video's pictures, for the size of the letters.

    Attributes:
        height: pixels of the strip, even; 0 where there is no span to show.
    """

    def __init__(self, result: Findings, width: int, height: int) -> None:
        self._spans = sorted(result.spans, key=lambda span: span.start)
        self._shades = colours(result.labels.labels)
        duration = result.end
        self._page = duration if duration <= 1.5 * PAGE else max(PAGE, duration / MOST_PAGES)
        self._width, self._type = width, max(10.0, 0.72 * lettering(np.zeros((height, width, 3), np.uint8)))
        self._row, self._gap = round(1.35 * self._type), max(2, round(self._type / 6))
        self._gutter = text_width("00", self._type) + 2 * round(self._type / 2)
        self._last = max(0, math.ceil(duration / self._page) - 1) if self._page > 0 else -1
        rows = max((len(self._tracks(page)) for page in range(self._last + 1)), default=0)
        tall = rows * (self._row + self._gap) + self._gap + round(1.5 * self._type)
        self.height = (tall + tall % 2) if rows else 0
        self._drawn: tuple[int, Sheet, Sheet] | None = None

    def under(self, image: Sheet, time: float) -> Sheet:
        """``image`` with the strip as at ``time`` seconds below it."""
        if not self.height:
            return image
        page = min(int(time / self._page), self._last)
        if self._drawn is None or self._drawn[0] != page:
            bright = self._sheet(page)
            self._drawn = page, bright, _dimmed(bright, self._gutter)
        _, bright, dim = self._drawn
        place = self._x(time, page)
        strip = dim.copy()
        strip[:, :place] = bright[:, :place]
        foot = self.height - round(1.5 * self._type)
        thick = max(2, round(self._type / 6))
        cv2.rectangle(strip, (place - thick // 2 - 1, 0), (place + (thick + 1) // 2, foot), INK, -1)
        cv2.rectangle(strip, (place - thick // 2, 0), (place + (thick + 1) // 2 - 1, foot), WHITE, -1)
        return np.vstack([image, strip])

    def _on(self, page: int) -> list[Span]:
        start, end = page * self._page, (page + 1) * self._page
        return [span for span in self._spans if span.start < end and span.end > start]

    def _tracks(self, page: int) -> list[int]:
        """The people of a page, by number: those seen longest where there are too many."""
        seen: dict[int, float] = {}
        for span in self._on(page):
            seen[span.track] = seen.get(span.track, 0.0) + span.end - span.start
        return sorted(sorted(seen, key=lambda track: -seen[track])[:MOST_ROWS])

    def _x(self, time: float, page: int) -> int:
        share = (time - page * self._page) / self._page
        return round(self._gutter + float(np.clip(share, 0, 1)) * (self._width - 1 - self._gutter))

    def _sheet(self, page: int) -> Sheet:
        sheet: Sheet = np.full((self.height, self._width, 3), GROUND, np.uint8)
        for row, track in enumerate(self._tracks(page)):
            top = self._gap + row * (self._row + self._gap)
            base = top + 0.76 * self._row
            put_text(sheet, str(track), (self._type / 2, base), self._type, WHITE)
            for span in (span for span in self._on(page) if span.track == track):
                self._bar(sheet, span, page, top)
        self._axis(sheet, page)
        return sheet

    def _bar(self, sheet: Sheet, span: Span, page: int, top: int) -> None:
        left, right = self._x(span.start, page), self._x(span.end, page)
        # A dark line between neighbours, as long as there is room for it.
        right = max(left + 1, right - (1 if right - left > 3 else 0))
        shade = self._shades[span.label]
        bar = sheet[top : top + self._row, left:right]
        bar[:] = shade
        if span.abstained:
            diagonal = np.add.outer(np.arange(bar.shape[0]), np.arange(left, right)) % 8
            bar[diagonal < 2] = tuple(part // 2 for part in shade)
        room = right - left - self._type
        said = next((text for text in _wordings(span) if text_width(text, self._type) <= room), "")
        place = (left + self._type / 2, top + 0.76 * self._row)
        if not said:
            return
        if span.abstained:  # letters on hatching need a ground of their own
            sheet[top : top + self._row, left : left + text_width(said, self._type) + round(self._type)] = shade
        put_text(sheet, said, place, self._type, text_colour(shade))

    def _axis(self, sheet: Sheet, page: int) -> None:
        step, free = tick_step(self._page), 0.0
        small = 0.85 * self._type
        first = page * self._page
        for number in range(int(self._page / step + 1e-9) + 1):
            time = first + number * step
            text, place = clock(time, step), self._x(time, page)
            width = text_width(text, small)
            left = float(np.clip(place - width / 2, 0, max(0, self._width - width)))
            if left < free:
                continue
            put_text(sheet, text, (left, self.height - 0.45 * self._type), small, AXIS)
            free = left + width + small


def _wordings(span: Span) -> Sequence[str]:
    return (f"{span.label}: {span.reason}", span.label) if span.abstained else (span.label,)


def _dimmed(sheet: Sheet, gutter: int) -> Sheet:
    dim = (sheet * DIMMED + np.array(GROUND) * (1 - DIMMED)).astype(np.uint8)
    dim[:, :gutter] = sheet[:, :gutter]
    return dim
