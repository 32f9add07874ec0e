"""Where weights lie: by name, file, folder or hub address. No torch here: an exported engine starts without it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mien.core.errors import ConfigError, InputError, MissingDependencyError, WeightsError
from mien.core.registry import did_you_mean
from mien.core.settings import cache_dir, offline
from mien.models.record import SHIPPED

DEFAULT = "s2d-small"
ADDRESS = "hf://owner/repository@revision"
PART = re.compile(r"\w[\w.-]*", re.ASCII)
"""Of a hub address."""


def find_weights(name: str | Path | None) -> Path:
    """The weights file that :func:`mien.models.zoo.load_model` would read, downloaded if need be. Raises as it does."""
    shipped = {path.stem: path for path in SHIPPED.glob("*.safetensors")}  # called as their record is
    if name is None:
        if DEFAULT not in shipped:
            raise WeightsError(f"{DEFAULT}.safetensors in the package", f"none in {SHIPPED}", "install mien again")
        return shipped[DEFAULT]
    text = str(name)
    if text.startswith("hf://"):
        return _from_hub(text.removeprefix("hf://"))
    if text in shipped:
        return shipped[text]
    path = Path(name)
    if os.path.isdir(path):  # these of os.path take names that no file can have
        return _only(sorted(path.glob("*.safetensors")), path)
    if path.suffix or os.path.exists(path) or "/" in text:
        return path  # load_weights says what is wrong with it
    raise ConfigError("the name of shipped weights or a path", repr(text), did_you_mean(text, list(shipped)))


def _only(files: list[Path], folder: Path) -> Path:
    if len(files) != 1:
        raise WeightsError("a folder with one .safetensors file", f"{len(files)} in {folder}", "give the file's path")
    return files[0]


def _from_hub(address: str) -> Path:
    repository, _, revision = address.partition("@")
    if not revision:
        raise ConfigError(ADDRESS, f"hf://{address}", "name the revision: results must be repeatable")
    if repository.count("/") != 1 or not all(PART.fullmatch(part) for part in f"{repository}/{revision}".split("/")):
        raise ConfigError(ADDRESS, repr(f"hf://{address}"), "each a plain name: it becomes a folder of the cache")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingDependencyError("huggingface_hub", "no such package", "pip install 'mien[hub]'") from error
    try:
        folder = snapshot_download(
            repository,
            revision=revision,
            allow_patterns=["*.safetensors"],
            cache_dir=cache_dir() / "hub",
            local_files_only=offline(),
        )
    except InputError:
        raise
    except Exception as error:  # the hub's client raises a dozen kinds, all of them "not to be had"
        raise WeightsError(
            f"weights at hf://{address}", f"{type(error).__name__}: {error}", "check address and network"
        ) from error
    return _only(sorted(Path(folder).glob("*.safetensors")), Path(folder))
