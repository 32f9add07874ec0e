"""A project of BORIS (.boris): the state events of every observation, paired; point events have no stretch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mien.agreement.codes import Codes, Stretch, base_name, torn
from mien.core.checks import parse_json
from mien.core.errors import DataError
from mien.core.markup import read_text

WHAT = "a project of BORIS (.boris)"


def read(path: Path) -> Codes:
    """The stretches of all observations; a film is the media file of the first player."""
    text = read_text(path, WHAT)
    try:
        content = parse_json(text)
        kinds = {one["code"]: one["type"] for one in content["behaviors_conf"].values()}
        points = 0
        found: list[Stretch] = []
        for name, observation in content["observations"].items():
            films = [link for links in observation["file"].values() for link in links] if observation["file"] else []
            if len(observation["file"].get("1", [])) > 1:
                got = f"{len(films)} in observation {name} of {path}"
                raise DataError("one media file a player in an observation", got, "observe films one by one")
            events = [_event(event) for event in observation["events"]]
            states = [event for event in events if str(kinds.get(event[2], "State")).startswith("State")]
            points += len(events) - len(states)
            found += paired(states, base_name(films[0]) if films else name, str(name))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise torn(path, WHAT, error) from error
    return Codes(path, tuple(found), (f"{path.name}: {points} point events have no stretch.",) if points else ())


def _event(event: Sequence[Any]) -> tuple[float, str, str]:
    time, subject, code = event[:3]
    return float(time), str(subject), str(code)


def paired(events: Sequence[tuple[float, str, str]], film: str, where: str) -> Iterator[Stretch]:
    """Every second event of a subject and code ends what the first began.

    Raises ValueError where the last one is missing.
    """
    begun: dict[tuple[str, str], float] = {}
    for time, subject, code in sorted(events, key=lambda event: event[0]):
        start = begun.pop((subject, code), None)
        if start is None:
            begun[subject, code] = time
        else:
            yield Stretch(start, time, code, subject, film)
    if begun:
        (subject, code), time = next(iter(begun.items()))
        raise ValueError(f"{code} of {subject or 'nobody'} begins at {time:g} s in {where} and never ends")
