"""What a container says: which stream holds the pictures, where its clock has its zero, how long they last."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol, cast

import av
import av.error
from av.container import InputContainer
from av.format import Flags
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from mien.core.errors import SourceError

# Seconds to wait for a network source: for it to answer, and for each further read. Files never wait.
NETWORK_TIMEOUT = (15.0, 15.0)
# FFmpeg would draw the characters of any text file and call it a video.
TEXT_FORMATS = frozenset({"tty", "bin", "xbin", "adf", "idf"})
NO_FILM = Disposition.attached_pic | Disposition.timed_thumbnails


class Readable(Protocol):
    """What comes as it is read: a pipe."""

    def read(self, count: int, /) -> bytes:
        """At most ``count`` bytes; none at the end."""


def open_container(location: str | Readable, name: str) -> InputContainer:
    """FFmpeg's view of a file, an address or a pipe. Raises SourceError where it has none, or where it is text."""
    address = location if isinstance(location, str) else ""
    network = "://" in address
    options = {"rtsp_transport": "tcp"} if address.startswith("rtsp") else {}
    try:
        container = av.open(location, "r", options=options, timeout=NETWORK_TIMEOUT if network else None)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        fix = "check the address and the network" if network else "check that it plays; copy or convert it again"
        reason = _silence(address, error) or getattr(error, "strerror", None) or "it cannot be opened"
        raise SourceError("a video or picture that FFmpeg can open", f"{name}: {reason}", fix) from error
    if container.format.name in TEXT_FORMATS:
        container.close()
        raise SourceError("a video", f"{name}, which is text", "give a video file")
    return container


def _silence(address: str, error: Exception) -> str:
    """Why nothing came from an address, where FFmpeg's own word for it misleads; empty for all else."""
    if isinstance(error, av.error.ExitError):
        return f"no answer in {NETWORK_TIMEOUT[0]:.0f} s"
    # Whoever is silent, hangs up or says anything else than RTSP has sent "invalid data".
    if isinstance(error, av.error.InvalidDataError) and address.startswith("rtsp"):
        return "no connection: nothing there answers as RTSP does"
    # A host that nobody knows is an "input/output error".
    return "no connection" if "://" in address and getattr(error, "errno", None) == errno.EIO else ""


def choose_stream(container: InputContainer, name: str, number: int | None = None) -> tuple[VideoStream, str | None]:
    """The stream to read, and what is to be said of others. The streams beside it are switched off.

    Args:
        container: just opened.
        name: what to call it.
        number: which video stream, from 0, cover pictures not counted; None for the one that the container marks as
            default (what players show), else the first.

    Raises:
        SourceError: there is no video stream, none of that number, or no decoder for it.
    """
    films = [stream for stream in container.streams.video if not stream.disposition & NO_FILM]
    if not films:
        kinds: list[str] = sorted({stream.type for stream in container.streams})
        got = f"{name}, which holds {' and '.join(kinds) or 'nothing'}"
        raise SourceError("a file with a video stream", got, "give a video file")
    if number is not None and number >= len(films):
        got = f"number {number} of {name}, which has {len(films)}"
        raise SourceError("the number of a video stream, from 0", got, f"use 0 to {len(films) - 1}, or leave it out")
    shown = [place for place, stream in enumerate(films) if not _is_item(stream)] or list(range(len(films)))
    marked = [place for place in shown if films[place].disposition & Disposition.default]
    chosen = number if number is not None else (marked or shown)[0]
    stream = films[chosen]
    if stream.codec_context is None:
        raise SourceError(
            "a video that FFmpeg can decode", f"{name}, whose codec it does not know", "convert the video"
        )
    for other in container.streams:
        # Also for their damage: a torn sound track stops FFmpeg's reading of the pictures beside it.
        if other.index != stream.index:
            other.discard = Discard.all
    note = None
    if len(shown) > 1 and number is None:
        why = "marked as default" if marked else "the first"
        note = f"{name} holds {len(films)} video streams: stream {chosen} is read, {why}; choose with --stream"
    return stream, note


def _is_item(stream: VideoStream) -> bool:
    """A still picture beside the film of an animated AVIF or HEIF: FFmpeg lists it as a stream, and first."""
    return stream.frames == 1 and not stream.duration


def clock_zero(container: InputContainer) -> Fraction:
    """The timestamp, in seconds, at which players show 0:00.

    MP4, Matroska and AVI have a clock of their own, which players show as it is: a film whose picture starts 2 s after
    its sound starts at 2.0. The clocks of broadcasts (MPEG-TS and the like, live streams) start anywhere: players show
    0:00 where the first of all streams starts.
    """
    live = "://" in container.name and not container.duration
    if not live and not starts_anywhere(container):
        return Fraction(0)
    starts = (_start(stream) for stream in container.streams if stream.type in ("audio", "video"))
    return min((start for start in starts if start is not None), default=Fraction(0))


def starts_anywhere(container: InputContainer) -> bool:
    """Whether the format's clock has no zero of its own, and may restart."""
    return bool(container.format.flags & cast(int, Flags.ts_discont.value))


def _start(stream: Stream) -> Fraction | None:
    return None if stream.start_time is None or not stream.time_base else stream.start_time * stream.time_base


def claimed_end(container: InputContainer, stream: VideoStream, others: Sequence[object]) -> float | None:
    """Timestamp in seconds at which the header says that the pictures end; None where it speaks of no pictures alone.

    Args:
        container: still open.
        stream: the pictures.
        others: streams beside it, whose length the container's figure may be.
    """
    if container.format.flags & cast(int, Flags.no_timestamps.value):
        return None  # guessed from the size of the file
    tick = stream.time_base
    start = float(_start(stream) or 0)
    if stream.duration and tick:
        return start + float(stream.duration * tick)
    tag = re.match(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag:  # Matroska, whose writers put the time of the end there
        return 3600 * int(tag[1]) + 60 * int(tag[2]) + float(tag[3])
    if not container.duration or others:
        return None
    length = container.duration / av.time_base
    # Matroska counts from the clock's zero, not from the first frame.
    return length if "matroska" in container.format.name else start + length


def claimed_duration(container: InputContainer, stream: VideoStream) -> float | None:
    """Seconds of pictures by the header, for a progress bar: where need be, what it says of the whole container."""
    end = claimed_end(container, stream, ())
    if end is None:
        return None
    return max(end - float(_start(stream) or 0), 0.0) or None
