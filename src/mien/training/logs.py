"""The log of a run: a line of JSON each, the same lines to whoever listens, and TensorBoard where it is wanted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from mien.core.checks import parse_json
from mien.core.errors import MissingDependencyError
from mien.core.files import whole_file

Report = Callable[[dict[str, Any]], None]


class Log:
    """Writes ``log.jsonl``; every line has ``done``, the steps since the start.

    Args:
        folder: of the run.
        report: called with every line.
        tensorboard: write event files into ``folder`` / tensorboard too.
        main: only the first of several processes writes and reports.
    """

    def __init__(self, folder: Path, report: Report | None, tensorboard: bool, main: bool) -> None:
        self.path = folder / "log.jsonl"
        self.report = report if report is not None and main else lambda line: None
        self.main = main
        self.board = _board(folder / "tensorboard") if tensorboard and main else None

    def say(self, line: dict[str, Any]) -> None:
        """Pass a line on without keeping it."""
        self.report(line)

    def write(self, line: dict[str, Any]) -> None:
        """Keep a line, and pass it on."""
        if self.main:
            with self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
            if self.board is not None:
                for name, value in line.items():
                    if isinstance(value, float):
                        self.board.add_scalar(name, value, line["done"])
        self.report(line)

    def pictures(self, images: Tensor | None, done: int) -> None:
        """Show up to 16 pictures, (n, 3, h, w) in [0, 1], in TensorBoard."""
        if self.board is not None and images is not None:
            self.board.add_images("batch", images[:16].float().clamp(0, 1).cpu(), done)

    def forget_after(self, done: int) -> None:
        """Drop lines of steps that will be taken again, and what is no line: a killed run may leave half of one."""
        if not self.main or not self.path.exists():
            return
        lines = self.path.read_text("utf-8", errors="replace").splitlines()
        steps = [_done(line) for line in lines]
        if None in steps:
            self.say({"warning": f"{self.path}: {steps.count(None)} torn lines are dropped"})
        kept = [line for line, step in zip(lines, steps, strict=True) if step is not None and step <= done]
        with whole_file(self.path) as draft:
            draft.write_text("".join(f"{line}\n" for line in kept), "utf-8")

    def close(self) -> None:
        """Write what TensorBoard still holds back."""
        if self.board is not None:
            self.board.close()


def _done(line: str) -> float | None:
    """The steps that a line of the log speaks of; None for a torn one."""
    try:
        step = parse_json(line).get("done", 0)
    except (ValueError, AttributeError):
        return None
    return step if isinstance(step, int | float) else None


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingDependencyError("tensorboard", "no such package", "pip install 'mien[train]'") from error
    return SummaryWriter(str(folder))
