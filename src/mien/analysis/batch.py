"""Many sources, one folder each: a bad one is reported and the rest done; what is finished stays finished."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from mien.analysis.expressions import ExpressionModel
from mien.analysis.fitting import demand_fit
from mien.analysis.folders import (
    KEYS,
    Place,
    draft_for,
    folder_names,
    settle,
    source_keys,
    take_shard,
)
from mien.analysis.plugins import PLUGGED
from mien.analysis.provenance import same_state, source_facts
from mien.analysis.settings import AnalysisSettings
from mien.analysis.state import demand_unchanged, state_of
from mien.core.errors import ConfigError, SourceError
from mien.core.files import clear_drafts, demand_writable
from mien.core.names import printable
from mien.core.registry import Registry
from mien.core.settings import limit_threads, thread_count
from mien.core.signals import parse_signals
from mien.core.version import __version__
from mien.core.workers import Lost, portable, spread_tasks
from mien.media.files import is_pipe
from mien.models.calibration import TRAINED
from mien.report.formats import chosen, demand_packages, untimed
from mien.report.page.film import demand_embeddable
from mien.report.result import RESULT_FILE, Result
from mien.report.tables import plain, read_json

CHANGED = "its earlier result, of what was in this place then, has been replaced"
"""A note on a source: a file that was written anew, or a camera or an address, which show something else each time."""
BatchProgress = Callable[[str, int, int | None, float], None]
"""Called after every frame with: source, frames done, frames in all (None when unknown), seconds of video done."""


@dataclass(frozen=True)
class Outputs:
    """What is written for a source beside ``spans.csv``, ``frames.csv`` and ``result.json``."""

    save_video: bool = False
    """Write the source again with boxes, labels and probability bars: annotated.mp4, or annotated.png for a picture."""
    blur: bool = False
    """Hide the faces in that video."""
    landmarks: bool = False
    """Draw the 68 landmarks of every face in that video (five points where the model has no landmark net)."""
    strip: bool = True
    """Show everybody's spans with a playhead below the picture of that video."""
    sound: bool = True
    """Keep the sound in that video. Blurred faces keep their voices: leave it out to share one."""
    timeline: Literal["svg", "png", "none"] = "svg"
    """Write timeline.svg or timeline.png, a picture of who showed what, when."""
    html: bool = False
    """Write report.html: a page with the video (the annotated one where it is saved), timelines, totals and spans."""
    embed: bool = False
    """Put the video into that page, so that it can be sent alone; else the page links it."""
    thumbnails: bool = False
    """Put small pictures of the faces into that page."""
    export: str = ""
    """Write the result for other programs too; names with commas between them: eaf (ELAN), textgrid (Praat), vtt and
    srt (captions), boris, labelstudio, cvat, xlsx (Excel), sav (SPSS), parquet, bids, clues."""

    def __post_init__(self) -> None:
        if (self.blur or self.landmarks or not self.strip or not self.sound) and not self.save_video:
            fix = "switch save_video on as well"
            raise ConfigError("save_video with what is said of the video", "save_video off", fix)
        if (self.embed or self.thumbnails) and not self.html:
            raise ConfigError("html with embed or thumbnails", "html off", "switch html on as well")
        if self.thumbnails and self.blur:
            raise ConfigError("thumbnails or blur", "both", "leave one out: thumbnails show the faces that blur hides")
        _ = self.formats  # which refuses a stranger

    @property
    def formats(self) -> tuple[str, ...]:
        """The names in ``export``."""
        return chosen(self.export)


@dataclass(frozen=True)
class Outcome:
    """What became of one source.

    Attributes:
        source: as given.
        status: ``done``; ``skipped``: a finished result of the same model and settings was there; ``failed``.
        folder: where its files are, or would have been.
        report: the content of its result.json; None when failed.
        error: why it failed; an :class:`~mien.core.errors.InputError` where the user can mend it.
        notes: what the user should know of it, a line each.
    """

    source: str
    status: Literal["done", "skipped", "failed"]
    folder: Path
    report: dict[str, Any] | None = None
    error: Exception | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """Everything that is the same for all sources of a batch.

    Attributes:
        settings: how to look.
        outputs: what to write.
        skip_existing: leave out what is finished, see :func:`analyze_many`.
        command: the command line, for the provenance.
    """

    settings: AnalysisSettings = field(default_factory=AnalysisSettings)
    outputs: Outputs = field(default_factory=Outputs)
    skip_existing: bool = False
    command: str | None = None


def analyze_many(
    model: ExpressionModel,
    sources: Sequence[str],
    out: str | Path,
    settings: AnalysisSettings | None = None,
    outputs: Outputs | None = None,
    *,
    skip_existing: bool = False,
    shard: str | None = None,
    workers: int = 1,
    executor: str | None = None,
    command: str | None = None,
    progress: BatchProgress | None = None,
) -> Generator[Outcome]:
    """Analyse ``sources`` one after the other (or ``workers`` at a time) into folders of ``out``.

    Folders are named after the files without their suffix, ``talk``, ``talk-2`` and so on where names meet, in this
    list or with a result of another source that is there already. A source's own result is found again and replaced.
    The names depend on the whole list, not on the shard.

    Args:
        model: in use for all of them.
        sources: paths, URLs or camera numbers; see :func:`mien.media.expand`.
        out: folder for the folders; made if it is not there.
        settings: how to look; defaults when None.
        outputs: what to write; defaults when None.
        skip_existing: leave out a source whose folder holds a finished result of this version of mien, the same
            weights (by hash, a sound net's too), signals, settings, outputs and source: size and time of writing, or
            size and contents with ``settings.hash_source``.
        shard: ``"2/5"`` does the second fifth of the list, for job arrays; None does all.
        workers: processes. The answer does not depend on it. With more than one there is no ``progress``.
        executor: who deals the sources out, by its name in :data:`EXECUTORS`; None: this process where there is one
            worker or one source, else processes.
        command: the command line, for the provenance.
        progress: called after every frame.

    Yields:
        An outcome a source as it is finished: in the order of the list with one worker, else as they come. Stopping
        early (Ctrl-C) stops at once, keeps all that is finished and leaves nothing half-written.

    Raises:
        ConfigError: a shard that is none, fewer than one worker, an unknown executor, settings that the model cannot
            follow, or a folder that cannot be written to; at once, before anything is done.
        MissingDependencyError: a format needs a package that is not installed; likewise.
    """
    if workers < 1:
        raise ConfigError("at least 1 worker", str(workers), "use 1, or the number of your CPU cores divided by 2")
    demand_packages((outputs or Outputs()).formats)
    demand_fit(model.record, settings or AnalysisSettings())
    demand_writable(Path(out), "the results")
    names = folder_names(sources, Path(out))
    places = take_shard([Place(source, Path(out) / name) for source, name in zip(sources, names, strict=True)], shard)
    job = Job(settings or AnalysisSettings(), outputs or Outputs(), skip_existing, command)
    run = EXECUTORS[executor or (HERE if workers == 1 or len(places) < 2 else PROCESSES)]
    return run(model, job, places, workers, progress)


def _in_turn(
    model: ExpressionModel, job: Job, places: Sequence[Place], workers: int, progress: BatchProgress | None
) -> Generator[Outcome]:
    for place in places:
        yield analyze_one(model, job, place, progress)


def analyze_one(model: ExpressionModel, job: Job, place: Place, progress: BatchProgress | None = None) -> Outcome:
    """Do one source of a batch, whoever deals them out: this process, several of them, a cluster.

    Args:
        model: in use.
        job: how, and what to write.
        place: the source, and the folder that its result is to be in, whole or not at all.
        progress: called after every frame.

    Returns:
        What became of it. Every Exception is an outcome, so that one bad source does not cost the night's batch.
    """
    source = place.source
    try:
        if is_pipe(source):
            _demand_one_look(job.outputs)
        if job.skip_existing and (report := finished(place, model, job.settings, job.outputs)) is not None:
            return Outcome(source, "skipped", place.folder, report)
        if job.outputs.embed and not job.outputs.save_video:
            demand_embeddable(Path(source))  # before the work, not after it
        with draft_for(place.folder) as draft:
            state = state_of(source)
            result = model.analyze(source, job.settings, partial(progress, source) if progress else None)
            keys = list(source_keys(source, place.folder.parent))
            asked = {"outputs": asdict(job.outputs), "command": job.command, KEYS: keys}
            result = replace(result, provenance={**result.provenance, **asked})
            write_outputs(result, draft, job.outputs)
            demand_unchanged(source, state)  # it was read again for drawings
            report = result.to_dict()
            folder, lost = settle(draft, place, keys)
        left_out = untimed(result, job.outputs.formats)
        notes = [f"no {', '.join(left_out)} of a still picture, which lasts no time"] if left_out else []
        return Outcome(source, "done", folder, report, notes=(*([CHANGED] if lost else []), *notes))
    except Exception as error:
        return Outcome(source, "failed", place.folder, error=error)


def _demand_one_look(outputs: Outputs) -> None:
    again = [name for name in ("save_video", "thumbnails", "embed") if getattr(outputs, name)]
    if again:
        expected = f"a file with {' and '.join(again)}, for which it is looked at again"
        raise ConfigError(expected, "a pipe, which passes once", "save the stream to a file first, and name it")


def write_outputs(result: Result, folder: Path, outputs: Outputs) -> list[Path]:
    """Write the tables and whatever else ``outputs`` asks for into ``folder``; returns the paths."""
    written, drawing = [], None
    still = result.source.kind == "image"
    if outputs.save_video:
        drawing = result.draw(
            folder / _drawing(still), outputs.blur, outputs.landmarks, strip=outputs.strip, sound=outputs.sound
        )
        written.append(drawing)
    if outputs.timeline != "none":
        written.append(result.timeline(folder / f"timeline.{outputs.timeline}"))
    if outputs.html:
        page = folder / "report.html"
        written.append(result.html(page, drawing, embed=outputs.embed, thumbnails=outputs.thumbnails))
    written += result.export(folder, *outputs.formats)
    return [*written, *result.save(folder)]


def _drawing(still: bool) -> str:
    return "annotated.png" if still else "annotated.mp4"


def finished(
    place: Place, model: ExpressionModel, settings: AnalysisSettings, outputs: Outputs
) -> dict[str, Any] | None:
    """The result.json in a folder if it answers the same question about its source as it is now, else None."""
    try:
        report = read_json(place.folder / RESULT_FILE)
        facts = report["provenance"]
        boxes = settings.faces.detector_file
        same = (
            facts["mien"] == __version__
            and parse_signals(report.get("signals", [])) == model.record.signals
            and facts["model"]["sha256"] == model.record.sha256
            and facts["model"].get("prior", TRAINED) == model.record.prior
            and facts.get("sound", {}).get("sha256") == (None if model.ears is None else model.ears.sha256)
            and {name: facts[name] for name in PLUGGED if name in facts} == plain(model.plugins.facts)
            and facts["settings"] == plain(asdict(settings))
            and facts["outputs"] == plain(asdict(outputs))
            and facts.get("detector_file") == (None if boxes is None else plain(source_facts(boxes)))
            and not set(source_keys(place.source, place.folder.parent)).isdisjoint(facts[KEYS])
            and same_state(facts["source"], place.source, settings.hash_source)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ConfigError):
        return None
    return report if same else None


_worker: tuple[ExpressionModel, Job] | None = None


def _start_worker(threads: int, model: ExpressionModel, job: Job) -> None:
    global _worker
    limit_threads(threads)  # before the model, which loads at first use, asks
    _worker = model, job


def _work(place: Place) -> Outcome:
    """One task of a worker."""
    assert _worker is not None
    outcome = analyze_one(*_worker, place)
    return outcome if outcome.error is None else replace(outcome, error=portable(outcome.error))


def _in_processes(
    model: ExpressionModel, job: Job, places: Sequence[Place], workers: int, progress: BatchProgress | None
) -> Generator[Outcome]:
    if not places:
        return
    workers = min(workers, len(places))
    start = max(1, thread_count() // workers), model, job
    tasks = [(place,) for place in places]
    try:
        with closing(spread_tasks(_start_worker, start, _work, tasks, workers)) as answers:
            for number, answer in answers:
                yield _lost(places[number], answer) if isinstance(answer, Lost) else answer
    finally:
        with suppress(OSError):
            clear_drafts(places[0].folder.parent)


def _lost(place: Place, answer: Lost) -> Outcome:
    """A library may die of a damaged file, and the system kills what takes too much memory."""
    got = f"{printable(place.source)}, on which its process ended ({answer.how})"
    fix = "try it alone, and fewer workers: memory may have been short"
    return Outcome(place.source, "failed", place.folder, error=SourceError("a source that can be read", got, fix))


Executor = Callable[[ExpressionModel, Job, Sequence[Place], int, BatchProgress | None], Generator[Outcome]]
"""Has :func:`analyze_one` done for every place, by so many workers, and yields what came of each as it is finished."""
HERE, PROCESSES = "here", "processes"
EXECUTORS: Registry[Executor] = Registry("executor", {HERE: _in_turn, PROCESSES: _in_processes})
