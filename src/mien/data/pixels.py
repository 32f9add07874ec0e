"""The pixels of a manifest's rows, whatever they lie in: pictures, videos, folders of frames, arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Int, UInt8

from mien.core.errors import DataError, SourceError
from mien.data.archives import read_members
from mien.data.manifest import Manifest, Row
from mien.media.arrays import to_rgb
from mien.media.files import images_in
from mien.media.opening import open as open_source
from mien.media.stills import read_image

Clip = UInt8[np.ndarray, "t 3 h w"]
Image = UInt8[np.ndarray, "h w 3"]
Images = dict[int, Image]
Answer = TypeVar("Answer")

FIX = "check the file, or take a new copy of it"
MOST_ARRAYS = 6
"""Members of archives a process keeps: three splits, twice."""


def frame_count(manifest: Manifest, row: Row) -> int:
    """Frames of an item, at least 1; 1 for an image. A video's are counted by decoding it, once a process.

    Raises:
        DataError: missing, unreadable, or without a frame.
    """
    if row.kind == "video":
        return video_frames(manifest.root / row.path).frames
    if row.kind == "frames":
        return len(_frame_files(manifest.root / row.path))
    return 1


def read_clip(manifest: Manifest, row: Row, indices: Int[np.ndarray, " t"] | None = None) -> Clip:
    """Frames of an item in RGB; each wanted frame is decoded once and no other frame is held.

    Args:
        manifest: for the root.
        row: the item.
        indices: frame numbers, in any order and as often as wanted; None: all frames.

    Raises:
        DataError: missing, unreadable, no such frame, or frames that differ in size; it names the file.
    """
    path = manifest.root / row.path
    wanted = None if indices is None else [int(index) for index in indices]
    if row.kind == "video":
        images = _said_of(path, _video_images, path, wanted)
    elif row.kind == "frames":
        images = _said_of(path, _folder_images, path, wanted)
    else:
        images = {0: _said_of(path, _array_image if row.kind == "array" else read_image, path)}
    return _stacked(images, wanted, path)


class Video(NamedTuple):
    """What decoding a video showed.

    Attributes:
        frames: how many can be decoded.
        problems: what is wrong with the rest of it, one sentence each.
        rate: frames a second, as its container says; None where it does not.
    """

    frames: int
    problems: tuple[str, ...]
    rate: float | None


def video_frames(path: Path) -> Video:
    """Count the frames of a video.

    Raises:
        DataError: none at all.
    """
    stat = _said_of(path, path.stat)
    return _count(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1 << 16)
def _count(path: Path, changed: int, size: int) -> Video:
    """By path and state of the file, as training asks for the same clips in every epoch."""

    def counted() -> Video:
        with open_source(path) as source:
            frames = sum(1 for _ in source.shots)
            return Video(frames, tuple(source.problems), source.info.frame_rate)

    return _said_of(path, counted)


def _said_of(path: Path, read: Callable[..., Answer], *args: object) -> Answer:
    """``read(*args)``; what goes wrong is said of ``path``."""
    try:
        return read(*args)
    except SourceError as error:
        raise DataError(error.expected, f"{error.got} ({path})", error.fix) from error
    except OSError as error:
        raise DataError("a file that can be read", f"{path}: {error.strerror or error}", FIX) from error


def _video_images(path: Path, wanted: list[int] | None) -> Images:
    """The wanted frames by number; pixels are made of these alone, and decoding ends with the last of them."""
    chosen = None if wanted is None else set(wanted)
    images: Images = {}
    with open_source(path) as source:
        for index, shot in enumerate(source.shots):
            if chosen is None or index in chosen:
                images[index] = shot.pixels()
            if chosen is not None and len(images) == len(chosen):
                break
    return images


def _folder_images(path: Path, wanted: list[int] | None) -> Images:
    files = _frame_files(path)
    chosen = range(len(files)) if wanted is None else {index for index in wanted if 0 <= index < len(files)}
    return {index: _said_of(files[index], read_image, files[index]) for index in chosen}


def _frame_files(folder: Path) -> list[Path]:
    files = _said_of(folder, images_in, folder)
    if not files:
        raise DataError("a folder of frames", f"no picture in {folder}", "take a new copy of this clip")
    return files


def _array_image(path: Path) -> Image:
    """``file.npz#key/row`` or ``file.csv#pixels/row``."""
    name, _, place = str(path).rpartition("#")
    key, _, number = place.rpartition("/")
    if not name or not key or not number.isdecimal():
        raise DataError("a path such as faces.npz#images/12", str(path), "prepare the set again")
    file = Path(name)
    if file.suffix.lower() == ".csv":
        from mien.data.datasets.ferplus import csv_image

        return to_rgb(csv_image(file, int(number)), str(path))
    stat = file.stat()
    array = _member(file, key, stat.st_mtime_ns, stat.st_size)
    if int(number) >= len(array):
        raise DataError(f"a row below {len(array)}", str(path), "prepare the set again")
    return to_rgb(array[int(number)], str(path))


@lru_cache(maxsize=MOST_ARRAYS)
def _member(path: Path, key: str, changed: int, size: int) -> UInt8[np.ndarray, "n ..."]:
    member: UInt8[np.ndarray, "n ..."]
    (member,) = read_members(path, (key,), f"an .npz file with a uint8 array {key}", FIX)
    if member.ndim not in (3, 4) or member.dtype != np.uint8:
        got = f"{path}: {member.shape} {member.dtype}"
        raise DataError(f"{key} as uint8 (n, h, w) or (n, h, w, 3)", got, "write it as such")
    member.flags.writeable = False
    return member


def _stacked(images: Images, wanted: list[int] | None, path: Path) -> Clip:
    order = sorted(images) if wanted is None else wanted
    absent = sorted(set(order) - images.keys())
    if absent or not order:
        raise DataError("frames that the clip has", f"frame {absent[:1]} of {path}", "prepare the set again")
    sizes = {image.shape[:2] for image in images.values()}
    if len(sizes) > 1:
        got = " and ".join(f"{width}x{height}" for height, width in sorted(sizes))
        raise DataError("frames of one size in a clip", f"{got} in {path}", "crop the clip, or leave it out")
    height, width = next(iter(sizes))
    clip = np.empty((len(order), 3, height, width), np.uint8)
    for frame, index in zip(clip, order, strict=True):
        frame[:] = images[index].transpose(2, 0, 1)
    return clip
