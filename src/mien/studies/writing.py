"""The tables of a study. Their columns are a promise to other programs: docs/study.md spells them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mien.core.sheets import write_rows
from mien.studies.baseline import baseline_rows
from mien.studies.collect import Collected, Quality
from mien.studies.curves import band_of
from mien.studies.films import EXPRESSION, Columns
from mien.studies.measures import AFTER, OF_LABELS, Measured
from mien.studies.plan import Note
from mien.studies.settings import MEASURES
from mien.studies.sheets import Appearance
from mien.studies.summary import HEAD, Test, Unit

Row = Sequence[object]
SIZES = ("windows", "seconds", "readable_seconds", "readable_share")
SOMETIMES = ("trials.csv", "baseline.csv", "excluded.csv")
TEST_COLUMNS = (
    *HEAD,
    *("design", "n_a", "n_b", "mean_a", "mean_b", "difference", "low", "high", "interval"),
    *("effect", "effect_size", "p", "permutation", "p_holm", "p_fdr"),
)
CURVE_COLUMNS = ("condition", "trial_type", "signal", "label", "bin_start", "bin_end", "n", "mean", "low", "high")
AGAIN = tuple(f"{name}{AFTER}" for name in ("n", "mean", "low", "high"))


def measure_names(with_baseline: bool) -> list[str]:
    """The measures, each with its corrected one beside it."""
    return [name for one in MEASURES for name in ((one, one + AFTER) if with_baseline else (one,))]


def write_tables(folder: Path, found: Collected, units: Sequence[Unit], tests: Sequence[Test]) -> list[Path]:
    """Write every table but notes.csv; returns the paths."""
    names, columns = measure_names(found.baseline is not None), found.plan.columns
    extra = more_columns([trial.appearance for trial in found.trials])
    head = ("person", "condition", *extra.values(), "trial_type")
    paths = [
        write_rows(
            folder / "summary.csv",
            (*head, "signal", "label", "films", *SIZES, *names),
            _tidy(units, extra, columns, names),
        ),
        write_rows(
            folder / "summary_wide.csv",
            (*head, "films", *SIZES, *(f"{_plain(*pair)}_{name}" for pair, name in _wide_columns(columns, names))),
            _wide(units, extra, columns, names),
        ),
        write_rows(folder / "curve.csv", (*CURVE_COLUMNS, "showing", *_again(found)), _curve(found)),
        write_rows(folder / "tests.csv", TEST_COLUMNS, _tests(tests)),
        _write_quality(folder / "quality.csv", found, extra),
    ]
    for name in SOMETIMES:
        (folder / name).unlink(missing_ok=True)  # of an earlier run that was told more
    if any(found.plan.events.values()):
        where = ("person", "condition", *extra.values(), "file", "trial_type", "trial", "onset", "duration")
        path, rows = folder / "trials.csv", _trials(found, extra, names)
        paths.append(write_rows(path, (*where, "signal", "label", *SIZES[1:], *names), rows))
    if found.baseline is not None:
        rested = ("person", "seconds", "frames", "signal", "label", "rest", "common_rest")
        paths.append(write_rows(folder / "baseline.csv", rested, baseline_rows(found.baseline)))
    if any(found.plan.excluded.values()):
        out = [(one.line, one.file, who, *one.stretch, one.reason, held) for one, who, held in found.excluded]
        head = ("row", "file", "person", "start", "end", "reason", "seconds_removed")
        paths.append(write_rows(folder / "excluded.csv", head, out))
    return paths


def write_notes(path: Path, notes: Sequence[Note]) -> Path:
    """Write notes.csv: what did not fit, and what followed from it."""
    rows = ((note.table, note.line or "", note.file, note.person, note.text) for note in notes)
    return write_rows(path, ("table", "row", "file", "person", "note"), rows)


def more_columns(rows: Sequence[Appearance]) -> dict[str, str]:
    """The other columns of people.csv -> what they are called here, where a name of ours is taken."""
    ours = {*SIZES, *measure_names(True), "trial_type", "signal", "label", "films", "trial", "onset", "duration"}
    names = dict.fromkeys(name for row in rows for name in row.more)
    return {name: f"people_{name}" if name in ours else name for name in names}


def _sizes(measured: Measured) -> Row:
    return measured.windows, measured.seconds, measured.readable, measured.readable_share


def _number(measured: Measured, name: str, place: int) -> object:
    """A cell: empty where there is no such number, whole where it counts."""
    row = measured.values.get(name)
    value = float("nan") if row is None else float(row[place])
    return int(value) if name.startswith("count") and not np.isnan(value) else value


def _tidy(units: Sequence[Unit], extra: Mapping[str, str], columns: Columns, names: Sequence[str]) -> Iterator[Row]:
    for unit in units:
        head = (unit.person, unit.condition, *(unit.more.get(name) for name in extra), unit.trial_type)
        for place, (signal, label) in enumerate(columns.names):
            numbers = (_number(unit.measured, name, place) for name in names)
            yield *head, signal, label, unit.films, *_sizes(unit.measured), *numbers


def _wide_columns(columns: Columns, names: Sequence[str]) -> list[tuple[tuple[str, str], str]]:
    return [
        (pair, name)
        for pair in columns.names
        for name in names
        if pair[0] == EXPRESSION or name.removesuffix(AFTER) not in OF_LABELS
    ]


def _plain(signal: str, label: str) -> str:
    return label if signal == EXPRESSION else f"{signal}.{label}"


def _wide(units: Sequence[Unit], extra: Mapping[str, str], columns: Columns, names: Sequence[str]) -> Iterator[Row]:
    places = {pair: place for place, pair in enumerate(columns.names)}
    for unit in units:
        head = (unit.person, unit.condition, *(unit.more.get(name) for name in extra), unit.trial_type, unit.films)
        numbers = (_number(unit.measured, name, places[pair]) for pair, name in _wide_columns(columns, names))
        yield *head, *_sizes(unit.measured), *numbers


def _trials(found: Collected, extra: Mapping[str, str], names: Sequence[str]) -> Iterator[Row]:
    for trial in found.trials:
        if not trial.number:
            continue
        row = trial.appearance
        who = (row.person, row.condition, *(row.more.get(name) for name in extra), row.file)
        head = (*who, trial.trial_type, trial.number, trial.onset, trial.duration)
        for place, (signal, label) in enumerate(found.plan.columns.names):
            numbers = (_number(trial.measured, name, place) for name in names)
            yield *head, signal, label, *_sizes(trial.measured)[1:], *numbers


def _again(found: Collected) -> Sequence[str]:
    return AGAIN if found.baseline is not None else ()


def _curve(found: Collected) -> Iterator[Row]:
    curves, columns = found.curves, found.plan.columns
    for series in curves.series():
        raw, moved = (band_of(curves.people[series], columns, corrected) for corrected in (False, True))
        assert raw is not None
        for place, (signal, label) in enumerate(columns.names):
            for bin_, (start, end) in enumerate(zip(curves.edges, curves.edges[1:], strict=False)):
                at = (bin_, place)
                figures = [float(part[at]) for part in (raw.mean, raw.low, raw.high, raw.showing)]
                cells = (*series, signal, label, float(start), float(end), int(raw.n[at]), *figures)
                again: Row = ()
                if found.baseline is not None:
                    parts = () if moved is None else (moved.mean, moved.low, moved.high)
                    again = (
                        (0, None, None, None) if moved is None else (int(moved.n[at]), *(float(p[at]) for p in parts))
                    )
                yield *cells, *again


def _tests(tests: Sequence[Test]) -> Iterator[Row]:
    for test in tests:
        cells = test.cells()
        yield tuple(cells[name] for name in TEST_COLUMNS)


def _write_quality(path: Path, found: Collected, extra: Mapping[str, str]) -> Path:
    reasons = sorted({reason for one in found.quality for reason in one.unclear})
    rested = found.baseline.gathered if found.baseline is not None else {}
    lost = [Quality(row, row.tracks, 0, 0.0, text="no result of this film") for row in found.plan.lost]
    columns = (
        *("person", "condition", *extra.values(), "file", "tracks", "faces", "seconds", "seen_seconds"),
        *("readable_seconds", "readable_share", "named_share", "excluded_seconds", "losses", "longest_loss"),
        *("frame_rate", "rest_seconds", *(f"{reason.replace(' ', '_')}_seconds" for reason in reasons), "note"),
    )
    rows = []
    for one in (*found.quality, *lost):
        row = one.appearance
        share = one.readable / one.seconds if one.seconds else 0.0
        rest = rested.get(row.person)
        cells: Row = (
            *(row.person, row.condition, *(row.more.get(name) for name in extra), row.file),
            *(" ".join(map(str, one.tracks)), one.faces, one.seconds, one.seen, one.readable, share),
            *(one.named / one.readable if one.readable else None, one.excluded, one.losses, one.longest_loss),
            *(one.frame_rate, rest.seconds if rest is not None else None),
            *(one.unclear.get(reason, 0.0) for reason in reasons),
            one.text,
        )
        rows.append(cells)
    return write_rows(path, columns, rows)
