"""The whole room as one stream: frames in; every frame out again, in order, with the faces seen in it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from jaxtyping import UInt8

from mien.core.errors import InputError, SourceError
from mien.core.forks import library_work
from mien.core.types import TIME_ROUNDING, Face, FaceCrop, Frame
from mien.faces.again import look_again, whole_picture
from mien.faces.align import align, frame_to_crop, points_in_box
from mien.faces.boxes import iou
from mien.faces.cuts import CutDetector
from mien.faces.detectors import (
    Detector,
    FrameDetector,
    NearDetector,
    detect_shrunk,
    find_again,
    make_detector,
    scaled,
    shrunk,
)
from mien.faces.guide import Guide
from mien.faces.newcomers import Newcomers, stranger
from mien.faces.quality import gated, judge
from mien.faces.region import within
from mien.faces.settings import FaceSettings
from mien.faces.tracker import APART, Look, Track, Tracker

LOOK_SIDE = 12
"""Side in pixels of the thumbnails that tell two people of one scene apart."""

MOST_OVERLAP = 0.4
"""Overlap of two guided boxes from which on the picture's motion cannot say whose it is."""

SELDOM = 4
"""How many times fewer searches are due while faces are followed: looks at small copies stand in for the others."""

FLUENT = 0.15
"""Seconds from one frame to the next up to which faces are carried by the picture's motion alone; longer steps count as
so many frames towards the next search, and after each the faces are measured anew."""


def follow(
    frames: Iterable[Frame],
    settings: FaceSettings,
    crop_size: int,
    detector: Detector | None = None,
    pictures: int = 0,
    look_rate: float = math.inf,
) -> Generator[tuple[Frame, list[FaceCrop]]]:
    """Find, follow, align and judge the faces of a source.

    Detection runs on every ``detect_every``-th frame (on every one where they are far apart), at once where a face
    cannot be followed between two, after a cut, and while a face that was just lost may come back. A detector that can
    look near known faces does so while none is missing and none is new. It searches the whole picture every
    ``search_every`` frames, SELDOM times less often where ``settings.follow``, and as soon as somebody may be new.

    With a ``look_rate`` the frames between two looks wait for the second. Where every face of the first could be
    followed to it, they need no pixels: a face lies between its places, and its crop is that of the look before, not
    ``looked``. Else they are looked at after all, and so are all while a face that was lost may come back.

    A face is reported from its first frame on, but only once a later detection has confirmed it: while one is
    unconfirmed, the frames of 0.1 s and ``detect_every`` more wait at most. Where no second frame comes soon enough to
    tell (a scene of one frame, a slide show, a slow camera) none is needed. Memory holds those frames and the live
    tracks, whatever the length of the source.

    Args:
        frames: in order of time.
        settings: how to look and what to keep.
        crop_size: side of the aligned crops in pixels.
        detector: instead of the one ``settings`` names.
        pictures: how many still pictures the source is made of (:attr:`mien.media.source.SourceInfo.pictures`), 0 for a
            film. A lone picture without a face is looked at again (:mod:`mien.faces.again`), and so is every picture
            where ``settings.crops``.
        look_rate: looks a second at most, of a film whose frames come faster.

    Yields:
        Every frame once, in order, with one crop per person in it (``measured=False`` between detections), by number.

    Raises:
        InputError: a detector that cannot be made, or a frame that is no RGB picture.
    """
    if settings.region is not None:
        rest = replace(settings, region=None)
        yield from within(
            frames, settings.region, lambda parts: follow(parts, rest, crop_size, detector, pictures, look_rate)
        )
        return
    with library_work:
        follower = _Follower(settings, crop_size, detector or detector_of(settings), pictures, look_rate)
    for frame in frames:
        with library_work:
            follower.push(frame)
            ready = list(follower.ready())
        yield from ready
    with library_work:
        follower.settle()
        ready = list(follower.ready())
    yield from ready


def detector_of(settings: FaceSettings) -> Detector:
    """The detector that ``settings`` asks for. Raises InputError as :func:`make_detector`."""
    options = {} if settings.detector_file is None else {"path": settings.detector_file}
    return make_detector(settings.detector, **options)


@dataclass(slots=True)
class _Seen:
    """One frame on its way out; its faces' tracks may still be unconfirmed."""

    frame: Frame
    grey: UInt8[np.ndarray, "h w"]
    looked: bool = True
    tracks: list[Track] = field(default_factory=list)
    faces: list[Face] = field(default_factory=list)


class _Follower:
    """State of one stream: the last frame, the tracks, and the frames that wait for a confirmation."""

    def __init__(
        self, settings: FaceSettings, crop_size: int, detector: Detector, pictures: int, look_rate: float
    ) -> None:
        self.settings, self.crop_size, self.detector = settings, crop_size, detector
        self.crops = settings.crops and pictures > 0
        self.twice = self.crops or pictures == 1
        self.seldom = SELDOM if settings.follow and settings.search_every > 1 else 1
        self.guide, self.cuts, self.newcomers = Guide(), CutDetector(), Newcomers()
        # Asked of every frame, and a protocol takes its time to answer.
        self.near = detector if isinstance(detector, NearDetector) else None
        self.given = detector if isinstance(detector, FrameDetector) else None
        self.tracker = Tracker(settings.max_gap, confirm=not (self.crops or self.given))
        # A given box is true of its own frame alone, and a still is no part of a motion.
        self.apart = 0.0 if pictures or self.given else 1 / look_rate
        self.held: list[Frame] = []  # since the last look
        self.waiting: deque[_Seen] = deque()
        self.shown: dict[int, FaceCrop] = {}  # of the last look that went out
        self.last: _Seen | None = None
        self.since = 0  # frames since the last detection
        self.unsearched = 0.0  # frames, of FLUENT seconds at most, since the last search of the whole picture
        self.unglanced = 0.0  # the same, since the last search or look at a small copy
        self.search = 0  # frames for which a face just lost is still looked for in every frame
        self.step = math.inf  # seconds from the look before the last one to the last one, of one scene

    def push(self, frame: Frame) -> None:
        """Find this frame's faces, or hold it until the next look tells."""
        soon = self.last is not None and frame.time - self.last.frame.time < self.apart - TIME_ROUNDING
        if soon and not self.search:
            self.held.append(frame)
            return
        frame = frame.developed()
        if not self._look(frame):
            self._look_at_held()
            self._look(frame)

    def _look_at_held(self) -> None:
        held, self.held = self.held, []
        for frame in held:
            self._look(frame.developed())

    def _look(self, frame: Frame) -> bool:
        """Find the faces of this frame and of those held; False, and nothing done, where these must be looked at."""
        grey, _ = shrunk(_grey(frame), self.settings.detect_height)
        carried = None
        if self.held:
            carried = self._carried(_Seen(frame, grey))
            if carried is None or self.cuts.ahead(grey):
                return False
        step = math.inf if self.last is None else frame.time - self.last.frame.time
        if self.cuts.push(grey, apart=step > APART):
            self.settle()
            step = math.inf
        self.step, seen = step, _Seen(frame, grey)
        passed = 1 + len(self.held)
        self.since += passed
        self.unsearched += max(passed, self.step / FLUENT)
        self.unglanced += max(passed, self.step / FLUENT)
        if not self._followed(seen, carried):
            self._searched(seen)
        self.guide.see(grey)
        if self.last is not None:
            self.waiting += [_between(self.last, seen, one) for one in self.held]
        self.held = []
        self.waiting.append(seen)
        self.last = seen
        return True

    def ready(self) -> Iterator[tuple[Frame, list[FaceCrop]]]:
        """The frames at the head that wait for no confirmation any more."""
        while self.waiting and not any(track.tentative for track in self.waiting[0].tracks):
            seen = self.waiting.popleft()
            pairs = [(track, face) for track, face in zip(seen.tracks, seen.faces, strict=True) if track.id is not None]
            if not seen.looked:
                yield seen.frame, [self._guessed(seen.frame, track, face) for track, face in sorted(pairs, key=_number)]
                continue
            crops = [self._crop(seen.frame, track, face) for track, face in sorted(pairs, key=_number)]
            self.shown = {crop.track: crop for crop in crops}
            yield seen.frame, crops

    def settle(self) -> None:
        """End of a scene: decide what is still unconfirmed, then end every track."""
        self._look_at_held()
        undecided = [track for track in self.tracker.tracks if track.tentative]
        if undecided and self.last is not None:
            if self.since:
                # They were guided to the last frame: look at it properly, as a second detection.
                self._searched(self.last)
            for track in undecided:
                seen_twice = track.born < self.last.frame.time
                if not track.gone and (seen_twice or self.step > APART):
                    self.tracker.accept(track)
        self.tracker.end()
        self.last, self.since, self.search = None, 0, 0

    def _followed(self, seen: _Seen, carried: list[Face] | None) -> bool:
        """Carry the last frame's faces to this one and measure them anew when due; False when a search is needed.

        ``carried``: the faces as carried, where that is known.
        """
        look_due = self.since >= self.settings.detect_every or self.step > FLUENT
        lost = self.last is None or self.search > 0 or self.given is not None
        if lost or (look_due and self._search_due(seen)):
            return False
        carried = self._carried(seen) if carried is None else carried
        if carried is None:
            return False
        if not look_due:
            self._carry_on(seen, carried)
            return True
        assert self.near is not None
        found = find_again(self.near, seen.frame.image, carried, self.settings.detect_height)
        if len(found) < len(carried):
            return False
        self._detected(seen, found)
        return True

    def _search_due(self, seen: _Seen) -> bool:
        """Whether a look near the known faces is not enough this time."""
        assert self.last is not None
        due = self.settings.search_every * (self.seldom if self.last.faces else 1)
        if self.near is None or self.unsearched >= due:
            return True
        if any(track.tentative for track in self.last.tracks):
            return True  # what only looks like a face must not vouch for itself
        known = [scaled(face, _scale(seen)) for face in self.last.faces]
        if not self.settings.follow:
            return self.newcomers.possible(seen.grey, known)
        # Whoever was lost a moment ago comes out beside a known face, most likely: from behind it.
        return len(self.tracker.tracks) > len(self.last.tracks) or self._newcomer(seen, known)

    def _newcomer(self, seen: _Seen, known: list[Face]) -> bool:
        """Whether somebody is there beside ``known``, as far as looks at parts and small copies can tell."""
        parts = self.newcomers.parts(seen.grey, known)
        glance = bool(known) and self.unglanced >= self.settings.search_every
        if parts is None:
            return True
        if parts or glance:
            picture, _ = shrunk(seen.frame.image, self.settings.detect_height)
            looks = [*parts, None] if glance else parts
            if any(stranger(self.detector, picture, known, part) for part in looks):
                return True
            self.newcomers.looked(seen.grey)
        if glance:
            self.unglanced = 0.0
        return False

    def _carried(self, seen: _Seen) -> list[Face] | None:
        """The last frame's faces where the picture's motion has brought them; None where that cannot be trusted."""
        assert self.last is not None
        scale = _scale(seen)
        carried = self.guide.carry(seen.grey, [scaled(face, scale) for face in self.last.faces])
        if carried is None or _entangled(carried):
            return None
        return [scaled(face, 1 / scale) for face in carried]

    def _carry_on(self, seen: _Seen, carried: list[Face]) -> None:
        """Take the carried faces as this frame's."""
        assert self.last is not None
        seen.tracks, seen.faces = list(self.last.tracks), carried
        for track, face in zip(seen.tracks, seen.faces, strict=True):
            track.follow(seen.frame.time, face)

    def _searched(self, seen: _Seen) -> None:
        """Detect in the whole frame."""
        self._detected(seen, self._detect(seen.frame))
        self.unsearched = self.unglanced = 0.0
        self.newcomers.searched(seen.grey, [scaled(face, _scale(seen)) for face in seen.faces])

    def _detected(self, seen: _Seen, found: list[Face]) -> None:
        """Take the detected faces as this frame's and give each its track."""
        faces = [_sound(face) for face in found]
        looks = [_look(seen.frame.image, face) for face in faces]
        before = [] if self.last is None else self.last.tracks
        seen.tracks, seen.faces = self.tracker.update(seen.frame.time, faces, looks), faces
        lost = any(not track.gone and track not in seen.tracks for track in before)
        self.search = self.settings.detect_every if lost else max(0, self.search - 1)
        self.since = 0

    def _detect(self, frame: Frame) -> list[Face]:
        if self.given is not None:
            return self.given.detect_frame(frame)
        found = detect_shrunk(self.detector, frame.image, self.settings.detect_height)
        if not found and self.twice:
            found = look_again(self.detector, frame.image, self.settings.detect_height, upright=self.crops)
        return found or [whole_picture(frame.image)] * self.crops

    def _crop(self, frame: Frame, track: Track, face: Face) -> FaceCrop:
        assert track.id is not None
        crop = align(frame.image, face.points, self.crop_size)
        return FaceCrop(track.id, frame.index, frame.time, face, crop, judge(face, crop, self.settings))

    def _guessed(self, frame: Frame, track: Track, face: Face) -> FaceCrop:
        """Of a frame that was not looked at."""
        assert track.id is not None
        before = self.shown[track.id]
        quality = gated(face, before.quality.sharpness, self.settings)
        return FaceCrop(track.id, frame.index, frame.time, face, before.image, quality, looked=False)


def _number(pair: tuple[Track, Face]) -> int:
    return pair[0].id or 0


def _between(before: _Seen, after: _Seen, frame: Frame) -> _Seen:
    """A frame between two looks: the faces that are in both, on the straight line from one place to the other."""
    share = np.float32((frame.time - before.frame.time) / (after.frame.time - before.frame.time))
    there = dict(zip(map(id, after.tracks), after.faces, strict=True))
    seen = _Seen(frame, before.grey[:0], looked=False)
    for track, start in zip(before.tracks, before.faces, strict=True):
        end = there.get(id(track))
        if end is not None:
            box, points = start.box + share * (end.box - start.box), start.points + share * (end.points - start.points)
            seen.tracks.append(track)
            seen.faces.append(Face(box, start.score, points, measured=False))
    return seen


def _grey(frame: Frame) -> UInt8[np.ndarray, "h w"]:
    image = frame.image
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise SourceError(
            "RGB frames (h, w, 3) uint8", f"{image.shape} {image.dtype}", "open the source with mien.media"
        )
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _scale(seen: _Seen) -> float:
    """Pixels of the grey picture for one of the frame."""
    return float(seen.grey.shape[0] / seen.frame.image.shape[0])


def _sound(face: Face) -> Face:
    """``face`` with points that a crop can be aligned by; those of its box where its own cannot."""
    try:
        frame_to_crop(face.points, 2)
    except InputError:
        return replace(face, points=points_in_box(face.box))
    return face


def _look(image: UInt8[np.ndarray, "h w 3"], face: Face) -> Look:
    """A thumbnail of the aligned face in colour; correlation makes it blind to brightness and contrast."""
    return align(image, face.points, LOOK_SIDE).astype(np.float32).ravel()


def _entangled(faces: Sequence[Face]) -> bool:
    """Whether two guided boxes overlap so far that one may have been dragged along by the other."""
    if len(faces) < 2:
        return False
    boxes = np.stack([face.box for face in faces])
    return bool((np.triu(iou(boxes, boxes), 1) > MOST_OVERLAP).any())
