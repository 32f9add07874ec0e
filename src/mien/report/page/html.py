"""One file that shows it all: video, who showed what when, totals, spans, provenance. It asks no network for anything.

The page is ``report.html`` with style, script and content put in; the content is JSON, and the script writes it as
text, never as markup. A content security policy names the style and the script by hash and allows nothing else but the
video beside it.

How large it gets: 40,000 steps of probabilities (:mod:`mien.report.page.bands`), :data:`MOST_SPANS` spans and
:data:`MOST_FACES` faces at most, under 2.5 MB for an eight-class model however long the video is and however many faces
there are, before signals (a byte a step and column), thumbnails (at most 400 of 3 kB) and an embedded video. The page
says what it leaves out.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from mien.core.compound import Compound
from mien.core.files import whole_file
from mien.core.types import UNCLEAR
from mien.core.version import __version__
from mien.report.compounds import compounds_of
from mien.report.page.bands import Band, bands_of, step_for
from mien.report.page.film import Film, choose_film
from mien.report.page.thumbnails import face_rows, span_rows, thumbnails
from mien.report.palette import colours, hex_colour, text_colour
from mien.report.reading import SpanReading, readings_of
from mien.report.tables import SCORE_DIGITS, plain, track_totals

if TYPE_CHECKING:
    from mien.report.findings import Findings

MOST_SPANS, MOST_FACES = 20_000, 1000
BOX_STEP = 0.25
"""Seconds a step; with longer ones, boxes drawn over the video would be somewhere else than the faces."""
TIME_DIGITS = 3
STYLES = ("style.css",)
SCRIPTS = ("basics.js", "signals.js", "player.js", "timeline.js", "tables.js", "edits.js", "main.js")


@dataclass(frozen=True)
class Why:
    """What a face's label rests on, as a report shows it.

    Attributes:
        track: the face's number.
        time: seconds; the moment the picture is of.
        title: who, when and which label, in a line.
        lines: what is to be said of the picture.
        picture: a PNG file, which goes into the page. It may show the face.
    """

    track: int
    time: float
    title: str
    lines: tuple[str, ...]
    picture: Path


def write_html(
    result: Findings,
    path: Path,
    video: Path | None = None,
    embed: bool = False,
    with_thumbnails: bool = False,
    why: Sequence[Why] = (),
    keeper: str | None = None,
) -> Path:
    """Write the report of ``result`` to ``path``; see :meth:`mien.report.result.Result.html`.

    ``keeper`` is the end of the address below which a server hands it out as ``report`` and keeps its ``edits``. There,
    and nowhere else, the page asks for them.
    """
    film = choose_film(result, video, embed)
    content = page_content(result, with_thumbnails)
    content["why"] = [{**asdict(one), "picture": _png(one.picture)} for one in why]
    content["film"] = None if film is None else film.facts(path)
    content["keeper"] = keeper
    with whole_file(path) as draft, draft.open("wb") as file:
        for piece in _page(result.source.name, content, film):
            file.write(piece)
    return path


def page_content(result: Findings, with_thumbnails: bool = False) -> dict[str, Any]:
    """What the page's script shows, in the types of JSON; without the video."""
    duration = result.end
    step = step_for(result.frames, duration - result.source.start)
    sizes = result.source.sizes_at(result.frames.column("time"))
    bands = {band.track: band for band in bands_of(result.frames, result.spans, sizes, step)}
    totals = track_totals(result.frames, result.spans)
    kept = {one["track"] for one in sorted(totals, key=lambda one: -one["frames"])[:MOST_FACES]}
    listed = _longest(result, kept)
    reasons = sorted({span.reason or UNCLEAR for span in result.spans if span.abstained})
    faces = [{**one, **_band(bands[one["track"]], step)} for one in totals if one["track"] in kept]
    readings, pairs = readings_of(result.frames, result.spans, result.labels.labels), compounds_of(result)
    content = {
        "source": asdict(result.source),
        "duration": duration,
        "step": step,
        "labels": _labels(result.labels.labels),
        **({"signals": [signal.to_dict() for signal in result.signals]} if result.signals else {}),
        "reasons": reasons,
        "faces": faces,
        "faces_in_all": len(totals),
        "spans": [_span_cells(result, place, reasons) for place in listed],
        **({} if readings is None else {"readings": [_told(readings[place]) for place in listed]}),
        **({} if pairs is None else {"compounds": [_mixed(pairs[place]) for place in listed]}),
        "spans_in_all": len(result.spans),
        "provenance": result.provenance,
    }
    if with_thumbnails:
        _add_thumbnails(content, result, listed)
    unwrapped: dict[str, Any] = plain(content)
    return unwrapped


def _longest(result: Findings, tracks: set[int]) -> list[int]:
    """Places of the spans to list, in order of time: all of ``tracks``, or the :data:`MOST_SPANS` longest."""
    places = [place for place, span in enumerate(result.spans) if span.track in tracks]
    by_length = sorted(places, key=lambda place: result.spans[place].start - result.spans[place].end)
    return sorted(by_length[:MOST_SPANS])


def _span_cells(result: Findings, place: int, reasons: Sequence[str]) -> list[float | int]:
    """Face, start, end, number of the label (one past the last when unclear), score, number of the reason or -1."""
    span, labels = result.spans[place], result.labels.labels
    label = len(labels) if span.abstained else labels.index(span.label)
    reason = reasons.index(span.reason or UNCLEAR) if span.abstained else -1
    times = round(span.start, TIME_DIGITS), round(span.end, TIME_DIGITS)
    return [span.track, *times, label, round(span.score, SCORE_DIGITS), reason]


def _told(reading: SpanReading) -> list[str]:
    """Verdict and sentences."""
    return [reading.verdict, reading.text]


def _mixed(found: Compound | None) -> list[str | float] | None:
    """Name of the pair and the lesser of its probabilities; None where none is named."""
    return None if found is None or found.name is None else [found.name, round(found.least, SCORE_DIGITS)]


def _band(band: Band, step: float) -> dict[str, Any]:
    boxes = {"boxes": _text_of(band.boxes.astype("<u2"))} if step <= BOX_STEP else {}
    beside = {"signals": _text_of(band.signals)} if band.signals.shape[1] else {}
    return {"first": band.first, "cells": _text_of(band.cells), **beside, **boxes}


def _text_of(values: Shaped[np.ndarray, "*shape"]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")


def _png(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _labels(labels: Sequence[str]) -> list[dict[str, str]]:
    """Name, code and colours of every label, then of "unclear"."""
    shades = colours(labels)
    codes = [*short_codes(labels), "?"]
    return [
        {"name": name, "code": code, "colour": hex_colour(shades[name]), "ink": hex_colour(text_colour(shades[name]))}
        for name, code in zip((*labels, UNCLEAR), codes, strict=True)
    ]


def short_codes(labels: Sequence[str]) -> list[str]:
    """Two letters for every label, all different: its first and the next one that is still free; else its number."""
    taken: list[str] = []
    for number, label in enumerate(labels, 1):
        letters = [letter for letter in label if letter.isalnum()]
        tries = [letters[0].upper() + letter.lower() for letter in letters[1:]]
        taken.append(next((code for code in tries if code not in taken), str(number)))
    return taken


def _add_thumbnails(content: dict[str, Any], result: Findings, listed: Sequence[int]) -> None:
    faces, spans = face_rows(result), span_rows(result)
    pictures = thumbnails(result, [*faces.values(), *spans.values()])
    for face in content["faces"]:
        face["picture"] = pictures.get(faces.get(face["track"], -1))
    content["pictures"] = [pictures.get(spans.get(place, -1)) for place in listed]


def _page(name: str, content: dict[str, Any], film: Film | None) -> Iterator[bytes]:
    """The file, piece by piece."""
    style, script = _assets(STYLES), _assets(SCRIPTS)
    values = {
        "policy": _policy(style, script, film is not None and not film.embedded, content["keeper"] is not None),
        "version": __version__,
        "title": escape(f"Expressions shown in {name}"),
        "style": style,
        "script": script,
        # The parser of HTML would end the element at "</script", whatever JSON thinks of it.
        "content": json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    }
    head, tail = _asset("report.html").split("$film")
    yield _encoded(Template(head).substitute(values))
    if film is not None and film.embedded:
        for part in film.parts():
            yield b'<script type="text/plain" class="film-part">' + part + b"</script>\n"
    yield _encoded(Template(tail).substitute(values))


def _policy(style: str, script: str, linked: bool, kept: bool) -> str:
    media = "'self' file: blob:" if linked else "blob:"
    asked = "connect-src 'self'; " if kept else ""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        f"img-src data: {media}; media-src {media}; {asked}base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(_encoded(text)).digest()).decode('ascii')}'"


def _assets(names: Sequence[str]) -> str:
    return "\n".join(_asset(name) for name in names)


def _asset(name: str) -> str:
    return (resources.files("mien.report.page") / name).read_text("utf-8")


def _encoded(text: str) -> bytes:
    # File names may hold bytes that are no text; they are shown as question marks.
    return text.encode("utf-8", "replace")
