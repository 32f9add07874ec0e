"""Time of a stream: repairing the clocks of damaged files, and choosing frames by time."""

from __future__ import annotations

# A step back of more than this is a clock that restarted (files joined end to end, a wrapped counter), not jitter.
RESTART_SECONDS = 1.0


class StreamClock:
    """Seconds from a stream's timestamps, from 0.0 at the first frame, strictly increasing.

    Sound timestamps pass unchanged, so a variable frame rate is kept. A missing one follows its predecessor by that
    frame's own duration. One that repeats or steps back a little moves one tick on. After a restart the clock goes on.

    Args:
        tick: seconds of the finest difference the stream can express, > 0.
        frame_seconds: seconds from one frame to the next where the stream does not say, > 0.
    """

    def __init__(self, tick: float, frame_seconds: float) -> None:
        self._tick, self._frame_seconds = tick, frame_seconds
        self._zero: float | None = None
        self._last: float | None = None
        self._next = 0.0

    def read(self, stamp: float | None, duration: float | None = None) -> float:
        """Seconds of the next frame.

        Args:
            stamp: its timestamp in seconds, counted from anywhere; None when the stream has none for it.
            duration: seconds it stays on the screen, when the stream says so.
        """
        time = self._next if stamp is None else self._from_zero(stamp)
        if self._last is not None and time <= self._last:
            time = self._last + self._tick
        self._last = time
        self._next = time + (duration or self._frame_seconds)
        return time

    def _from_zero(self, stamp: float) -> float:
        if self._zero is None or (self._last is not None and stamp - self._zero < self._last - RESTART_SECONDS):
            self._zero = stamp - self._next
        return stamp - self._zero


class Thinner:
    """Chooses frames so that about ``frame_rate`` are left a second: for each due time the frame nearest to it.

    A stream that is slower than asked keeps all its frames; none is ever made up.

    Args:
        frame_rate: frames per second wanted; None keeps all.
    """

    def __init__(self, frame_rate: float | None) -> None:
        self._period = 1 / frame_rate if frame_rate else 0.0
        self._due = 0.0
        self._last = 0.0

    def wants(self, time: float) -> bool:
        """Whether the frame at ``time`` (seconds, increasing from call to call) is kept."""
        # A frame stands for half a frame's duration around it; the nanosecond forgives the rounding of time stamps.
        half = (time - self._last) / 2
        self._last = time
        if time + half + 1e-9 < self._due:
            return False
        # Never owe more than this frame: a slow stretch must not be followed by a burst.
        self._due = max(self._due, time - half) + self._period
        return True
