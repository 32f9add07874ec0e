"""WebVTT (www.w3.org/TR/webvtt1): captions for browsers and players, a cue a span, the person as its voice."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.files import whole_file
from mien.report.formats.base import AUTHOR, Format, edit_tiers, tiers

if TYPE_CHECKING:
    from mien.report.findings import Findings


def write(result: Findings, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.vtt``."""
    path = folder / f"{stem}.vtt"
    with whole_file(path) as draft:
        draft.write_text("\n".join(_lines(result)) + "\n", "utf-8", newline="\n")
    return [path]


def _lines(result: Findings) -> Iterator[str]:
    yield from ("WEBVTT", "", f"NOTE expressions shown, not emotions felt; {AUTHOR}")
    for tier in edit_tiers(result):
        for mark in tier.marks:
            text = mark.text.replace("-->", "->")  # which a note may not hold
            yield from ("", f"NOTE {tier.name}: {clock(mark.start, '.')} to {clock(mark.end, '.')}, {text}")
    cues = [(mark, tier) for tier in tiers(result) for mark in tier.marks]
    for mark, tier in sorted(cues, key=lambda cue: (cue[0].start, cue[1].person)):
        yield from ("", f"{clock(mark.start, '.')} --> {clock(mark.end, '.')}")
        yield f"<v {escape(tier.who, quote=False)}>{escape(f'{tier.who}: {mark.text}', quote=False)}"


def clock(time: int, point: str) -> str:
    """Milliseconds as ``01:02:03.456``."""
    return f"{time // 3_600_000:02}:{time // 60_000 % 60:02}:{time // 1000 % 60:02}{point}{time % 1000:03}"


FORMAT = Format(write, timed=True)
