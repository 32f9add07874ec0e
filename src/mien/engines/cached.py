"""What is kept of engines between runs: exported files and choices, in the cache, by the hash of the weights.

A choice holds for one machine: it is asked for by weights, CPU, threads, and the versions of everything that computes.
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Literal, get_args

from mien.core import checks
from mien.core.checks import parse_json
from mien.core.errors import ConfigError
from mien.core.files import whole_file
from mien.core.settings import cache_dir, thread_count
from mien.core.version import __version__
from mien.engines.header import Precision
from mien.models.record import ModelRecord

EngineName = Literal["torch", "onnx", "openvino"]
PACKAGES = {"torch": ("torch",), "onnx": ("onnxruntime",), "openvino": ("openvino",)}
"""What must be installed to run an engine."""
EXPORTERS = ("onnx", "onnxscript")
SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}
CPU_INFO, CPU_KEYS = Path("/proc/cpuinfo"), ("model name", "flags", "Features")


@dataclass(frozen=True)
class Choice:
    """What a trial found.

    Attributes:
        engine: the quickest that answers as PyTorch does.
        precision: of its arithmetic.
        seconds: a clip takes, by candidate ("openvino bfloat16").
        left_out: why the other candidates were not measured or not taken.
        threads: that the engine gains by; None: all.
        by_threads: seconds a clip takes on that engine, by number of threads.
    """

    engine: EngineName
    precision: Precision
    seconds: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    threads: int | None = None
    by_threads: dict[str, float] = field(default_factory=dict)


def installed(*packages: str) -> bool:
    """Whether all these distributions are there; nothing is imported."""
    return all(_version(package) for package in packages)


def engine_folder(record: ModelRecord) -> Path:
    """The cache's folder for the files made from these weights by this version of mien.

    Files that say signals beside the expression lie in another one: without them no head is computed.
    """
    folder = _folder(record)
    return folder.with_name(f"{folder.name}-signals") if record.signals else folder


def _folder(record: ModelRecord) -> Path:
    return cache_dir() / "engines" / f"{__version__}-{record.sha256[:16]}"


def engine_file(record: ModelRecord, engine: str, precision: Precision = "float32") -> Path:
    """Where the file of an engine lies once it has been made; the one to compute with in bfloat16 is half as large."""
    half = "-half" if precision == "bfloat16" else ""
    return engine_folder(record) / f"{record.name}{half}{SUFFIXES[engine]}"


def read_choice(record: ModelRecord) -> Choice | None:
    """The choice made for these weights on this machine; None when there is none, or its file is gone or unreadable."""
    try:
        choice = Choice(**parse_json(_choice_file(record).read_text("utf-8"))["choice"])
        known = choice.engine in PACKAGES and choice.precision in get_args(Precision)
        checks.demand(known, "choice", "an engine and a precision", choice)
        if choice.threads is not None:
            checks.whole("threads", choice.threads, 1, 4096)
    except (OSError, ValueError, KeyError, TypeError, ConfigError):
        return None
    there = choice.engine == "torch" or engine_file(record, choice.engine, choice.precision).is_file()
    return choice if there else None


def keep_choice(record: ModelRecord, choice: Choice) -> None:
    """Store a choice for the next run."""
    with whole_file(_choice_file(record)) as draft:
        draft.write_text(json.dumps({"choice": asdict(choice), "machine": machine()}, indent=1), "utf-8")


def machine() -> dict[str, str]:
    """Everything that a choice depends on beside the weights."""
    packages = sorted({package for some in PACKAGES.values() for package in some})
    versions = {package: _version(package) or "none" for package in packages}
    return {"mien": __version__, **versions, "cpu": _cpu(), "threads": str(thread_count())}


def _choice_file(record: ModelRecord) -> Path:
    key = hashlib.sha256(json.dumps(machine()).encode()).hexdigest()[:16]
    return _folder(record) / f"choice-{key}.json"


def _cpu() -> str:
    """Name and instruction sets where the system tells them."""
    if CPU_INFO.is_file():
        lines = CPU_INFO.read_text().splitlines()
        told = [
            next((line for line in lines if line.startswith(key)), "") for key in ("model name", "flags", "Features")
        ]
        return hashlib.sha256("".join(told).encode()).hexdigest()[:16]
    return f"{platform.machine()} {platform.processor()}"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
