"""Damage: what disks, networks, other programs and jokers do to bytes, to JSON and to tables. All of it seeded."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

Rng = np.random.Generator

NUMBERS = (0, 1, -1, 2, 255, 16384, 2**31 - 1, 2**31, 2**32, 2**63, -(2**63), 10**30, 0.5, -0.5, 1e-300, 1e308)
VALUES: tuple[Any, ...] = (
    *NUMBERS,
    *(float("nan"), float("inf"), float("-inf"), True, False, None, "", " ", "a", "0", "nan", [], {}, [[]], [None]),
    *("../escaped", "/etc/passwd", "..", ".", "a/b", "a\\b", "=cmd()", "+1", "-x", "@x", "\t=1", "'=1", "a\nb", "\0"),
    *("\ud800", "\x1b[2J", "\u202e", "x" * 300, "x" * 140_000, '"', "1" * 400, "ﾀ", "☺"),
)
INTEGERS = (0, 1, -1, 2**7 - 1, 2**15 - 1, 2**15, 2**31 - 1, 2**31, 2**62, 16384)


def damaged(data: bytes, rng: Rng, others: list[bytes]) -> tuple[bytes, str]:
    """``data`` after one to four accidents, and their names; ``others`` are files that parts of may get in."""
    names = []
    for _ in range(min(int(rng.geometric(0.6)), 4)):
        accident = BYTES[int(rng.integers(len(BYTES)))]
        names.append(accident.__name__)
        data = accident(data, rng, others)
    return data, "+".join(names)


def _place(size: int, rng: Rng) -> int:
    """Anywhere; as often as not in the first or the last kilobyte, where headers and indices are."""
    if size <= 1:
        return 0
    near = min(1024, size)
    kind = rng.random()
    if kind < 0.5:
        return int(rng.integers(size))
    return int(rng.integers(near)) if kind < 0.85 else size - 1 - int(rng.integers(near))


def _block(size: int, rng: Rng) -> tuple[int, int]:
    start = _place(size, rng)
    return start, min(size, start + int(2 ** rng.uniform(0, 12)))


def flip(data: bytes, rng: Rng, others: list[bytes]) -> bytes:
    """One to eight bits."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        if out:
            out[_place(len(out), rng)] ^= 1 << int(rng.integers(8))
    return bytes(out)


def cut(data: bytes, rng: Rng, others: list[bytes]) -> bytes:
    """The end is missing."""
    return data[: _place(len(data), rng)]


def behead(data: bytes, rng: Rng, others: list[bytes]) -> bytes:
    """The beginning is missing."""
    return data[_place(len(data), rng) :]


def blank(data: bytes, rng: Rng, others: list[bytes]) -> bytes:
    """A block of zeros or ones."""
    start, stop = _block(len(data), rng)
    return data[:start] + [b"\0", b"\xff"][int(rng.integers(2))] * (stop - start) + data[stop:]


def noise(data: bytes, rng: Rng, others: list[bytes]) -> bytes:
    """A block of noise."""
    start, stop = _block(len(data), rng)
    return data[:start] + rng.bytes(stop - start) + data[stop:]


def insert(data: bytes, rng: Rng, others: list[bytes]) -> bytes:
    """Bytes too many."""
    start = _place(len(data), rng)
    return data[:start] + rng.bytes(int(2 ** rng.uniform(0, 10))) + data[start:]


def remove(data: bytes, rng: Rng, others: list[bytes]) -> bytes:
    """Bytes too few."""
    start, stop = _block(len(data), rng)
    return data[:start] + data[stop:]


def double(data: bytes, rng: Rng, others: list[bytes]) -> bytes:
    """A block twice."""
    start, stop = _block(len(data), rng)
    return data[:stop] + data[start:]


def swap(data: bytes, rng: Rng, others: list[bytes]) -> bytes:
    """Two blocks in each other's place."""
    (a, b), (c, d) = sorted([_block(len(data), rng), _block(len(data), rng)])
    return data if c < b else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def integer(data: bytes, rng: Rng, others: list[bytes]) -> bytes:
    """A number of a header at its limits."""
    size = int(rng.choice([1, 2, 4, 8]))
    start = _place(max(len(data) - size, 1), rng)
    value = INTEGERS[int(rng.integers(len(INTEGERS)))] & (256**size - 1)
    return data[:start] + value.to_bytes(size, ["little", "big"][int(rng.integers(2))]) + data[start + size :]


def splice(data: bytes, rng: Rng, others: list[bytes]) -> bytes:
    """Begins as one file and goes on as another."""
    other = others[int(rng.integers(len(others)))] if others else data
    return data[: _place(len(data), rng)] + other[_place(len(other), rng) :]


def graft(data: bytes, rng: Rng, others: list[bytes]) -> bytes:
    """A block of another file."""
    other = others[int(rng.integers(len(others)))] if others else data
    (a, b), (c, d) = _block(len(data), rng), _block(len(other), rng)
    return data[:a] + other[c:d] + data[b:]


BYTES: tuple[Callable[[bytes, Rng, list[bytes]], bytes], ...] = (
    *(flip, flip, flip, cut, cut, behead, blank, noise, insert, remove, double, swap),
    *(integer, integer, integer, splice, graft),
)


def damaged_tree(tree: Any, rng: Rng) -> tuple[Any, str]:
    """A value of JSON with one to three of its parts changed, and where."""
    tree, names = copy.deepcopy(tree), []
    for _ in range(min(int(rng.geometric(0.7)), 3)):
        places = list(_places(tree))
        if not places:
            break
        holder, key = places[int(rng.integers(len(places)))]
        names.append(str(key))
        _change(holder, key, rng)
    return tree, "tree:" + "+".join(names)


def _places(tree: Any) -> Any:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in pairs:
        yield tree, key
        yield from _places(value)


def _change(holder: Any, key: Any, rng: Rng) -> None:
    old, way = holder[key], int(rng.integers(8))
    if way == 0:
        del holder[key]
    elif way == 1 and isinstance(holder, dict):
        holder["stranger"] = holder.pop(key)
    elif way == 2 and isinstance(old, int | float) and not isinstance(old, bool):
        holder[key] = old * float(rng.choice([-1, 0, 0.5, 2, 1000]))
    elif way == 3 and isinstance(old, list) and old:
        old.append(old[int(rng.integers(len(old)))])
    elif way == 4:
        holder[key] = nested(int(rng.choice([3, 60, 400])))
    else:
        holder[key] = VALUES[int(rng.integers(len(VALUES)))]


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def damaged_table(rows: list[list[str]], rng: Rng) -> tuple[str, str]:
    """The text of a CSV table with one to three changes, and their names."""
    rows, names = [list(row) for row in rows], []
    for _ in range(min(int(rng.geometric(0.7)), 3)):
        change = TABLES[int(rng.integers(len(TABLES)))]
        if not rows:
            break
        names.append(change.__name__)
        change(rows, int(rng.integers(len(rows))), rng)
    quoted = rng.random() < 0.2
    lines = (",".join(f'"{cell}"' if quoted else cell for cell in row) for row in rows)
    return ["\n", "\r\n", "\r"][int(rng.integers(3))].join(lines), "table:" + "+".join(names)


def cell(rows: list[list[str]], row: int, rng: Rng) -> None:
    """Another value."""
    if rows[row]:
        value = VALUES[int(rng.integers(len(VALUES)))]
        rows[row][int(rng.integers(len(rows[row])))] = str(value)


def quote(rows: list[list[str]], row: int, rng: Rng) -> None:
    """A quotation mark that nothing closes."""
    if rows[row]:
        place = int(rng.integers(len(rows[row])))
        rows[row][place] = '"' + rows[row][place]


def fewer(rows: list[list[str]], row: int, rng: Rng) -> None:
    """A cell is missing."""
    if rows[row]:
        del rows[row][int(rng.integers(len(rows[row])))]


def more(rows: list[list[str]], row: int, rng: Rng) -> None:
    """A cell too many."""
    rows[row].insert(int(rng.integers(len(rows[row]) + 1)), "x")


def again(rows: list[list[str]], row: int, rng: Rng) -> None:
    """A row twice."""
    rows.insert(int(rng.integers(len(rows) + 1)), list(rows[row]))


def without(rows: list[list[str]], row: int, rng: Rng) -> None:
    """A row is missing, the header's too."""
    del rows[row]


def turned(rows: list[list[str]], row: int, rng: Rng) -> None:
    """Cells of a row in another order."""
    rows[row] = [rows[row][place] for place in rng.permutation(len(rows[row]))]


TABLES: tuple[Callable[[list[list[str]], int, Rng], None], ...] = (
    *(cell, cell, cell, quote, fewer, more, again, without, turned),
)
