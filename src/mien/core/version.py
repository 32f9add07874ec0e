"""The version of mien: here, so that no file has to import the package that it is part of."""

from __future__ import annotations

__version__ = "0.1.0"
