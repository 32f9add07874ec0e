"""What goes wrong: exit codes, and what is said of it on stderr."""

from __future__ import annotations

import signal
import sys
import traceback

from mien.core.errors import InputError
from mien.core.names import printable

OK, USER, BUG, STOPPED = 0, 1, 2, 128 + int(signal.SIGINT)
"""Exit codes: well; a problem the user can mend; a bug of ours; Ctrl-C or SIGTERM."""


def note(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"mien: {printable(' '.join(text.split()))}\n")


def complain(error: InputError, about: str = "") -> None:
    """One line on a problem that the user can mend."""
    note(f"{about}{error}")


def confess(error: Exception) -> None:
    """The traceback of a bug, and what to do with it."""
    traceback.print_exception(error, file=sys.stderr)
    note(
        "this is a bug in mien, not a mistake of yours. Please report it to where you got mien from, "
        "with the text above, the command, and the output of `mien doctor --json`."
    )
