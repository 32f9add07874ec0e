"""A picture of who showed what, when: one row a face, time from left to right.

What mien declined to name is hatched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.errors import ConfigError
from mien.core.files import whole_file
from mien.core.types import UNCLEAR, Span
from mien.report.palette import INK, Colour, colours, text_colour
from mien.report.picture import Bar, Item, Letters, Line, Picture, to_pixels, to_svg

if TYPE_CHECKING:
    from mien.report.findings import Findings

WIDTH = 1000
MARGIN, GUTTER = 24.0, 64.0
ROW, ROW_GAP, HEAD, AXIS, LEGEND = 34.0, 10.0, 58.0, 30.0, 30.0
FONT_SIZE, SMALL = 13.0, 12.0
LETTER = 0.56  # mean width of a letter of a sans-serif font, in font sizes
FAINT: Colour = (232, 232, 232)
MUTED: Colour = (96, 96, 96)


def write_timeline(result: Findings, path: Path) -> Path:
    """Write the timeline of ``result`` as the path's suffix says; raises ConfigError for one other than svg or png."""
    picture = layout(result)
    if path.suffix.lower() == ".svg":
        with whole_file(path) as draft:
            draft.write_text(to_svg(picture), "utf-8")
    elif path.suffix.lower() == ".png":
        import cv2

        with whole_file(path) as draft:
            draft.write_bytes(cv2.imencode(".png", to_pixels(picture)[..., ::-1])[1].tobytes())
    else:
        raise ConfigError("a timeline path ending in .svg or .png", repr(path.name), "change the suffix")
    return path


def layout(result: Findings) -> Picture:
    """Place the rows, the axis and the legend."""
    tracks = sorted({span.track for span in result.spans})
    scale = _Scale(result.end)
    bottom = HEAD + max(len(tracks), 1) * (ROW + ROW_GAP)
    shades = colours(result.labels.labels)
    rows = [
        item
        for place, track in enumerate(tracks)
        for item in _row(track, HEAD + place * (ROW + ROW_GAP), result.spans, scale, shades)
    ]
    if not tracks:
        rows = [Letters(WIDTH / 2, HEAD + ROW / 2 + 5, "no face was found", FONT_SIZE, MUTED, "middle")]
    shown = [label for label in (*result.labels.labels, UNCLEAR) if any(span.label == label for span in result.spans)]
    legend, height = _legend(shown, bottom + AXIS, shades)
    heading = (
        Letters(MARGIN, 30.0, _shortened(result.source.name), 17.0, INK),
        Letters(WIDTH - MARGIN, 30.0, "expression shown", SMALL, MUTED, "end"),
    )
    return Picture(
        width=WIDTH,
        height=math.ceil(height),
        title=f"Expressions shown in {result.source.name}",
        summary=f"{len(tracks)} face{'s' * (len(tracks) != 1)}, {len(result.spans)} spans, {clock(scale.duration)}",
        items=(*heading, *scale.ticks(HEAD - 8, bottom), *rows, *legend),
    )


def _shortened(name: str, most: int = 80) -> str:
    return name if len(name) <= most else f"{name[: most // 2]}...{name[-most // 2 :]}"


@dataclass(frozen=True)
class _Scale:
    """Seconds to pixels. A still (no duration) fills the whole width."""

    duration: float

    @property
    def span(self) -> float:
        return WIDTH - 2 * MARGIN - GUTTER

    def x(self, time: float) -> float:
        share = time / self.duration if self.duration else 0.0
        return MARGIN + GUTTER + share * self.span

    def bar(self, start: float, end: float) -> tuple[float, float]:
        """Left edge and width; never thinner than a pixel."""
        width = self.x(end) - self.x(start) if self.duration else self.span
        return self.x(start), max(width, 1.0)

    def ticks(self, top: float, bottom: float) -> list[Line | Letters]:
        step = tick_step(self.duration)
        times = [number * step for number in range(int(self.duration / step + 1e-9) + 1)] if self.duration else []
        lines = [Line(self.x(time), top, bottom, FAINT) for time in times]
        return [*lines, *(Letters(self.x(t), bottom + 15, clock(t, step), SMALL, MUTED, "middle") for t in times)]


def tick_step(duration: float) -> float:
    """Seconds between the ticks: a round number that gives at most ten."""
    rounds = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    hours = 3600.0 * math.ceil(duration / 36000)
    return next((float(step) for step in rounds if duration / step <= 10), max(hours, 3600.0))


def clock(seconds: float, step: float = 0.1) -> str:
    """``4 s`` or ``0.5 s`` under a minute, else ``1:05`` or ``1:02:05``; decimals only where ``step`` needs them."""
    if seconds < 60:
        return f"{seconds:.1f} s" if step < 1 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _row(track: int, top: float, spans: Sequence[Span], scale: _Scale, shades: dict[str, Colour]) -> list[Item]:
    items: list[Item] = [Letters(MARGIN, top + ROW / 2 + 5, f"face {track}", FONT_SIZE, INK)]
    for span in (span for span in spans if span.track == track):
        left, width = scale.bar(span.start, span.end)
        shade = shades[span.label]
        # A sliver of white between neighbours, as long as there is room for it.
        items.append(Bar(left, top, width - (1 if width > 3 else 0), ROW, shade, span.abstained, _title(span)))
        if wording := _fitting(span, width - 8):
            ink = INK if span.abstained else text_colour(shade)
            items.append(Letters(left + width / 2, top + ROW / 2 + 4.5, wording, FONT_SIZE, ink, "middle"))
    return items


def _title(span: Span) -> str:
    what = f"{span.label}: {span.reason}" if span.abstained else f"{span.label}, mean probability {span.score:.2f}"
    return f"face {span.track}, {span.start:.2f} to {span.end:.2f} s, {what}"


def _fitting(span: Span, room: float) -> str:
    """The longest wording that fits into ``room`` pixels, or nothing."""
    full = f"{span.label} ({span.reason})" if span.abstained else f"{span.label} {span.score:.2f}"
    return next((text for text in (full, span.label) if len(text) * FONT_SIZE * LETTER <= room), "")


def _legend(labels: Sequence[str], top: float, shades: dict[str, Colour]) -> tuple[list[Bar | Letters], float]:
    """Chips with names, in as many lines as they need, and the picture's height below them."""
    x, y = MARGIN + GUTTER, top + 8
    items: list[Bar | Letters] = []
    for label in labels:
        width = 14 + 7 + len(label) * SMALL * LETTER + 20
        if x + width > WIDTH - MARGIN:
            x, y = MARGIN + GUTTER, y + 22
        items.append(Bar(x, y, 14.0, 14.0, shades[label], label == UNCLEAR))
        items.append(Letters(x + 21, y + 11.5, label, SMALL, INK))
        x += width
    return items, (y + LEGEND if labels else top + 8)
