"""A folder that ``mien analyze`` or ``result.save`` wrote, as a :class:`~mien.report.result.Result` again.

What the tables hold comes back to their last digit. They do not hold the five points of a face: those are NaN. Files
may be anybody's: every value is looked at, and a torn folder is refused whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import numpy as np
from jaxtyping import Float64, Shaped

from mien.core import checks
from mien.core.compound import CompoundRule
from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace
from mien.core.sheets import read_rows
from mien.core.signals import Signal, parse_signals, width
from mien.core.table import FaceTable, row_dtype
from mien.core.types import UNCLEAR, Span
from mien.media.selection import Selection
from mien.media.source import Kind, SourceInfo
from mien.report.edited import edited
from mien.report.edits import Edits, demand_used, edits_of, parse_edits, read_edits
from mien.report.frames import FrameTable
from mien.report.result import RESULT_FILE, Result
from mien.report.tables import FRAME_COLUMNS, SCHEMA, SIDES, read_json, value_columns

FRAMES_FILE = "frames.csv"
REMEDY = "give a folder that `mien analyze -o` wrote, or analyse the source again"
MOST_TIME, MOST_SIDE = 1e9, 1e6
"""Seconds and pixels that are believed."""
_NUMBERS = {"frame": "index", "time": "time", "track": "track", "detector_score": "score"}
_MEASURES = ("size", "sharpness", "yaw")


def read(path: str | Path, edits: str | Path | Edits | None = None) -> Result:
    """The result in a folder, or the only one in the folders directly below it.

    Args:
        path: the folder.
        edits: what a person corrected in the result's page, or a file of it: people get names, tracks become one,
            excluded stretches are left out of spans and count as unread.

    Its ``origin`` is the source's path where a file of that name and size is found, as it was given or seen from the
    folders above the result: only with it can be drawn, and do exports link the film.

    Raises:
        DataError: there is none, there are several, or it is torn or of another schema; or the edits do not fit it.
    """
    told = read_edits(edits) if isinstance(edits, str | Path) else edits
    found = _found(path)
    return found if told is None else edited(found, told)


def read_edited(folders: Sequence[Path], files: Sequence[Path]) -> Iterator[tuple[Path, Result]]:
    """Every folder with its result, one at a time, edited where one of the files is of it.

    Raises:
        DataError: as :func:`read`; or two files are of one result, or one is of none of them.
    """
    edits = [read_edits(file) for file in files]
    if edits:
        demand_used(edits, [_head(folder) for folder in folders])
    for folder in folders:
        result = read(folder)
        told = edits_of(edits, result.source.name, result.provenance)
        yield folder, result if told is None else edited(result, told)


def _head(folder: Path) -> tuple[str, Any]:
    """Name of the source, and provenance."""
    try:
        content = read_json(folder / RESULT_FILE)
        return str(content["source"]["name"]), content["provenance"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError("result.json of mien", f"{folder}: {error!r}", REMEDY) from error


def _found(path: str | Path) -> Result:
    place = Path(path)
    if not (place / RESULT_FILE).is_file():
        inside = sorted(one.parent for one in place.glob(f"*/{RESULT_FILE}"))
        if len(inside) > 1:
            got = f"{len(inside)} of them in {place}"
            raise DataError("a folder with one result", got, f"name one, for example {inside[0]}")
        if not inside:
            got = f"{place}: {'no result.json in it' if place.is_dir() else 'no such folder'}"
            raise DataError("a folder of results", got, REMEDY)
        place = inside[0]
    try:
        return _read(place)
    except (OSError, ValueError, LookupError, TypeError, ConfigError, OverflowError) as error:
        raise DataError("result.json and frames.csv of mien", f"{place}: {error!r}", REMEDY) from error


def _read(folder: Path) -> Result:
    content = read_json(folder / RESULT_FILE)
    if content["schema"] != SCHEMA:
        raise ValueError(f"schema {content['schema']}, not {SCHEMA}")
    labels = LabelSpace(str(content["label_space"]), tuple(content["labels"]))
    facts = content["provenance"]
    if not isinstance(facts, dict):
        raise TypeError("provenance that is no object")
    spans = tuple(_span(one, labels) for one in content["spans"])
    signals = parse_signals(content.get("signals", []))
    return Result(
        source=_source(content["source"]),
        labels=labels,
        spans=spans,
        frames=FrameTable(_frames(folder / FRAMES_FILE, labels.labels, signals), spans, labels.labels),
        provenance=facts,
        origin=_origin(folder, facts.get("source")),
        selection=_selection(facts.get("settings")),
        compound=_compound(facts.get("settings")),
        edits=parse_edits(facts["edits"]) if "edits" in facts else Edits(),
    )


def _span(given: Mapping[str, Any], labels: LabelSpace) -> Span:
    span = Span(**given)
    checks.whole("track of a span", span.track, 1, 2**31 - 1)
    for name, most in (("start", MOST_TIME), ("end", MOST_TIME), ("score", 1)):
        checks.real(f"{name} of a span", getattr(span, name), 0, most)
    checks.demand(span.end >= span.start, "end of a span", "not before its start", span.end)
    checks.demand(isinstance(span.abstained, bool), "abstained of a span", "true or false", span.abstained)
    known = UNCLEAR if span.abstained else ", ".join(labels.labels)
    fits = span.label == UNCLEAR if span.abstained else span.label in labels.labels
    checks.demand(fits, "label of a span", known, span.label)
    checks.text("reason of a span", span.reason or "", checks.MOST_NAME)
    if span.intensity is not None:
        checks.real("intensity of a span", span.intensity, 0, 1)
    return span


def _source(given: Mapping[str, Any]) -> SourceInfo:
    facts = {one.name: given[one.name] for one in fields(SourceInfo) if one.name in given}
    checks.text("name of the source", facts["name"])
    checks.demand(facts["kind"] in get_args(Kind), "kind of the source", ", ".join(get_args(Kind)), facts["kind"])
    for name in ("width", "height"):
        checks.whole(f"{name} of the source", facts[name], 0, int(MOST_SIDE))
    for name in ("duration", "frame_rate", "frame_count", "rotation", "start"):
        if facts.get(name) is not None:
            checks.real(f"{name} of the source", facts[name], 0, MOST_TIME)
    facts["sizes"] = tuple((float(time), int(width), int(height)) for time, width, height in facts.get("sizes", ()))
    return SourceInfo(**facts)


def _selection(settings: object) -> Selection:
    if not isinstance(settings, dict):
        return Selection()
    names = ("frame_rate", "every", "start", "end", "stream", "max_pixels")
    return Selection(**{name: settings[name] for name in names if name in settings})


def _compound(settings: object) -> CompoundRule | None:
    if not isinstance(settings, dict) or settings.get("compound") is not True:
        return None
    checks.real("compound_least", settings["compound_least"], 0, 0.5)
    return CompoundRule(settings["compound_rule"], settings["compound_least"], settings["compound_pairs"])


def _origin(folder: Path, facts: object) -> str | Path | None:
    """What the result was made of: a file of its name and size where one is found, else as it was given."""
    path = facts.get("path") if isinstance(facts, dict) else None
    if not isinstance(facts, dict) or not isinstance(path, str) or "bytes" not in facts:
        return path if isinstance(path, str) else None
    for place in (Path(path), *(above / path for above in folder.absolute().parents[:3])):
        try:
            if place.is_file() and place.stat().st_size == facts["bytes"]:
                return place
        except (OSError, ValueError):  # a name that this system has no file for
            continue
    return path


def _frames(path: Path, labels: Sequence[str], signals: tuple[Signal, ...]) -> FaceTable:
    table = FaceTable(len(labels), signals)
    said = value_columns(table, labels)
    columns = (*FRAME_COLUMNS, *said)
    cells = [[row[name] for name in columns] for _, row in read_rows(path, columns)]
    texts = dict(zip(columns, zip(*cells, strict=True), strict=True)) if cells else dict.fromkeys(columns, ())
    records: Shaped[np.ndarray, " n"] = np.zeros(len(cells), row_dtype(len(labels), width(signals)))
    for name, into in _NUMBERS.items():
        records[into] = _numbers(name, texts[name], MOST_TIME)
    for name in _MEASURES:
        records[name] = _numbers(name, texts[name], np.inf, least=-np.inf, needed=False)
    records["box"] = np.stack([_numbers(side, texts[side], MOST_SIDE, least=-MOST_SIDE) for side in SIDES], axis=-1)
    records["measured"] = [cell == "true" for cell in texts["measured"]]
    records["points"] = np.nan
    values = [_numbers(name, texts[name], 1, needed=False) for name in said[: len(labels)]]
    records["probabilities"] = np.stack(values, axis=-1)
    for name, (signal, column) in zip(said[len(labels) :], _places(signals), strict=True):
        numbers = _numbers(name, texts[name], signal.high, least=signal.low, needed=False)
        records["signals"][:, column] = numbers
    unread = np.isnan(records["probabilities"]).any(axis=-1)
    # A face that was read is unclear for its span's reason, which is not its own.
    own = [cell or None if blank else None for cell, blank in zip(texts["reason"], unread.tolist(), strict=True)]
    table.extend(records, own)
    return table


def _places(signals: tuple[Signal, ...]) -> list[tuple[Signal, int]]:
    """The signal of every column beside the probabilities, and the column's place."""
    return [(signal, column) for column, signal in enumerate(one for one in signals for _ in one.labels)]


def _numbers(
    name: str, cells: Sequence[str], most: float, *, least: float = 0.0, needed: bool = True
) -> Float64[np.ndarray, " n"]:
    """A column: NaN where a cell may be empty and is. Raises ValueError for what is no number, or out of range."""
    values = np.array([cell or "nan" for cell in cells], np.float64)
    if not ((values >= least) & (values <= most) | (np.isnan(values) & (not needed))).all():
        raise ValueError(f"a number in column {name} that cannot be")
    return values
