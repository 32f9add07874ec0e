"""Free words against free words: how far answers in an open vocabulary name what people named.

After the measure of OV-MER (arXiv 2410.01495) and of the open-vocabulary track of MER 2025: words in small letters go
to their group of near words, and groups to a level of a wheel of emotions. An item has sets Y of the truth and Y^ of
the answer; precision is |Y^ & Y| / |Y^|, recall |Y^ & Y| / |Y|, and F the harmonic mean of their means over the items.

Theirs takes three published wheels and the mean over them. Ours has one small table (words.csv, our own reading) with
two levels: near words, such as joy and contentment, and classes, such as happiness. A word that it does not know stands
for itself at both. An item without an answer has a precision and a recall of 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float64

from mien.core.errors import DataError
from mien.core.sheets import read_rows
from mien.evaluation.metrics import Interval
from mien.evaluation.report import percent, write_report

Level = Literal["words", "groups", "classes"]
WORDS = Path(__file__).with_name("words.csv")
BETWEEN = re.compile("[;,|/]")
DRAWS = 1000
Sets = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class WordReport:
    """Figures at every level, from the words as they are to classes.

    Attributes:
        items: that the truth has words for.
        unanswered: items of them without an answer, which count 0.
        elsewhere: answers to other items, which are left out.
        unknown: words that the table does not have, of truth and answers, in the order of letters.
        figures: precision, recall and F, with its interval, by level.
    """

    items: int
    unanswered: int
    elsewhere: int
    unknown: tuple[str, ...]
    figures: Mapping[Level, tuple[float, float, Interval]]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        levels = {
            level: {"precision": precision, "recall": recall, "f": f._asdict()}
            for level, (precision, recall, f) in self.figures.items()
        }
        about = {"items": self.items, "unanswered": self.unanswered, "elsewhere": self.elsewhere}
        return {**about, "levels": levels, "unknown_words": list(self.unknown)}

    def to_markdown(self) -> str:
        """A row a level, in percent."""
        lines = ["| level | precision | recall | F (95 %) |", "|---|---|---|---|"]
        lines += [
            f"| {level} | {percent(precision)} | {percent(recall)} "
            f"| {percent(f.value)} ({percent(f.low)} to {percent(f.high)}) |"
            for level, (precision, recall, f) in self.figures.items()
        ]
        lines += ["", f"{self.items} items, {self.unanswered} of them without an answer."]
        if self.elsewhere:
            lines += ["", f"{self.elsewhere} answers to items that the truth does not name are left out."]
        if self.unknown:
            lines += ["", f"Words that stand for themselves: {', '.join(self.unknown)}."]
        return "\n".join(lines)

    def save(self, folder: Path) -> None:
        """Write report.json and report.md."""
        write_report(self, folder)


def measure_words(true: Sets, said: Sets) -> WordReport:
    """Precision, recall and F at every level.

    Args:
        true: words of each item; items without any are left out.
        said: likewise.

    Raises:
        DataError: no item with words, or none in common.
    """
    items = [name for name, words in true.items() if words]
    if not items:
        raise DataError("at least one item with words", "none", "check the table of the truth")
    if said and not set(items) & set(said):
        got = f"{items[0]} in the truth, {next(iter(said))} among the answers"
        raise DataError("items with the same names in both tables", got, "name them alike")
    answers = {name: said.get(name, frozenset()) for name in items}
    figures: dict[Level, tuple[float, float, Interval]] = {}
    for level in get_args(Level):
        each = np.array([_shares(at(true[name], level), at(answers[name], level)) for name in items])
        precision, recall = each.mean(0).tolist()
        figures[level] = precision, recall, _interval(each)
    every = frozenset().union(*(true[name] | answers[name] for name in items))
    unknown = tuple(sorted(word for word in every if word not in table()))
    unanswered = sum(not words for words in answers.values())
    return WordReport(len(items), unanswered, len(set(said) - set(items)), unknown, figures)


def at(words: Iterable[str], level: Level) -> frozenset[str]:
    """Words as they stand on a level."""
    place = get_args(Level).index(level)
    return frozenset(table()[word][place] if word in table() else word for word in words)


@cache
def table() -> dict[str, tuple[str, str, str]]:
    """Every known word: itself, its group and its class."""
    return {
        row["word"]: (row["word"], row["group"], row["class"])
        for _, row in read_rows(WORDS, ("word", "group", "class"))
    }


def load_words(path: Path) -> dict[str, frozenset[str]]:
    """Read a table with the columns ``id`` and ``words`` (or ``label``), words between ; , | or /.

    Raises:
        DataError: no such table, or an item twice.
    """
    found: dict[str, frozenset[str]] = {}
    for line, row in read_rows(path, ("id", "words"), other_names={"label": "words", "labels": "words"}):
        if row["id"] in found:
            raise DataError("every id once", f"{row['id']} again at {path}, line {line}", "put its words into one row")
        words = (" ".join(word.lower().split()) for word in BETWEEN.split(row["words"]))
        found[row["id"]] = frozenset(filter(None, words))
    return found


def _shares(true: frozenset[str], said: frozenset[str]) -> tuple[float, float]:
    both = len(true & said)
    return (both / len(said) if said else 0.0), both / len(true)


def _interval(each: Float64[np.ndarray, "n 2"]) -> Interval:
    """F of the means, and its interval by resampling items."""
    rng = np.random.default_rng(0)
    drawn = np.array([each[rng.integers(len(each), size=len(each))].mean(0) for _ in range(DRAWS)])
    low, high = np.quantile(_f(drawn), [0.025, 0.975]).tolist()
    return Interval(float(_f(each.mean(0, keepdims=True))[0]), low, high)


def _f(means: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, " n"]:
    harmonic: Float64[np.ndarray, " n"] = 2 * means.prod(1) / means.sum(1).clip(1e-12)
    return harmonic
