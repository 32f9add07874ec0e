"""The terminal's board of a live view: a row for every face, a bar for every expression, the last seconds."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mien.analysis.current import FaceNow, Now
from mien.core.signals import Signal
from mien.core.types import UNCLEAR
from mien.media.newest import Flow
from mien.report.palette import colours, hex_colour, text_colour

BAR = 5
"""Columns of an expression's bar; a column has eight steps."""
BLOCKS = " ▏▎▍▌▋▊▉█"
CELL = 0.5
"""Seconds of a cell of the timeline."""
CELLS = 20
SPEED_OVER = 3.0
"""Seconds over which frames per second and latency are measured."""


class Pace:
    """How fast frames are answered, and how long after they came."""

    def __init__(self) -> None:
        self._recent: deque[tuple[float, float]] = deque()
        self.frames, self.total, self.worst = 0, 0.0, 0.0

    def add(self, now: float, latency: float) -> None:
        """Note a frame answered at ``now``, ``latency`` seconds after it came; both in seconds."""
        self._recent.append((now, latency))
        while self._recent[0][0] < now - SPEED_OVER:
            self._recent.popleft()
        self.frames, self.total, self.worst = self.frames + 1, self.total + latency, max(self.worst, latency)

    @property
    def rate(self) -> float:
        """Frames per second of late."""
        if len(self._recent) < 2:
            return 0.0
        return (len(self._recent) - 1) / max(self._recent[-1][0] - self._recent[0][0], 1e-6)

    @property
    def latency(self) -> float:
        """Mean seconds from a frame's coming to its answer, of late."""
        return sum(latency for _, latency in self._recent) / len(self._recent) if self._recent else 0.0

    @property
    def mean(self) -> float:
        """Mean latency in seconds over all frames."""
        return self.total / self.frames if self.frames else 0.0


class Board:
    """What the terminal shows.

    Args:
        name: of the source.
        labels: the model's expressions.
        signals: what it says beside: a column of numbers each label.
    """

    def __init__(self, name: str, labels: Sequence[str], signals: Sequence[Signal] = ()) -> None:
        self._name, self._labels = name, labels
        self._beside = [(label, "+.2f" if one.low < 0 else ".2f") for one in signals for label in one.labels]
        self._shades = colours(labels)
        self._history: dict[int, dict[int, str]] = {}
        self._now: Now | None = None

    def add(self, now: Now) -> None:
        """Take in the news of a frame."""
        if now.frame is None:
            return
        self._now, cell = now, int(now.frame.time / CELL)
        for face in now.faces:
            self._history.setdefault(face.track, {})[cell] = face.label
        for track, cells in list(self._history.items()):
            self._history[track] = {one: label for one, label in cells.items() if one > cell - CELLS}
            if not self._history[track]:
                del self._history[track]

    def render(self, flow: Flow, pace: Pace) -> RenderableType:
        """The board as it stands."""
        time = self._now.frame.time if self._now is not None and self._now.frame is not None else 0.0
        facts = f"{self._name}  {time:.1f} s  {pace.rate:.1f} frames/s  latency {pace.latency * 1000:.0f} ms  "
        head = Text(
            facts + f"dropped {flow.drop_rate:.0%}" + (f"  found again {flow.reconnects}x" * (flow.reconnects > 0))
        )
        faces = self._now.faces if self._now is not None else ()
        if not faces:
            return Group(head, Text("no face in sight", style="dim"))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for title in (
            "face",
            "shows",
            *(label[:BAR] for label in self._labels),
            *(label for label, _ in self._beside),
            f"last {CELL * CELLS:.0f} s",
        ):
            table.add_column(title, no_wrap=True)
        for face in faces:
            table.add_row(*self._row(face, int(time / CELL)))
        return Group(head, table, Text("expressions shown, not emotions felt; Ctrl-C stops", style="dim"))

    def _row(self, face: FaceNow, cell: int) -> list[RenderableType]:
        shows = f"{face.label} {face.score:.2f}" if face.score is not None else f"{face.label}: {face.reason}"
        values = [0.0] * len(self._labels) if face.probabilities is None else face.probabilities.tolist()
        bars = [
            Text(bar(value), style=hex_colour(self._shades[label]))
            for value, label in zip(values, self._labels, strict=True)
        ]
        beside = [math.nan] * len(self._beside) if face.signals is None else face.signals.tolist()
        numbers = [
            Text(format(value, digits) if math.isfinite(value) else "", justify="right")
            for value, (_, digits) in zip(beside, self._beside, strict=True)
        ]
        return [Text(str(face.track)), Text(shows), *bars, *numbers, self._timeline(face.track, cell)]

    def _timeline(self, track: int, cell: int) -> Text:
        """A letter on its colour for every cell: the expression's first one, a dot for unclear, a space for away."""
        line, cells = Text(), self._history.get(track, {})
        for place in range(cell - CELLS + 1, cell + 1):
            label = cells.get(place)
            shade = self._shades.get(label or "")
            style = "" if shade is None else f"{hex_colour(text_colour(shade))} on {hex_colour(shade)}"
            line.append(" " if label is None else "·" if label == UNCLEAR else label[0].upper(), style=style)
        return line


def bar(value: float, columns: int = BAR) -> str:
    """``value`` in [0, 1] as a bar of ``columns`` characters, in eighths of one."""
    eighths = round(min(max(value, 0.0), 1.0) * columns * 8) if math.isfinite(value) else 0
    full, rest = divmod(eighths, 8)
    return ("█" * full + (BLOCKS[rest] if rest else "")).ljust(columns)
