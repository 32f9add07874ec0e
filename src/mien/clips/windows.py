"""Windows over the tracks of a stream: crops in as they come, clips out as soon as their time is over.

A window of a track is a stretch of time, not a number of frames: at another or a varying frame rate the network still
sees the pace it was trained on. Windows of one track start every ``step`` seconds from its first readable crop. The
last one is moved back so that it ends with the track. A face that is out of sight, or unreadable, for a whole window
ends one series of windows and starts another; where frames are further apart than a window is long, every crop is one.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64, Int64

from mien.core.absence import is_over
from mien.core.errors import ConfigError
from mien.core.types import TIME_ROUNDING, FaceClip, FaceCrop


class Windows:
    """Cuts the crops of any number of interleaved tracks into clips.

    Every readable crop lies in the time of at least one clip. Crops with a ``quality.reason`` let time pass and are
    left out; of those that were not looked at the time counts, and their images only where there are no others. A clip
    has ``length`` places, the middles of equal parts of its time, each filled with the nearest crop; a place that
    repeats the crop before it (a short track, a slow camera, a gap) has ``valid`` False. A window that would show no
    crop beyond those of the clip before it gives no clip. Memory holds at most ``seconds`` of crops for each live
    track.

    Args:
        length: crops in a clip, >= 1.
        seconds: time a clip spans, > 0.
        step: seconds from one window's start to the next, in (0, seconds].
        max_gap: seconds a track may be out of sight before :meth:`frame_over` closes it.

    Raises:
        ConfigError: a value out of its range.
    """

    def __init__(self, length: int, seconds: float, step: float, max_gap: float = math.inf) -> None:
        if length < 1:
            raise ConfigError("at least 1 crop in a clip", str(length), "use the model's number of frames")
        if not (seconds > 0 and math.isfinite(seconds)):
            raise ConfigError("a window longer than 0 s", f"{seconds} s", "set the window's seconds above 0")
        if not 0 < step <= seconds:
            fix = "set the step above 0 and at most the window, or faces in between are never read"
            raise ConfigError(f"a step in (0, {seconds}] s", f"{step} s", fix)
        self.length, self.seconds, self.step, self.max_gap = length, seconds, step, max_gap
        self._tracks: dict[int, _TrackWindows] = {}

    def push(self, crop: FaceCrop) -> list[FaceClip]:
        """Add the next crop of its track; the clips of that track whose time is now over.

        Raises:
            ValueError: the crop is not later than the one before it in its track.
        """
        track = self._tracks.get(crop.track)
        if track is None:
            track = self._tracks[crop.track] = _TrackWindows(self.length, self.seconds, self.step)
        return track.push(crop)

    def frame_over(self, time: float) -> list[FaceClip]:
        """All crops of the frame at ``time`` were pushed; the last clips of the tracks that have been away too long."""
        lost = [number for number, track in self._tracks.items() if track.lost(time, self.max_gap)]
        return [clip for number in lost for clip in self.end(number)]

    def end(self, track: int) -> list[FaceClip]:
        """Close a track that will get no more crops; its last clip, if any crop is not in a clip yet."""
        ended = self._tracks.pop(track, None)
        return ended.flush() if ended else []

    def finish(self) -> list[FaceClip]:
        """Close every track, by number: the stream has ended."""
        return [clip for track in sorted(self._tracks) for clip in self.end(track)]


class _TrackWindows:
    """The open window of one track, and the readable crops of the last ``seconds``."""

    def __init__(self, length: int, seconds: float, step: float) -> None:
        self._length, self._seconds, self._step = length, seconds, step
        self._crops: list[FaceCrop] = []
        self._origin = 0.0
        self._number = 0
        self._shown_until = -math.inf
        self._now = -math.inf
        self._missed = 0  # frames since then that did not show the face
        self._looked: float | None = None  # time of the last frame, with the face or without
        self._until = 0.0  # when the frame of the newest readable crop gives way, as far as is known

    @property
    def _start(self) -> float:
        """When the open window starts; by multiplication, so that long tracks gather no rounding."""
        return self._origin + self._number * self._step

    def push(self, crop: FaceCrop) -> list[FaceClip]:
        if not crop.time > self._now:
            raise ValueError(f"crop of track {crop.track} at {crop.time} s comes after one at {self._now} s")
        step = self._look(crop.time)
        self._now, self._missed = crop.time, 0
        clips = self._pass_time(crop.time)
        if crop.quality.reason is None:
            self._add(crop)
            self._until = crop.time + step
        return clips

    def lost(self, time: float, max_gap: float) -> bool:
        """Whether the track has been away too long, now that the frame at ``time`` was looked at."""
        if time <= self._now:
            return False
        self._look(time)
        self._missed += 1
        return is_over(time - self._now, self._missed, max_gap)

    def _look(self, time: float) -> float:
        """Note the next frame, with the face or without; seconds since the one before, 0.0 for the first."""
        if self._crops and self._looked == self._crops[-1].time:
            self._until = time
        step = 0.0 if self._looked is None else time - self._looked
        self._looked = time
        return step

    def _pass_time(self, now: float) -> list[FaceClip]:
        """Close the windows that are over at ``now``."""
        if not self._crops:
            return []
        if now - self._crops[-1].time >= self._seconds - TIME_ROUNDING:
            return self.flush()
        clips: list[FaceClip] = []
        while now >= self._start + self._seconds - TIME_ROUNDING:
            clips += self._clip(self._start, self._start + self._seconds - TIME_ROUNDING)
            self._number += 1
        return clips

    def _add(self, crop: FaceCrop) -> None:
        if not self._crops:
            self._origin, self._number = crop.time, 0
        # The open window and the last one, which is moved back, both start after this.
        oldest = crop.time - self._seconds - TIME_ROUNDING
        self._crops = [*(kept for kept in self._crops if kept.time >= oldest), crop]

    def flush(self) -> list[FaceClip]:
        """The last clip: up to the newest crop, from one window before, or from the first crop not shown yet."""
        unseen = [crop.time for crop in self._crops if crop.time > self._shown_until]
        if not unseen:
            self._crops = []
            return []
        start = self._crops[-1].time + frame_seconds(self._crops) - self._seconds
        clips = self._clip(max(self._origin, min(start, unseen[0])), math.inf)
        self._crops = []
        return clips

    def _clip(self, start: float, end: float) -> list[FaceClip]:
        """The clip of the window that starts at ``start``, of crops before ``end``; none when it shows nothing new."""
        crops = [crop for crop in self._crops if start - TIME_ROUNDING <= crop.time < end]
        if not crops or crops[-1].time <= self._shown_until:
            return []
        self._shown_until = crops[-1].time
        # Middles on both sides: a crop stands for the time that its frame is shown. Windows that overlap by half then
        # ask for the same crops there, of which an image model sees each once.
        parts = (np.arange(self._length) + 0.5) * (self._seconds / self._length)
        targets = start + parts - TIME_ROUNDING  # of two crops as near, the earlier, whatever the rounding
        shown = [crop for crop in crops if crop.looked] or crops
        places = nearest(np.array([crop.time for crop in shown]) + frame_seconds(self._crops) / 2, targets)
        chosen = [shown[place] for place in places]
        return [
            FaceClip(
                track=chosen[0].track,
                images=np.stack([crop.image for crop in chosen]),
                times=np.array([crop.time for crop in chosen]),
                indices=tuple(crop.index for crop in chosen),
                valid=np.diff(places, prepend=-1) > 0,
                start=crops[0].time,
                end=self._end_of(crops[-1].time),
            )
        ]

    def _end_of(self, time: float) -> float:
        """When the frame at ``time`` gives way: after a frame's usual duration, or with the next one if sooner.

        A lone crop tells no usual duration; its frame lasts until the next one, the last as long as the one before it.
        """
        if len(self._crops) == 1:
            return self._until
        later = [crop.time for crop in self._crops if crop.time > time] + [self._now]
        usual = time + frame_seconds(self._crops)
        return min(usual, later[0]) if later[0] > time else usual


def nearest(times: Float64[np.ndarray, " n"], targets: Float64[np.ndarray, " t"]) -> Int64[np.ndarray, " t"]:
    """For every target the place of the nearest of ``times`` (increasing, at least one); the earlier of two as near."""
    return np.searchsorted((times[1:] + times[:-1]) / 2, targets)


def frame_seconds(crops: list[FaceCrop]) -> float:
    """Seconds from one frame to the next where these crops (in order of time) come from; 0.0 for a lone crop."""
    if len(crops) < 2:
        return 0.0
    times, indices = [crop.time for crop in crops], [crop.index for crop in crops]
    return float(np.median(np.diff(times) / np.diff(indices)))
