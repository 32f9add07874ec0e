"""FERPlus as a set of rows: the pair ``fer2013.csv`` + ``fer2013new.csv``, or one ``.npz`` of both.

Which rows count and what their votes say is :mod:`mien.data.ferplus`'s business: the majority rule of the papers.
"""

from __future__ import annotations

import csv
import zipfile
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

PIXELS, VOTES = "fer2013.csv", "fer2013new.csv"
USAGES: dict[str, Split] = {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}
SIDE = 48
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
        return _archive(root)
    if (root / PIXELS).is_file() and (root / VOTES).is_file():
        return _pair(root)
    archives = sorted(root.glob("*.npz")) if root.is_dir() else []
    if len(archives) == 1:
        return _archive(archives[0])
    raise unknown_layout(root, LAYOUT)


def _archive(path: Path) -> Manifest:
    try:
        with np.load(path) as archive:
            votes = {split: archive[f"{split}_votes"] for split in SPLITS if f"{split}_votes" in archive}
        rows = [row for split, cast in votes.items() for row in _rows(cast, split, path.name)]
    except (ValueError, IndexError, OSError, zipfile.BadZipFile) as error:
        raise DataError(LAYOUT[1], f"{path}: {error}", "see docs/train-ferplus.md for how it is made") from error
    if not rows:
        raise DataError(LAYOUT[1], f"{path} without votes", "see docs/train-ferplus.md for how it is made")
    return Manifest("ferplus", LABELS, tuple(rows), path.parent, notes=("one archive of images and votes",))


def _rows(votes: UInt8[np.ndarray, "n 10"], split: Split, name: str) -> Iterator[Row]:
    for place, row in _majority_rows(votes, split):
        yield Row(f"{split}-{place}", f"{name}#{split}_images/{place}", "array", *row)


def _majority_rows(
    votes: UInt8[np.ndarray, "n 10"], split: Split
) -> Iterator[tuple[int, tuple[str, Split, int, str, tuple[float, ...]]]]:
    """Number of every row that counts, and its label, split, fold, subject and votes."""
    shares = vote_shares(votes)
    for place in np.flatnonzero(majority(votes)):
        share = shares[place]
        yield int(place), (LABELS.labels[int(share.argmax())], split, 0, "", tuple(share.tolist()))


def _pair(root: Path) -> Manifest:
    votes: dict[str, list[list[int]]] = {}
    numbers: dict[str, list[int]] = {}
    for number, (usage, cast) in enumerate(_votes(root / VOTES)):
        votes.setdefault(usage, []).append(cast)
        numbers.setdefault(usage, []).append(number)
    images = len(_offsets(root / PIXELS))
    total = sum(map(len, numbers.values()))
    if images != total:
        raise DataError(f"as many rows in {PIXELS} as in {VOTES}", f"{images} and {total}", "take both as released")
    rows = [
        Row(f"fer{number:07d}", f"{PIXELS}#pixels/{number}", "array", *row)
        for usage, split in USAGES.items()
        if usage in votes
        for place, row in _majority_rows(np.array(votes[usage], np.uint8), split)
        for number in [numbers[usage][place]]
    ]
    return Manifest("ferplus", LABELS, tuple(rows), root, notes=(f"images of {PIXELS}, votes of {VOTES}",))


def _votes(path: Path) -> Iterator[tuple[str, list[int]]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        for number, cells in enumerate(csv.reader(file), 1):
            if number == 1 and cells[:1] == ["Usage"]:
                continue
            if len(cells) != 12 or cells[0] not in USAGES or not all(cell.strip().isdecimal() for cell in cells[2:]):
                got = f"{path}, line {number}: {','.join(cells)[:60]}"
                raise DataError("Usage, image name and ten numbers of votes", got, "take the file of FER+")
            yield cells[0], [int(cell) for cell in cells[2:]]


def csv_image(path: Path, row: int) -> UInt8[np.ndarray, "48 48"]:
    """The image in a row of ``fer2013.csv``, counted from 0 after the header.

    Raises:
        DataError: no such row, or not 2,304 numbers from 0 to 255.
    """
    offsets = _offsets(path)
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


def _offsets(path: Path) -> Int64[np.ndarray, " n"]:
    stat = path.stat()
    return _index(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=2)
def _index(path: Path, changed: int, size: int) -> Int64[np.ndarray, " n"]:
    """Where every row begins: the file has 300 MB of text, and a row is wanted at a time."""
    starts, at = [], 0
    with path.open("rb") as file:
        for line in file:
            if line.strip() and not line.lstrip(b"\xef\xbb\xbf").startswith(b"emotion"):
                starts.append(at)
            at += len(line)
    return np.array(starts, np.int64)


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
