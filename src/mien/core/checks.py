"""Values from files and command lines: of the right type and in their range, or a ConfigError that names them.

What somebody else wrote is looked at here, once, before anything is computed with it.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from mien.core.errors import ConfigError

MOST_NAME, MOST_LABEL, MOST_TEXT = 100, 100, 20_000
"""Characters of a name, a label, a text."""
MOST_NAME_BYTES = 200
"""File systems take 255, and a name gets a suffix, or stands in that of a draft."""
NOT_IN_NAMES = '/\\:*?"<>|'
"""What separates folders, or is refused in file names by some system."""
FORMULA_STARTS = "=+-@"
"""A cell that begins with one of these is computed by spreadsheets (see :mod:`mien.core.sheets`)."""


def parse_json(text: str | bytes) -> Any:
    """``json.loads`` that answers every text it cannot take, deep nests too, with a ValueError."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("brackets in brackets, too deep to be read") from error


def demand(holds: bool, name: str, expected: str, got: object) -> None:
    """Raise ConfigError unless ``holds``: ``name`` should be ``expected``."""
    if not holds:
        shown = repr(got)
        raise ConfigError(f"{name}: {expected}", shown if len(shown) <= 80 else f"{shown[:77]}...", "correct it")


def whole(name: str, value: object, least: int, most: int) -> None:
    """Demand a whole number in [least, most]."""
    fits = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    demand(fits, name, f"a whole number from {least} to {most}", value)


def real(name: str, value: object, least: float, most: float) -> None:
    """Demand a number in [least, most]; NaN lies nowhere."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
    demand(fits, name, f"a number from {least:g} to {most:g}", value)


def text(name: str, value: object, most: int = MOST_TEXT) -> None:
    """Demand a text that can be shown and stored: of ``most`` characters, no control character but line ends, tabs."""
    fits = isinstance(value, str) and len(value) <= most and not any(map(_is_control, value))
    demand(fits, name, f"a text of at most {most} characters without control characters", value)


def file_name(name: str, value: object) -> None:
    """Demand a plain name, which as a file's stays in its folder on every system."""
    demand(isinstance(value, str) and _is_file_name(value), name, "a plain name, as of a file, no path", value)


def label(name: str, value: object) -> None:
    """Demand a word that tables, pictures and pages can hold."""
    expected = f"a printable name that does not begin with one of {' '.join(FORMULA_STARTS)}"
    demand(isinstance(value, str) and _is_label(value), name, expected, value)


def _is_file_name(value: str) -> bool:
    if not 0 < len(value) <= MOST_NAME or not value.isprintable() or set(value) & set(NOT_IN_NAMES):
        return False
    return value[0] not in ".- " and value[-1] not in ". " and len(value.encode()) <= MOST_NAME_BYTES


def _is_label(value: str) -> bool:
    if not 0 < len(value) <= MOST_LABEL or not value.isprintable():
        return False
    return value == value.strip() and value[0] not in FORMULA_STARTS


def _is_control(character: str) -> bool:
    """Cc: control codes, with which a text can rewrite a terminal; Cs: halves of characters, which no file takes."""
    return character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs")
