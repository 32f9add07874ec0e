from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import ConfigError
from mien.core.labels import LABEL_SPACES
from mien.core.names import printable
from mien.core.types import UNCLEAR, Span
from mien.report.palette import colours, contrast, hex_colour, text_colour
from mien.report.picture import Bar, Letters
from mien.report.result import Result
from mien.report.text import put_text
from mien.report.timeline import WIDTH, clock, layout, tick_step

SVG = "{http://www.w3.org/2000/svg}"


def spans_drawn(result: Result) -> list[Bar]:
    return [item for item in layout(result).items if isinstance(item, Bar) and item.title]


def words(result: Result) -> list[str]:
    return [item.text for item in layout(result).items if isinstance(item, Letters)]


def test_every_span_is_a_bar_from_its_start_to_its_end(result: Result) -> None:
    bars = spans_drawn(result)
    assert len(bars) == len(result.spans)
    by_title = {bar.title: bar for bar in bars}
    first = by_title["face 1, 0.00 to 1.16 s, happiness, mean probability 0.80"]
    away = by_title["face 1, 1.16 to 1.80 s, unclear: turned away"]
    other = next(bar for title, bar in by_title.items() if title.startswith("face 2"))
    assert first.width / away.width == pytest.approx(1.16 / 0.64, rel=0.02)
    assert away.x == pytest.approx(first.x + first.width, abs=1.01)
    assert (away.hatched, first.hatched) == (True, False)
    assert other.y > first.y == away.y
    assert max(bar.x + bar.width for bar in bars) <= WIDTH


def test_the_picture_says_who_what_and_how_to_read_it(result: Result) -> None:
    text = words(result)
    assert {"face 1", "face 2", "noise.mp4", "happiness 0.80", "sadness 0.60", "0.0 s", "expression shown"} <= set(text)
    assert [one for one in text if one in (*result.labels.labels, UNCLEAR)][-3:] == ["happiness", "sadness", "unclear"]


def test_the_svg_is_sound_and_speaks_to_screen_readers(result: Result, tmp_path: Path) -> None:
    named = dataclasses.replace(result, source=dataclasses.replace(result.source, name="<b> & 'co'.mp4"))
    root = ET.fromstring(named.timeline(tmp_path / "t.svg").read_text("utf-8"))
    assert root.find(f"{SVG}title").text == "Expressions shown in <b> & 'co'.mp4"  # type: ignore[union-attr]
    titles = [bar.find(f"{SVG}title") for bar in root.iter(f"{SVG}rect")]
    assert sum(title is not None for title in titles) == len(result.spans)
    assert root.attrib["role"] == "img"


def test_the_png_shows_the_same_bars(result: Result, tmp_path: Path) -> None:
    pixels = cv2.imread(str(result.timeline(tmp_path / "t.png")))[..., ::-1]
    picture = layout(result)
    assert pixels.shape == (2 * picture.height, 2 * picture.width, 3)
    for bar in spans_drawn(result):
        if not bar.hatched:
            assert tuple(pixels[round(2 * bar.y) + 3, round(2 * bar.x) + 3]) == bar.colour


def test_nobody_is_said_in_words(nobody: Result) -> None:
    assert "no face was found" in words(nobody)


def test_a_still_fills_the_row(nobody: Result) -> None:
    info = dataclasses.replace(nobody.source, kind="image", duration=None)
    (bar,) = spans_drawn(dataclasses.replace(nobody, source=info, spans=(Span(1, 0.0, 0.0, "happiness", 0.9),)))
    assert bar.width > 0.8 * WIDTH


def test_words_that_do_not_fit_are_left_to_the_tooltip(nobody: Result) -> None:
    spans = tuple(Span(1, i / 100, (i + 1) / 100, ("neutral", "happiness")[i % 2], 0.9) for i in range(300))
    crowded = dataclasses.replace(nobody, spans=spans)
    assert "happiness 0.90" not in words(crowded)
    assert len(spans_drawn(crowded)) == 300


@pytest.mark.parametrize("name", ["m\udcfcller\udcff.mp4", "a\nb\x1b[31m\x00\ufffe.mp4"])
def test_names_that_are_no_text_are_drawn_all_the_same(result: Result, tmp_path: Path, name: str) -> None:
    odd = dataclasses.replace(result, source=dataclasses.replace(result.source, name=name))
    assert cv2.imread(str(odd.timeline(tmp_path / "a.png"))) is not None
    title = ET.parse(odd.timeline(tmp_path / "a.svg")).find(f"{SVG}title")
    assert title is not None
    assert title.text == f"Expressions shown in {printable(name)}"
    assert printable(name).encode() in odd.html(tmp_path / "a.html").read_bytes()
    put_text(np.zeros((40, 200, 3), np.uint8), name, (2, 30), 20, (0, 0, 0))


def test_another_suffix_is_refused(result: Result, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.svg or \.png"):
        result.timeline(tmp_path / "t.pdf")


@given(st.floats(0.05, 1e6))
def test_there_are_few_ticks_whatever_the_length(duration: float) -> None:
    assert 0 < duration / tick_step(duration) <= 10 + 1e-6


@pytest.mark.parametrize(
    ("seconds", "step", "text"),
    [(0.0, 1.0, "0 s"), (4.0, 2.0, "4 s"), (0.5, 0.5, "0.5 s"), (65.0, 5.0, "1:05"), (3725.0, 600.0, "1:02:05")],
)
def test_times_read_as_people_write_them(seconds: float, step: float, text: str) -> None:
    assert clock(seconds, step) == text


@pytest.mark.parametrize("space", sorted(LABEL_SPACES))
def test_labels_have_colours_of_their_own_and_readable_words_on_them(space: str) -> None:
    chosen = colours(LABEL_SPACES[space].labels)
    assert len(set(chosen.values())) == len(LABEL_SPACES[space]) + 1
    assert min(contrast(text_colour(shade), shade) for shade in chosen.values()) >= 4.5


def test_the_expressions_common_to_all_spaces_differ_for_colour_blind_eyes() -> None:
    """Simulated full deuteranopia and protanopia (Vienot, Brettel, Mollon 1999), on linear RGB."""
    basic = [shade for name, shade in colours(LABEL_SPACES["ferplus"].labels).items() if name != UNCLEAR]
    linear = (np.array(basic) / 255) ** 2.2
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    for blindness in (deutan, protan):
        seen = np.clip(linear @ blindness.T, 0, 1) ** (1 / 2.2) * 255
        distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1) + 1e9 * np.eye(len(seen))
        assert distances.min() > 20, blindness


def test_classes_of_ones_own_get_colours_too() -> None:
    chosen = colours([f"class {number}" for number in range(8)])
    assert len(set(chosen.values())) == 9
    assert hex_colour((0, 158, 115)) == "#009e73"
