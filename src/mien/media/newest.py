"""The newest frame of a source, for work that must keep up with it: a thread reads, what nobody came for is dropped."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

from mien.core.errors import SourceError
from mien.core.types import Frame
from mien.media.selection import Picker, Selection
from mien.media.source import Shot, Source

FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0
"""Seconds before the first attempt to reach a lost stream again, doubled for each further one up to the second."""
RECENT = 5.0
"""Seconds over which :class:`Flow` counts its rates."""
PATIENCE = 3.0
"""Seconds :meth:`Newest.close` waits for the reader; a camera or network read that hangs ends by its own timeout."""


@dataclass(frozen=True, slots=True)
class Flow:
    """How much of the source was looked at.

    Attributes:
        read: frames that came.
        dropped: those that were replaced by a newer one before anybody looked at them.
        rate: frames per second that came of late.
        drop_rate: share in [0, 1] of those that were dropped.
        reconnects: how often a lost stream was found again.
    """

    read: int = 0
    dropped: int = 0
    rate: float = 0.0
    drop_rate: float = 0.0
    reconnects: int = 0


@dataclass(frozen=True, slots=True)
class _Arrival:
    index: int
    shot: Shot
    time: float
    at: float


class Newest:
    """Frames of a source as they come, one in memory, at most one waiting.

    A context manager and one pass over :class:`~mien.core.types.Frame` values. Frames are numbered as read, so dropped
    ones leave gaps. What does not come by itself (a file, an array) is played in real time. A camera or an
    endless stream that breaks off is opened again, with growing waits; its clock goes on over the time it was away.

    Args:
        reopen: opens the source; called at once, and again for every reconnection.
        every: drop nothing: read on only when the last frame was taken, and as fast as they are taken.
        frame_rate: frames per second to thin to; None: what the source's selection says. A frame that is not wanted is
            not counted as dropped.
        retries: attempts to reach a lost stream again before giving up; counted anew once it was found.
        notice: told in one sentence, on the reader's thread, of a stream that is lost or found again.

    Attributes:
        info: what was known on opening.
        problems: damage met so far, one sentence each.

    Raises:
        SourceError: the source cannot be opened; from the pass: a stream was lost for good, or a file gave no frame.
    """

    def __init__(
        self,
        reopen: Callable[[], Source],
        *,
        every: bool = False,
        frame_rate: float | None = None,
        retries: int = 5,
        notice: Callable[[str], None] | None = None,
    ) -> None:
        self._reopen, self._every, self._retries = reopen, every, retries
        self._notice = notice or (lambda _: None)
        self._source = reopen()
        self.info = self._source.info
        self.problems: list[str] = []
        comes_by_itself = self.info.kind == "camera" or "://" in self.info.name
        self._paced = not every and not comes_by_itself
        self._endless = comes_by_itself and self.info.duration is None
        self._picker = Picker(self._source.selection if frame_rate is None else Selection(frame_rate=frame_rate))
        self._news = threading.Condition()
        self._stopping = threading.Event()
        self._waiting: _Arrival | None = None
        self._ended = False
        self._read = self._dropped = self._reconnects = 0
        self._index, self._offset, self._last = 0, 0.0, (0.0, 0.0)
        self._counts: deque[tuple[float, int, int]] = deque()
        self._arrived: dict[int, float] = {}
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"reads {self.info.name}", daemon=True)

    def __enter__(self) -> Newest:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        """The newest frame each time, until the source ends or :meth:`stop` is called."""
        while (arrival := self._take()) is not None:
            try:
                image = arrival.shot.pixels()
            except SourceError as error:
                self.problems.append(str(error))
                continue
            self._arrived[arrival.index] = arrival.at
            yield Frame(arrival.index, arrival.time, image)

    @property
    def endless(self) -> bool:
        """Whether this is a camera or a stream without an end, which comes at its own pace."""
        return self._endless

    def age(self, frame: Frame) -> float:
        """Seconds since ``frame``, handed out here, arrived; 0.0 for one that is not known any more."""
        at = self._arrived.get(frame.index)
        for index in [index for index in self._arrived if index <= frame.index]:
            del self._arrived[index]
        return time.monotonic() - at if at is not None else 0.0

    @property
    def flow(self) -> Flow:
        """The counts as they stand now."""
        with self._news:
            now = time.monotonic()
            while self._counts and self._counts[0][0] < now - RECENT:
                self._counts.popleft()
            if not self._counts:
                return Flow(self._read, self._dropped, 0.0, 0.0, self._reconnects)
            since, read, dropped = self._counts[0]
            came = self._read - read
            rate = came / max(now - since, 1e-3) if came else 0.0
            share = (self._dropped - dropped) / came if came else 0.0
            return Flow(self._read, self._dropped, rate, min(share, 1.0), self._reconnects)

    def stop(self) -> None:
        """End the pass after the frame in hand; may be called from anywhere, a signal handler included."""
        self._stopping.set()

    def close(self) -> None:
        """Stop reading and free the source."""
        self._stopping.set()
        if self._thread.ident is None:
            self._source.close()
        else:
            self._thread.join(PATIENCE)

    def _take(self) -> _Arrival | None:
        with self._news:
            # Woken now and then, because stop() must not take a lock that its signal's own thread may hold.
            while self._waiting is None and not self._ended and not self._stopping.is_set():
                self._news.wait(0.1)
            if self._stopping.is_set():
                return None
            arrival, self._waiting = self._waiting, None
            self._news.notify_all()
        if arrival is None and self._error is not None:
            raise self._error
        return arrival

    def _run(self) -> None:
        """The reader's thread: the source, then its successors."""
        source: Source | None = self._source
        try:
            while source is not None:
                self._drain(source)
                source = self._found_again(source) if self._endless and not self._stopping.is_set() else None
            if not self._read and not self._stopping.is_set():
                what = self.problems[0] if self.problems else f"{self.info.name}, which gave no frame"
                self._error = SourceError("at least one readable frame", what, "check that the source plays elsewhere")
        except Exception as error:  # a thread has nobody to raise to: the pass raises it
            self._error = error
        finally:
            with self._news:
                self._ended = True
                self._news.notify_all()

    def _drain(self, source: Source) -> None:
        start = None
        with source:
            for shot in source.shots:
                if self._picker.over(self._offset + shot.time):
                    break
                if self._paced and self._picker.begun(shot.time):
                    start = time.monotonic() - shot.time if start is None else start
                    self._stopping.wait(max(0.0, start + shot.time - time.monotonic()))
                if self._stopping.is_set():
                    return
                self._offer(shot)
        self.problems += source.problems

    def _offer(self, shot: Shot) -> None:
        now, moment = time.monotonic(), self._offset + shot.time
        index, self._index, self._last = self._index, self._index + 1, (moment, now)
        if not self._picker.wants(moment):
            return
        with self._news:
            while self._every and self._waiting is not None and not self._stopping.is_set():
                self._news.wait(0.1)
            self._counts.append((now, self._read, self._dropped))
            self._read += 1
            self._dropped += self._waiting is not None
            self._waiting = _Arrival(index, shot, moment, now)
            self._news.notify_all()

    def _found_again(self, lost: Source) -> Source | None:
        """The stream opened anew; None when told to stop. Raises SourceError when every attempt failed."""
        why = lost.problems[-1] if lost.problems else f"{self.info.name} ended"
        wait = FIRST_WAIT
        for attempt in range(1, self._retries + 1):
            self._notice(f"{why}; attempt {attempt} of {self._retries} to reach it again in {wait:g} s")
            if self._stopping.wait(wait):
                return None
            wait = min(2 * wait, LONGEST_WAIT)
            try:
                found = self._reopen()
            except SourceError as error:
                why = str(error.got)
                continue
            self._reconnects += 1
            moment, at = self._last
            self._offset = moment + time.monotonic() - at
            self._notice(f"{self.info.name} is back")
            return found
        tried = f", and {self._retries} attempts to reach it again failed" if self._retries else ""
        fix = "check camera, cable and network, or allow more retries"
        raise SourceError("a stream that goes on", f"{why}{tried}", fix)
