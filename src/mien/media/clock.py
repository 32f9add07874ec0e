"""Time of a stream: where a container's clock has its zero, repairing damaged clocks, choosing frames by time."""

from __future__ import annotations

# A step back of more than this is a clock that restarted (files joined end to end, a wrapped counter), not jitter.
RESTART_SECONDS = 1.0


class StreamClock:
    """Seconds on a container's own clock from a stream's timestamps, strictly increasing.

    Sound timestamps pass unchanged but for the clock's zero, so a variable frame rate is kept. A missing one follows
    its predecessor by that frame's own duration. One that repeats or steps back a little moves one tick on. After a
    restart the clock goes on.

    Args:
        tick: seconds of the finest difference the stream can express, > 0.
        frame_seconds: seconds from one frame to the next where the stream does not say, > 0.
        zero: the timestamp, in seconds, at which players show 0:00.
        first: seconds of the first frame where it has no timestamp.
    """

    def __init__(self, tick: float, frame_seconds: float, zero: float = 0.0, first: float = 0.0) -> None:
        self._tick, self._frame_seconds = tick, frame_seconds
        self._zero: float | None = zero
        self._last: float | None = None
        self._next = max(first, 0.0)

    def read(self, stamp: float | None, duration: float | None = None) -> float:
        """Seconds of the next frame.

        Args:
            stamp: its timestamp in seconds, as the stream has it; None when it has none.
            duration: seconds it stays on the screen, when the stream says so.
        """
        time = self._next if stamp is None else self._from_zero(stamp)
        if self._last is not None and time <= self._last:
            time = self._last + self._tick
        if stamp is None and self._last is None:
            self._zero = None  # set by the first timestamp, which must fit what was made up
        self._last = time
        self._next = time + (duration or self._frame_seconds)
        return time

    def _from_zero(self, stamp: float) -> float:
        if self._last is None:
            # Players show nothing before 0:00: a stream that starts earlier starts there.
            self._zero = min(self._zero or 0.0, stamp)
        elif self._zero is None or stamp - self._zero < self._last - RESTART_SECONDS:
            self._zero = stamp - self._next
        return stamp - self._zero


class Thinner:
    """Chooses frames so that about ``frame_rate`` are left a second: for each due time the frame nearest to it.

    A stream that is slower than asked keeps all its frames; none is ever made up. The first frame is always kept.

    Args:
        frame_rate: frames per second wanted; None keeps all.
    """

    def __init__(self, frame_rate: float | None) -> None:
        self._period = 1 / frame_rate if frame_rate else 0.0
        self._due = 0.0
        self._last: float | None = None

    def wants(self, time: float) -> bool:
        """Whether the frame at ``time`` (seconds, increasing from call to call) is kept."""
        if self._last is None:
            self._last, self._due = time, time + self._period
            return True
        # A frame stands for half a frame's duration around it; the nanosecond forgives the rounding of time stamps.
        half = (time - self._last) / 2
        self._last = time
        if time + half + 1e-9 < self._due:
            return False
        # Never owe more than this frame: a slow stretch must not be followed by a burst.
        self._due = max(self._due, time - half) + self._period
        return True
