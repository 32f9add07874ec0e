"""What goes to stdout and how it looks there."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mien.core.names import printable

MOST_ROWS = 60
FILE_WIDTH = 100
"""Columns of a table that goes to a file or a pipe; $COLUMNS says otherwise."""


def print_json(content: Any) -> None:
    """One line of JSON, written at once so that a reader of a pipe sees it."""
    text = printable(json.dumps(content, ensure_ascii=False))
    if not (sys.stdout.encoding or "").lower().startswith("utf"):
        text = re.sub(r"[^\x00-\x7f]", lambda letter: json.dumps(letter[0])[1:-1], text)
    _write(text + "\n")


def print_line(text: str) -> None:
    """Plain text, as it is but for what cannot be printed."""
    _write("\n".join(map(printable, text.split("\n"))) + "\n")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[str] = ()) -> None:
    """A table; columns named in ``numbers`` are set to the right. Cells are text, never markup."""
    look: dict[str, Any] = {"title_justify": "left", "title_style": "bold", "box": box.SIMPLE_HEAD, "pad_edge": False}
    table = Table(title=escape(printable(title)), show_header=any(columns), **look)
    for column in columns:
        right = column in numbers
        table.add_column(column, justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in rows:
        table.add_row(*(escape(printable(cell)) for cell in row))
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(width=FILE_WIDTH)
    with console.capture() as captured:  # printing itself, rich would end the program where stdout was closed
        console.print(table)
    _write(captured.get())
