"""Label Studio (labelstud.io): a task with predictions to correct, and the labelling configuration that shows them.

A person is a timeline of their own and a rectangle that follows the face. Label Studio counts frames from 1, at the
frame rate that its configuration names, from the player's zero: a time is put there, not a frame's number.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

import numpy as np

from mien.core.files import whole_file
from mien.core.names import printable
from mien.core.types import UNCLEAR
from mien.report.formats.base import AUTHOR, Format, Tier, film_of, named, tiers
from mien.report.tables import frame_columns, plain, write_json

if TYPE_CHECKING:
    from mien.report.findings import Findings

RATE = 25.0
"""Frames per second where the source does not say."""
KEY_SECONDS = 0.2
"""Between two key frames of a face; Label Studio interpolates."""


def write(result: Findings, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.labelstudio.json``, the task, and ``<stem>.labelstudio.xml``, the configuration."""
    task, settings = folder / f"{stem}.labelstudio.json", folder / f"{stem}.labelstudio.xml"
    still = result.source.pictures == 1
    film = film_of(result)
    name = printable(film.name) if film is not None else result.source.name
    model = result.provenance.get("model")
    version = f"{AUTHOR} {model['name']}" if isinstance(model, dict) and "name" in model else AUTHOR
    regions = list(_on_picture(result) if still else _on_film(result))
    prediction = {"model_version": version, "result": regions}
    write_json(task, [{"data": {"image" if still else "video": name}, "predictions": [prediction]}])
    with whole_file(settings) as draft:
        view = _configuration(result, still)
        indent(view)
        ElementTree(view).write(draft, encoding="utf-8")
    return [task, settings]


def _on_film(result: Findings) -> Iterator[dict[str, Any]]:
    rate = result.source.frame_rate or RATE
    for tier in tiers(result):
        for number, mark in enumerate(tier.marks, 1):
            frames = [round(time / 1000 * rate) + 1 for time in (mark.start, mark.end)]
            yield {
                **_ends(f"p{tier.person}-{number}", _timeline(tier), "timelinelabels"),
                "value": {
                    "ranges": [{"start": frames[0], "end": max(frames[1] - 1, frames[0])}],
                    "timelinelabels": [mark.text],
                },
            }
    yield from _faces(result, rate)


def _faces(result: Findings, rate: float) -> Iterator[dict[str, Any]]:
    table = result.frames
    tracks, times, boxes = (table.column(name) for name in ("track", "time", "box"))
    size = np.tile(result.source.sizes_at(times), 2)
    shares = 100 * boxes / np.maximum(size, 1)
    for track in np.unique(tracks):
        rows = np.flatnonzero(tracks == track)
        steps = (times[rows] / KEY_SECONDS).astype(np.int64)
        keys = rows[np.unique([*np.unique(steps, return_index=True)[1], len(rows) - 1])]
        sequence = [
            {"frame": round(time * rate) + 1, "time": time, "enabled": key != rows[-1], "rotation": 0, **_box(share)}
            for key, time, share in zip(keys.tolist(), times[keys].tolist(), shares[keys], strict=True)
        ]
        value = {"sequence": sequence, "labels": [named(result, int(track))]}
        value |= {"framesCount": round(result.end * rate), "duration": result.end}
        yield plain({**_ends(f"p{track}-face", "person", "videorectangle"), "from_name": "box", "value": value})


def _on_picture(result: Findings) -> Iterator[dict[str, Any]]:
    columns = frame_columns(result.frames, result.spans, result.labels.labels)
    size = np.array([result.source.width, result.source.height] * 2)
    for number, (label, box) in enumerate(zip(columns["label"], result.frames.column("box"), strict=True), 1):
        value = {"rotation": 0, **_box(100 * box / size), "rectanglelabels": [label]}
        facts = _ends(f"face-{number}", "expression", "rectanglelabels")
        yield plain({**facts, "to_name": "image", "value": value})


def _ends(name: str, control: str, kind: str) -> dict[str, str]:
    return {"id": name, "from_name": control, "to_name": "video", "type": kind}


def _box(shares: Any) -> dict[str, float]:
    x0, y0, x1, y1 = (round(float(share), 3) for share in shares)
    return {"x": x0, "y": y0, "width": round(x1 - x0, 3), "height": round(y1 - y0, 3)}


def _timeline(tier: Tier) -> str:
    return f"person_{tier.person}"


def _configuration(result: Findings, still: bool) -> Element:
    view = Element("View")
    labels = [printable(label) for label in (*result.labels.labels, UNCLEAR)]
    if still:
        SubElement(view, "Image", {"name": "image", "value": "$image"})
        _add_labels(view, "RectangleLabels", "expression", "image", labels)
        return view
    rate = f"{result.source.frame_rate or RATE:.6g}"
    SubElement(view, "Video", {"name": "video", "value": "$video", "frameRate": rate, "timelineHeight": "120"})
    found = tiers(result)
    for tier in found:
        SubElement(view, "Header", {"value": tier.who})
        _add_labels(view, "TimelineLabels", _timeline(tier), "video", labels)
    SubElement(view, "VideoRectangle", {"name": "box", "toName": "video"})
    _add_labels(view, "Labels", "person", "video", [tier.who for tier in found])
    return view


def _add_labels(view: Element, kind: str, name: str, of: str, labels: list[str]) -> None:
    control = SubElement(view, kind, {"name": name, "toName": of})
    for label in labels:
        SubElement(control, "Label", {"value": label})


FORMAT = Format(write)
