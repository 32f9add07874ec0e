"""A study from films, or from results of them, to a folder with tables, pictures, a page and a paragraph of methods."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.analysis.batch import BatchProgress, Outcome, analyze_many
from mien.analysis.expressions import load
from mien.analysis.settings import AnalysisSettings
from mien.core.errors import ConfigError, DataError, InputError, MissingDependencyError
from mien.core.files import demand_writable
from mien.media.files import look_through
from mien.report.notebook import safe, table_html
from mien.report.plots.analyses import find_folders
from mien.report.plots.style import paper, save
from mien.report.result import RESULT_FILE
from mien.report.tables import read_json
from mien.studies.collect import Collected, Progress, collect
from mien.studies.curves import MOST_BINS, Curves
from mien.studies.editing import with_edits
from mien.studies.films import Head, read_head
from mien.studies.methods import Asked, methods_text, write_methods
from mien.studies.page import write_page
from mien.studies.pictures import draw_all
from mien.studies.plan import PERSON, Note, Plan, make_plan
from mien.studies.settings import StudySettings
from mien.studies.sheets import Range, read_events, read_exclusions, read_people, read_range
from mien.studies.snippets import design_of, write_snippets
from mien.studies.summary import tests_of, units_of
from mien.studies.writing import write_notes, write_tables

BIN, WINDOW = 0.2, (-1.0, 5.0)
"""Seconds, around events."""
LONG_BIN = 1.0
"""Seconds, over whole films."""
RESULTS = "results"
"""Folder within the study's, for the results of films."""


@dataclass(frozen=True)
class Study:
    """A study that was written.

    Attributes:
        folder: where it is.
        files: all that was written there, but for results of films.
        notes: what a reader of the figures must know, a line each, as notes.csv has them.
    """

    folder: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...]

    def _repr_html_(self) -> str:
        """What Jupyter shows of it: where it is, and what must be known."""
        inside = ", ".join(str(path.relative_to(self.folder)) for path in self.files)
        notes = table_html(("note",), [(note,) for note in self.notes]) if self.notes else ""
        return f"<div><p><strong>{safe(str(self.folder))}</strong>: {safe(inside)}</p>{notes}</div>"


def study(
    films: str | Path | Sequence[str | Path],
    out: str | Path,
    people: str | Path | None = None,
    events: str | Path | None = None,
    exclude: str | Path | None = None,
    settings: StudySettings | None = None,
    *,
    edits: Sequence[str | Path] = (),
    model: str | Path | None = None,
    analysis: AnalysisSettings | None = None,
    workers: int = 1,
    analyzed: Callable[[Outcome], None] | None = None,
    frames: BatchProgress | None = None,
    progress: Progress | None = None,
) -> Study:
    """From a folder of films to tables, curves, contrasts, pictures, a page and a paragraph of methods.

    Args:
        films: videos, folders of them, patterns; or folders that ``mien analyze -o`` wrote, which are taken as they
            are. What is not yet analysed is, into ``out/results``.
        out: folder for the study.
        people: people.csv (file, person, condition, ...); None: every film is a person of its own.
        events: events.csv (file, onset, duration, trial_type).
        exclude: exclude.csv (file, start, end, reason).
        settings: how; defaults when None.
        edits: files of what people corrected, as reports download them, each of one of the films.
        model: of films that are not yet analysed; see :func:`mien.load`.
        analysis: how they are looked at; defaults when None.
        workers: processes that analyse films.
        analyzed: told what became of every film.
        frames: called after every frame of a film that is analysed.
        progress: called after every film that is read: stage, films done, films in all.

    Raises:
        DataError: a table that cannot be used; it names the row.
        ConfigError: settings, or results, that do not go together.
    """
    settings, place = settings or StudySettings(), Path(out)
    rows = None if people is None else read_people(Path(people))
    happening = [] if events is None else read_events(Path(events))
    left_out = [] if exclude is None else read_exclusions(Path(exclude))
    demand_writable(place, "the study")
    rest = [row.baseline_file for row in rows or () if row.baseline_file]
    if settings.baseline_file is not None:
        names = {row.person for row in rows or ()} or {""}
        rest += [settings.baseline_file.replace(PERSON, name) for name in sorted(names)]
    given = [films] if isinstance(films, str | Path) else list(films)
    maker = _Maker(place / RESULTS, model, analysis, workers, analyzed, frames)
    heads, failures = maker.results([str(one) for one in given], rest)
    baseline = None if settings.baseline is None else read_range(settings.baseline)
    plan = make_plan(with_edits(heads, edits), rows, happening, left_out, baseline, settings.baseline_file)
    plan.notes[:0] = failures
    tables = {name: digest for name, digest in map(_digest, (people, events, exclude, *edits)) if digest}
    return _write(place, plan, settings, tables, progress)


@dataclass(frozen=True)
class _Maker:
    """Finds the results of films, and makes those that are not there."""

    out: Path
    model: str | Path | None
    analysis: AnalysisSettings | None
    workers: int
    analyzed: Callable[[Outcome], None] | None
    frames: BatchProgress | None

    def results(self, given: Sequence[str], rest: Sequence[str]) -> tuple[list[Head], list[Note]]:
        """Heads of all results, and what could not be analysed."""
        folders = [folder for one in given if _is_result(one) for folder in find_folders([Path(one)])]
        sources = [one for one in given if not _is_result(one)]
        sources += [file for file in rest if Path(file).is_file()]
        made, lost = self._made(sources) if sources else ([], [])
        distinct = {folder.resolve(): folder for folder in [*folders, *made]}
        if not distinct:
            why = lost[0].error if lost else None
            if isinstance(why, InputError):
                raise why
            fix = "give videos, or folders that `mien analyze -o` wrote"
            raise DataError("a film that can be analysed", str(why or "none"), fix)
        notes = [Note("films", 0, Path(one.source).name, "", f"left out: {one.error}") for one in lost]
        return [read_head(folder) for folder in distinct.values()], notes

    def _made(self, sources: Sequence[str]) -> tuple[list[Path], list[Outcome]]:
        """Folders of results, and what could not be analysed."""
        files = look_through(sources, self.out.parent).sources
        network = load(self.model)
        folders, lost = [], []
        outcomes = analyze_many(
            *(network, files, self.out, self.analysis),
            skip_existing=True,
            workers=self.workers,
            progress=self.frames,
        )
        for outcome in outcomes:
            if self.analyzed is not None:
                self.analyzed(outcome)
            if outcome.error is None:
                folders.append(outcome.folder)
            else:
                lost.append(outcome)
        return sorted(folders), lost


def _is_result(place: str) -> bool:
    folder = Path(place)
    return folder.is_dir() and ((folder / RESULT_FILE).is_file() or any(folder.glob(f"*/{RESULT_FILE}")))


def _digest(table: str | Path | None) -> tuple[str, str]:
    if table is None:
        return "", ""
    return Path(table).name, hashlib.sha256(Path(table).read_bytes()).hexdigest()


def _curves(plan: Plan, settings: StudySettings) -> tuple[Curves, Range]:
    """Empty curves with their bins, and the window."""
    around = any(plan.events.values())
    longest = max((head.seconds for head, _ in plan.films), default=0.0) or WINDOW[1]
    window = settings.window or (WINDOW if around else (0.0, longest))
    width = settings.bin or (BIN if around else LONG_BIN)
    count = max(1, math.ceil((window[1] - window[0]) / width - 1e-6))
    if count > MOST_BINS:
        raise ConfigError(f"at most {MOST_BINS} bins", str(count), "take longer bins or a shorter window")
    return Curves(plan.columns, np.round(window[0] + width * np.arange(count + 1), 9)), window


def _write(place: Path, plan: Plan, settings: StudySettings, told: dict[str, str], progress: Progress | None) -> Study:
    curves, window = _curves(plan, settings)
    found = collect(plan, curves, window, progress)
    units = units_of(found.trials)
    tests = tests_of(found, units, settings.measures)
    paths = write_tables(place, found, units, tests)
    asked = Asked(float(curves.edges[1] - curves.edges[0]), window, told, settings.measures)
    text = methods_text(found, tests, asked, read_json(plan.films[0][0].folder / RESULT_FILE)["provenance"])
    paths.append(write_methods(place / "methods.md", text))
    design = design_of(units, any(plan.events.values()), _all_corrected(found))
    paths += write_snippets(place / "snippets", design)
    pictures = _pictures(place / "pictures", found, settings.formats)
    shown = [path for path in pictures if path.suffix == ".png"] or [path for path in pictures if path.suffix == ".svg"]
    paths += [*pictures, write_notes(place / "notes.csv", plan.notes)]
    paths.append(write_page(place / "study.html", found, units, tests, shown, text))
    return Study(place, tuple(paths), tuple(str(note) for note in plan.notes))


def _all_corrected(found: Collected) -> bool:
    people = {one.appearance.person for one in found.quality}
    return found.baseline is not None and people <= set(found.baseline.people)


def _pictures(folder: Path, found: Collected, formats: Sequence[str]) -> list[Path]:
    """Draw all there is; without matplotlib nothing is drawn, and it is said."""
    if not formats:
        return []
    try:
        with paper():
            return [save(figure, folder / f"{name}.{suffix}") for name, figure in draw_all(found) for suffix in formats]
    except MissingDependencyError as error:
        found.plan.notes.append(Note("pictures", 0, "", "", f"left out: {error}"))
        return []
