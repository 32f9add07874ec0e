"""``mien prepare people``: rendered people as a prepared set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from mien.cli.console import print_json, print_line, print_table
from mien.cli.parsing import parse
from mien.cli.problems import OK, STOPPED, note
from mien.cli.progress import StageProgress
from mien.core.errors import ConfigError
from mien.core.settings import thread_count
from mien.data.people.settings import SHEETS, PeopleSettings

if TYPE_CHECKING:
    from mien.data.manifest import Manifest


@dataclass(frozen=True)
class PreparePeople:
    """Render people with known expressions, movements, points and poses as a set to train by.

    Nobody in the set exists. Item k of a seed is the same whatever the count and the workers; a run that was stopped is
    taken up by the same command, and the same command with a larger count goes on from there.
    """

    model: Path
    """The morphable head, an .npz file; docs/rendered-people.md says what it holds."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for the set; made if it is not there."""
    count: int
    """Pictures or clips."""
    mixtures: Path | None = None
    """An .npz file of real faces' coefficients and votes to show instead of textbook expressions."""
    sheet: Path | None = None
    """A picture to look at: rows of faces by label, from weak to strong."""
    workers: int | None = None
    """Processes; the CPU cores by default. The files do not depend on it."""
    json: bool = False
    """Print what was made as a line of JSON instead of a table."""
    settings: PeopleSettings = field(default_factory=PeopleSettings)
    """What is drawn."""

    def __post_init__(self) -> None:
        if self.sheet is not None and self.sheet.suffix.lower() not in SHEETS:
            raise ConfigError("a sheet called .png or .jpg", str(self.sheet), "choose another --sheet")


def main(args: Sequence[str]) -> int:
    """Run ``mien prepare people`` and return the exit code."""
    options = parse(PreparePeople, "prepare people", args)
    from mien.data.people.writing import write_people

    bar = StageProgress()
    workers = thread_count() if options.workers is None else options.workers
    try:
        manifest = write_people(
            *(options.model, options.out, options.count, options.settings, options.mixtures, workers), progress=bar
        )
    except KeyboardInterrupt:
        bar.finish()
        note(f"stopped: what is drawn is kept in {options.out}; the same command goes on from there")
        return STOPPED
    finally:
        bar.finish()
    if options.sheet is not None:
        from mien.data.people.exact import load_exact
        from mien.data.people.sheet import write_sheet

        write_sheet(manifest, load_exact(options.out), options.sheet)
    _show(manifest, options)
    return OK


def _show(manifest: Manifest, options: PreparePeople) -> None:
    counts = {split: Counter(row.label for row in manifest.rows if row.split == split) for split in ("train", "test")}
    people = {split: len({row.subject for row in manifest.rows if row.split == split}) for split in counts}
    if options.json:
        print_json({"out": str(options.out), "items": len(manifest), "people": people, "labels": counts})
        return
    rows = [[label, *(str(counts[split][label]) for split in counts)] for label in manifest.labels.labels]
    rows.append(["people", *(str(people[split]) for split in counts)])
    print_table("rendered people", ("label", *counts), rows, tuple(counts))
    for line in manifest.notes:
        print_line(f"- {line}")
    print_line(f"the set is in {options.out}" + (f", its sheet in {options.sheet}" if options.sheet else ""))
