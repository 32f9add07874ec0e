"""What people correct in the report of a job, kept beside it: one file, which the commands of mien take as it is."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from mien.core import checks
from mien.core.errors import ConfigError, DataError
from mien.report.edited import demand_apart
from mien.report.edits import MOST_BYTES, REMEDY, VERSION, EditedSource, Edits, demand_fit, parse_edits
from mien.serve.problems import RefusedError
from mien.serve.store import Job

EDITS = "edits.json"


def parsed(text: bytes, folder: Path) -> Edits:
    """What a client sent, looked at beside the result that it is of.

    Args:
        text: the file of edits.
        folder: of the job, which is done.

    Raises:
        RefusedError: 400 no JSON; 422 no edits, those of another result, or merged faces that are in one frame.
        FileNotFoundError: the job is being deleted.
    """
    try:
        content = checks.parse_json(text)
    except ValueError:
        raise RefusedError(400, "a body in JSON", "something else", REMEDY) from None
    result = json.loads((folder / "files" / "result.json").read_bytes())
    try:
        edits = parse_edits(content)
        tracks = [one["track"] for one in result["tracks"]]
        demand_fit(edits, result["source"]["name"], result["provenance"], tracks)
        if edits.merges:
            demand_apart(edits, *_merged_rows(edits, folder / "files" / "frames.csv"))
    except (ConfigError, DataError) as error:
        raise RefusedError(422, error.expected, error.got, error.fix) from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        expected = f"edits as a report of mien writes them, version {VERSION}"
        raise RefusedError(422, expected, repr(error)[:80], REMEDY) from error
    return edits


def _merged_rows(edits: Edits, table: Path) -> Int64[np.ndarray, "2 n"]:
    """Track and frame of every row that belongs to a merged person; the table may be long, so the rest is not kept."""
    merged = {*edits.merges, *edits.merges.values()}
    with table.open(encoding="utf-8", newline="") as file:
        cells = csv.reader(file)
        header = next(cells)
        track, frame = header.index("track"), header.index("frame")
        rows = [(number, int(row[frame])) for row in cells if (number := int(row[track])) in merged]
    return np.array(rows, np.int64).reshape(-1, 2).T


def written(edits: Edits) -> bytes:
    """The file of edits that is kept.

    Raises:
        RefusedError: 413 it would be larger than one that mien reads.
    """
    text = json.dumps(edits.to_dict(), ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) > MOST_BYTES:
        raise RefusedError(413, f"edits of at most {MOST_BYTES:,} bytes", f"{len(text):,}", "leave some out")
    return text


def kept(job: Job, folder: Path) -> bytes:
    """The file of edits that is kept with a job; one without any where nobody kept any."""
    try:
        return (folder / EDITS).read_bytes()
    except FileNotFoundError:
        return written(Edits(EditedSource(job.name)))
