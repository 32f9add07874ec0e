"""SubRip captions for any player: one at a time, with a line for every person in sight, since few show two at once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.files import whole_file
from mien.report.formats.base import Format, Tier, tiers
from mien.report.formats.vtt import clock

if TYPE_CHECKING:
    from mien.report.findings import Findings


def write(result: Findings, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.srt``."""
    path = folder / f"{stem}.srt"
    lines = []
    for number, (start, end, texts) in enumerate(together(tiers(result)), 1):
        lines += [str(number), f"{clock(start, ',')} --> {clock(end, ',')}", *texts, ""]
    with whole_file(path) as draft:
        draft.write_text("\n".join(lines), "utf-8", newline="\n")
    return [path]


def together(found: list[Tier]) -> Iterator[tuple[int, int, list[str]]]:
    """Start and end (milliseconds) of every stretch in which nothing changes, and a line a person in sight."""
    changes = sorted(
        (time, starts, tier.person, mark.text)
        for tier in found
        for mark in tier.marks
        for time, starts in ((mark.end, False), (mark.start, True))  # of one moment, ends sort first
    )
    names = {tier.person: tier.who for tier in found}
    shown: dict[int, str] = {}
    for (time, starts, who, text), (until, *_) in pairwise([*changes, (changes[-1][0] if changes else 0, True, 0, "")]):
        if starts:
            shown[who] = text
        else:
            shown.pop(who, None)
        if shown and until > time:
            yield time, until, [f"{names[one]}: {shown[one]}" for one in sorted(shown)]


FORMAT = Format(write, timed=True)
