"""``mien agree``: people who coded the films beside each other and beside mien."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from mien.agreement.compare import Comparing
from mien.cli.console import print_json, print_line
from mien.cli.parsing import parse
from mien.core.errors import ConfigError


@dataclass(frozen=True)
class Agree:
    """How far people who coded the films agree with each other and with mien: kappa, alpha, F1, intervals.

    Codes come from ELAN (.eaf), Praat (.TextGrid), BORIS (.boris, or a table it exported), logs exported by The
    Observer, or plain tables with the columns start, end, label (and file, person, coder).
    """

    results: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="OUT...")]
    """Folders that `mien analyze -o` wrote, of one film or of many."""
    codes: tuple[str, ...]
    """Files of codes; ann=FILE says whose. Else as the file says; else files of the same film are different coders'."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"])] = None
    """Folder for agree.json, agree.md and a confusion-A-B.csv a pair."""
    edits: tuple[Path, ...] = ()
    """Files of edits, as the page of a report downloads them; each is of one of the results."""
    json: bool = False
    """Print JSON."""
    how: Comparing = field(default_factory=Comparing)
    """How codes are compared."""

    def __post_init__(self) -> None:
        if not self.results:
            raise ConfigError("at least one OUT", "none", "name a folder of results: mien agree out --codes ann.eaf")
        if not self.codes:
            raise ConfigError("at least one file of --codes", "none", "name one: --codes ann.eaf")


def main(args: Sequence[str]) -> int:
    """Run ``mien agree`` and return the exit code."""
    options = parse(Agree, "agree", args)
    from mien.agreement.codes import read_codes
    from mien.agreement.compare import compare
    from mien.agreement.matching import Found
    from mien.report.plots.analyses import find_folders
    from mien.report.read import read_edited

    files = [(name, read_codes(path, options.how.tiers)) for name, path in map(_named, options.codes)]
    folders = find_folders(options.results)
    results = [Found(folder.resolve().name, result) for folder, result in read_edited(folders, options.edits)]
    found = compare(results, files, options.how)
    if options.out is not None:
        found.save(options.out)
    if options.json:
        print_json(found.to_dict())
    else:
        print_line(found.to_markdown())
    return 0


def _named(word: str) -> tuple[str, Path]:
    """``ann=codes.eaf`` as name and path; a file may have such a name itself."""
    name, mark, path = word.partition("=")
    return (name, Path(path)) if mark and "/" not in name and not Path(word).exists() else ("", Path(word))
