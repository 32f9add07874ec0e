"""Whose face is it: numbers that stay with a person through jitter, short gaps and crossings.

Online, in seconds rather than frames; but a face can be missed only in a frame that was looked at. Each track predicts
its box at constant velocity; faces go to tracks by the cheapest assignment of all
(``scipy.optimize.linear_sum_assignment``), the cost being overlap, distance, size and, where given, likeness of two
thumbnails. The thumbnail lives as long as its track, in memory only: it tells two people of one scene apart while they
cross and identifies nobody.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Float32, Float64

from mien.core.absence import is_over
from mien.core.types import Face
from mien.faces.boxes import iou
from mien.faces.cuts import correlation

STEADY = 0.2
"""Seconds over which velocity is averaged (an exponential mean): jitter is smoothed, a turn is followed."""
COAST = 0.5
"""Seconds for which a face out of sight is taken to go on moving (people stop)."""
REACH, REACH_GROWTH = 0.7, 1.5
"""How far from its predicted centre a face may be, in its own sizes: at once, and more for every second unseen."""
MOST_RESIZE = math.log(1.7)
"""Log ratio of sizes beyond which it is another face."""
LEAST_LIKENESS = 0.2
"""Correlation of thumbnails below which it is another face, however near."""
CONFIRM_AFTER = 0.1
"""Seconds a face must have been detected for before it counts: what is no face seldom looks like one for long."""
APART = 0.45
"""Seconds between two frames from which on neither says who is in the other: a face found in one frame alone counts.
At 10 frames a second and one detection in five a second detection comes after 0.5 s: so long a face must stay there."""
FORBIDDEN = 1e6

Look = Float32[np.ndarray, " k"]
State = Float64[np.ndarray, " 4"]


class Track:
    """One person's way through the source.

    Attributes:
        id: the person's number from 1; None until it is confirmed: detected again CONFIRM_AFTER seconds later, or not
            looked for again within APART seconds.
        gone: it will not come back: never confirmed, unseen for too long, or ended by a cut.
        born: seconds of its first face.
        seen: seconds of its last face.
        missed: frames looked at since then, in vain.
        face: its last face.
    """

    def __init__(self, time: float, face: Face, look: Look | None) -> None:
        self.id: int | None = None
        self.gone = False
        self.born = self.seen = time
        self.missed = 0
        self.face, self.look = face, look
        self._state = _state(face)
        self._velocity: State = np.zeros(4)

    @property
    def tentative(self) -> bool:
        """Neither confirmed nor given up yet."""
        return self.id is None and not self.gone

    def predict(self, time: float) -> State:
        """Centre x, y and log width, height expected at ``time``."""
        return self._state + self._velocity * min(time - self.seen, COAST)

    def follow(self, time: float, face: Face, look: Look | None = None) -> None:
        """Take ``face`` as this track's at ``time``."""
        state, passed = _state(face), max(time - self.seen, 1e-3)
        trust = 1 - math.exp(-passed / STEADY)
        self._velocity += trust * ((state - self._state) / passed - self._velocity)
        self._state, self.seen, self.missed, self.face = state, time, 0, face
        if look is not None:
            # A slow mean: the look of a face that crosses another must not become the other's.
            self.look = look if self.look is None else self.look + np.float32(0.2) * (look - self.look)


class Tracker:
    """Gives every face its track.

    Args:
        max_gap: seconds a track may be unseen and still be taken up again (:mod:`mien.core.absence`).
        confirm: False gives every face a number at once (boxes known to be true).
    """

    def __init__(self, max_gap: float, confirm: bool = True) -> None:
        self.max_gap, self.confirm = max_gap, confirm
        self.tracks: list[Track] = []
        self._next_id = 1

    def update(self, time: float, faces: Sequence[Face], looks: Sequence[Look] | None = None) -> list[Track]:
        """Assign the detected faces of one frame.

        Args:
            time: seconds, later than the last call's.
            faces: all faces of the frame.
            looks: thumbnails of the faces as standardised vectors, or None to go by place alone.

        Returns:
            A track for every face, no track twice. Tracks that were tentative and found no face now are gone, if now is
            soon enough after their last to tell, and confirmed if it is not.
        """
        self.expire(time)
        found = self._assign(time, faces, looks)
        result = []
        for number, face in enumerate(faces):
            look = None if looks is None else looks[number]
            track = found.get(number)
            if track is None:
                track = Track(time, face, look)
                self.tracks.append(track)
                if not self.confirm:
                    self.accept(track)
            else:
                track.follow(time, face, look)
                if time - track.born >= CONFIRM_AFTER:
                    self.accept(track)
            result.append(track)
        self._miss(time, [track for track in self.tracks if track not in result])
        return result

    def accept(self, track: Track) -> None:
        """Confirm a track: it gets the next number, if it has none."""
        if track.id is None:
            track.id = self._next_id
            self._next_id += 1

    def expire(self, time: float) -> list[Track]:
        """Give up, and return, the tracks unseen for longer than ``max_gap`` and in the frames looked at since."""
        return self._drop(track for track in self.tracks if is_over(time - track.seen, track.missed, self.max_gap))

    def end(self) -> list[Track]:
        """Give up, and return, every track: a cut, or the end of the source."""
        return self._drop(self.tracks)

    def _miss(self, time: float, unseen: Sequence[Track]) -> None:
        """Note that these were looked for at ``time`` in vain."""
        for track in unseen:
            track.missed += 1
            if track.tentative and time - track.seen > APART:
                self.accept(track)
        self._drop(track for track in unseen if track.tentative and track.seen < time)

    def _drop(self, tracks: Iterable[Track]) -> list[Track]:
        dropped = list(tracks)
        for track in dropped:
            track.gone = True
        self.tracks = [track for track in self.tracks if not track.gone]
        return dropped

    def _assign(self, time: float, faces: Sequence[Face], looks: Sequence[Look] | None) -> dict[int, Track]:
        """Face number -> its track, for the faces that have one.

        Confirmed tracks choose first: someone who comes out from behind another is first seen by half, looks new, and
        must not stay a stranger.
        """
        found: dict[int, Track] = {}
        for tentative in (False, True):
            tracks = [track for track in self.tracks if track.tentative == tentative]
            free = [number for number in range(len(faces)) if number not in found]
            if tracks and free:
                cost = _costs(tracks, [faces[number] for number in free], time)
                if looks is not None:
                    cost += _unlikeness(tracks, [looks[number] for number in free])
                found |= {free[f]: tracks[t] for t, f in _cheapest(cost)}
        return found


def _cheapest(cost: Float64[np.ndarray, "t f"]) -> list[tuple[int, int]]:
    """The pairs (track, face) of the assignment of least total cost, without the forbidden ones."""
    cost = np.minimum(cost, FORBIDDEN)
    if 1 in cost.shape:  # one person needs no SciPy, whose import is a tenth of the time of a short clip
        pairs = [divmod(int(cost.argmin()), cost.shape[1])]
    else:
        from scipy.optimize import linear_sum_assignment

        pairs = [(int(t), int(f)) for t, f in zip(*linear_sum_assignment(cost), strict=True)]
    return [pair for pair in pairs if cost[pair] < FORBIDDEN]


def _state(face: Face) -> State:
    """Centre x, y and log width, height of a face's box."""
    box = face.box.astype(np.float64)
    return np.concatenate([(box[:2] + box[2:]) / 2, np.log(np.maximum(box[2:] - box[:2], 1e-3))])


def _boxes(states: Float64[np.ndarray, "n 4"]) -> Float64[np.ndarray, "n 4"]:
    half = np.exp(states[:, 2:]) / 2
    return np.hstack([states[:, :2] - half, states[:, :2] + half])


def _costs(tracks: Sequence[Track], faces: Sequence[Face], time: float) -> Float64[np.ndarray, "t f"]:
    """1 - overlap, distance in reaches, and log ratio of sizes; FORBIDDEN beyond the gates."""
    expected, found = np.stack([track.predict(time) for track in tracks]), np.stack([_state(face) for face in faces])
    size = np.exp(expected[:, 2:].mean(axis=1))
    unseen = np.array([time - track.seen for track in tracks])
    reach = size * (REACH + REACH_GROWTH * unseen)
    distance = np.linalg.norm(expected[:, None, :2] - found[None, :, :2], axis=2) / reach[:, None]
    resize = np.abs(expected[:, None, 2:].mean(axis=2) - found[None, :, 2:].mean(axis=2))
    cost = 1 - iou(_boxes(expected), _boxes(found)) + distance + resize
    return np.where((distance > 1) | (resize > MOST_RESIZE), FORBIDDEN, cost)


def _unlikeness(tracks: Sequence[Track], looks: Sequence[Look]) -> Float[np.ndarray, "t f"]:
    """1 - correlation of the thumbnails; FORBIDDEN where they show different faces, 0 where a track has none."""
    cost = np.zeros((len(tracks), len(looks)))
    for row, track in enumerate(tracks):
        if track.look is None:
            continue
        likeness = np.array([correlation(track.look, look) for look in looks])
        cost[row] = np.where(likeness < LEAST_LIKENESS, FORBIDDEN, 1 - likeness)
    return cost
