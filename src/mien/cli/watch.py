"""``mien watch``: a camera, a stream or a file as it runs: who shows what, now."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from mien.analysis.settings import AnalysisSettings
from mien.cli.console import print_json, print_line
from mien.cli.parsing import parse
from mien.cli.problems import OK, STOPPED, note
from mien.core.errors import ConfigError, SourceError
from mien.core.signals import EXPRESSION

if TYPE_CHECKING:
    from mien.analysis.current import Now
    from mien.analysis.expressions import ExpressionModel
    from mien.cli.board import Board, Pace
    from mien.cli.screens import Screen
    from mien.core.signals import Signal
    from mien.core.types import Frame, Span
    from mien.media.newest import Newest
    from mien.models.record import ModelRecord


@dataclass(frozen=True)
class Watch:
    """Which expression does each face show, now: a camera, a stream or a file, as it runs.

    In a terminal it draws a board; elsewhere it prints a line for every span that has ended. A source that is faster
    than the model loses frames, never time: what is shown is the newest frame.
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SRC")]
    """A camera's number, an address such as rtsp://..., or a file, which is played in real time."""
    model: str | None = None
    """Name from `mien models`, a weights file, a folder with one, or hf://owner/repository@revision."""
    prior: str | None = None
    """Which shares of the expressions to expect: trained, those of the training set; balanced, none before another.
    None: the model's own choice; see `mien models NAME`."""
    signals: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="NAME")] = ()
    """What to say beside the expression; may be repeated. affect: valence and arousal, derived from the expression.
    action_units, pose, gaze, eyes_closed: with --json the model says them unasked; expression: those only that are
    named."""
    fast: bool = False
    """Read every frame, as fast as the model can, instead of in real time. Not for cameras and streams."""
    json: bool = False
    """Print a line of JSON for every frame looked at, every span that has ended, and the end."""
    mjpeg: int | None = None
    """Show the picture with boxes to browsers on this machine, at this port."""
    show: bool = False
    """Show the picture with boxes in a window; needs an OpenCV with windows."""
    retries: int = 5
    """Attempts to reach a camera or stream again that broke off, with growing waits."""
    settings: AnalysisSettings = field(default_factory=AnalysisSettings)
    """How the source is looked at."""

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise ConfigError("retries of at least 0", str(self.retries), "use 0 to give up at once")


def main(args: Sequence[str]) -> int:
    """Run ``mien watch`` and return the exit code."""
    options = parse(Watch, "watch", args)
    from mien import media
    from mien.analysis.expressions import load
    from mien.cli.screens import MjpegServer, Window
    from mien.media.files import not_there
    from mien.media.newest import Newest

    if lost := not_there(options.source):
        raise lost
    with ExitStack() as stack:
        screens: list[Screen] = []
        if options.show:
            screens.append(stack.enter_context(Window(f"mien: {options.source}")))
        if options.mjpeg is not None:
            server = stack.enter_context(MjpegServer(options.mjpeg))
            screens.append(server)
            note(f"live picture at {server.address}")
        # A terminal has room for what is asked for; JSON says all that the weights do.
        signals = options.signals if options.json else (EXPRESSION, *options.signals)
        model = load(options.model, prior=options.prior, signals=signals)
        frames = Newest(
            lambda: media.open(options.source, selection=options.settings.selection),
            every=options.fast,
            retries=options.retries,
            notice=note,
        )
        if options.fast and frames.endless:
            frames.close()
            raise ConfigError("a file with --fast", frames.info.name, "leave --fast out: this comes at its own pace")
        stack.enter_context(frames)
        return watch(options, model, frames, screens)


def watch(options: Watch, model: ExpressionModel, frames: Newest, screens: Sequence[Screen]) -> int:
    """Follow ``frames`` until they end, Ctrl-C, or a window is closed; returns the exit code."""
    from mien.cli.board import Board, Pace

    labels, signals = model.record.labels.labels, model.record.signals
    board, pace, people = Board(frames.info.name, labels, signals), Pace(), set[int]()
    lost: list[SourceError] = []
    with stopping(frames) as stopped, _drawn(options, board, frames, pace):
        for now in model.live(_until_lost(frames, lost), options.settings):
            people |= {face.track for face in now.faces}
            _note_frame(now, frames, pace)
            board.add(now)
            _print(options, now, frames, pace, model.record)
            if not _shown(now, screens, labels):
                frames.stop()
    _say_end(options, frames, pace, people)
    if lost:
        raise lost[0]
    return STOPPED if stopped.is_set() else OK


def _until_lost(frames: Newest, lost: list[SourceError]) -> Iterator[Frame]:
    """The frames; a source that is lost ends them, so that open spans are still told, and is noted in ``lost``."""
    try:
        yield from frames
    except SourceError as error:
        lost.append(error)


@contextmanager
def stopping(frames: Newest) -> Iterator[threading.Event]:
    """Inside, the first Ctrl-C ends the source, so that open spans are still told; the second one is the usual one."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        stopped.set()
        frames.stop()

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _drawn(options: Watch, board: Board, frames: Newest, pace: Pace) -> Iterator[None]:
    """Inside, the board is on the terminal, where there is one."""
    if options.json or not sys.stdout.isatty():
        yield
        return
    from rich.console import Console
    from rich.live import Live

    with Live(
        get_renderable=lambda: board.render(frames.flow, pace), console=Console(), refresh_per_second=8, screen=False
    ):
        yield


def _note_frame(now: Now, frames: Newest, pace: Pace) -> None:
    if now.frame is not None:
        pace.add(time.monotonic(), frames.age(now.frame))


def _print(options: Watch, now: Now, frames: Newest, pace: Pace, record: ModelRecord) -> None:
    if options.json:
        if now.frame is not None:
            print_json(frame_record(now, pace.latency, frames.flow.dropped, record.labels.labels, record.signals))
        for span in now.ended:
            from mien.report.tables import span_record

            print_json({"kind": "span", **span_record(span)})
    elif not sys.stdout.isatty():
        for span in now.ended:
            print_line(span_line(span))


def frame_record(
    now: Now, latency: float, dropped: int, labels: Sequence[str], signals: Sequence[Signal] = ()
) -> dict[str, Any]:
    """A frame as ``--json`` prints it; times in seconds, boxes in pixels, latency in milliseconds."""
    from mien.report.tables import plain

    assert now.frame is not None
    record: dict[str, Any] = plain(
        {
            "kind": "frame",
            "frame": now.frame.index,
            "time": round(now.frame.time, 4),
            "latency_ms": round(latency * 1000, 1),
            "dropped": dropped,
            "faces": [face.to_dict(labels, signals) for face in now.faces],
        }
    )
    return record


def span_line(span: Span) -> str:
    """A span as a line for people: ``face 1   0.00 -   2.40 s  happiness 0.91``."""
    said = f"{span.label} ({span.reason})" if span.abstained else f"{span.label} {span.score:.2f}"
    return f"face {span.track}  {span.start:7.2f} - {span.end:7.2f} s  {said}"


def _shown(now: Now, screens: Sequence[Screen], labels: Sequence[str]) -> bool:
    """Show the frame where somebody looks; False when a viewer has closed the screen."""
    wanted = [screen for screen in screens if screen.wanted]
    if now.frame is None or not wanted:
        return True
    import numpy as np

    from mien.report.video.marks import FaceMark, draw_faces, verdict_text

    image = np.array(now.frame.image)
    marks = [
        FaceMark(
            face.face.box,
            face.label,
            verdict_text(face.track, face.label, face.score, face.reason),
            face.probabilities,
        )
        for face in now.faces
    ]
    draw_faces(image, marks, labels)
    open_still = [screen.show(image) for screen in wanted]  # all of them, even when one has closed
    return all(open_still)


def _say_end(options: Watch, frames: Newest, pace: Pace, people: set[int]) -> None:
    flow = frames.flow
    share = flow.dropped / flow.read if flow.read else 0.0
    if options.json:
        facts = {"read": flow.read, "looked_at": pace.frames, "dropped": flow.dropped, "drop_rate": round(share, 4)}
        times = {"latency_ms": round(pace.mean * 1000, 1), "worst_latency_ms": round(pace.worst * 1000, 1)}
        print_json({"kind": "end", **facts, **times, "reconnects": flow.reconnects, "faces": len(people)})
    for problem in frames.problems:
        note(problem)
    found = f"{len(people)} face{'s' * (len(people) != 1)}" if people else "no face was found"
    speed = f"latency {pace.mean * 1000:.0f} ms, at worst {pace.worst * 1000:.0f} ms"
    note(f"{frames.info.name}: {pace.frames} of {flow.read} frames looked at, {share:.0%} dropped, {speed}; {found}")
