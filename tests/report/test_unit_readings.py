"""Seen, read, concluded: what a span's action units say beside its expression, and that every word is a number."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.core.action_units import EXPECTATIONS
from mien.core.compound import CompoundRule
from mien.core.facial import ACTION_UNITS, FACIAL
from mien.core.labels import LabelSpace
from mien.core.signals import places, width
from mien.core.table import FaceTable
from mien.core.types import Face, FaceRow, Quality, Span
from mien.media import SourceInfo
from mien.report.reading import SEEN, SpanReading, reading, readings_of
from mien.report.result import Result

LABELS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")


def strengths(**units: float) -> np.ndarray:
    """``AU12_left=0.8``; a unit without its side goes for both."""
    values = np.zeros(len(ACTION_UNITS.labels))
    for name, value in units.items():
        for place, column in enumerate(ACTION_UNITS.labels):
            if name in (column, column.partition("_")[0]):
                values[place] = value
    return values


def shown(label: str, score: float = 0.9) -> Span:
    unsure = label == "unclear"
    return Span(1, 0.0, 2.0, label, score, unsure, "low confidence" if unsure else None)


def test_a_smile_agrees_with_happiness() -> None:
    found = reading(shown("happiness"), strengths(AU12=0.91, AU25=0.66, AU6=0.4), LABELS)
    assert found.seen == {"AU12": 0.91, "AU25": 0.66, "AU6": 0.4}
    assert found.fits["happiness"] == 1.0
    assert found.verdict == "agrees"
    assert found.text == (
        "Seen: lip corner puller (AU12) strongly, 0.91; lips part (AU25) clearly, 0.66; cheek raiser (AU6) slightly, "
        "0.40. Read: that fits happiness best, with 1.00 of the units in common. Concluded: mien says happiness, 0.90; "
        "the units agree."
    )


def test_a_smile_contradicts_sadness() -> None:
    found = reading(shown("sadness", 0.6), strengths(AU12_left=0.8, AU25=0.7), LABELS)
    assert found.verdict == "contradicts"
    assert found.text.endswith("mien says sadness, 0.60; the units say otherwise.")


@pytest.mark.parametrize("label", sorted(EXPECTATIONS))
def test_the_units_of_an_expression_fit_it_best(label: str) -> None:
    found = reading(shown(label), strengths(**{f"AU{unit}": 0.7 for unit in EXPECTATIONS[label].units}), LABELS)
    assert found.fits[label] == max(found.fits.values()) == 1.0
    assert found.verdict == "agrees"


def test_a_still_face_is_neutral() -> None:
    assert reading(shown("neutral"), strengths(), LABELS).verdict == "agrees"
    assert reading(shown("anger"), strengths(), LABELS).verdict == "contradicts"
    assert reading(shown("neutral"), strengths(AU12=0.8), LABELS).verdict == "contradicts"


def test_what_is_not_named_is_left_open() -> None:
    found = reading(shown("unclear", 0.4), strengths(AU12=0.8), LABELS)
    assert found.verdict == "open"
    assert "names no expression (low confidence)" in found.text
    odd = reading(shown("happiness"), strengths(AU1=0.8, AU14=0.9, AU9=0.7, AU24=0.8), LABELS)
    assert odd.verdict == "open"
    assert "fit no expression" in odd.text


def numbers_of(one: SpanReading, span: Span) -> set[str]:
    said = {f"{value:.2f}" for value in (*one.seen.values(), *one.fits.values(), span.score)}
    return said | {unit.removeprefix("AU") for unit in one.seen} | {"0.3"}


def test_every_number_in_the_sentences_is_one_of_the_result() -> None:
    rng = np.random.default_rng(0)
    for _ in range(100):
        span = shown(str(rng.choice([*LABELS, "unclear"])), round(float(rng.random()), 2))
        found = reading(span, rng.random(len(ACTION_UNITS.labels)) ** 2, LABELS)
        told = set(re.findall(r"\d+(?:\.\d+)?", found.text))
        assert told <= numbers_of(found, span), found.text


def numbers_in(content: Any) -> Iterator[float]:
    """Every number of a JSON document, those in names of units too."""
    if isinstance(content, dict):
        yield from (float(unit) for key in content for unit in re.findall(r"^AU(\d+)", key))
        for value in content.values():
            yield from numbers_in(value)
    elif isinstance(content, list):
        for value in content:
            yield from numbers_in(value)
    elif isinstance(content, float | int):
        yield float(content)


def test_every_number_in_a_sentence_stands_elsewhere_in_the_document() -> None:
    rng = np.random.default_rng(1)
    table = FaceTable(len(LABELS), FACIAL)
    spans = tuple(replace(shown(label), start=float(n), end=n + 1.0) for n, label in enumerate([*LABELS, "unclear"]))
    for number, span in enumerate(spans):
        values = np.zeros(width(FACIAL))
        values[places(FACIAL)["action_units"]] = rng.random(len(ACTION_UNITS.labels)) ** 2
        face = Face(np.array([0, 0, 50, 50], np.float32), 1.0, np.zeros((5, 2), np.float32))
        table.append(FaceRow(number, span.start, 1, face, Quality(50, 50, 0), np.full(8, 0.125), values))
    info = SourceInfo("talk.mp4", "video", 50, 50, 9.0, 1.0, 9)
    told = Result(info, LabelSpace("eight", LABELS), spans, table, {}).to_dict()
    texts = [one.pop("text") for one in told["readings"]]
    assert {one["verdict"] for one in told["readings"]} >= {"contradicts", "open"}
    there = {f"{value:.2f}" for value in numbers_in(told)} | {f"{SEEN:.2f}"}
    for text in texts:
        said = re.findall(r"\d+(?:\.\d+)?", text)
        assert said
        assert {f"{float(number):.2f}" for number in said} <= there, text


def test_clues_reading_and_labels_are_a_file_of_their_own(tmp_path: Path) -> None:
    table = FaceTable(len(LABELS), FACIAL)
    values = np.zeros(width(FACIAL))
    values[places(FACIAL)["action_units"]] = strengths(AU12=0.91, AU25=0.66)
    row = np.array([0.0, 0.5, 0.4, 0.1, 0.0, 0.0, 0.0, 0.0])
    face = Face(np.array([0, 0, 50, 50], np.float32), 1.0, np.zeros((5, 2), np.float32))
    table.append(FaceRow(0, 0.0, 1, face, Quality(50, 50, 0), row, values))
    spans = (shown("unclear", 0.5), Span(1, 2.0, 3.0, "unclear", 0.0, True, "blurred"))
    info = SourceInfo("talk.mp4", "video", 50, 50, 3.0, 1.0, 3)
    result = Result(info, LabelSpace("eight", LABELS), spans, table, {}, compound=CompoundRule())
    (path,) = result.export(tmp_path, "clues")
    first, second = json.loads(path.read_text())["items"]
    assert first["clues"] == ["lip corner puller (AU12) strongly, 0.91", "lips part (AU25) clearly, 0.66"]
    assert first["reading"] == "that fits happiness best, with 1.00 of the units in common."
    assert first["labels"] == ["happiness", "surprise"], "two at once, though neither is sure"
    assert (second["clues"], second["reading"], second["labels"]) == ([], "", [])
    (plain,) = replace(result, compound=None, spans=(shown("happiness"),)).export(tmp_path, "clues")
    assert json.loads(plain.read_text())["items"][0]["labels"] == ["happiness"]


def test_spans_are_read_from_their_own_readable_frames() -> None:
    table = FaceTable(len(LABELS), FACIAL)
    face = Face(np.array([0, 0, 50, 50], np.float32), 1.0, np.zeros((5, 2), np.float32))
    for number in range(8):
        values = np.zeros(width(FACIAL))
        values[places(FACIAL)["action_units"]] = strengths(AU12=0.9 if number < 4 else 0.0)
        blurred = number == 1
        table.append(
            FaceRow(
                number, number / 4, 1, face, Quality(50, 50, 0, "blurred" if blurred else None),
                None if blurred else np.full(8, 0.125), None if blurred else values,
            )
        )  # fmt: skip
    spans = [Span(1, 0.0, 1.0, "happiness", 0.9), Span(1, 1.0, 2.0, "neutral", 0.8)]
    found = readings_of(table, spans, LABELS)
    assert found is not None
    assert [one.seen for one in found] == [{"AU12": 0.9}, {}]
    (unread,) = readings_of(table, [Span(2, 0.0, 1.0, "unclear", 0.0, True, "blurred")], LABELS) or ()
    assert (unread.seen, unread.fits, unread.verdict) == ({}, {}, "open")
    assert unread.text == ("Seen: nothing, the face could not be read. Concluded: mien names no expression (blurred).")
    assert [one.verdict for one in found] == ["agrees", "agrees"]
    assert readings_of(FaceTable(len(LABELS)), spans, LABELS) is None
