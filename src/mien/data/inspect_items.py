"""A look at every item: is it there, can it be decoded, and what does it look like."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import UInt8, UInt64

from mien.core.errors import DataError
from mien.data.hashes import perceptual_hash, thumbnail
from mien.data.manifest import Manifest, Row
from mien.data.pixels import frame_count, read_clip, video_frames
from mien.data.pool import spread
from mien.media.files import images_in

State = Literal["well", "missing", "empty", "unreadable"]
ITEMS_AT_ONCE = 8
"""Items a process looks at before it reports: pictures are quick."""


@dataclass(frozen=True, eq=False)
class Inspected:
    """What was seen of one item.

    Attributes:
        state: ``well``; ``missing``: no such file; ``empty``: a folder without pictures; ``unreadable``.
        problem: one sentence; empty when all is well. An item that is well may still be damaged.
        frames: how many can be decoded (for a folder, how many there are); 0 unless well.
        digest: of the decoded pixels of its first, middle and last frame: equal for exact duplicates.
        hashes: perceptual hashes of those frames; of a single frame, one.
        thumbs: and their thumbnails.
        rate: frames a second of a video; None where it is not known.
    """

    state: State
    problem: str = ""
    frames: int = 0
    digest: bytes = b""
    hashes: UInt64[np.ndarray, " k"] | None = None
    thumbs: UInt8[np.ndarray, "k 16 16"] | None = None
    rate: float | None = None


Place = tuple[str, str]
"""Kind and path of a row: what makes two rows the same item."""


def place_of(row: Row) -> Place:
    """Rows of several folds that mean the same picture or clip have the same place."""
    return row.kind, row.path


def inspect_items(
    manifest: Manifest, workers: int = 1, progress: Callable[[int, int], None] | None = None
) -> dict[Place, Inspected]:
    """A look at every distinct item, in the order of the manifest, whatever the number of ``workers``.

    ``progress`` is called with the items done and the items in all.
    """
    rows = distinct(manifest.rows)
    looks: list[Inspected | None] = [None] * len(rows)
    work = _Looking(Manifest(manifest.name, manifest.labels, (), manifest.root))
    for done, (number, look) in enumerate(spread(work, rows, workers, ITEMS_AT_ONCE), 1):
        looks[number] = look
        if progress is not None:
            progress(done, len(rows))
    return {place_of(row): look for row, look in zip(rows, looks, strict=True) if look is not None}


def distinct(rows: Sequence[Row]) -> list[Row]:
    """The first row of every item."""
    first: dict[Place, Row] = {}
    for row in rows:
        first.setdefault(place_of(row), row)
    return list(first.values())


@dataclass(frozen=True)
class _Looking:
    """Looks at rows of a manifest; sent to worker processes without its rows."""

    manifest: Manifest

    def __call__(self, row: Row) -> Inspected:
        absent = _absent(self.manifest, row)
        if absent is not None:
            return absent
        try:
            return _seen(self.manifest, row)
        except DataError as error:
            return Inspected("unreadable", error.got)


def _absent(manifest: Manifest, row: Row) -> Inspected | None:
    """The look of an item that is not there; None for one that is."""
    path = manifest.root / row.path
    if row.kind == "frames":
        if not path.is_dir():
            return Inspected("missing", f"no folder at {path}")
        return None if images_in(path) else Inspected("empty", f"no picture in {path}")
    if row.kind == "array" and "#" in row.path:
        path = manifest.root / row.path.rpartition("#")[0]
    return None if path.is_file() else Inspected("missing", f"no file at {path}")


def _seen(manifest: Manifest, row: Row) -> Inspected:
    if row.kind == "video":
        frames, problems, rate = video_frames(manifest.root / row.path)
    else:
        frames, problems, rate = frame_count(manifest, row), (), None
    images = list(_shown(manifest, row, frames))
    digest = hashlib.blake2b(digest_size=16)
    for image in images:
        digest.update(np.array(image.shape, np.int64).tobytes() + image.tobytes())
    hashes = np.array([perceptual_hash(image) for image in images], np.uint64)
    thumbs = np.stack([thumbnail(image) for image in images])
    return Inspected("well", "; ".join(problems), frames, digest.digest(), hashes, thumbs, rate)


def _shown(manifest: Manifest, row: Row, frames: int) -> Iterator[UInt8[np.ndarray, "3 h w"]]:
    """The first, middle and last frame; one alone where there is but one.

    A folder's frames may differ in size, which cropping does not mind, so they are read one by one.
    """
    wanted = [0] if frames == 1 else [0, frames // 2, frames - 1]
    if row.kind == "video":
        yield from read_clip(manifest, row, np.array(wanted))
    else:
        for index in wanted:
            yield read_clip(manifest, row, np.array([index]))[0]
