"""Films for sweeps, and how their rows are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow

from films import film
from mien.scale.ledger import Ledger
from mien.scale.stores import read_table

WANTED = {
    **{f"face{number}.mp4": "done" for number in range(3)},
    **{f"grey{number}.mp4": "no_face" for number in range(4)},
    "empty.mp4": "unreadable",
    "torn.mp4": "unreadable",
    "hangs.mp4": "timeout",
    "kills.mp4": "failed",
    "bug.mp4": "failed",
}
"""What becomes of the twelve films of :func:`twelve`, by name."""


def shorten(source: Path, path: Path, count: int) -> None:
    """The first pictures of a film, as a film."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = old.streams.video[0].width, old.streams.video[0].height, "yuv420p"
        for number, frame in zip(range(count), old.decode(video=0), strict=False):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame.to_ndarray(format="rgb24")), format="rgb24")
            picture.pts = number
            new.mux(stream.encode(picture))
        new.mux(stream.encode(None))


def grey(folder: Path, count: int) -> Path:
    """A folder of films in which nobody is: the first one is the largest."""
    folder.mkdir(parents=True, exist_ok=True)
    data = film(folder / "grey000.mp4", count=2).read_bytes()
    for number in range(count):
        (folder / f"grey{number:03d}.mp4").write_bytes(data + b"\0" * (count - number))
    return folder


def rows(out: Path | str) -> pyarrow.Table:
    """All rows of a sweep."""
    parts = [read_table(uri) for uri in Ledger(str(out)).parts()]
    return pyarrow.concat_tables(parts, promote_options="permissive")


def by_name(out: Path | str) -> dict[str, dict[str, Any]]:
    """The rows of a sweep by the films' names, without what differs from run to run; each film has one."""
    found = {}
    for row in rows(out).to_pylist():
        name = row["uri"].rpartition("/")[2]
        assert name not in found
        found[name] = {key: row[key] for key in row if key not in ("wall_seconds", "finished", "listed", "frames")}
    return found
