"""What the children do: look into a file, and analyse one. Runs in :mod:`mien.core.child`'s processes."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.core.child import Answer, Tell
from mien.core.errors import SourceError
from mien.core.settings import limit_threads, thread_count
from mien.serve.problems import cannot_store
from mien.serve.settings import ServeSettings

if TYPE_CHECKING:
    from mien.analysis.batch import Outputs
    from mien.analysis.settings import AnalysisSettings
    from mien.media import SourceInfo
    from mien.report.result import Result

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,ogg,mxf,gif,h264,hevc,m4v,mjpeg,dv,"
    "yuv4mpegpipe,ivf,obu,av1,rm,image2,jpeg_pipe,png_pipe,webp_pipe,apng"
)
"""Containers that hold their own pixels. Playlists (HLS, DASH, concat, SDP) name other files and addresses, which
FFmpeg would open for whoever uploads one."""
MOST_TRACKS, MOST_PROBLEMS = 100, 20


@dataclass(frozen=True)
class Question:
    """A job for the child.

    Attributes:
        source: the file.
        name: what to call it.
        folder: of the job; ``report.html`` and ``files/`` go there.
        options: fields of :class:`mien.serve.schemas.AnalyzeOptions`.
        uploaded: the file is an upload.
    """

    source: Path
    name: str
    folder: Path
    options: dict[str, Any]
    uploaded: bool


def settings_of(options: dict[str, Any]) -> tuple[AnalysisSettings, Outputs]:
    """The options in mien's own words. Raises ConfigError where they contradict each other."""
    from mien.analysis.batch import Outputs
    from mien.analysis.settings import AnalysisSettings

    looks = {name: options[name] for name in ("threshold", "window", "min_span")}
    return AnalysisSettings(**looks), Outputs(save_video=options["save_video"], blur=options["blur"])


def prober(settings: ServeSettings) -> Answer:
    """Role: ``(path, name)`` to None, or an InputError that says why the server does not take the file."""
    bound_pictures(settings)

    def answer(question: tuple[Path, str], _: Tell) -> None:
        look_into(*question, settings)

    return answer


def analyst(settings: ServeSettings) -> Answer:
    """Role: a :class:`Question` to the fields of a :class:`mien.serve.schemas.Summary`; tells the progress."""
    bound_pictures(settings)
    from mien.analysis.expressions import load

    limit_threads(max(1, thread_count() // settings.concurrency))
    model = load(settings.model, prior=settings.prior, signals=settings.signals)

    def answer(question: Question, tell: Tell) -> dict[str, Any]:
        look_into(question.source, question.name, settings)
        looks, outputs = settings_of(question.options)
        looks = replace(looks, max_pixels=settings.max_pixels)
        progress = _Progress(tell, settings.max_minutes * 60, question.name)
        result = model.analyze(question.source, looks, progress)
        try:
            return _write(_named(result, question.name), question, outputs)
        except OSError as error:
            raise cannot_store(error) from error

    return answer


def look_into(path: Path, name: str, settings: ServeSettings) -> SourceInfo:
    """What a file is; opens nothing but that file.

    Raises:
        SourceError: neither video nor picture, larger than the server takes, or gone. Its text says ``name``.
    """
    from mien import media
    from mien.media import Selection
    from mien.media.files import is_image

    if not path.is_file():
        raise SourceError("a file that is still there", f"none for {name}", "send it again")
    try:
        if not is_image(path):
            _demand_container(path, name)
        with media.open(path, selection=Selection(max_pixels=settings.max_pixels)) as source:
            info = source.info
    except SourceError as error:
        raise SourceError(
            error.expected, error.got.replace(str(path), name).replace(path.name, name), error.fix
        ) from None
    if info.width * info.height > settings.max_pixels:
        got = f"{info.width} x {info.height}"
        raise SourceError(f"at most {settings.max_pixels} pixels a frame", got, "make it smaller")
    if (info.duration or 0) > settings.max_minutes * 60:
        raise _too_long(settings.max_minutes * 60, info.duration or 0)
    return info


def _demand_container(path: Path, name: str) -> None:
    import av
    import av.error

    try:
        av.open(f"file:{path}", container_options={"format_whitelist": FORMATS, "protocol_whitelist": "file"}).close()
    except (av.error.FFmpegError, OSError, ValueError) as error:
        fix = "check that it plays; copy or convert it again"
        raise SourceError("a video or picture file", f"{name}, which is none that can be read", fix) from error


def bound_pictures(settings: ServeSettings) -> None:
    """Let OpenCV refuse pictures with too many pixels before it makes room for them."""
    # OpenCV reads this once, when it is loaded: a picture of a few bytes can claim gigabytes of pixels.
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(settings.max_pixels)


def _too_long(most: float, got: float) -> SourceError:
    return SourceError(f"at most {most / 60:g} minutes of video", f"{got / 60:.1f} minutes", "cut it into parts")


class _Progress:
    """Tells of a new percent; stops what runs longer than its header said."""

    def __init__(self, tell: Tell, most: float, name: str) -> None:
        self._tell, self._most, self._name = tell, most, name
        self._told = -1

    def __call__(self, done: int, total: int | None, seconds: float) -> None:
        if seconds > self._most:
            raise _too_long(self._most, seconds)
        percent = min(100 * done // total, 99) if total else 0  # a header's count is a claim
        if total and percent != self._told:
            self._told = percent
            self._tell(percent / 100)


def _named(result: Result, name: str) -> Result:
    """The result under the client's name for the file, without the server's own."""
    facts = {**result.provenance["source"], "path": name}
    return replace(result, source=replace(result.source, name=name), provenance={**result.provenance, "source": facts})


def _write(result: Result, question: Question, outputs: Outputs) -> dict[str, Any]:
    """Files of the job: all of ``files/`` at once, then the report beside it; its links follow the server's paths."""
    from mien.analysis.batch import write_outputs
    from mien.analysis.folders import whole_folder
    from mien.report.page.html import write_html

    files, page = question.folder / "files", question.folder / "report.html"
    shutil.rmtree(files, ignore_errors=True)  # of an attempt that was cut short
    with whole_folder(files) as draft:
        written = write_outputs(result, draft, outputs)
        if question.uploaded and question.options["keep_upload"]:
            written.append(_kept(question.source, draft))
    if question.options["html"]:
        # The drawn film comes before the upload; tables and the timeline are no film.
        films = (path.name for path in written if path.suffix.lower() not in (".svg", ".csv", ".json"))
        film = next((files / name for name in films), None)
        # The report must not fall back to the source, which lies elsewhere or goes; a drawn film is not the source.
        shown = replace(result, origin=None if question.options["save_video"] else film)
        write_html(shown, page, film, keeper=f"/v1/jobs/{question.folder.name}/")
    return summary(result)


def _kept(upload: Path, folder: Path) -> Path:
    place = folder / upload.name
    with suppress(OSError):
        os.link(upload, place)
    if not place.exists():
        shutil.copyfile(upload, place)
    return place


def summary(result: Result) -> dict[str, Any]:
    """Fields of :class:`mien.serve.schemas.Summary`, of a size that does not grow with the video."""
    content = result.to_dict()
    source = {name: content["source"][name] for name in ("kind", "width", "height", "start", "duration", "frame_rate")}
    tracks = sorted(content["tracks"], key=lambda one: (-one["frames"], one["track"]))
    return {
        "source": source,
        "labels": content["labels"],
        "signals": content.get("signals", []),
        "tracks": tracks[:MOST_TRACKS],
        "tracks_in_all": len(tracks),
        "spans_in_all": len(content["spans"]),
        "problems": [str(problem) for problem in result.provenance["problems"][:MOST_PROBLEMS]],
    }
