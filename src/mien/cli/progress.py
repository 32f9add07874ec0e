"""How far it is, on stderr: a bar where a person looks, a line a source where a log is kept."""

from __future__ import annotations

import sys
import time
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from mien.core.names import printable


class _Speed(ProgressColumn):
    """Frames a second over the last half minute."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.0f} frames/s")


class FrameProgress:
    """Progress of one source after the other; an instance is the ``progress`` of a batch.

    Args:
        sources: how many there are.
    """

    def __init__(self, sources: int) -> None:
        self._sources = sources
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._started, self._frames = 0.0, 0

    def __call__(self, source: str, done: int, total: int | None, seconds: float) -> None:
        """Note that ``done`` frames of ``total`` (None: nobody knows) are done."""
        if done == 1:
            self._started = time.monotonic()
        self._frames = done
        if not self._console.is_terminal:
            return
        if self._bar is None:
            columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), _Speed())
            self._bar = Progress(*columns, TimeRemainingColumn(), console=self._console, transient=True)
            self._bar.add_task(printable(source), total=None)
            self._bar.start()
        task = self._bar.tasks[0]
        # Headers lie about the number of frames: past it, no claim is made. (update() takes None for "as before".)
        task.total = total if total is not None and total >= done else None
        self._bar.update(task.id, completed=done)

    def finish(self, source: str, place: int) -> None:
        """Take the bar away before something is printed; where there is none, leave a line for the log."""
        if self._bar is None and self._frames > 1 and not self._console.is_terminal:
            rate = self._frames / max(time.monotonic() - self._started, 1e-6)
            of = f"{place}/{self._sources} " if self._sources > 1 else ""
            sys.stderr.write(f"{of}{printable(source)}: {self._frames} frames, {rate:.0f} frames/s\n")
        self.abandon()

    def abandon(self) -> None:
        """Take the bar away and say nothing: the source is not finished."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._frames = 0


class StepProgress:
    """Progress of a training run: an instance is its ``report``. A bar with the time left where a person looks."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None

    def __call__(self, line: dict[str, Any]) -> None:
        """Take in a line of the log, or ``{"done", "total"}`` after a step."""
        if "total" in line:
            self._move(line["done"], line["total"])
        else:
            self._say(line)

    def _move(self, done: int, total: int) -> None:
        if not self._console.is_terminal:
            return
        if self._bar is None:
            columns = (TextColumn("step"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console, transient=True, speed_estimate_period=300)
            self._bar.add_task("step", total=total, completed=done)
            self._bar.start()
        self._bar.update(self._bar.tasks[0].id, completed=done)
        if done == total:
            self.finish()

    def _say(self, line: dict[str, Any]) -> None:
        figures = (
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in line.items()
        )
        # Through the console, which draws its bar below what is printed.
        self._console.print("  ".join(figures), markup=False, highlight=False, soft_wrap=True)

    def finish(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class StageProgress:
    """Progress of stages of many items: a bar where a person looks, a line for every stage where a log is kept."""

    def __init__(self) -> None:
        self._stage, self._began = "", 0.0
        self._bar: Progress | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Note that ``done`` of ``total`` items of a stage are done."""
        if stage != self._stage:
            self.finish()
            self._stage, self._began = stage, time.monotonic()
            if sys.stderr.isatty():
                columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
                console = Console(stderr=True)
                self._bar = Progress(*columns, console=console, transient=True, speed_estimate_period=120)
                self._bar.add_task(stage, total=total)
                self._bar.start()
        if self._bar is not None:
            self._bar.update(self._bar.tasks[0].id, completed=done)
        elif done == total:
            sys.stderr.write(f"{stage}: {total} items, {time.monotonic() - self._began:.0f} s\n")

    def finish(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
