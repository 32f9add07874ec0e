"""A project of BORIS (www.boris.unito.it), the event logger: an observation of the film, a state event a label.

The labels are its ethogram, the people its subjects. A state begins and ends with an event of its code.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.types import UNCLEAR
from mien.report.formats.base import AUTHOR, Format, about, film_of, tiers, way_to
from mien.report.tables import write_json

if TYPE_CHECKING:
    from mien.report.findings import Findings

MARK = "mark"
"""The code of a moment that a person marked; the comment says what is there."""
PLAYERS = 8
"""A project lists the files of so many players side by side."""


def write(result: Findings, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.boris``."""
    path = folder / f"{stem}.boris"
    film = film_of(result)
    link = result.source.name if film is None else way_to(film, folder).removeprefix("./")
    found = tiers(result)
    events: list[list[Any]] = [
        [time / 1000, tier.who, mark.text, "", "", "NA"]
        for tier in found
        for mark in tier.marks
        for time in (mark.start, mark.end)
    ]
    told = [[one.time, "", MARK, "", about(result, one.track, one.text), "NA"] for one in result.edits.marks]
    out = [
        f"excluded: {one.start:.3f} to {one.end:.3f} s, {about(result, one.track, one.reason)}"
        for one in result.edits.excluded
    ]
    now = datetime.now().isoformat(timespec="seconds")
    content = {
        "time_format": "hh:mm:ss",
        "project_date": now,
        "project_name": stem,
        "project_description": f"Expressions shown, not emotions felt; {AUTHOR}",
        "project_format_version": "7.0",
        "subjects_conf": {
            str(place): {"key": "", "name": tier.who, "description": ""} for place, tier in enumerate(found)
        },
        "behaviors_conf": {
            str(place): _behaviour(label, kind)
            for place, (label, kind) in enumerate(
                [
                    *((label, "State") for label in (*result.labels.labels, UNCLEAR)),
                    *([(MARK, "Point")] if told else []),
                ]
            )
        },
        "observations": {
            stem: {
                "file": {str(player): [link] if player == 1 else [] for player in range(1, PLAYERS + 1)},
                "type": "MEDIA",
                "date": now,
                "description": "\n".join(out),
                "time offset": 0.0,
                "observation time interval": [0, 0],
                "events": sorted([*events, *told], key=lambda event: event[0]),
                "independent_variables": {},
                "visualize_spectrogram": False,
                "visualize_waveform": False,
                "close_behaviors_between_videos": False,
                "media_info": _media(result, link),
            }
        },
        "behavioral_categories": [],
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    write_json(path, content)
    return [path]


def _behaviour(label: str, kind: str) -> dict[str, str]:
    facts = {"type": f"{kind} event", "key": "", "code": label, "description": ""}
    return facts | dict.fromkeys(("color", "category", "modifiers", "excluded", "coding map"), "")


def _media(result: Findings, link: str) -> dict[str, Any]:
    source = result.source
    return {
        "length": {link: result.end},
        "fps": {link: source.frame_rate or 25.0},
        "hasVideo": {link: True},
        "hasAudio": {link: source.has_audio},
        "offset": {"1": 0.0},
    }


FORMAT = Format(write, timed=True)
