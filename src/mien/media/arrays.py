"""Pictures that are in memory already, of every layout they come in, to the one layout mien uses.

That is upright RGB, uint8, (h, w, 3).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

from mien.core.errors import ConfigError, SourceError
from mien.media import foreign
from mien.media.orientation import UPRIGHT
from mien.media.source import Shot, Source, SourceInfo

DEFAULT_FRAME_RATE = 25.0
"""Frames per second of pictures that carry no clock (a sequence, an array) when the caller does not say."""
NO_ROWS = (str, bytes, bytearray, memoryview, dict, set, frozenset)
"""What Python can go through item by item, and yet is no row of pictures or names."""
MOST_COLOURS = 4
"""Planes a picture may have; a first or last axis that is longer counts pictures, rows or columns."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures in memory with the order of their colours: a source that can be opened again as it was.

    Attributes:
        source: whatever :func:`open_pictures` takes.
        bgr: the colours lie as blue, green, red.

    Raises:
        ConfigError: a file, address or camera, whose colours are known.
    """

    source: Any
    bgr: bool = False

    def __post_init__(self) -> None:
        if _is_name(self.source) or isinstance(self.source, int | np.integer):
            raise _no_pictures(self.source)


def _no_pictures(source: Any) -> ConfigError:
    fix = "leave bgr out: the colours of files and cameras are known"
    return ConfigError("an array, or the like, with bgr", f"a {type(source).__qualname__}", fix)


def over_white(rgb: UInt8[np.ndarray, "h w 3"], alpha: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """A transparent picture laid on white paper: what viewers and browsers show, and what cut-out portraits expect."""
    answer = np.empty(rgb.shape, np.uint8)
    # In strips of about a megabyte: the numbers in between would take ten times the room of a large picture.
    step = max(1, (1 << 18) // max(rgb.shape[1], 1))
    for top in range(0, rgb.shape[0], step):
        weight = alpha[top : top + step, :, None].astype(np.uint16)
        answer[top : top + step] = (rgb[top : top + step] * weight + 255 * (255 - weight) + 127) // 255
    return answer


def to_rgb(image: Shaped[np.ndarray, "*shape"], name: str) -> UInt8[np.ndarray, "h w 3"]:
    """One picture as RGB uint8 in memory of its own.

    Args:
        image: uint8 or uint16, (h, w) grey or (h, w, c) with c = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
            Transparency is laid on white; 16 bits are scaled to 8.
        name: what to call it in an error.

    Raises:
        SourceError: another number type or layout, or no pixels.
    """
    if image.dtype not in (np.uint8, np.uint16):
        fix = "scale it to 0..255 and convert it with .astype(numpy.uint8)"
        raise SourceError("8 or 16 bit whole numbers for pixels", f"{image.dtype} in {name}", fix)
    planes = image[..., None] if image.ndim == 2 else image
    if planes.ndim != 3 or planes.shape[2] not in (1, 2, 3, 4) or 0 in planes.shape:
        raise _no_picture(image.shape, name)
    if planes.dtype == np.uint16:
        planes = np.round(planes / 257.0).astype(np.uint8)
    colours = 3 if planes.shape[2] > 2 else 1
    rgb = np.broadcast_to(planes[..., :colours], (*planes.shape[:2], 3))
    return rgb.copy() if planes.shape[2] in (1, 3) else over_white(rgb, planes[..., -1])


def _no_picture(shape: tuple[int, ...], name: str) -> SourceError:
    fix = "put the colours last and use 1 to 4 of them"
    return SourceError("a picture of shape (h, w) or (h, w, colours)", f"{shape} in {name}", fix)


def settled(source: Any) -> Any:
    """``source`` so that it can be looked at before it is opened.

    Of something that can be gone through only once, the first item is taken and put back.

    Returns:
        A list of names, or what :func:`open_pictures` takes; :func:`is_pictures` tells which.

    Raises:
        SourceError: it is neither.
    """
    if isinstance(source, Pictures | list | tuple) or foreign.is_pil(source):
        return source
    if foreign.is_array_like(source):
        if foreign.is_tensor(source):
            return source
        array = foreign.as_array(source, "the array")
        # A column of names out of a table, or pictures of many sizes in one array.
        return array.tolist() if array.ndim == 1 and array.dtype.kind in "OUT" else array
    table_or_file = hasattr(source, "columns") or hasattr(source, "readline")
    if not isinstance(source, Iterable) or isinstance(source, NO_ROWS) or table_or_file:
        expected = "a path, an address, a camera number, an array, a tensor, a PIL image, or a list of one kind"
        fix = "give the name of the file, or pixels as an array of shape (h, w, 3) in RGB"
        raise SourceError(expected, f"a {type(source).__qualname__}", fix)
    items = iter(source)
    for first in items:
        every = chain([first], items)
        return list(every) if _is_name(first) else Pictures(every)
    return Pictures(items)


def is_pictures(source: Any) -> bool:
    """True when ``source``, a :func:`settled` one, is for :func:`open_pictures`; False for a list of names."""
    return not isinstance(source, list | tuple) or (len(source) > 0 and not _is_name(source[0]))


def _is_name(item: Any) -> bool:
    return isinstance(item, str | os.PathLike)


def open_pictures(source: Any, frame_rate: float | None = None) -> Source:
    """Frames of pictures in memory.

    ======================  =======================================================================================
    source                  is read as
    ======================  =======================================================================================
    array, tensor           (h, w), (h, w, 1 to 4) and (3, h, w): one picture; (t, h, w) grey, (t, h, w, 1 to 4) and
                            (t, 1 to 4, h, w): t pictures. uint8, uint16, bool, or floats in [0, 1]; on any device
    PIL image               as it is shown: turned by its EXIF, colours of its palette, on white where transparent
    list, tuple, generator  of the above: a picture each, which may differ in size
    ======================  =======================================================================================

    Colours lie as red, green, blue, and alpha where there are four; in other order inside :class:`Pictures`.

    Args:
        source: see the table.
        frame_rate: pictures per second, :data:`DEFAULT_FRAME_RATE` by default.

    Raises:
        SourceError: another number type or layout, numbers out of range, or no pixels. Where pictures are made while
            they are read (a generator), the pass raises it.
        ConfigError: names of files in :class:`Pictures`.
    """
    bgr = False
    while isinstance(source, Pictures):
        inner, bgr = source.source, source.bgr or bgr
        source = inner if isinstance(inner, Iterator) else settled(inner)
        if not is_pictures(source):
            raise _no_pictures(inner)
    pictures = _one_by_one(source)
    count = None if isinstance(pictures, Iterator) else len(pictures)

    def named() -> Iterator[tuple[str, Any]]:
        for number, picture in enumerate(pictures):
            yield "the array" if count == 1 else f"picture {number}", picture

    if count is not None:
        for name, picture in named():
            _demand_picture(picture, name)
    stream = named()
    first = next(stream, None)
    if first is None:
        fix = "give an array of shape (h, w, 3); a generator can be read only once, a list again and again"
        raise SourceError("at least one picture", "none", fix)
    height, width = _pixels(*first, bgr).shape[:2]
    rate = frame_rate or DEFAULT_FRAME_RATE
    info = SourceInfo("array", "array", width, height, None if count is None else count / rate, rate, count)
    problems: list[str] = []

    def shots() -> Iterator[Shot]:
        for number, (name, picture) in enumerate(chain([first], stream)):
            if count is None:
                _demand_picture(picture, name)
            if foreign.is_pil(picture) and (frames := foreign.frame_count(picture)) > 1:
                problems.append(f"{name}: one of its {frames} frames was read; give the file's name for all of them")
            yield Shot(number / rate, partial(_pixels, name, picture, bgr))

    return Source(info, shots(), problems=problems)


def _one_by_one(source: Any) -> Any:
    """The pictures of ``source``: a list, an array or tensor along its first axis, or an iterator.

    Raises:
        SourceError: an array that has no layout of pictures, or could have two.
    """
    if isinstance(source, list | tuple | Iterator):
        return source
    if foreign.is_pil(source):
        return [source]
    stack = source if foreign.is_tensor(source) else foreign.as_array(source, "the array")
    shape = tuple(stack.shape)
    if len(shape) not in (2, 3, 4) or 0 in shape:
        fix = "pass (h, w, 3) for one picture or (t, h, w, 3) for many"
        raise SourceError("an array of one or more pictures", f"shape {shape}", fix)
    if len(shape) == 3 and shape[0] == 4 and min(shape[1:]) > MOST_COLOURS:
        fix = "pass (h, w, 4) for one picture in colours, or (4, h, w, 1) for four grey ones"
        raise SourceError("an array with one meaning", f"shape {shape}, four planes or four pictures", fix)
    single = len(shape) == 2 or (len(shape) == 3 and (shape[2] <= MOST_COLOURS or _is_colours_first(shape, (3,))))
    return [stack] if single else stack


def _is_colours_first(shape: tuple[int, ...], colours: Iterable[int]) -> bool:
    return len(shape) == 3 and shape[0] in colours and min(shape[1:]) > MOST_COLOURS


def _colours_last(picture: Shaped[np.ndarray, "*shape"], name: str) -> Shaped[np.ndarray, "*shape"]:
    """One picture as (h, w) or (h, w, colours). Raises SourceError where it is not one."""
    planes = picture[0] if picture.ndim == 4 and len(picture) == 1 else picture
    if _is_colours_first(planes.shape, range(1, MOST_COLOURS + 1)):
        return np.moveaxis(planes, 0, -1)
    if planes.ndim not in (2, 3) or 0 in planes.shape or (planes.ndim == 3 and planes.shape[2] > MOST_COLOURS):
        raise _no_picture(picture.shape, name)
    return planes


def _demand_picture(picture: Any, name: str) -> None:
    """Raise SourceError where :func:`_pixels` would; images of PIL are left shut, as there may be many."""
    if not foreign.is_pil(picture):
        _demand_range(_colours_last(foreign.as_array(picture, name), name), name)


def _demand_range(pixels: Shaped[np.ndarray, "*shape"], name: str) -> None:
    """Raise SourceError for numbers whose scale nobody can know."""
    kind, size = pixels.dtype.kind, pixels.dtype.itemsize
    if kind == "b" or (kind == "u" and size <= 2):
        return
    if kind != "f":
        expected = "8 or 16 bit whole numbers, or floats in [0, 1], for pixels"
        fix = "scale it to 0..255 and convert it with .astype(numpy.uint8)"
        raise SourceError(expected, f"{pixels.dtype} in {name}", fix)
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= 0 and high <= 1):  # said so that NaN does not pass
        got = f"NaN in {name}" if np.isnan(low) else f"{low:g} to {high:g} in {name}"
        raise SourceError("pixels in [0, 1] where they are floats", got, "divide by 255 and clip, or give uint8")


def _pixels(name: str, picture: Any, bgr: bool) -> UInt8[np.ndarray, "h w 3"]:
    """One picture, of whatever type, as RGB."""
    turn = UPRIGHT
    if foreign.is_pil(picture):
        stored, turn = foreign.as_shown(picture, name)
    else:
        stored = _colours_last(foreign.as_array(picture, name), name)
    _demand_range(stored, name)
    rgb = to_rgb(_whole_numbers(stored), name)
    return turn.upright(rgb[..., ::-1] if bgr else rgb)


def _whole_numbers(pixels: Shaped[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    """uint8 or uint16, in this machine's order of bytes."""
    if pixels.dtype.kind == "f":
        return np.round(pixels.astype(np.float32) * 255).astype(np.uint8)
    if pixels.dtype.kind == "b":
        return pixels * np.uint8(255)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
