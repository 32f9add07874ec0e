"""``mien doctor``: does this machine have what mien needs, and what to do where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mien.cli.checks import Check, engines, examine
from mien.cli.console import print_json, print_line, print_table
from mien.cli.parsing import parse
from mien.core.version import __version__

MARKS = {"ok": "ok", "warn": "WARN", "fail": "FAIL"}


@dataclass(frozen=True)
class Doctor:
    """Check that this machine has what mien needs, and say what to do where it does not."""

    engines: bool = False
    """Measure which engine runs the model fastest here (about a minute), and keep the choice for `mien analyze`."""
    model: str | None = None
    """The model that is measured: a name from `mien models` or a weights file; the default when left out."""
    json: bool = False
    """Print JSON."""


def main(args: Sequence[str]) -> int:
    """Run ``mien doctor``; the exit code is 1 when a check fails (a warning is no failure)."""
    options = parse(Doctor, "doctor", args)
    checks = examine()
    if options.engines:
        checks += [*engines(options.model)]
    well = all(check.status != "fail" for check in checks)
    if options.json:
        print_json({"mien": __version__, "well": well, "checks": [asdict(check) for check in checks]})
    else:
        print_table(f"mien {__version__}", ("check", "", "found"), [_cells(check) for check in checks])
        print_line(_verdict(checks))
    return 0 if well else 1


def _cells(check: Check) -> tuple[str, ...]:
    return check.name, MARKS[check.status], check.found + (f"\n-> {check.advice}" if check.advice else "")


def _verdict(checks: Sequence[Check]) -> str:
    failed, warned = (sum(check.status == kind for check in checks) for kind in ("fail", "warn"))
    if failed:
        return f"{failed} of {len(checks)} checks failed: mien will not work before that is mended."
    return f"mien will work, but look at {warned} warning(s)." if warned else "All is well."
