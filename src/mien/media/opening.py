"""``open``: one door for every source."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from mien.core.errors import ConfigError, SourceError
from mien.media import files
from mien.media.selection import Selection
from mien.media.source import Kind, Source, SourceInfo

AnySource = Any
"""What :func:`open` takes: see its table. Tensors and images of PIL are not imported to be named here."""


def open(
    source: AnySource, *, frame_rate: float | None = None, selection: Selection | None = None, bgr: bool = False
) -> Source:
    """Open a source of frames.

    ===========================  ==================================================================================
    source                       is read as
    ===========================  ==================================================================================
    path of a video or picture   itself (a picture is one frame at 0.0 s, a TIFF of many pages a sequence)
    folder, list of paths        the pictures as the frames of one sequence; a folder's in natural order
    pattern (``shots/*.png``)    a sequence of the matches; a single match as itself
    ``-``, a named pipe          a video or picture as it comes, once
    number, ``/dev/video0``      camera; ``"0"`` too, when no file has that name
    address (``rtsp://...``)     what FFmpeg can open there
    array, tensor, PIL image     pixels in RGB, one picture or many: :func:`mien.media.arrays.open_pictures`
    list, generator of those     the frames of one sequence
    ===========================  ==================================================================================

    A film's times are those of its container, as players show them; a camera's start at 0.0 with its first frame.

    Args:
        source: see the table.
        frame_rate: frames per second. A source with a clock of its own (video, camera) is thinned to it, by choosing
            the nearest frames, and never filled up. To a source without (sequence, array) it gives the clock; 25 when
            not given.
        selection: which of its frames are wanted; all of them when None. It has a frame rate of its own: give one.
        bgr: the arrays' colours lie as blue, green, red (OpenCV's ``imread``). Files are always read rightly.

    Returns:
        An open source; use it in a ``with`` block.

    Raises:
        SourceError: nothing there, or nothing that can be read as pictures.
        ConfigError: a frame rate that is not positive, or two of them; ``bgr`` of what is no array.
    """
    if selection is None:
        selection = Selection(frame_rate=frame_rate)
    elif frame_rate is not None:
        raise ConfigError("one frame rate", "frame_rate and selection", "put it into the selection")
    if bgr:
        from mien.media.arrays import Pictures

        source = Pictures(source, bgr)
    opened = _open(source, selection)
    opened.selection = _fitting(selection, opened.info.kind)
    return opened


def _fitting(selection: Selection, kind: Kind) -> Selection:
    """What of a selection has a meaning for this kind of source."""
    if kind == "image":
        return Selection()  # a picture has no time: that it belongs to a batch of films must not lose it
    # A sequence has got its clock from the frame rate: no picture of it is left out for that.
    return selection if kind in ("video", "camera") else replace(selection, frame_rate=None)


def _open(source: AnySource, selection: Selection) -> Source:
    if isinstance(source, bool) or not isinstance(source, str | os.PathLike | int | np.integer):
        from mien.media import arrays

        source = arrays.settled(source)
        if arrays.is_pictures(source):
            return arrays.open_pictures(source, selection.frame_rate)
    if isinstance(source, int | np.integer):
        return _open_camera(int(source))
    if isinstance(source, str | os.PathLike):
        return _open_named(files.name_of(source), selection)
    return _open_list([Path(files.name_of(name)) for name in source], selection)


def probe(path: AnySource) -> SourceInfo:
    """What is known of a source on opening it; its frames are not read. Raises SourceError as :func:`open` does."""
    with open(path) as source:
        return source.info


def _open_named(source: str, selection: Selection) -> Source:
    if source == files.STDIN:
        return _open_stdin(selection)
    if files.is_address(source):
        from mien.media.video import open_video

        return open_video(source, _public_name(source), selection)
    camera = files.camera_number(source)
    if camera is not None:
        return _open_camera(camera)
    if files.is_glob(source):
        return _open_pattern(source, selection)
    return _open_path(Path(source), selection)


def _open_stdin(selection: Selection) -> Source:
    if files.is_pipe(files.STDIN):
        return _open_pipe(files.STDIN, selection)
    os.lseek(0, 0, os.SEEK_SET)  # a file, sent in with <: it can be read again
    return _open_path(Path("/dev/stdin"), selection)


def _open_pipe(name: str, selection: Selection) -> Source:
    from mien.media.piped import Pipe
    from mien.media.video import open_video

    pipe = Pipe(name)
    try:
        source = open_video(pipe, pipe.name, selection) if pipe.streams else _open_path(pipe.kept(), selection)
    except BaseException:
        pipe.close()
        raise
    release = source.release

    def release_both() -> None:
        try:
            release()
        finally:
            pipe.close()

    source.release = release_both
    return source


def _public_name(address: str) -> str:
    """An address without user, password and query, which must not reach reports and logs."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _open_camera(number: int) -> Source:
    from mien.media.camera import open_camera

    return open_camera(number)


def _open_pattern(pattern: str, selection: Selection) -> Source:
    if lost := files.not_there(pattern):
        raise lost
    paths = [Path(match) for match in sorted(files.matches(pattern), key=files.natural_key)]
    return _open_path(paths[0], selection) if len(paths) == 1 else _open_list(paths, selection, pattern)


def _open_path(path: Path, selection: Selection) -> Source:
    if lost := files.not_there(str(path)):
        raise lost
    if files.is_pipe(path):
        return _open_pipe(str(path), selection)
    if path.is_dir():
        from mien.media.stills import open_sequence

        listing = files.images_of(path)
        if not listing.sources:
            raise _without_pictures(path, listing)
        images = [Path(image) for image in listing.sources]
        source = open_sequence(images, path.resolve().name, selection.frame_rate, selection.max_pixels)
        source.problems += filter(None, [listing.left_out_line()])
        return source
    if files.is_image(path):
        from mien.media.stills import open_image

        return open_image(path, selection.frame_rate, selection.max_pixels)
    if files.is_animated_webp(path):
        from mien.media.webp import open_webp

        return open_webp(path, selection.max_pixels)
    from mien.media.video import open_video

    # "file:" keeps FFmpeg from reading a colon in a file's name as a protocol.
    return open_video(f"file:{path}", path.name, selection)


def _without_pictures(folder: Path, listing: files.Listing) -> SourceError:
    if any(Path(name).suffix.lower() in files.VIDEO_SUFFIXES for name, _ in listing.left_out):
        expected, got = "a folder of pictures, the frames of one sequence", f"{folder}, which holds videos"
        return SourceError(expected, got, "open them one at a time")
    fix = "check the folder; name a file itself to have it tried"
    return SourceError("a folder with videos or pictures in it", f"{folder}, which has none", fix)


def _open_list(paths: Sequence[Path], selection: Selection, name: str | None = None) -> Source:
    from mien.media.stills import open_sequence

    for path in paths:
        if os.path.exists(path) and not files.is_image(path):
            fix = "open videos one at a time"
            raise SourceError("picture files, the frames of one sequence", f"{path}, which is none", fix)
    default = f"{paths[0].parent.resolve().name} ({len(paths)} pictures)" if paths else "an empty list"
    return open_sequence(paths, name or default, selection.frame_rate, selection.max_pixels)
