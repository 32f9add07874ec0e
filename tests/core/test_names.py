from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mien.core.names import MOST_BYTES, file_name, printable

ANY = st.text(st.characters(), max_size=300)
"""Every character, and halves of one: what Python makes of a file name that is no UTF-8."""


@given(ANY)
@example("m\udcfcller.mp4")
@example("two\nlines\x1b[31m\x9b\u2028\ufffe.mp4")
def test_what_is_printable_can_be_written_anywhere_and_takes_one_line(text: str) -> None:
    shown = printable(text)
    assert shown.encode().decode() == shown
    assert len(shown) == len(text)
    assert len(shown.splitlines()) <= 1
    assert ET.fromstring(f"<t>{escape(shown)}</t>").text in (shown, None)
    assert json.loads(json.dumps(shown, ensure_ascii=False)) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize("name", ["talk.mp4", "面談 👩‍🏫 (2).mov", "Émile\u0301.mkv", "a\u00a0b", "שלום.mp4"])
def test_names_in_any_script_stay_as_they_are(name: str) -> None:
    assert printable(name) == name
    assert file_name(name) == name


@given(ANY)
def test_a_file_name_is_one_that_file_systems_take(text: str) -> None:
    name = file_name(text)
    assert len(name.encode()) <= MOST_BYTES
    assert not set(name) & set('<>:"/\\|?*\0\n')
    assert name == file_name(text)


def test_long_names_stay_apart_and_whole_letters_whole() -> None:
    long = ["面談" * 60 + end for end in ("甲", "乙")]
    first, second = map(file_name, long)
    assert first != second
    assert first.startswith("面談" * 30)
    assert "\ufffd" not in first
