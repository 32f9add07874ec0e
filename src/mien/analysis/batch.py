"""Many sources, one folder each: a bad one is reported and the rest done; what is finished stays finished."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from mien import __version__
from mien.analysis.expressions import ExpressionModel
from mien.analysis.folders import demand_writable, folder_names, take_shard, whole_folder
from mien.analysis.provenance import source_facts
from mien.analysis.settings import AnalysisSettings
from mien.core.errors import ConfigError, MienError
from mien.core.settings import limit_threads, thread_count
from mien.report.film import demand_embeddable
from mien.report.result import RESULT_FILE, Result
from mien.report.tables import plain, read_json

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

    def __post_init__(self) -> None:
        if (self.blur or self.landmarks or not self.strip or not self.sound) and not self.save_video:
            fix = "switch save_video on as well"
            raise ConfigError("save_video with what is said of the video", "save_video off", fix)
        if (self.embed or self.thumbnails) and not self.html:
            raise ConfigError("html with embed or thumbnails", "html off", "switch html on as well")
        if self.thumbnails and self.blur:
            raise ConfigError("thumbnails or blur", "both", "leave one out: thumbnails show the faces that blur hides")


@dataclass(frozen=True)
class Outcome:
    """What became of one source.

    Attributes:
        source: as given.
        status: ``done``; ``skipped``: a finished result of the same model and settings was there; ``failed``.
        folder: where its files are, or would have been.
        report: the content of its result.json; None when failed.
        error: why it failed; an :class:`~mien.core.errors.InputError` where the user can mend it.
    """

    source: str
    status: Literal["done", "skipped", "failed"]
    folder: Path
    report: dict[str, Any] | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class _Job:
    """Everything that is the same for all sources of a batch."""

    settings: AnalysisSettings
    outputs: Outputs
    skip_existing: bool
    command: str | None


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
    command: str | None = None,
    progress: BatchProgress | None = None,
) -> Iterator[Outcome]:
    """Analyse ``sources`` one after the other (or ``workers`` at a time) into folders of ``out``.

    Folders are named after the files without their suffix, ``talk``, ``talk-2`` and so on where names meet; the names
    depend on the whole list, not on the shard.

    Args:
        model: in use for all of them.
        sources: paths, URLs or camera numbers; see :func:`mien.media.expand`.
        out: folder for the folders; made if it is not there.
        settings: how to look; defaults when None.
        outputs: what to write; defaults when None.
        skip_existing: leave out a source whose folder holds a finished result of this version of mien, the same
            weights (by hash), settings, outputs and source (path and size).
        shard: ``"2/5"`` does the second fifth of the list, for job arrays; None does all.
        workers: processes. The answer does not depend on it. With more than one there is no ``progress``.
        command: the command line, for the provenance.
        progress: called after every frame.

    Yields:
        An outcome a source as it is finished: in the order of the list with one worker, else as they come. Stopping
        early (Ctrl-C) keeps all that is finished and leaves nothing half-written.

    Raises:
        ConfigError: a shard that is none, fewer than one worker, or a folder that cannot be written to; at once,
            before anything is done.
    """
    if workers < 1:
        raise ConfigError("at least 1 worker", str(workers), "use 1, or the number of your CPU cores divided by 2")
    demand_writable(Path(out))
    chosen = take_shard(list(zip(sources, folder_names(sources), strict=True)), shard)
    tasks = [(source, Path(out) / name) for source, name in chosen]
    job = _Job(settings or AnalysisSettings(), outputs or Outputs(), skip_existing, command)
    if workers == 1 or len(tasks) < 2:
        return (_finish(model, job, source, folder, progress) for source, folder in tasks)
    return _in_processes(model, job, tasks, min(workers, len(tasks)))


def _finish(
    model: ExpressionModel, job: _Job, source: str, folder: Path, progress: BatchProgress | None = None
) -> Outcome:
    """Do one source; every Exception becomes an outcome, so that one bad source does not cost the night's batch."""
    try:
        if job.skip_existing and (report := finished(folder, model, job.settings, job.outputs, source)) is not None:
            return Outcome(source, "skipped", folder, report)
        if job.outputs.embed and not job.outputs.save_video:
            demand_embeddable(Path(source))  # before the work, not after it
        result = model.analyze(source, job.settings, partial(progress, source) if progress else None)
        asked = {"outputs": asdict(job.outputs), "command": job.command}
        result = replace(result, provenance={**result.provenance, **asked})
        with whole_folder(folder) as draft:
            write_outputs(result, draft, job.outputs)
        return Outcome(source, "done", folder, result.to_dict())
    except Exception as error:
        return Outcome(source, "failed", folder, error=error)


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
    return [*written, *result.save(folder)]


def _drawing(still: bool) -> str:
    return "annotated.png" if still else "annotated.mp4"


def finished(
    folder: Path, model: ExpressionModel, settings: AnalysisSettings, outputs: Outputs, source: str
) -> dict[str, Any] | None:
    """The result.json in ``folder`` if it answers the same question and all files asked for are there, else None."""
    try:
        report = read_json(folder / RESULT_FILE)
        facts = report["provenance"]
        same = (
            facts["mien"] == __version__
            and facts["model"]["sha256"] == model.record.sha256
            and facts["settings"] == plain(asdict(settings))
            and facts["outputs"] == plain(asdict(outputs))
            and facts["source"] == plain(source_facts(source, settings.hash_source))
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return report if same else None


_worker: tuple[ExpressionModel, _Job] | None = None


def _start_worker(model: ExpressionModel, job: _Job, threads: int) -> None:
    global _worker
    limit_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker = model, job


def _work(source: str, folder: Path) -> Outcome:
    """One task of a worker. Ctrl-C reaches it only here, where there is a draft to clear away."""
    assert _worker is not None
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        outcome = _finish(*_worker, source, folder)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if outcome.error is None or isinstance(outcome.error, MienError):
        return outcome
    # Errors of other libraries may not survive the way between processes.
    return replace(outcome, error=RuntimeError("".join(traceback.format_exception(outcome.error))))


def _in_processes(model: ExpressionModel, job: _Job, tasks: list[tuple[str, Path]], workers: int) -> Iterator[Outcome]:
    # Forking a process whose libraries have started threads can hang: start fresh ones.
    fresh = multiprocessing.get_context("spawn")
    start = model, job, max(1, thread_count() // workers)
    with ProcessPoolExecutor(workers, fresh, _start_worker, start) as pool:
        futures = [pool.submit(_work, *task) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
