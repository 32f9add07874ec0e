"""What an analysis hands back: its findings, and verbs that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.report import tables
from mien.report.compounds import compound_record, compound_seconds, compounds_of
from mien.report.findings import Findings
from mien.report.formats import chosen, export
from mien.report.frames import pandas_frame, polars_frame
from mien.report.reading import readings_of

if TYPE_CHECKING:
    import pandas
    import polars

    from mien.report.page.html import Why

RESULT_FILE = "result.json"


class Result(Findings):
    """Who showed what, when: :class:`Findings` with verbs."""

    def _repr_html_(self) -> str:
        """What Jupyter shows of it."""
        from mien.report.notebook import result_html

        return result_html(self)

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``spans.csv``, ``frames.csv`` and, last, ``result.json`` into ``folder``; returns the three paths."""
        place = Path(folder)
        spans, frames, result = (place / name for name in ("spans.csv", "frames.csv", RESULT_FILE))
        tables.write_spans(spans, self.spans)
        tables.write_frames(frames, self.frames, self.spans, self.labels.labels)
        tables.write_json(result, self.to_dict())
        return [spans, frames, result]

    def export(self, folder: str | Path, *names: str) -> list[Path]:
        """Write the result for other programs into ``folder``; returns the files, which are called as the source.

        Args:
            folder: made if it is not there.
            names: of :data:`mien.report.formats.FORMATS`: ``"eaf"``, ``"vtt"``, ... What holds nothing but times is
                left out where the source is one still picture.

        Raises:
            ConfigError: an unknown format.
            MissingDependencyError: a package is needed that is not installed.
        """
        return export(self, Path(folder), chosen(",".join(names)))

    def to_pandas(self) -> pandas.DataFrame:
        """The spans as spans.csv has them; a row a span. Raises MissingDependencyError without pandas."""
        return pandas_frame(tables.span_columns(self.spans))

    def to_polars(self) -> polars.DataFrame:
        """The spans as spans.csv has them; a row a span. Raises MissingDependencyError without polars."""
        return polars_frame(tables.span_columns(self.spans))

    def to_dict(self) -> dict[str, Any]:
        """The content of ``result.json``, in the types of JSON."""
        readings, pairs = readings_of(self.frames, self.spans, self.labels.labels), compounds_of(self)
        tracks = tables.track_totals(self.frames, self.spans)
        if pairs is not None:
            seconds = compound_seconds(self, pairs)
            tracks = [{**one, "compound_seconds": seconds.get(one["track"], {})} for one in tracks]
        content = {
            "schema": tables.SCHEMA,
            "source": asdict(self.source),
            "label_space": self.labels.name,
            "labels": self.labels.labels,
            **({"signals": [signal.to_dict() for signal in self.signals]} if self.signals else {}),
            "tracks": tracks,
            "spans": [tables.span_record(span) for span in self.spans],
            **({"readings": [one.to_dict() for one in readings]} if readings is not None else {}),
            **({"compounds": [compound_record(one) for one in pairs]} if pairs is not None else {}),
            "provenance": self.provenance,
        }
        unwrapped: dict[str, Any] = tables.plain(content)
        return unwrapped

    def draw(
        self,
        path: str | Path,
        blur: bool = False,
        landmarks: bool = False,
        strip: bool = True,
        sound: bool = True,
    ) -> Path:
        """Write the source again with boxes, labels and probability bars drawn in; returns the path.

        Frames keep their times, and the sound of a file is kept in step. H.264 where the installed FFmpeg has an
        encoder, else MPEG-4 Part 2, which the log ``mien`` says.

        Args:
            path: a video file, or ``.png`` / ``.jpg`` when the source is one picture.
            blur: hide every face that was found (:mod:`mien.report.video.blur`). The voices stay: ``sound=False``.
            landmarks: draw the 68 points of each face, or five where the model has no landmark net.
            strip: put everybody's spans with a playhead below the picture, which gets taller by it.
            sound: keep the sound, copied where the container and browsers allow it, else as AAC.

        Raises:
            SourceError: the source cannot be opened a second time (a camera), or the path does not fit it.
        """
        from mien.report.video.draw import draw_result

        return draw_result(self, Path(path), blur=blur, landmarks=landmarks, strip=strip, sound=sound)

    def timeline(self, path: str | Path) -> Path:
        """Write a picture with a row per face and its spans over time: ``.svg``, or ``.png``; returns the path."""
        from mien.report.timeline import write_timeline

        return write_timeline(self, Path(path))

    def html(
        self,
        path: str | Path,
        video: str | Path | None = None,
        embed: bool = False,
        thumbnails: bool = False,
        why: Sequence[Why] = (),
    ) -> Path:
        """Write a report for people: one file with the video, a timeline a face, totals and spans; returns the path.

        The page asks no network for anything. No face is in it unless ``embed``, ``thumbnails`` or ``why`` put it in.

        Args:
            path: the file to write, ``.html``.
            video: file to show instead of the source, such as what :meth:`draw` wrote; None shows the source where it
                is one file. It is linked by its place relative to ``path``: move both together.
            embed: put the video into the page instead, which then can be moved alone.
            thumbnails: put a small picture of every face and span in; the source is read once more.
            why: what labels rest on, with pictures that show faces: see :mod:`mien.explain`.

        Raises:
            SourceError: ``video`` does not exist, there is none to embed, or a camera was asked for thumbnails.
            ConfigError: the video is too large to embed.
        """
        from mien.report.page.html import write_html

        return write_html(self, Path(path), Path(video) if video is not None else None, embed, thumbnails, why)
