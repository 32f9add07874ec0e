"""How far it is, on stderr: a bar where a person looks, a line a source where a log is kept."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


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
            self._bar.add_task(source, total=None)
            self._bar.start()
        task = self._bar.tasks[0]
        # Headers lie about the number of frames: past it, no claim is made. (update() takes None for "as before".)
        task.total = total if total is not None and total >= done else None
        self._bar.update(task.id, completed=done)

    def finish(self, source: str, place: int) -> None:
        """Take the bar away before something is printed; where there is none, leave a line for the log."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        elif self._frames > 1 and not self._console.is_terminal:
            rate = self._frames / max(time.monotonic() - self._started, 1e-6)
            of = f"{place}/{self._sources} " if self._sources > 1 else ""
            sys.stderr.write(f"{of}{source}: {self._frames} frames, {rate:.0f} frames/s\n")
        self._frames = 0
