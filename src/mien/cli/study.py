"""``mien study``: films, people and events to the tables, curves and contrasts of a paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mien.cli.console import print_json, print_line
from mien.cli.parsing import parse
from mien.cli.problems import complain, note
from mien.core.errors import ConfigError, InputError
from mien.studies.settings import StudySettings

if TYPE_CHECKING:
    from mien.analysis.batch import Outcome

MOST_NOTES = 30
"""Notes on stderr; all are in notes.csv."""


@dataclass(frozen=True)
class StudyOptions:
    """From a folder of films to the tables, curves, contrasts and pictures of a paper.

    Films that are not yet analysed are, into OUT/results. docs/study.md spells every table.
    """

    films: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILMS...")]
    """Videos, folders of them, patterns in quotes; or folders that `mien analyze -o` wrote, taken as they are."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for the study."""
    people: Path | None = None
    """CSV: file, person, condition, and whatever else; also track, offset, baseline_start, baseline_end,
    baseline_file. None: every film is a person of its own."""
    events: Path | None = None
    """CSV: file, onset, duration, trial_type; seconds. Without a file, or with *, an event is in every film."""
    exclude: Path | None = None
    """CSV: file, start, end, reason: what does not count, such as talking."""
    edits: tuple[Path, ...] = ()
    """Files of edits, as the page of a report downloads them; each is of one of the films."""
    model: str | None = None
    """Name or file of the model for films that are not yet analysed."""
    frame_rate: float | None = None
    """Look at no more than this many frames a second of them. None: at every frame."""
    workers: int = 1
    """Processes that analyse films."""
    json: bool = False
    """Print the paths and notes as JSON."""
    settings: StudySettings = field(default_factory=StudySettings)
    """How the study is made."""

    def __post_init__(self) -> None:
        if not self.films:
            fix = "name films, for example: mien study films --people people.csv -o study"
            raise ConfigError("at least one of FILMS", "none", fix)


def main(args: Sequence[str]) -> int:
    """Run ``mien study`` and return the exit code."""
    options = parse(StudyOptions, "study", args)
    from mien.analysis.settings import AnalysisSettings
    from mien.cli.progress import FrameProgress, StageProgress
    from mien.studies.run import study

    frames, stages = FrameProgress(2), StageProgress()

    def analyzed(outcome: Outcome) -> None:
        frames.abandon()
        if outcome.error is not None:
            if not isinstance(outcome.error, InputError):
                raise outcome.error
            complain(outcome.error, f"{outcome.source} left out: ")

    try:
        made = study(
            *(options.films, options.out, options.people, options.events, options.exclude, options.settings),
            edits=options.edits,
            model=options.model,
            analysis=AnalysisSettings(frame_rate=options.frame_rate),
            workers=options.workers,
            analyzed=analyzed,
            frames=frames,
            progress=stages,
        )
    finally:
        frames.abandon()
        stages.finish()
    for line in made.notes[:MOST_NOTES]:
        note(line)
    if len(made.notes) > MOST_NOTES:
        note(f"{len(made.notes) - MOST_NOTES} more notes in {made.folder / 'notes.csv'}")
    if options.json:
        print_json({"folder": str(made.folder), "files": [str(path) for path in made.files], "notes": made.notes})
    else:
        for path in made.files:
            print_line(str(path))
    return 0
