"""``mien analyze``: sources to a folder of results each, and a table of spans on stdout."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from mien.analysis.batch import Outcome, Outputs
from mien.analysis.plugins import PlugIns
from mien.analysis.settings import AnalysisSettings
from mien.cli.console import MOST_ROWS, print_json, print_line, print_table
from mien.cli.parsing import parse
from mien.cli.problems import BUG, OK, STOPPED, USER, complain, confess, note
from mien.cli.progress import FrameProgress
from mien.cli.sources import with_list
from mien.core.errors import InputError
from mien.core.files import demand_writable
from mien.core.names import printable
from mien.engines.opening import Backend

LONG = 60.0
"""Seconds of video from which on a trial of engines, itself about a minute, pays."""


@dataclass(frozen=True)
class Analyze:
    """Which expression does each face show, when: tables and pictures for videos and stills.

    Every source gets a folder in OUT with spans.csv, frames.csv, result.json and a timeline. A source that cannot be
    read is reported and left out; the rest is done.
    """

    sources: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SRC...")]
    """Videos, pictures, folders of them (with the folders below), patterns in quotes, URLs, camera numbers; - for what
    comes from standard input."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])]
    """Folder for the results; made if it is not there."""
    listed: Annotated[str | None, tyro.conf.arg(name="sources", metavar="FILE")] = None
    """A file with more sources, one a line, relative to the current folder; # begins a comment. -: standard input."""
    model: str | None = None
    """Name from `mien models`, a weights file, a folder with one, or hf://owner/repository@revision."""
    prior: str | None = None
    """Which shares of the expressions to expect: trained, those of the training set; balanced, none before another.
    None: the model's own choice; see `mien models NAME`."""
    backend: Backend = "auto"
    """What runs the model. auto: the fastest by a trial, which long work makes once a machine; else PyTorch."""
    signals: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME")] = ()
    """What to say beside the expression; may be repeated. affect: valence and arousal, derived from the expression.
    action_units, pose, gaze, eyes_closed: the model says them unasked; expression: those only that are named."""
    sound: Annotated[Path | None, tyro.conf.arg(name="sound", metavar="FILE")] = None
    """Weights of `mien train sound`: listen to films as well. What is heard is taken for the voice of the one face that
    is read; of several at once, none. --no-sound is another thing: it leaves the sound out of the annotated video."""
    skip_existing: bool = False
    """Leave out a source whose finished result of the same model, settings and file is in OUT. A file is the same by
    path, size and time of writing; with --hash-source by path and contents."""
    shard: str | None = None
    """i/n: do only the i-th of n parts of the list, for job arrays."""
    workers: int = 1
    """Processes; each takes a source at a time. More than one needs memory for as many models."""
    json: bool = False
    """Print one line of JSON a source instead of tables."""
    outputs: Outputs = field(default_factory=Outputs)
    """What is written beside the tables."""
    plugins: PlugIns = field(default_factory=PlugIns)
    """Nets of your own beside the model."""
    settings: AnalysisSettings = field(default_factory=AnalysisSettings)
    """How a source is looked at."""


def main(args: Sequence[str]) -> int:
    """Run ``mien analyze`` and return the exit code."""
    options = parse(Analyze, "analyze", args)
    from mien.analysis.batch import analyze_many
    from mien.analysis.expressions import load
    from mien.analysis.folders import take_shard
    from mien.faces import DETECTORS
    from mien.media.files import look_through

    DETECTORS[options.settings.faces.detector]  # a wrong name is said once, not for every source
    listing = look_through(with_list(options.sources, options.listed), options.out)
    if line := listing.left_out_line():
        note(line)
    sources = listing.sources
    chosen = take_shard(sources, options.shard)
    demand_writable(options.out, "the results")
    show = _Show(options, len(chosen))
    if lost := _all_lost(sources, options):
        return show.all(outcome for outcome in lost)  # no model need be loaded to say so
    trial = options.backend == "auto" and is_long(chosen)
    model = load(
        options.model,
        options.backend,
        prior=options.prior,
        signals=options.signals,
        sound=options.sound,
        plugins=options.plugins,
        trial=trial,
        say=note,
    )
    if model.engine["name"] != "torch":
        note(f"{model.record.name} runs on {model.engine['name']}, {model.engine['precision']}")
    outcomes = analyze_many(
        model,
        sources,
        options.out,
        options.settings,
        options.outputs,
        skip_existing=options.skip_existing,
        shard=options.shard,
        workers=options.workers,
        command=public_command(args),
        progress=show.progress,
    )
    return show.all(outcomes)


def _all_lost(sources: Sequence[str], options: Analyze) -> list[Outcome]:
    """What becomes of the sources of this shard where none of them is there; empty where one may be."""
    from mien.analysis.folders import folder_names, take_shard
    from mien.media.files import not_there

    places = take_shard(list(zip(sources, folder_names(sources, options.out), strict=True)), options.shard)
    errors = [not_there(source) for source, _ in places]
    if not all(errors):
        return []
    found = zip(places, errors, strict=True)
    return [Outcome(source, "failed", options.out / name, error=error) for (source, name), error in found]


def is_long(sources: Sequence[str]) -> bool:
    """Whether the files among ``sources`` hold more than :data:`LONG` seconds of video: a trial of engines pays."""
    from mien.media import probe

    seconds = 0.0
    for source in sources:
        try:
            seconds += probe(source).duration or 0.0 if Path(source).is_file() else 0.0
        except Exception:  # whatever it is, it is reported when the source's turn comes
            continue
        if seconds > LONG:
            return True
    return False


def public_command(args: Sequence[str]) -> str:
    """The command line as provenance keeps it: without user and password of an address."""
    return printable(shlex.join(["mien", "analyze", *(re.sub(r"(\w+://)[^/@]*@", r"\1", arg) for arg in args)]))


class _Show:
    """Prints outcomes as they come and remembers what the exit code must be."""

    def __init__(self, options: Analyze, sources: int) -> None:
        self._options, self._sources = options, sources
        self._count: Counter[str] = Counter()
        self._bugs = 0
        self.progress = FrameProgress(sources)

    def all(self, outcomes: Generator[Outcome]) -> int:
        """Print every outcome, then how many there were of each kind; returns the exit code."""
        try:
            with closing(outcomes):
                for place, outcome in enumerate(outcomes, 1):
                    self._count[outcome.status] += 1  # first of all: Ctrl-C may come now
                    self.progress.finish(outcome.source, place)
                    self._one(outcome)
        except KeyboardInterrupt:
            self.progress.abandon()
            note(f"stopped: {self._finished()} kept in {self._options.out}; --skip-existing does only the rest")
            return STOPPED
        if self._sources != 1:
            note(f"{self._finished()}, {self._count['failed']} failed; results are in {self._options.out}")
        return BUG if self._bugs else USER if self._count["failed"] else OK

    def _finished(self) -> str:
        before = f" ({self._count['skipped']} of them before)" if self._count["skipped"] else ""
        return f"{self._count['done'] + self._count['skipped']} of {self._sources} finished{before}"

    def _one(self, outcome: Outcome) -> None:
        if self._options.json:
            print_json(outcome_record(outcome))
        if outcome.error is not None:
            self._failure(outcome.source, outcome.error)
        elif outcome.report is not None:
            for line in (*outcome.report["provenance"].get("problems", []), *outcome.notes):
                note(f"{outcome.source}: {line}")
            if not self._options.json:
                print_spans(outcome.report, outcome.folder)

    def _failure(self, source: str, error: Exception) -> None:
        if isinstance(error, InputError):
            complain(error, f"{source} left out: " if self._sources > 1 else "")
        else:
            self._bugs += 1
            confess(error)


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """An outcome as ``--json`` prints it: source, status, folder, error (None when well), result (as result.json)."""
    error = outcome.error
    parts = {"expected": error.expected, "got": error.got, "fix": error.fix} if isinstance(error, InputError) else {}
    return {
        "source": outcome.source,
        "status": outcome.status,
        "folder": os.fspath(outcome.folder),
        "error": None if error is None else {"kind": type(error).__name__, "message": str(error), **parts},
        "result": outcome.report,
    }


def print_spans(report: dict[str, Any], folder: Path) -> None:
    """The spans of a result.json as a table, at most :data:`MOST_ROWS` of them."""
    spans, source = report["spans"], report["source"]
    if not spans:
        print_line(f"{source['name']}: no face was found\n")
        return
    people = len(report["tracks"])
    title = f"{source['name']}: {people} face{'s' * (people != 1)}"
    timed = source["kind"] != "image"  # times say nothing of a still
    columns = ("face", *(("from", "to", "seconds") if timed else ()), "expression", "score")
    pairs = report.get("compounds", [None] * len(spans))
    rows = [_cells(span, pair, timed) for span, pair in zip(spans[:MOST_ROWS], pairs, strict=False)]
    print_table(title, columns, rows, numbers=("face", "from", "to", "seconds", "score"))
    more = f"{len(spans) - MOST_ROWS} more spans, and all else, in" if len(spans) > MOST_ROWS else "all files in"
    print_line(f"{more} {folder}\n")


def _cells(span: dict[str, Any], pair: dict[str, Any] | None, timed: bool) -> tuple[str, ...]:
    times = (f"{time:.2f}" for time in (span["start"], span["end"], span["end"] - span["start"]))
    reason = f" ({span['reason']})" if span["reason"] else ""
    mixed = f", {pair['name']}" if pair and pair["name"] else ""
    return (str(span["track"]), *(times if timed else ()), f"{span['label']}{reason}{mixed}", f"{span['score']:.2f}")
