"""CVAT (docs.cvat.ai, "CVAT for video 1.1" and "for images 1.1"): boxes with an expression to correct.

A person is a track of the label ``face``; the expression is an attribute of every box. CVAT counts the frames that its
decoder gives, from 0, and so do we. ``<stem>.cvat-labels.json`` is what its task constructor takes under "Raw".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from jaxtyping import Int

from mien.core.files import whole_file
from mien.core.names import printable
from mien.core.types import UNCLEAR
from mien.report.formats.base import Format
from mien.report.tables import frame_columns, write_json

if TYPE_CHECKING:
    from mien.report.findings import Findings


def write(result: Findings, folder: Path, stem: str) -> list[Path]:
    """Write ``<stem>.cvat.xml`` and ``<stem>.cvat-labels.json``."""
    boxes, labels = folder / f"{stem}.cvat.xml", folder / f"{stem}.cvat-labels.json"
    lines = _picture(result) if result.source.pictures == 1 else _film(result)
    with whole_file(boxes) as draft, draft.open("w", encoding="utf-8", newline="\n") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
        file.writelines(f"{line}\n" for line in lines)
        file.write("</annotations>\n")
    names = [*result.labels.labels, UNCLEAR]
    expression = {"name": "expression", "mutable": True, "input_type": "select", "default_value": UNCLEAR}
    write_json(labels, [{"name": "face", "attributes": [{**expression, "values": names}, _person()]}])
    return [boxes, labels]


def _person() -> dict[str, object]:
    return {"name": "person", "mutable": False, "input_type": "number", "default_value": "1", "values": [1, 9999, 1]}


def _film(result: Findings) -> Iterator[str]:
    columns = frame_columns(result.frames, result.spans, result.labels.labels)
    labels = columns["label"]
    frames, tracks, boxes = (result.frames.column(name) for name in ("index", "track", "box"))
    step = _step(frames)
    for number, track in enumerate(np.unique(tracks).tolist()):
        rows = np.flatnonzero(tracks == track).tolist()
        yield f'<track id="{number}" label="face" source="auto">'
        for row, following in zip(rows, [*rows[1:], None], strict=True):
            frame = int(frames[row])
            yield _box(frame, boxes[row], 0, str(labels[row]), track)
            if following is None or frames[following] - frame > 2 * step:  # out of sight, until it comes back
                yield _box(frame + step, boxes[row], 1, str(labels[row]), track)
        yield "</track>"


def _step(frames: Int[np.ndarray, " n"]) -> int:
    """Frames from one that was looked at to the next."""
    apart = np.diff(np.unique(frames))
    return int(np.median(apart)) if len(apart) else 1


def _box(frame: int, box: Sequence[float], outside: int, label: str, track: int) -> str:
    at = f'frame="{frame}" outside="{outside}" occluded="0" keyframe="1"'
    return f'<box {at} {_corners(box)} z_order="0">{_facts(label, track)}</box>'


def _corners(box: Sequence[float]) -> str:
    names = ("xtl", "ytl", "xbr", "ybr")
    return " ".join(f'{name}="{side:.2f}"' for name, side in zip(names, box, strict=True))


def _facts(label: str, track: int) -> str:
    return f'<attribute name="expression">{escape(label)}</attribute><attribute name="person">{track}</attribute>'


def _picture(result: Findings) -> Iterator[str]:
    source = result.source
    columns = frame_columns(result.frames, result.spans, result.labels.labels)
    name = quoteattr(printable(source.name))
    yield f'<image id="0" name={name} width="{source.width}" height="{source.height}">'
    for label, track, box in zip(
        columns["label"], result.frames.column("track").tolist(), result.frames.column("box"), strict=True
    ):
        at = 'label="face" source="auto" occluded="0"'
        yield f'<box {at} {_corners(box)} z_order="0">{_facts(str(label), track)}</box>'
    yield "</image>"


FORMAT = Format(write)
