"""The browser in which pages are tested, and what is said where there is none."""

from __future__ import annotations

import shutil

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""The program; None where there is none."""
WITHOUT = "there is no Chromium here"
HOW = "sudo apt-get install chromium && make test"

in_chromium = pytest.mark.skipif(CHROMIUM is None, reason=WITHOUT)
"""Marks a test that needs the browser."""
