"""Checkpoints: whole or not at all, the last few kept, a torn one passed over."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mien.core.files import whole_file


class Checkpoints:
    """The states of a run by step, in a folder.

    Args:
        folder: where ``step-00000123.pt`` and so on lie.
        keep: how many of the last stay.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep

    def __bool__(self) -> bool:
        return bool(self._paths())

    def save(self, state: dict[str, Any], step: int) -> None:
        """Keep a state, then forget the oldest."""
        save_state(state, self.folder / f"step-{step:08d}.pt")
        for path in self._paths()[: -self.keep]:
            path.unlink()

    def latest(self, complain: Callable[[str], None]) -> dict[str, Any] | None:
        """The last state that is whole; ``complain`` hears of every torn one. None when there is none."""
        for path in reversed(self._paths()):
            if _is_whole(path):
                state: dict[str, Any] = torch.load(path, weights_only=True)
                return state
            complain(f"{path} is torn: going on from the checkpoint before it")
        return None

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.pt"))


def save_state(state: dict[str, Any], path: Path) -> None:
    """``torch.save`` to a file that appears whole."""
    with whole_file(path) as draft:
        torch.save(state, draft)


def _is_whole(path: Path) -> bool:
    """Torch's files are ZIP archives with a checksum a tensor: a cut or a flipped bit shows."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError):
        return False
