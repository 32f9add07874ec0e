"""What Jupyter shows of a result or a study that stands last in a cell: HTML without script, safe with any name."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from mien.core.names import counted, printable
from mien.report.picture import Picture, to_svg
from mien.report.timeline import layout

if TYPE_CHECKING:
    from mien.report.findings import Findings

MOST_ROWS = 20
MOST_DRAWN = 2000
"""Spans; a timeline of so many has about 500 kB."""
COLUMNS = ("face", "start, s", "end, s", "expression shown", "probability")


def result_html(result: Findings) -> str:
    """Timeline and the first :data:`MOST_ROWS` spans."""
    faces = len({span.track for span in result.spans})
    lead = f"{counted(faces, 'face')}, {counted(len(result.spans), 'span')}"
    shown = result.spans[:MOST_ROWS]
    rows = [
        (
            *(str(span.track), f"{span.start:.2f}", f"{span.end:.2f}"),
            f"{span.label}: {span.reason}" if span.reason else span.label,
            "" if span.abstained else f"{span.score:.2f}",
        )
        for span in shown
    ]
    rest = len(result.spans) - len(shown)
    parts = [f"<p><strong>{safe(result.source.name)}</strong>: {lead}</p>"]
    if len(result.spans) <= MOST_DRAWN:
        parts.append(_image(layout(result)))
    if rows:
        parts.append(table_html(COLUMNS, rows))
    if rest:
        parts.append(f"<p>{rest} more: <code>result.to_pandas()</code> has all.</p>")
    return f"<div>{''.join(parts)}</div>"


def table_html(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells as text, whatever is in them."""
    head = "".join(f"<th>{safe(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{safe(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def safe(text: str) -> str:
    """``text`` as it may stand in HTML and in its attributes."""
    return escape(printable(text))


def _image(picture: Picture) -> str:
    # As an image, its identifiers cannot meet those of other cells.
    data = base64.b64encode(to_svg(picture).encode("utf-8", "replace")).decode("ascii")
    image = f'<img style="max-width: 100%" src="data:image/svg+xml;base64,{data}"'
    alt = safe(f"{picture.title}: {picture.summary}")
    return f'<div style="max-height: 30em; overflow: auto">{image} alt="{alt}"></div>'
