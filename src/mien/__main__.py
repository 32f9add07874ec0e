"""``python -m mien`` is ``mien``."""

from __future__ import annotations

from mien.cli.main import entry

entry()
