"""Where a result comes from: enough to repeat it, and to know what it may be used for."""

from __future__ import annotations

import hashlib
import platform
import re
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien import __version__
from mien.analysis.settings import AnalysisSettings

if TYPE_CHECKING:
    from mien.models.record import ModelRecord

INTENDED_USE = (
    "Expressions shown on faces, not emotions felt; identifies nobody. For research and assistance under human "
    "review; not for decisions about a person."
)
LIBRARIES = {"torch": "torch", "numpy": "numpy", "opencv": "opencv-python-headless", "av": "av"}


def provenance(
    record: ModelRecord,
    engine: dict[str, str | None],
    settings: AnalysisSettings,
    origin: object,
    detector: str,
    threshold: float,
) -> dict[str, Any]:
    """Everything a reader of the numbers needs to know about their making, as JSON types.

    Args:
        record: of the model in use.
        engine: from :func:`engine_facts`.
        settings: of the analysis.
        origin: what was given as the source.
        detector: name of the face detector in use.
        threshold: the one in force, from the settings or the model.
    """
    return {
        "mien": __version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {"name": record.name, "sha256": record.sha256, "frames": record.frames, "threshold": threshold},
        "detector": detector,
        "settings": asdict(settings),
        "source": source_facts(origin, settings.hash_source),
        "engine": engine,
        "software": {"python": platform.python_version(), **{name: _version(of) for name, of in LIBRARIES.items()}},
        "intended_use": INTENDED_USE,
    }


def engine_facts(network: object) -> dict[str, str | None]:
    """What computes the network's answers: name, version and precision; a network that does not say is "custom"."""
    name = getattr(network, "engine", "custom")
    return {"name": name, "version": _version(name), "precision": getattr(network, "precision", None)}


def source_facts(origin: object, with_hash: bool = False) -> dict[str, Any]:
    """Path as given (an address without its password), and of a file its size in bytes and, if asked for, SHA-256."""
    if not isinstance(origin, str | Path | int):
        return {"path": None}
    path = Path(str(origin))
    if not path.is_file():
        return {"path": re.sub(r"^(\w+://)[^/]*@|[?].*$", r"\1", str(origin)) if "://" in str(origin) else str(origin)}
    facts: dict[str, Any] = {"path": str(origin), "bytes": path.stat().st_size}
    if with_hash:
        with path.open("rb") as file:
            facts["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    return facts


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
