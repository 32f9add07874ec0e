"""Checkpoints: whole or not at all, the last few kept, a torn one passed over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mien.core.errors import WeightsError
from mien.core.files import whole_file
from mien.models.torch_file import read_torch


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
        paths = self._paths()
        for path in reversed(paths):
            try:
                state: dict[str, Any] = read_torch(path)
            except WeightsError as error:
                before = "going on from the checkpoint before it" if path != paths[0] else "beginning anew"
                complain(f"{path} is torn: {before} ({error.got.removeprefix(f'{path}: ')})")
            else:
                return state
        return None

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.pt"))


def save_state(state: dict[str, Any], path: Path) -> None:
    """``torch.save`` to a file that appears whole."""
    with whole_file(path) as draft:
        torch.save(state, draft)
