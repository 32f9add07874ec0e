"""Looking at a part of every frame: what lies outside it is not searched, and places stay those of the whole frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace

import numpy as np

from mien.core.errors import ConfigError
from mien.core.types import FaceCrop, Frame, Region

Followed = Generator[tuple[Frame, list[FaceCrop]]]


def within(frames: Iterable[Frame], region: Region, follow: Callable[[Iterable[Frame]], Followed]) -> Followed:
    """What ``follow`` sees in ``region`` of ``frames``: whole frames, and faces in their pixels.

    Memory holds the frames that ``follow`` holds back.

    Raises:
        ConfigError: a frame has nothing in the region.
    """
    waiting: deque[tuple[Frame, tuple[int, int]]] = deque()

    def parts() -> Iterator[Frame]:
        for frame in map(Frame.developed, frames):
            part, corner = _part(frame, region)
            waiting.append((frame, corner))
            yield part

    for _, crops in follow(parts()):
        frame, corner = waiting.popleft()
        yield frame, [_moved(crop, corner) for crop in crops]


def _part(frame: Frame, region: Region) -> tuple[Frame, tuple[int, int]]:
    height, width = frame.image.shape[:2]
    x0, y0, x1, y1 = np.clip(np.rint(region), 0, [width, height, width, height]).astype(int).tolist()
    if x0 >= x1 or y0 >= y1:
        got = f"{','.join(f'{side:g}' for side in region)} in a picture of {width} x {height} pixels"
        raise ConfigError("a region inside the picture", got, "give x0,y0,x1,y1 in pixels of the upright picture")
    return replace(frame, image=np.ascontiguousarray(frame.image[y0:y1, x0:x1])), (x0, y0)


def _moved(crop: FaceCrop, corner: tuple[int, int]) -> FaceCrop:
    by = np.array(corner, np.float32)
    face = replace(crop.face, box=crop.face.box + np.tile(by, 2), points=crop.face.points + by)
    return replace(crop, face=face)
