"""The manifest: one row per labelled image or clip (and fold), whatever data set it comes from.

On disk a prepared set is a folder with ``manifest.csv`` (the rows) and ``set.json`` (everything that holds for all of
them); row paths start at the set's root.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32, Int64

from mien.core import checks
from mien.core.checks import parse_json
from mien.core.errors import ConfigError, DataError
from mien.core.files import whole_file
from mien.core.labels import LabelSpace
from mien.core.sheets import escaped, read_rows
from mien.core.signals import Signal, columns, parse_signals, width
from mien.data.beside import Numbers, number_cells, parse_numbers

Kind = Literal["image", "video", "frames", "array"]
Split = Literal["train", "valid", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
COLUMNS = ("id", "path", "kind", "label", "split", "fold", "subject", "votes")
FORMAT = 1
ROWS, SET = "manifest.csv", "set.json"
NAMES = "surrogateescape"
"""How bytes that are no UTF-8 stand in the name of a file, as Python has them."""
MOST_SIDE = 8192
"""Of crops, in pixels."""
RATES = 1e-3, 1e4
"""Least and most frames a second of clips."""


@dataclass(frozen=True, slots=True)
class Row:
    """One image or clip in one fold.

    Attributes:
        id: its name in the release, unique within a fold.
        path: relative to the manifest's root, with ``/``. An image or video file; a folder of frames; for ``array``
            ``file.npz#key/row``, a grey or RGB uint8 image.
        kind: what ``path`` is.
        label: name in the set's label space; empty where there is none.
        split: official split of this fold; ``valid`` also for what :func:`mien.data.splits.hold_out` takes from train.
        fold: from 1; 0 for a set without folds.
        subject: the person, where the release says; else empty.
        votes: share of each label, summing to 1, where several people labelled; else empty.
        beside: a number for every column of the set's signals, NaN where it is not known; empty: none is.
    """

    id: str
    path: str
    kind: Kind
    label: str
    split: Split
    fold: int = 0
    subject: str = ""
    votes: tuple[float, ...] = ()
    beside: Numbers = ()


@dataclass(frozen=True, eq=False)
class Manifest:
    """Labelled items and what holds for all of them.

    Attributes:
        name: of the data set.
        labels: the classes, in the official order.
        rows: sorted as the release lists them.
        root: folder that row paths start from.
        crop_size: side of the square, aligned face crops that the rows point to; None: whole pictures or the
            release's own crops.
        notes: what the reader found out about the release, one sentence each ("labels counted from 1").
        signals: what is known of items beside their label, see :mod:`mien.data.beside`.
        rate: frames a second that its clips were taken at, their median; None where it is not known.
    """

    name: str
    labels: LabelSpace
    rows: tuple[Row, ...]
    root: Path
    crop_size: int | None = None
    notes: tuple[str, ...] = field(default=())
    signals: tuple[Signal, ...] = ()
    rate: float | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def folds(self) -> tuple[int, ...]:
        """The folds there are, in order; (0,) for a set without."""
        return tuple(sorted({row.fold for row in self.rows}))

    def select(self, split: Split | None = None, fold: int | None = None) -> Manifest:
        """The rows of a split, of a fold, or of both; None takes all.

        Raises:
            DataError: no row is left.
        """
        rows = tuple(r for r in self.rows if split in (None, r.split) and fold in (None, r.fold))
        if not rows:
            there = sorted({(r.fold, r.split) for r in self.rows})
            raise DataError(f"rows of split {split}, fold {fold} in {self.name}", f"only {there}", "choose one of them")
        return dataclasses.replace(self, rows=rows)

    def indices(self) -> Int64[np.ndarray, " n"]:
        """Class index of every row; -1 for a row without a label."""
        places = {label: place for place, label in enumerate(self.labels.labels)}
        return np.array([places.get(row.label, -1) for row in self.rows], np.int64)

    def targets(self) -> Float32[np.ndarray, "n c"]:
        """Share of each label: the votes where there are any, else 1 for the row's label; zeros without a label."""
        targets = np.zeros((len(self), len(self.labels)), np.float32)
        for target, row, index in zip(targets, self.rows, self.indices(), strict=True):
            if row.votes:
                target[:] = row.votes
            elif index >= 0:
                target[index] = 1
        return targets

    def beside(self) -> Float32[np.ndarray, "n k"]:
        """The columns of all signals, NaN where nothing is known."""
        numbers = np.full((len(self), width(self.signals)), np.nan, np.float32)
        for place, row in enumerate(self.rows):
            if row.beside:
                numbers[place] = row.beside
        return numbers

    def save(self, folder: Path) -> None:
        """Write ``manifest.csv`` and ``set.json``, each whole or not at all; the set comes last, so it says "complete".

        A root inside ``folder`` is stored relative to it, so that a prepared set can be moved.
        """
        # A file's name need not be text: its bytes come back as they were.
        with (
            whole_file(folder / ROWS) as draft,
            draft.open("w", newline="", encoding="utf-8", errors=NAMES) as file,
        ):
            writer = csv.writer(file)
            writer.writerow([*COLUMNS, *columns(self.signals)])
            writer.writerows([*_cells(row), *number_cells(row.beside, self.signals)] for row in self.rows)
        root = self.root.resolve()
        inside = root.is_relative_to(folder.resolve())
        body = {
            "format": FORMAT,
            "name": self.name,
            "labels": dataclasses.asdict(self.labels),
            "root": os.path.relpath(root, folder.resolve()) if inside else str(root),
            "crop_size": self.crop_size,
            "notes": list(self.notes),
        }
        if self.signals:
            body["signals"] = [signal.to_dict() for signal in self.signals]
        if self.rate is not None:
            body["rate"] = self.rate
        with whole_file(folder / SET) as draft:
            draft.write_text(json.dumps(body, indent=2) + "\n", "utf-8")


def load_manifest(folder: Path) -> Manifest:
    """Read what :meth:`Manifest.save` wrote.

    Raises:
        DataError: no such folder, or files that do not say what they must.
    """
    expected, fix = f"a folder with {ROWS} and {SET}", "make it with `mien prepare`"
    if not (folder / SET).is_file() or not (folder / ROWS).is_file():
        raise DataError(expected, f"{folder} without them", fix)
    try:
        body = parse_json((folder / SET).read_bytes())
        if body["format"] != FORMAT:
            raise DataError(f"{SET} of format {FORMAT}", repr(body["format"]), "update mien, or prepare the set again")
        for names in (body["labels"]["labels"], body["notes"]):
            checks.demand(isinstance(names, list), "labels and notes", "lists", names)
        labels = LabelSpace(body["labels"]["name"], tuple(body["labels"]["labels"]))
        name, size, notes = body["name"], body["crop_size"], tuple(body["notes"])
        for value in (name, labels.name, *notes):
            checks.text("name or note", value)
        if size is not None:
            checks.whole("crop_size", size, 1, MOST_SIDE)
        rate = body.get("rate")
        if rate is not None:
            checks.real("rate", rate, *RATES)
        root = (folder / body["root"]).resolve()
        signals = parse_signals(body.get("signals", []))
        rows = tuple(_read_rows(folder / ROWS, labels, signals))
    except ConfigError as error:
        raise DataError(error.expected, f"{folder / SET}: {error.got}", fix) from error
    except (LookupError, TypeError, ValueError, OSError) as error:
        raise DataError(expected, f"{folder}: {type(error).__name__}: {error}", fix) from error
    return Manifest(name, labels, rows, root, size, notes, signals, rate)


def _read_rows(path: Path, labels: LabelSpace, signals: tuple[Signal, ...]) -> Iterator[Row]:
    seen: set[tuple[int, str]] = set()
    for line, cells in read_rows(path, (*COLUMNS, *columns(signals)), errors=NAMES):
        try:
            row = _row(cells, labels, signals)
            if (row.fold, row.id) in seen:
                raise ValueError(f"{row.id[:80]!r} of fold {row.fold} again")
        except ValueError as error:
            fix = "mend that line, or prepare the set again"
            raise DataError("a row of a prepared set", f"{path}, line {line}: {error}", fix) from error
        seen.add((row.fold, row.id))
        yield row


def _cells(row: Row) -> Sequence[object]:
    votes = " ".join(f"{vote:.6g}" for vote in row.votes)
    texts = (escaped(text) for text in (row.id, row.path, row.kind, row.label, row.split))
    return (*texts, row.fold, escaped(row.subject), votes)


def _row(cells: dict[str, str], labels: LabelSpace, signals: tuple[Signal, ...]) -> Row:
    """Raises ValueError for cells that are no row's."""
    kind, label, split, fold = cells["kind"], cells["label"], cells["split"], cells["fold"]
    if kind not in get_args(Kind) or split not in SPLITS or (label and label not in labels.labels):
        raise ValueError(f"kind {kind[:80]!r}, label {label[:80]!r}, split {split[:80]!r}")
    if not fold.isdecimal() or not fold.isascii() or len(fold) > 4:
        raise ValueError(f"fold {fold[:80]!r}")
    if not cells["id"] or not cells["path"] or "\0" in cells["path"]:
        raise ValueError("no id, or no path")
    votes = tuple(float(vote) for vote in cells["votes"].split())
    if votes and (len(votes) != len(labels) or not all(0 <= vote <= 1 for vote in votes)):
        raise ValueError(f"votes that are not {len(labels)} shares in [0, 1]")
    beside = parse_numbers({name: cells[name] for name in columns(signals)}, signals)
    return Row(cells["id"], cells["path"], kind, label, split, int(fold), cells["subject"], votes, beside)  # type: ignore[arg-type]
