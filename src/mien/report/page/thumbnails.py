"""Small pictures of the faces themselves, for reports whose reader asked for them."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING

import cv2
import numpy as np

from mien.core.errors import InputError, SourceError
from mien.core.types import Face, Frame
from mien.report.tables import span_of_rows

if TYPE_CHECKING:
    from mien.report.findings import Findings

SIDE = 96
MOST_FACES, MOST_SPANS = 100, 300
QUALITY = 80


def face_rows(result: Findings) -> dict[int, int]:
    """For every face (the :data:`MOST_FACES` seen in most frames) the row that shows it best: large and frontal."""
    table = result.frames
    tracks, counts = np.unique(table.column("track"), return_counts=True)
    chosen = tracks[np.argsort(-counts, kind="stable")][:MOST_FACES]
    clear = (table.column("reason") == 0).astype(float) + table.column("measured")
    yaw = np.nan_to_num(table.column("yaw"), nan=90.0)
    worth = clear * 1e6 + table.column("size") * np.cos(np.radians(np.clip(yaw, -90, 90)))
    own = {int(track): np.flatnonzero(table.column("track") == track) for track in chosen}
    return {track: int(rows[worth[rows].argmax()]) for track, rows in own.items()}


def span_rows(result: Findings) -> dict[int, int]:
    """For every span (the :data:`MOST_SPANS` longest; by place in ``result.spans``) the row where its label is surest.

    A span without a label gives its middle row, one without any row none.
    """
    spans, labels = result.spans, result.labels.labels
    longest = sorted(range(len(spans)), key=lambda place: spans[place].start - spans[place].end)[:MOST_SPANS]
    places, probabilities = span_of_rows(result.frames, spans), result.frames.column("probabilities")
    answer = {}
    for place in sorted(longest):
        rows, span = np.flatnonzero(places == place), spans[place]
        if len(rows):
            sure = np.nan_to_num(probabilities[rows, labels.index(span.label)]) if not span.abstained else None
            answer[place] = int(rows[len(rows) // 2 if sure is None else sure.argmax()])
    return answer


def thumbnails(result: Findings, rows: Iterable[int]) -> dict[int, str]:
    """Aligned crops of ``rows``, as ``data:`` addresses of JPEG pictures of :data:`SIDE` pixels, about 3 kB each.

    Reads the source once more, up to the last row asked for. A row whose points span no face is left out.

    Raises:
        SourceError: the source cannot be opened a second time (a camera).
    """
    from mien import media

    if result.origin is None or result.source.kind == "camera":
        raise SourceError("a source that can be opened again", result.source.kind, "leave the thumbnails out")
    wanted: dict[int, list[int]] = {}
    for row in set(rows):
        wanted.setdefault(result.frames[row].index, []).append(row)
    answer: dict[int, str] = {}
    with media.open(result.origin, selection=result.selection) as source:
        for frame in source if wanted else ():
            for row in wanted.pop(frame.index, []):
                if (picture := _thumbnail(frame, result.frames[row].face)) is not None:
                    answer[row] = picture
            if not wanted:
                break
    return answer


def _thumbnail(frame: Frame, face: Face) -> str | None:
    from mien.faces.align import align

    try:
        crop = align(frame.image, face.points, SIDE).transpose(1, 2, 0)
    except InputError:
        return None
    coded = cv2.imencode(".jpg", crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(coded.tobytes()).decode("ascii")
