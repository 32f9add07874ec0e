"""From an item of a release to the aligned crops of one face: found, followed and aligned as analysis does it.

A clip gives one person: the one whose face, weighed by its size and by how central it is, sums to most over the frames.
An image is a clip of one frame. Frames without that person are left out, never filled, so a crop is always a picture
that was taken; a file is named after the frame's number in the source, so the gap can be seen.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from jaxtyping import UInt8

from mien.clips.indices import uniform_sample
from mien.core.errors import ConfigError, DataError, SourceError
from mien.core.types import Face, Frame
from mien.data.crop_settings import CropSettings
from mien.data.manifest import Manifest, Row
from mien.data.names import is_clip
from mien.data.pixels import read_clip
from mien.faces.detectors import Detector
from mien.faces.settings import FaceSettings
from mien.faces.stream import detector_of, follow
from mien.media.opening import open as open_source

CROPS, UNCROPPED, DRAFTS = "crops", "uncropped", ".drafts"
"""Folders of a prepared set: faces; middles of pictures without a face, where asked for; what is being made."""
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
Status = Literal["cropped", "kept", "no face", "unreadable"]
Jpegs = dict[int, bytes]
"""Encoded crops by frame number."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item.

    Attributes:
        status: ``cropped``; ``kept``: no face, the middle of the picture; ``no face``; ``unreadable``.
        path: of the file or folder made, from the prepared set's root; empty where there is none.
        frames: crops made.
        detail: what went wrong, or was odd; empty when nothing.
    """

    status: Status
    path: str = ""
    frames: int = 0
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One item to be cropped.

    Attributes:
        row: where it lies; the first that means it.
        name: of its crops, see :func:`mien.data.names.crop_names`.
        frames: how many it has.
    """

    row: Row
    name: str
    frames: int


@dataclass(frozen=True)
class Cropper:
    """Crops items into a prepared set's folder; sent to worker processes.

    Attributes:
        manifest: of the release; its rows are not needed.
        out: the prepared set.
        settings: how.
    """

    manifest: Manifest
    out: Path
    settings: CropSettings

    def done(self, job: Job) -> Outcome | None:
        """The outcome of an earlier run, where its files are there."""
        chances: tuple[tuple[str, Status], ...] = ((CROPS, "cropped"), (UNCROPPED, "kept"))
        for folder, status in chances[: 1 + self.settings.keep_uncropped]:
            path = f"{folder}/{job.name}"
            if not (self.out / path).exists():
                continue
            made = len(os.listdir(self.out / path)) if is_clip(job.row) else 1
            return Outcome(status, path, made, self._remark(job, made) if status == "cropped" else "")
        return None

    def __call__(self, job: Job) -> Outcome:
        """Crop one item. Raises ConfigError where nothing can be written."""
        try:
            jpegs = self._faces(job.row)
            status: Status = "cropped"
            if not jpegs and self.settings.keep_uncropped:
                jpegs, status = self._middles(job.row), "kept"
        except DataError as error:
            return Outcome("unreadable", detail=error.got)
        if not jpegs:
            return Outcome("no face", detail=f"in none of {job.frames} frames" if is_clip(job.row) else "")
        path = f"{CROPS if status == 'cropped' else UNCROPPED}/{job.name}"
        self._write(path, jpegs, is_clip(job.row))
        return Outcome(status, path, len(jpegs), self._remark(job, len(jpegs)) if status == "cropped" else "")

    def _remark(self, job: Job, made: int) -> str:
        wanted = min(job.frames, self.settings.frames or job.frames)
        return f"the face was found in {made} of {job.frames} frames" if made < wanted else ""

    def _faces(self, row: Row) -> Jpegs:
        faces = self.settings.faces
        with _frames_of(self.manifest, row) as frames:
            return self._thinned(main_person(frames, faces, self.settings.size, _detector(faces)))

    def _middles(self, row: Row) -> Jpegs:
        with _frames_of(self.manifest, row) as frames:
            return self._thinned({frame.index: encoded(middle(frame.image, self.settings.size)) for frame in frames})

    def _thinned(self, jpegs: Jpegs) -> Jpegs:
        if self.settings.frames is None or len(jpegs) <= self.settings.frames:
            return jpegs
        numbers = sorted(jpegs)
        return {numbers[place]: jpegs[numbers[place]] for place in uniform_sample(len(numbers), self.settings.frames)}

    def _write(self, path: str, jpegs: Jpegs, clip: bool) -> None:
        """All under a hidden name first, then the right name at once."""
        goal = self.out / path
        draft = self.out / DRAFTS / f"{os.getpid()}-{blake2b(path.encode(), digest_size=8).hexdigest()}"
        try:
            goal.parent.mkdir(parents=True, exist_ok=True)
            (draft if clip else draft.parent).mkdir(parents=True, exist_ok=True)
            for number, jpeg in jpegs.items():
                (draft / f"{number:05d}.jpg" if clip else draft).write_bytes(jpeg)
            os.replace(draft, goal)
        except OSError as error:
            raise ConfigError(
                "room for the crops", f"{goal}: {error.strerror}", "make room, then run it again"
            ) from error


def prominence(face: Face, width: int, height: int) -> float:
    """Its size as a share of the picture's shorter side, less with distance: nothing in a corner of the picture."""
    centre = (face.box[:2] + face.box[2:]) / 2
    middle_of = np.array([width, height]) / 2
    distance = float(np.hypot(*(centre - middle_of)) / np.hypot(*middle_of))
    return face.size / min(width, height) * max(0.0, 1 - distance)


def main_person(frames: Iterable[Frame], faces: FaceSettings, size: int, detector: Detector) -> Jpegs:
    """Crops of the person who is most prominent over all frames; of equals, the first seen. Empty without a face.

    Memory holds the encoded crops of everybody: some 30 KB a face and frame at 224 pixels.
    """
    people: dict[int, Jpegs] = defaultdict(dict)
    weight: dict[int, float] = defaultdict(float)
    for frame, crops in follow(frames, faces, size, detector):
        height, width = frame.image.shape[:2]
        for crop in crops:
            people[crop.track][frame.index] = encoded(crop.image)
            weight[crop.track] += prominence(crop.face, width, height)
    return people[max(sorted(people), key=lambda track: weight[track])] if people else {}


def middle(image: UInt8[np.ndarray, "h w 3"], size: int) -> UInt8[np.ndarray, "3 s s"]:
    """The largest square around a picture's middle, resized."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(image[top : top + side, left : left + side])
    way = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return np.ascontiguousarray(cv2.resize(square, (size, size), interpolation=way).transpose(2, 0, 1))


def encoded(crop: UInt8[np.ndarray, "3 s s"]) -> bytes:
    """JPEG of quality 95 with colours at full resolution."""
    done, jpeg = cv2.imencode(".jpg", np.ascontiguousarray(crop.transpose(1, 2, 0)[..., ::-1]), QUALITY)
    if not done:
        raise RuntimeError("OpenCV cannot write JPEG")
    return bytes(jpeg.tobytes())


@contextmanager
def _frames_of(manifest: Manifest, row: Row) -> Iterator[Iterator[Frame]]:
    """The frames of an item. Raises DataError for what cannot be read."""
    path = manifest.root / row.path
    if not is_clip(row):
        yield iter([Frame(0, 0.0, np.ascontiguousarray(read_clip(manifest, row)[0].transpose(1, 2, 0)))])
        return
    try:
        with open_source(path) as source:
            yield iter(source)
    except SourceError as error:
        raise DataError(error.expected, f"{error.got} ({path})", error.fix) from error


@lru_cache(maxsize=1)
def _detector(settings: FaceSettings) -> Detector:
    """One a process; its networks cannot be sent to another."""
    return detector_of(settings)
