"""``mien export-result``: what ``mien analyze`` wrote, for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mien.cli.console import print_json, print_line
from mien.cli.parsing import parse
from mien.cli.problems import note
from mien.core.errors import ConfigError
from mien.report.formats import FORMATS, chosen


@dataclass(frozen=True)
class ExportResult:
    """Results for other programs: ELAN, Praat, captions, BORIS, annotation tools, Excel, SPSS, BIDS.

    Reads folders that `mien analyze -o` wrote; no film is looked at again. Times are those of the film's own clock,
    as players show it.
    """

    results: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="OUT...")]
    """Folders of results, of one source or of many."""
    to: str
    """Formats with commas between them: eaf (ELAN), textgrid (Praat), vtt and srt (captions), boris, labelstudio, cvat,
    xlsx (Excel), sav (SPSS), parquet, bids, clues."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """One folder for all of it, where files are called as the folders of the results. None: beside each result, called
    as its source."""
    edits: tuple[Path, ...] = ()
    """Files of edits, as the page of a report downloads them; each is of one of the results."""
    json: bool = False
    """Print the paths as JSON."""

    def __post_init__(self) -> None:
        if not self.results:
            raise ConfigError("at least one OUT", "none", "name a folder of results, for example: out")
        if not chosen(self.to):
            raise ConfigError("a format", "none", f"use some of: {', '.join(FORMATS)}")


def main(args: Sequence[str]) -> int:
    """Run ``mien export-result`` and return the exit code."""
    options = parse(ExportResult, "export-result", args)
    from mien.report.formats import demand_packages, export, untimed
    from mien.report.plots.analyses import find_folders
    from mien.report.read import read_edited

    names = chosen(options.to)
    demand_packages(names)
    folders = find_folders(options.results)
    results = read_edited(folders, options.edits)
    stems = _stems(folders)
    paths: list[Path] = []
    for folder, result in results:
        paths += export(result, options.out or folder, names, stems[folder] if options.out else None)
        if left_out := untimed(result, names):
            note(f"{folder}: no {', '.join(left_out)} of a still picture, which lasts no time")
    written = list(dict.fromkeys(str(path) for path in paths))
    if options.json:
        print_json(written)
    else:
        for path in written:
            print_line(path)
    return 0


def _stems(folders: Sequence[Path]) -> dict[Path, str]:
    """A name of its own for every folder, also where two of one name lie in different ones."""
    found: dict[Path, str] = {}
    for folder in folders:
        name, number = folder.resolve().name or "result", 1
        while (stem := name if number == 1 else f"{name}-{number}") in found.values():
            number += 1
        found[folder] = stem
    return found
