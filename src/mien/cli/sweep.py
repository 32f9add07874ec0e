"""``mien sweep``: films of any store, on this machine, an array of jobs or a cluster; a row each."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from mien.analysis.settings import AnalysisSettings
from mien.cli.console import print_json, print_line
from mien.cli.parsing import parse
from mien.cli.problems import OK, STOPPED, note
from mien.cli.progress import StageProgress
from mien.cli.sources import read_list
from mien.core.names import counted
from mien.engines.opening import Backend
from mien.scale.settings import LOCAL, Care, Crew

if TYPE_CHECKING:
    from mien.scale.progress import Count

MINUTE = 60.0


@dataclass(frozen=True)
class Sweep:
    """Films by the million, from any store, on this machine, an array of jobs or a Ray cluster: a row each.

    OUT gets manifest/, videos/ (a row a film) and frames/ as Parquet. A call does what has no row yet; a film that
    cannot be read is a row that says why.
    """

    out: Annotated[str, tyro.conf.arg(aliases=["-o"], metavar="URI")]
    """Place for everything: a folder, or an address such as s3://bucket/results. The same for every call and worker."""
    sources: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SRC...")] = ()
    """Folders, patterns in quotes, films, by path or address (s3://bucket/films), or tables of them: .csv or .parquet
    with a column uri, whose other columns travel along. None: what was planned before."""
    listed: Annotated[str | None, tyro.conf.arg(name="sources", metavar="FILE")] = None
    """A file with more sources, one a line. -: standard input."""
    engine: str = LOCAL
    """local: this machine. ray: Ray Data, on this machine or a cluster. shard: a part of the films, on this machine."""
    shard: str | None = None
    """i/n: with the engine shard, which of n parts; for job arrays. Plan first, then start each without SRC."""
    plan: bool = False
    """List the films and stop."""
    retry: str | None = None
    """failed: do again every film without an answer; or only those of one status: unreadable, timeout."""
    finish: bool = False
    """Write spans/, failures.parquet and summary.json of what is done; alone, or after the films."""
    model: str | None = None
    """Name from `mien models`, a weights file, a folder with one, or hf://owner/repository@revision. On a cluster a
    file must be on every node."""
    prior: str | None = None
    """Which shares of the expressions to expect; see `mien models NAME`."""
    backend: Backend = "auto"
    """What runs the model. auto: what `mien doctor --engines` found fastest on that machine, else PyTorch."""
    signals: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME")] = ()
    """What to say beside the expression, as for `mien analyze`; expression: only what is named."""
    json: bool = False
    """Print lines of JSON: once a minute how far it is, and at the end."""
    crew: Crew = field(default_factory=Crew)
    """How many work."""
    care: Care = field(default_factory=Care)
    """How a film is handled."""
    settings: AnalysisSettings = field(default_factory=AnalysisSettings)
    """How a film is looked at."""


def main(args: Sequence[str]) -> int:
    """Run ``mien sweep`` and return the exit code: 0 also where films failed, which are rows."""
    options = parse(Sweep, "sweep", args)
    from mien.scale.asked import Asked
    from mien.scale.finishing import finish
    from mien.scale.running import sweep

    sources = [*options.sources, *([] if options.listed is None else read_list(options.listed))]
    if sources or not options.finish:
        show = _Show(options.json)
        asked = Asked(options.model, options.prior, options.signals, options.backend, options.settings)
        try:
            count = sweep(
                sources,
                options.out,
                asked,
                engine=options.engine,
                crew=options.crew,
                care=options.care,
                shard=options.shard,
                retry=options.retry,
                plan=options.plan,
                progress=show,
            )
        except KeyboardInterrupt:
            show.end()
            note("stopped: the films that were done have their rows; the same command does the rest")
            return STOPPED
        show.end()
        _print_count(count, options)
    if options.finish:
        _print_summary(finish(options.out), options)
    return OK


class _Show:
    """A bar where a person looks; else, or with --json, a line of JSON once a minute."""

    def __init__(self, json: bool) -> None:
        self._json = json
        self._bar = StageProgress() if sys.stderr.isatty() else None
        self._next = time.monotonic() + MINUTE

    def __call__(self, count: Count) -> None:
        if self._bar is not None:
            self._bar("films", count.done, count.films)
        if time.monotonic() >= self._next and (self._json or self._bar is None):
            self._next = time.monotonic() + MINUTE
            print_json(count.line())

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.finish()


def _print_count(count: Count, options: Sweep) -> None:
    if options.json:
        print_json(count.line())
        return
    before = f", {count.before} had been" if count.before else ""
    if options.plan:
        print_line(f"{counted(count.films, 'film')} to do{before} done; {options.out} has the list")
        return
    failed = f", {count.failed} of them failed (rows say why)" if count.failed else ""
    print_line(f"{count.done} of {counted(count.films, 'film')} done{failed}{before}; rows are in {options.out}/videos")
    if count.failed:
        note(f"what failed by chance: mien sweep -o {shlex.quote(options.out)} --retry failed, with the same settings")


def _print_summary(summary: dict[str, Any], options: Sweep) -> None:
    if options.json:
        print_json(summary)
        return
    print_line(f"{counted(summary['films'], 'film')}, {summary['faces']} faces, {counted(summary['spans'], 'span')}")
    for status, number in summary["by_status"].items():
        if number:
            print_line(f"  {status}: {number}")
    if summary["without_row"]:
        print_line(f"  not done yet: {summary['without_row']}")
    print_line(f"spans/, failures.parquet and summary.json are in {options.out}")
