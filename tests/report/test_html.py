from __future__ import annotations

import base64
import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from noise_video import BOXES, HEIGHT, LABELS, TIMES, WIDTH, noise, table_of

from mien.core.errors import ConfigError, SourceError
from mien.core.labels import LABEL_SPACES
from mien.core.table import FaceTable
from mien.core.types import Face, FaceRow, Quality, Span
from mien.media import SourceInfo
from mien.report.page import film, html
from mien.report.page.bands import AWAY, BOX_UNITS, FULL, MOST_CELLS, UNREAD, bands_of, step_for
from mien.report.page.film import relative_address
from mien.report.page.html import page_content, short_codes
from mien.report.result import Result

NASTY = "</script><script>alert(1)</script><!--<b>& 'x' \"y\".mp4"


class Page(HTMLParser):
    """What a browser's parser finds: elements, their attributes, and the text of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    @property
    def content(self) -> dict[str, Any]:
        kinds = [attributes.get("id") for tag, attributes in self.elements if tag == "script"]
        content: dict[str, Any] = json.loads(self.scripts[kinds.index("content")])
        return content

    @property
    def policy(self) -> str:
        metas = (attributes for tag, attributes in self.elements if tag == "meta")
        return next(str(one["content"]) for one in metas if one.get("http-equiv") == "Content-Security-Policy")


def page_of(path: Path) -> Page:
    return Page(path.read_text("utf-8"))


def cells_of(face: dict[str, Any], classes: int = 3) -> np.ndarray:
    return np.frombuffer(base64.b64decode(face["cells"]), np.uint8).reshape(-1, classes)


class TestTheFile:
    def test_it_refers_to_nothing_but_the_video_beside_it(self, result: Result, tmp_path: Path) -> None:
        page = page_of(result.html(tmp_path / "a" / "report.html"))
        addresses = [
            value
            for _, attributes in page.elements
            for name, value in attributes.items()
            if name in ("src", "href", "srcset", "action", "data", "poster") and value
        ]
        assert sorted(addresses) == ["#timeline", "data:,"]
        assert page.content["film"]["link"] == "../noise.mp4"
        assert "default-src 'none'" in page.policy
        assert "http" not in page.policy
        assert "unsafe" not in page.policy
        assert "connect-src" not in page.policy
        assert page.content["keeper"] is None
        assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]

    def test_the_policy_names_the_very_style_and_script(self, result: Result, tmp_path: Path) -> None:
        text = result.html(tmp_path / "report.html").read_text("utf-8")
        page = Page(text)
        style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
        assert style is not None
        assert html._hash(style[1]) in page.policy
        assert html._hash(page.scripts[-1]) in page.policy

    def test_names_are_text_whatever_is_in_them(self, result: Result, tmp_path: Path) -> None:
        source = dataclasses.replace(result.source, name=NASTY)
        labels = dataclasses.replace(LABELS, labels=("neutral", "happiness", NASTY))
        spans = (*result.spans[1:], Span(1, 0.0, 1.16, NASTY, 0.8))
        nasty = dataclasses.replace(
            result, source=source, labels=labels, spans=spans[1:], provenance={"command": NASTY, NASTY: [NASTY]}
        )
        plain, tried = (page_of(one.html(tmp_path / "r.html")) for one in (result, nasty))
        assert [tag for tag, _ in tried.elements] == [tag for tag, _ in plain.elements]
        assert tried.content["source"]["name"] == NASTY
        assert tried.content["provenance"] == {"command": NASTY, NASTY: [NASTY]}
        assert tried.content["labels"][2]["name"] == NASTY

    def test_a_name_that_is_no_text_is_shown_as_far_as_it_is(self, result: Result, tmp_path: Path) -> None:
        source = dataclasses.replace(result.source, name="caf\udce9.mp4")
        text = dataclasses.replace(result, source=source).html(tmp_path / "r.html").read_text("utf-8")
        assert "Expressions shown in caf?.mp4" in text

    def test_nothing_half_written_stays(self, result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def torn(self: object) -> object:
            yield b"AAAA"
            raise OSError("No space left on device")

        monkeypatch.setattr(film.Film, "parts", torn)
        with pytest.raises(OSError, match="No space"):
            result.html(tmp_path / "out" / "r.html", embed=True)
        assert list((tmp_path / "out").iterdir()) == []


class TestTheContent:
    def test_spans_totals_and_reasons(self, result: Result) -> None:
        content = page_content(result)
        end = round(float(TIMES[-1] + 0.04), 3)
        assert content["spans"] == [
            [1, 0.0, 1.16, 1, 0.8, -1],
            [2, round(float(TIMES[10]), 3), end, 2, 0.6, -1],
            [1, 1.16, 1.8, 3, 0.0, 0],
            [1, 1.8, end, 1, 0.8, -1],
        ]
        assert content["reasons"] == ["turned away"]
        assert [label["name"] for label in content["labels"]] == ["neutral", "happiness", "sadness", "unclear"]
        first = content["faces"][0]
        assert first["unclear_seconds"] == {"turned away": pytest.approx(0.64, abs=1e-3)}
        assert first["shown_seconds"]["happiness"] == pytest.approx(1.16 + end - 1.8, abs=1e-3)
        assert content["duration"] >= end

    def test_an_unknown_number_is_null(self, result: Result, tmp_path: Path) -> None:
        assert page_of(result.html(tmp_path / "r.html")).content["provenance"]["nothing"] is None

    def test_no_face_pixels_unless_asked_for(self, result: Result, tmp_path: Path) -> None:
        text = result.html(tmp_path / "r.html").read_text("utf-8")
        assert "image/jpeg" not in text
        assert 'class="film-part"' not in text

    def test_nobody(self, nobody: Result) -> None:
        content = page_content(nobody)
        assert (content["faces"], content["spans"]) == ([], [])
        assert content["duration"] == 3.0

    @pytest.mark.parametrize("space", sorted(LABEL_SPACES))
    def test_codes_are_two_letters_and_all_different(self, space: str) -> None:
        codes = short_codes(LABEL_SPACES[space].labels)
        assert len(set(codes)) == len(codes)
        assert all(len(code) == 2 and code[0].isupper() for code in codes)

    def test_codes_of_classes_of_ones_own(self) -> None:
        assert short_codes(["smile", "smirk", "x", "--", "s m"]) == ["Sm", "Si", "3", "4", "5"]


class TestStrips:
    def test_a_step_a_frame_with_what_was_read_in_it(self, result: Result) -> None:
        face, other = bands_of(result.frames, result.spans, (WIDTH, HEIGHT), 0.02)
        times = 0.02 * (face.first + np.arange(len(face.cells)) + 0.5)
        away = (times > 1.16) & (times < 1.8)
        assert (face.cells[~away] == [25, 200, 25]).all()
        assert (face.cells[away, 0] == UNREAD).all()
        assert other.first == round(TIMES[10] / 0.02)
        assert other.cells[0].tolist() == [62, 38, 150]
        sides = np.array(BOXES[2], float) / [WIDTH, HEIGHT, WIDTH, HEIGHT] * BOX_UNITS
        assert np.abs(other.boxes - sides).max() <= 1

    def test_out_of_sight_is_not_filled_up(self) -> None:
        table = table_of({index: [1] for index in (*range(10), *range(30, 40))})
        gone, back = float(TIMES[9]) + 0.04, float(TIMES[30])
        spans = (Span(1, 0.0, gone, "happiness", 0.8), Span(1, back, float(TIMES[39]), "happiness", 0.8))
        (face,) = bands_of(table, spans, (WIDTH, HEIGHT), 0.05)
        middles = 0.05 * (np.arange(len(face.cells)) + 0.5)
        away = face.cells[:, 0] == AWAY
        assert away[(middles > gone + 0.05) & (middles < back - 0.05)].all()
        assert not away[(middles < gone) | (middles > back)].any()

    def test_frames_that_share_a_step_are_averaged(self) -> None:
        table = table_of({index: [1] for index in range(20)})
        table.set_probabilities(np.arange(10, 20), np.tile([0.9, 0.0, 0.1], (10, 1)))
        (face,) = bands_of(table, (Span(1, 0.0, 2.0, "happiness", 0.8),), (WIDTH, HEIGHT), 100.0)
        assert face.cells.tolist() == [[round(0.5 * FULL), round(0.4 * FULL), round(0.1 * FULL)]]

    def test_a_long_video_with_many_faces_stays_small(self, tmp_path: Path) -> None:
        """Four hours, forty faces of two hours each, a span every two seconds: as many as the bounds must hold."""
        everyone = crowd(faces=40, seconds=7200, step=2.0, duration=14400.0)
        step = step_for(everyone.frames, 14400.0)
        bands = bands_of(everyone.frames, everyone.spans, (WIDTH, HEIGHT), step)
        assert sum(len(band.cells) for band in bands) <= MOST_CELLS + 2 * len(bands)
        path = everyone.html(tmp_path / "r.html")
        assert path.stat().st_size < 2.5e6
        content = page_of(path).content
        assert (len(content["spans"]), content["spans_in_all"]) == (html.MOST_SPANS, 144_000)

    def test_more_faces_than_a_page_holds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(html, "MOST_FACES", 3)
        content = page_content(crowd(faces=5, seconds=20, step=2.0, duration=100.0))
        assert (len(content["faces"]), content["faces_in_all"]) == (3, 5)
        assert {span[0] for span in content["spans"]} == {face["track"] for face in content["faces"]}


def crowd(faces: int, seconds: int, step: float, duration: float) -> Result:
    """Faces that begin one after the other, with a row and a span every ``step`` seconds."""
    table, count = FaceTable(3), int(seconds / step)
    starts = np.linspace(0, duration - seconds, faces)
    face, quality = Face(np.zeros(4, np.float32), 0.9, np.zeros((5, 2), np.float32)), Quality(50, 50, 0)
    sure, unsure = np.array([0.0, 1.0, 0.0]), np.array([0.5, 0.0, 0.5])
    for number in range(count):
        for track, start in enumerate(starts, 1):
            at = float(start) + number * step
            table.append(FaceRow(int(at / step), at, track, face, quality, (sure, unsure)[number % 2]))
    table.sort()
    spans = tuple(
        Span(track, start + n * step, start + (n + 1) * step, ("happiness", "neutral")[n % 2], 0.9)
        for track, start in enumerate(starts.tolist(), 1)
        for n in range(count)
    )
    return Result(SourceInfo("crowd.mp4", "video", WIDTH, HEIGHT, duration, 1 / step), LABELS, spans, table, {})


class TestTheFilm:
    def test_the_link_is_relative_and_quoted(self, tmp_path: Path) -> None:
        file = tmp_path / "in put" / "a#b?c%20:ü.mp4"
        assert relative_address(file, tmp_path / "out" / "x") == "../../in%20put/a%23b%3Fc%2520%3A%C3%BC.mp4"
        assert relative_address(tmp_path / "javascript:alert(1).mp4", tmp_path) == "javascript%3Aalert%281%29.mp4"

    def test_embedded_it_is_whole_and_the_page_refers_to_no_file(
        self, result: Result, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(film, "PART", 3000)
        page = page_of(result.html(tmp_path / "r.html", embed=True))
        kinds = [attributes.get("class") for tag, attributes in page.elements if tag == "script"]
        parts = [text for text, kind in zip(page.scripts, kinds, strict=True) if kind == "film-part"]
        assert len(parts) > 1
        assert b"".join(base64.b64decode(part) for part in parts) == video.read_bytes()
        facts = {"name": "noise.mp4", "own": True, "still": False, "embedded": True, "type": "video/mp4"}
        assert page.content["film"] == facts
        assert "file:" not in page.policy

    def test_another_video_can_stand_in(self, result: Result, tmp_path: Path) -> None:
        drawing = result.draw(tmp_path / "drawn" / "annotated.mp4", blur=True)
        facts = page_of(result.html(tmp_path / "drawn" / "r.html", drawing)).content["film"]
        assert (facts["link"], facts["own"]) == ("annotated.mp4", False)

    def test_what_is_not_there_or_too_large_is_said(
        self, result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(SourceError, match=r"gone\.mp4"):
            result.html(tmp_path / "r.html", tmp_path / "gone.mp4")
        camera = dataclasses.replace(result, origin=0, source=dataclasses.replace(result.source, kind="camera"))
        with pytest.raises(SourceError, match="to embed, got camera"):
            camera.html(tmp_path / "r.html", embed=True)
        with pytest.raises(SourceError, match="opened again"):
            camera.html(tmp_path / "r.html", thumbnails=True)
        monkeypatch.setattr(film, "MOST_EMBEDDED", 1000)
        with pytest.raises(ConfigError, match="at most"):
            result.html(tmp_path / "r.html", embed=True)
        assert not (tmp_path / "r.html").exists()

    def test_a_camera_gives_a_page_without_a_video(self, result: Result, tmp_path: Path) -> None:
        camera = dataclasses.replace(result, origin=0, source=dataclasses.replace(result.source, kind="camera"))
        page = page_of(camera.html(tmp_path / "r.html"))
        assert page.content["film"] is None
        assert "file:" not in page.policy


def decoded(address: str) -> np.ndarray:
    head, body = address.split(",")
    assert head == "data:image/jpeg;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(body), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


class TestThumbnails:
    def test_every_face_and_span_gets_the_frame_that_shows_it(self, result: Result) -> None:
        table = result.frames
        row = int(np.flatnonzero((table.column("index") == 12) & (table.column("track") == 1))[0])
        table.set_probabilities(np.array([row]), np.array([[0.0, 1.0, 0.0]]))
        content = page_content(result, with_thumbnails=True)
        assert all(face["picture"] for face in content["faces"])
        assert len(content["pictures"]) == len(result.spans)
        from mien.faces.align import align

        expected = align(noise(12), table[row].face.points, 96).transpose(1, 2, 0)
        shown = [np.abs(decoded(one).astype(int) - expected).mean() for one in content["pictures"]]
        assert shown[0] < 12 < min(shown[1:]), "the first span's picture is the frame in which it is surest"

    def test_a_face_that_cannot_be_aligned_is_left_out(self, result: Result) -> None:
        table = FaceTable(3)
        for row in result.frames:
            points = np.zeros((5, 2), np.float32) if row.track == 2 else row.face.points
            table.append(dataclasses.replace(row, face=dataclasses.replace(row.face, points=points)))
        content = page_content(dataclasses.replace(result, frames=table), with_thumbnails=True)
        assert [bool(face["picture"]) for face in content["faces"]] == [True, False]


def test_a_still_has_one_cell_a_face(tmp_path: Path, nobody: Result) -> None:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), noise(0))
    info = SourceInfo("photo.png", "image", WIDTH, HEIGHT)
    spans = (Span(1, 0.0, 0.0, "happiness", 0.8), Span(2, 0.0, 0.0, "sadness", 0.6))
    still = Result(info, LABELS, spans, table_of({0: [1, 2]}), {}, origin=path)
    content = page_of(still.html(tmp_path / "r.html", thumbnails=True)).content
    assert content["film"]["still"]
    assert [cells_of(face).tolist() for face in content["faces"]] == [[[25, 200, 25]], [[62, 38, 150]]]
    assert all("boxes" in face for face in content["faces"])
