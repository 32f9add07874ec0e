"""FERPlus as a set of rows: the pair ``fer2013.csv`` + ``fer2013new.csv``, or one ``.npz`` of both.

Which rows count and what their votes say is :mod:`mien.data.ferplus`'s business: the majority rule of the papers.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from mien.core.errors import DataError
from mien.data.datasets import DataSet
from mien.data.ferplus import LABELS, majority, vote_shares
from mien.data.lists import unknown_layout
from mien.data.manifest import SPLITS, Manifest, Row, Split
from mien.data.tables import table_rows

PIXELS, VOTES = "fer2013.csv", "fer2013new.csv"
USAGES: dict[str, Split] = {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}
COLUMNS = ("Usage", "Image name", *LABELS.labels, "unknown", "NF")
SIDE = 48
MOST_VOTES = 10
"""Raters of an image."""
FER_PLUS = "take the file of FER+"
LAYOUT = (
    f"{PIXELS} (emotion,pixels,Usage) and {VOTES} (Usage,Image name,ten columns of votes), row by row the same images",
    "an .npz with {train,valid,test}_images (n, 48, 48) and {train,valid,test}_votes (n, 10), both uint8",
)


def read(root: Path) -> Manifest:
    """The majority rows at ``root``: a folder with the two CSV files or one archive, or the archive itself.

    Raises:
        DataError: another layout, or files that contradict each other.
    """
    if root.is_file() and root.suffix == ".npz":
        return read_archive(root)
    if (root / PIXELS).is_file() and (root / VOTES).is_file():
        return _pair(root)
    archives = sorted(root.glob("*.npz")) if root.is_dir() else []
    if len(archives) == 1:
        return read_archive(archives[0])
    raise unknown_layout(root, LAYOUT)


def read_archive(path: Path, every_vote: bool = False) -> Manifest:
    """The rows of one archive.

    Args:
        path: of the ``.npz``.
        every_vote: train on every row with a vote for an expression, not only on those with a majority.

    Raises:
        DataError: missing, torn, or another layout.
    """
    fix = "see docs/train-ferplus.md for how it is made"
    if not zipfile.is_zipfile(path):
        raise DataError(LAYOUT[1], f"{path}, which is another file or a torn one", fix)
    try:
        with np.load(path) as archive:
            votes = {split: archive[f"{split}_votes"] for split in SPLITS if f"{split}_votes" in archive}
    except (ValueError, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DataError(LAYOUT[1], f"{path}: {error}", fix) from error
    for split, cast in votes.items():
        if cast.ndim != 2 or cast.shape[1] != len(COLUMNS) - 2 or cast.dtype != np.uint8:
            raise DataError(LAYOUT[1], f"{split}_votes {cast.shape} {cast.dtype} in {path}", fix)
    rows = [row for split, cast in votes.items() for row in _rows(cast, split, path.name, every_vote)]
    if not rows:
        raise DataError(LAYOUT[1], f"{path} without votes", fix)
    return Manifest("ferplus", LABELS, tuple(rows), path.parent, notes=("one archive of images and votes",))


def _rows(votes: UInt8[np.ndarray, "n 10"], split: Split, name: str, every_vote: bool) -> Iterator[Row]:
    for place, row in _voted_rows(votes, split, every_vote):
        yield Row(f"{split}-{place}", f"{name}#{split}_images/{place}", "array", *row)


def _voted_rows(
    votes: UInt8[np.ndarray, "n 10"], split: Split, every_vote: bool = False
) -> Iterator[tuple[int, tuple[str, Split, int, str, tuple[float, ...]]]]:
    """Number of every row that counts, and its label, split, fold, subject and votes."""
    shares = vote_shares(votes)
    for place in np.flatnonzero(shares.any(1) if every_vote and split == "train" else majority(votes)):
        share = shares[place]
        yield int(place), (LABELS.labels[int(share.argmax())], split, 0, "", tuple(share.tolist()))


def _pair(root: Path) -> Manifest:
    """Both files list the same images in the same order; FER+ gives no name to those it leaves out."""
    entries = list(_votes(root / VOTES))
    _compare([usage for usage, _, _ in entries], _index_of(root / PIXELS)[1], root)
    rows: list[Row] = []
    for usage, split in USAGES.items():
        numbers = [number for number, (one, name, _) in enumerate(entries) if one == usage and name]
        votes = np.array([entries[number][2] for number in numbers], np.uint8).reshape(-1, len(COLUMNS) - 2)
        for place, row in _voted_rows(votes, split):
            number = numbers[place]
            rows.append(Row(Path(entries[number][1]).stem, f"{PIXELS}#pixels/{number}", "array", *row))
    if not rows:
        raise DataError(f"votes with a majority in {VOTES}", f"none in {root}", FER_PLUS)
    return Manifest("ferplus", LABELS, tuple(rows), root, notes=(f"images of {PIXELS}, votes of {VOTES}",))


def _votes(path: Path) -> Iterator[tuple[str, str, list[int]]]:
    """Usage, image name and votes of every row."""
    for line, cells in table_rows(path):
        if line == 1 and cells[0] == COLUMNS[0]:
            if [cell.lower() for cell in cells] != [name.lower() for name in COLUMNS]:
                raise DataError(f"the columns {', '.join(COLUMNS)}", f"{', '.join(cells)} in {path}", FER_PLUS)
            continue
        counts = [int(cell) if cell.isdecimal() else MOST_VOTES + 1 for cell in cells[2:]]
        if len(cells) != len(COLUMNS) or cells[0] not in USAGES or max(counts) > MOST_VOTES:
            got = f"{path}, line {line}: {','.join(cells)[:60]}"
            expected = f"Usage, image name and {len(COLUMNS) - 2} numbers of votes up to {MOST_VOTES}"
            raise DataError(expected, got, FER_PLUS)
        yield cells[0], cells[1], counts


def _compare(voted: list[str], pictured: tuple[str, ...], root: Path) -> None:
    """Raise DataError unless both files have the same splits row by row: names are only in one of them."""
    fix = "take both as released"
    if len(voted) != len(pictured):
        expected = f"as many rows in {PIXELS} as in {VOTES}"
        raise DataError(expected, f"{len(pictured)} and {len(voted)} in {root}", fix)
    for number, (one, other) in enumerate(zip(voted, pictured, strict=True)):
        if one != other:
            expected = f"{PIXELS} and {VOTES} in the same order"
            raise DataError(expected, f"row {number} in {other or 'no split'} and in {one} in {root}", fix)


def csv_image(path: Path, row: int) -> UInt8[np.ndarray, "48 48"]:
    """The image in a row of ``fer2013.csv``, counted from 0 after the header.

    Raises:
        DataError: no such row, or not 2,304 numbers from 0 to 255.
    """
    offsets = _index_of(path)[0]
    if row >= len(offsets):
        raise DataError(f"a row below {len(offsets)}", f"row {row} of {path}", "prepare the set again")
    with path.open("rb") as file:
        file.seek(offsets[row])
        cells = file.readline().decode("ascii", "replace").split(",")
    try:
        pixels = np.array(cells[1].strip('" \r\n').split(), np.int64)
    except (IndexError, ValueError) as error:
        raise DataError("emotion, pixels, Usage", f"row {row} of {path}", "take a new copy") from error
    if len(pixels) != SIDE * SIDE or pixels.min() < 0 or pixels.max() > 255:
        raise DataError(f"{SIDE * SIDE} pixels from 0 to 255", f"row {row} of {path}", "take a new copy")
    return pixels.astype(np.uint8).reshape(SIDE, SIDE)


def _index_of(path: Path) -> tuple[Int64[np.ndarray, " n"], tuple[str, ...]]:
    stat = path.stat()
    return _index(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=2)
def _index(path: Path, changed: int, size: int) -> tuple[Int64[np.ndarray, " n"], tuple[str, ...]]:
    """Where every row begins, and its usage: the file has 300 MB of text, and a row is wanted at a time."""
    starts, usages, at = [], [], 0
    with path.open("rb") as file:
        for line in file:
            if line.strip() and not line.lstrip(b"\xef\xbb\xbf").startswith(b"emotion"):
                starts.append(at)
                usages.append(line.rpartition(b",")[2].strip(b'" \r\n').decode("ascii", "replace"))
            at += len(line)
    return np.array(starts, np.int64), tuple(usages)


DATASETS = {
    "ferplus": DataSet(
        "ferplus",
        LABELS,
        read,
        # Majority rule on the official splits.
        published={0: {"train": 25045, "valid": 3191, "test": 3137}},
        cropped=True,
        layout=LAYOUT,
    )
}
