"""VEATIC: valence and arousal of one person in every frame of 124 films (Ren et al., WACV 2024, arXiv 2309.06745).

Ratings from -1 to 1, the mean of many viewers, a line a frame. As in the paper the first 70 % of every film train and
the rest test, so every film is in both: the checks say so of each. Read after the description and the reader of
github.com/AlbusPeter/VEATIC; **not run on the release itself**. A row is a frame, every fifth as there, and stands by
itself: windows of five frames, which the paper's network sees, are not made. Films are cut to frames before, as there.
The release does not mark whose face is rated: where several are seen, the most prominent one is cropped.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from mien.core.errors import DataError
from mien.core.labels import LabelSpace
from mien.core.signals import Signal
from mien.data.datasets import DataSet
from mien.data.lists import unknown_layout
from mien.data.manifest import Manifest, Row, Split
from mien.data.tables import table_rows
from mien.media.files import IMAGE_SUFFIXES

UNLABELLED = LabelSpace("veatic", ("unlabelled",))
"""No expressions; a set has a label at least."""
AFFECT = Signal("affect", ("valence", "arousal"), "scale", -1.0, 1.0, note="the mean of viewers' ratings")
RATINGS, FRAMES, FILMS = "rating_averaged", ("frames", "frame"), ("videos", "video")
EVERY = 5
TRAIN_PERCENT = 70
LAYOUT = (
    f"{RATINGS}/<film>_valence.csv and <film>_arousal.csv, without a header, the rating of a frame in column 2",
    f"{FRAMES[0]}/<film>/<frame>.jpg or .png (or {FRAMES[1]}/), frames counted from 0",
)


def read(root: Path) -> Manifest:
    """Every fifth frame of every film.

    Raises:
        DataError: another layout, films that are not cut to frames, or ratings that cannot be read.
    """
    films = sorted(path.name.removesuffix("_valence.csv") for path in (root / RATINGS).glob("*_valence.csv"))
    folder = next((name for name in FRAMES if (root / name).is_dir()), "")
    if films and not folder and any((root / name).is_dir() for name in FILMS):
        fix = "cut each: ffmpeg -i videos/1.mp4 -fps_mode passthrough -start_number 0 frames/1/%d.jpg"
        raise DataError(LAYOUT[1], f"only films in {root}", fix)
    if not films or not folder:
        raise unknown_layout(root, LAYOUT)
    rows: list[Row] = []
    unrated = uneven = 0
    for film in sorted(films, key=lambda name: (not name.isdecimal(), name.zfill(5))):
        found = _numbered(root / folder / film)
        columns = [_ratings(root, film, label) for label in AFFECT.labels]
        ratings = list(zip(*columns, strict=False))
        uneven += len({len(column) for column in columns}) > 1
        last = len(found) * TRAIN_PERCENT // 100
        for place, (number, path) in islice(enumerate(found), 0, None, EVERY):
            if number >= len(ratings):
                unrated += 1
                continue
            split: Split = "train" if place < last else "test"
            where = path.relative_to(root).as_posix()
            # A film is a subject: its frames go to a validation split together, or not at all.
            row = Row(f"{film}/{number}", where, "image", "", split, subject=f"film {film}", beside=ratings[number])
            rows.append(row)
    notes = (
        f"every fifth frame of {len(films)} films, {unrated} of them left out without a rating",
        *[f"{uneven} films whose two files of ratings differ in length: read as far as both go"] * bool(uneven),
        f"the first {TRAIN_PERCENT} % of every film train, the rest tests, as published: every film is in both",
    )
    return Manifest("veatic", UNLABELLED, tuple(rows), root, notes=notes, signals=(AFFECT,))


def _numbered(folder: Path) -> list[tuple[int, Path]]:
    """Frames of a film in order. Raises DataError without any, or for a picture whose name is no number."""
    paths = [path for path in folder.glob("*") if path.suffix.lower() in IMAGE_SUFFIXES]
    strange = [path for path in paths if not (path.stem.isdecimal() and path.stem.isascii())]
    if strange or not paths:
        got = str(strange[0]) if strange else f"none in {folder}"
        raise DataError(LAYOUT[1], got, "cut the film anew, or take its ratings out")
    return sorted((int(path.stem), path) for path in paths)


def _ratings(root: Path, film: str, label: str) -> list[float]:
    path = root / RATINGS / f"{film}_{label}.csv"
    found = []
    for line, cells in table_rows(path):
        try:
            rating = float(cells[1])
            if not AFFECT.low <= rating <= AFFECT.high:
                raise ValueError
        except (ValueError, IndexError) as error:
            got = f"{', '.join(cells)[:80]!r} in {path}, line {line}"
            raise DataError("a rating from -1 to 1 in column 2", got, "take a new copy of that file") from error
        found.append(rating)
    return found


DATASETS = {"veatic": DataSet("veatic", UNLABELLED, read, layout=LAYOUT)}
