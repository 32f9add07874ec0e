"""What is known of a film when it has been done: one row, whatever became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import pyarrow

from mien.core.errors import InputError

if TYPE_CHECKING:
    from mien.report.result import Result

Status = Literal["done", "no_face", "unreadable", "timeout", "failed"]
STATUSES: tuple[Status, ...] = ("done", "no_face", "unreadable", "timeout", "failed")
WELL = ("done", "no_face")
"""Of those, the ones that are answers."""
SPAN = pyarrow.struct(
    [
        ("track", pyarrow.int64()),
        ("start", pyarrow.float64()),
        ("end", pyarrow.float64()),
        ("label", pyarrow.string()),
        ("score", pyarrow.float64()),
        ("abstained", pyarrow.bool_()),
        ("reason", pyarrow.string()),
        ("intensity", pyarrow.float64()),
    ]
)
_SHARE = pyarrow.list_(pyarrow.struct([("name", pyarrow.string()), ("seconds", pyarrow.float64())]))
_MEAN = pyarrow.list_(pyarrow.struct([("name", pyarrow.string()), ("mean", pyarrow.float64())]))
TRACK = pyarrow.struct(
    [
        ("track", pyarrow.int64()),
        ("frames", pyarrow.int64()),
        ("start", pyarrow.float64()),
        ("end", pyarrow.float64()),
        ("shown", _SHARE),
        ("unclear", _SHARE),
        ("signals", _MEAN),
        ("blinks", pyarrow.int64()),
    ]
)
ERROR = pyarrow.struct([(name, pyarrow.string()) for name in ("kind", "expected", "got", "fix", "trace")])
OWN = pyarrow.schema(
    [
        ("status", pyarrow.string()),
        ("error", ERROR),
        ("attempts", pyarrow.int32()),
        ("wall_seconds", pyarrow.float64()),
        ("film_seconds", pyarrow.float64()),
        ("width", pyarrow.int32()),
        ("height", pyarrow.int32()),
        ("frame_rate", pyarrow.float64()),
        ("faces", pyarrow.int32()),
        ("spans", pyarrow.list_(SPAN)),
        ("tracks", pyarrow.list_(TRACK)),
        ("problems", pyarrow.list_(pyarrow.string())),
        ("frames", pyarrow.string()),
        ("finished", pyarrow.timestamp("us", "UTC")),
    ]
)
"""Columns of a row that :class:`mien.scale.Analyzer` adds to those that came.

``status``: one of :data:`STATUSES`. ``error``: what was expected, what came, what to do, and a traceback where the
fault is mien's; null where all is well. ``spans``, ``tracks``: as result.json has them. ``frames``: address of the
film's table of frames. Times are seconds.
"""


def row_of(result: Result, frames: str | None) -> dict[str, Any]:
    """The row of a film that was read."""
    content = result.to_dict()
    source = content["source"]
    return {
        "status": "done" if content["tracks"] else "no_face",
        "film_seconds": source["duration"],
        **{name: source[name] for name in ("width", "height", "frame_rate")},
        "faces": len(content["tracks"]),
        "spans": [{field.name: span[field.name] for field in SPAN} for span in content["spans"]],
        "tracks": [_track(track) for track in content["tracks"]],
        "problems": content["provenance"].get("problems", []),
        "frames": frames,
    }


def _track(track: dict[str, Any]) -> dict[str, Any]:
    means = {f"{kind}.{name}": mean for kind, own in track.get("signals", {}).items() for name, mean in own.items()}
    return {
        **{name: track[name] for name in ("track", "frames", "start", "end")},
        "shown": _pairs(track["shown_seconds"], "seconds"),
        "unclear": _pairs(track["unclear_seconds"], "seconds"),
        "signals": _pairs(means, "mean"),
        "blinks": track.get("blinks", {}).get("count"),
    }


def _pairs(values: dict[str, float | None], of: str) -> list[dict[str, Any]]:
    return [{"name": name, of: value} for name, value in values.items()]


def failed_row(status: Status, error: Exception, trace: str | None = None) -> dict[str, Any]:
    """The row of a film that could not be read, or of which mien failed."""
    if isinstance(error, InputError):
        parts = {"expected": error.expected, "got": error.got, "fix": error.fix}
    else:
        fix = "this is a bug in mien: report it with the trace"
        parts = {"expected": "an analysis that ends", "got": str(error) or type(error).__name__, "fix": fix}
    return {"status": status, "error": {"kind": type(error).__name__, **parts, "trace": trace}}


def finished_row(row: dict[str, Any], attempts: int, seconds: float) -> dict[str, Any]:
    """A row with what the engine knows of its making."""
    return {**row, "attempts": attempts, "wall_seconds": round(seconds, 3), "finished": datetime.now(UTC)}


def beside(table: pyarrow.Table, more: pyarrow.Table) -> pyarrow.Table:
    """``table`` with the columns of ``more``, which has as many rows, after its own."""
    for name in more.column_names:
        table = table.append_column(more.schema.field(name), more[name])
    return table


def as_columns(rows: list[dict[str, Any]]) -> pyarrow.Table:
    """Rows as a table with the columns of :data:`OWN`."""
    return pyarrow.Table.from_pylist(rows, OWN)
