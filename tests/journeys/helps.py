"""What commands say of themselves: in this process, since a process for each of them is most of the time."""

from __future__ import annotations

from contextlib import redirect_stdout
from functools import cache
from io import StringIO

from mien.cli.main import main


@cache
def help_of(command: str) -> str:
    """What ``mien COMMAND --help`` prints."""
    with redirect_stdout(StringIO()) as told:
        assert main([*command.split(), "--help"]) == 0
    return told.getvalue()
