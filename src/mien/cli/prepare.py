"""``mien prepare``: a data set's release to a prepared set, and what was found in it as tables on stdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mien.cli.console import print_json, print_line, print_table
from mien.cli.parsing import parse
from mien.cli.problems import OK, STOPPED, USER, note
from mien.cli.progress import StageProgress
from mien.core.errors import ConfigError
from mien.core.settings import thread_count
from mien.data.crop_settings import CropSettings
from mien.faces.embedders import EmbedderSettings

if TYPE_CHECKING:
    from mien.data.face_groups import ByFace
    from mien.data.prepare import Report

NUMBERS = ("found", "published", "difference", "number", "rows", "left out")
MOST_COLUMNS = 6
"""Of a table that fits a terminal."""


@dataclass(frozen=True)
class Prepare:
    """Check a data set's release, crop its faces, and write a manifest to train and evaluate by.

    Counts are held against the paper's; files are looked for and decoded; pictures and persons are looked for in two
    splits. A run that was stopped is taken up by the same command.

    mien prepare people renders people instead of reading a release; its own --help has its options.
    """

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
    """Data set, such as rafdb, affectnet7, ferplus, dfew, ferv39k, mafw, or folder for <split>/<class>/ of your own."""
    raw: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RAW")]
    """The release as it lies on disk; it is only read."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for the prepared set; made if it is not there."""
    crop: bool = False
    """Find and crop faces also where the release is made of face crops."""
    no_crop: bool = False
    """Keep the release's pictures: the manifest points into RAW."""
    check_only: bool = False
    """Stop after the checks."""
    strict: bool = False
    """Stop after the checks, with exit code 1, if they find something serious."""
    sound: bool = False
    """Keep the sound of films beside their crops, as sound/NAME.wav, for `mien train sound`. Voices tell who speaks."""
    split_by_face: bool = False
    """Put items whose faces --embedder-file takes for one person's into one split: all into the first of train, valid
    and test that has any. Where there is no valid, a tenth of train becomes it, by person. Only splits are kept."""
    workers: int | None = None
    """Processes; the CPU cores by default. The files do not depend on it."""
    json: bool = False
    """Print the report as a line of JSON instead of tables."""
    settings: CropSettings = field(default_factory=CropSettings)
    """How crops are made."""
    persons: EmbedderSettings = field(default_factory=EmbedderSettings)
    """What tells faces apart, for --split-by-face."""

    def __post_init__(self) -> None:
        if self.split_by_face != (self.persons.embedder_file is not None):
            raise ConfigError("--split-by-face with --embedder-file", "one of them", "say both, or neither")
        if self.crop and self.no_crop:
            raise ConfigError("--crop or --no-crop", "both", "leave one out")


def main(args: Sequence[str]) -> int:
    """Run ``mien prepare`` and return the exit code."""
    if args[:1] == ["people"]:
        from mien.cli.people import main as people

        return people(args[1:])
    options = parse(Prepare, "prepare", args)
    from mien.data.prepare import prepare

    bar = StageProgress()
    try:
        report = prepare(
            options.name,
            options.raw,
            options.out,
            options.settings,
            crop=True if options.crop else False if options.no_crop else None,
            workers=thread_count() if options.workers is None else options.workers,
            check_only=options.check_only,
            strict=options.strict,
            sound=options.sound,
            by_face=_by_face(options),
            progress=bar,
        )
    except KeyboardInterrupt:
        bar.finish()
        note(f"stopped: what is cropped is kept in {options.out}; the same command goes on from there")
        return STOPPED
    finally:
        bar.finish()
    if options.json:
        print_json(report.to_dict())
    else:
        show(report, options.out)
    return _judge(report, options)


def _by_face(options: Prepare) -> ByFace | None:
    from mien.data.face_groups import ByFace

    embed = options.persons.make()
    return None if embed is None else ByFace(embed, options.persons.same_person)


def show(report: Report, out: Path) -> None:
    """Tables of what was found and made."""
    findings = report.findings
    for title, columns, rows in findings.tables():
        if len(columns) > MOST_COLUMNS:
            print_line(
                f"labels of every fold and split: {out / ('checks.md' if report.manifest is None else 'report.md')}"
            )
            continue
        numbers = columns[1:] if columns[0] == "label" else NUMBERS
        print_table(f"{findings.dataset}: {title}", columns, rows, numbers)
    for line in (report.manifest or findings).notes:
        print_line(f"- {line}")
    if report.manifest is None:
        return
    rows = [[str(part["fold"] or ""), part["split"], str(part["rows"]), str(part["left_out"])] for part in report.parts]
    print_table(f"\n{findings.dataset}: prepared", ("fold", "split", "rows", "left out"), rows, NUMBERS)
    faces = len(report.ids("cropped"))
    if report.outcomes:
        print_line(f"{faces} of {len(report.outcomes)} items cropped; no face in {_without_face(report)}")
    print_line(f"manifest and report are in {out}")


def _without_face(report: Report) -> int:
    return len(report.ids("no face")) + len(report.ids("kept"))


def _judge(report: Report, options: Prepare) -> int:
    """Say on stderr what is serious; the exit code."""
    findings = report.findings
    serious = {problem.kind: len(findings.of(problem.kind)) for problem in findings.problems if problem.serious}
    if serious:
        kinds = ", ".join(f"{n} {kind}" for kind, n in serious.items())
        where = "checks.json" if report.manifest is None else "report.json"
        note(f"serious: {kinds}; every one is listed in {options.out / where}")
    return USER if serious and options.strict else OK
