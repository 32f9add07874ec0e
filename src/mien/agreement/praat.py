"""Praat's TextGrid, as long or short text: interval tiers, whose names say who is coded.

Praat reads such a file word by word: whatever is no number, no quoted text and no <flag> of its own is a remark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mien.agreement.codes import Codes, Stretch, torn
from mien.core.errors import DataError
from mien.core.markup import read_bytes, read_text
from mien.core.names import counted

WHAT = "a TextGrid of Praat, saved as text"
WORD = re.compile(r'"((?:[^"]|"")*)"|(?:(?<=\s)|^)([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)%?(?=\s|$)|<(\w+)>|![^\n]*')


def read(path: Path) -> Codes:
    """The stretches with a text, tier by tier; the film is not named in such a file."""
    if read_bytes(path, WHAT)[:12] == b"ooBinaryFile":
        raise DataError(WHAT, f"{path}, a binary one", "choose 'Save as text file' in Praat")
    try:
        found, points = _parsed(iter(_words(read_text(path, WHAT))))
    except (ValueError, StopIteration, RuntimeError) as error:
        raise torn(path, WHAT, error) from error
    note = f"{path.name}: {counted(points, 'tier')} of points {'has' if points == 1 else 'have'} no stretches."
    return Codes(path, found, (note,) if points else ())


def _words(text: str) -> Iterator[str | float]:
    for match in WORD.finditer(text):
        quoted, number, flag = match.groups()
        if quoted is not None:
            yield f'"{quoted.replace(chr(34) * 2, chr(34))}'  # the mark tells a text from a flag
        elif number is not None:
            yield float(number)
        elif flag is not None:
            yield flag


def _parsed(words: Iterator[str | float]) -> tuple[tuple[Stretch, ...], int]:
    kinds = [_text(next(words)), _text(next(words))]
    if kinds[0] not in ("ooTextFile", "ooTextFile short") or kinds[1] != "TextGrid":
        raise ValueError(f"a file of {' '.join(kinds)}")
    _, _, flag = next(words), next(words), next(words)
    found: list[Stretch] = []
    points = 0
    if flag != "exists":
        return (), 0
    for _ in range(_count(next(words))):
        kind, name = _text(next(words)), _text(next(words))
        _, _, size = next(words), next(words), _count(next(words))
        points += kind == "TextTier"
        for _ in range(size):
            times = [_number(next(words)) for _ in range(2 if kind == "IntervalTier" else 1)]
            label = _text(next(words)).strip()
            if label and kind == "IntervalTier":
                found.append(Stretch(times[0], times[1], label, name, tier=name))
    return tuple(found), points


def _text(word: str | float) -> str:
    if isinstance(word, float) or word[:1] != '"':
        raise ValueError(f"{word!r} where a text was due")
    return word[1:]


def _number(word: str | float) -> float:
    if not isinstance(word, float):
        raise ValueError(f"{word!r} where a number was due")
    return word


def _count(word: str | float) -> int:
    number = _number(word)
    if not 0 <= number < 1e8 or number != int(number):
        raise ValueError(f"{number:g} where a count was due")
    return int(number)
