"""Where a result comes from: enough to repeat it, and to know what it may be used for."""

from __future__ import annotations

import platform
import re
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.analysis.settings import AnalysisSettings
from mien.analysis.state import source_hash, state_of
from mien.core.names import printable
from mien.core.version import __version__

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
    boxes = settings.faces.detector_file
    return {
        "mien": __version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {
            **{name: getattr(record, name) for name in ("name", "sha256", "frames", "prior")},
            "threshold": threshold,
        },
        "detector": detector,
        **({} if boxes is None else {"detector_file": source_facts(boxes)}),
        "settings": asdict(settings),
        "pace": settings.pace(record)._asdict(),
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
    """Path as given (an address without its password), and of files size, time of writing and, if asked for, SHA-256.

    Of a sequence the number of its files and a hash of their listing as well.
    """
    if not isinstance(origin, str | Path | int):
        path = None
    else:
        public = re.sub(r"^(\w+://)[^/]*@|[?].*$", r"\1", str(origin)) if "://" in str(origin) else str(origin)
        path = printable(public)
    state = state_of(origin)
    if state is None:
        return {"path": path}
    return {"path": path, **state.facts(), **({"sha256": source_hash(origin)} if with_hash else {})}


def same_state(facts: dict[str, Any], origin: object, with_hash: bool) -> bool:
    """Whether ``facts`` of an earlier run hold for the source as it is now, whatever path it was given by.

    Contents decide where both have a hash: a copy with another time is the same then, and a file whose size and time
    were kept is not.
    """
    state = state_of(origin)
    if state is None:
        return "bytes" not in facts
    if with_hash:
        return facts.get("bytes") == state.bytes and facts.get("sha256") == source_hash(origin)
    return all(facts.get(name) == fact for name, fact in state.facts().items())


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
