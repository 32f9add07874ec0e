"""Names of files: which are videos or pictures, their order, and what a list of arguments means."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mien.core.errors import SourceError
from mien.media.boxes import FileBytes
from mien.media.headers import format_of, is_animated

IMAGE_SUFFIXES = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".png",
        ".bmp",
        ".dib",
        ".webp",
        ".tif",
        ".tiff",
        ".jp2",
        ".j2k",
        ".avif",
    }
    | {".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".heic", ".heif", ".hif", ".avifs", ".heics", ".heifs"}
)
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".m2v", ".ts", ".mts", ".m2ts", ".wmv"}
    | {
        ".asf",
        ".flv",
        ".f4v",
        ".3gp",
        ".3g2",
        ".ogv",
        ".mxf",
        ".vob",
        ".gif",
        ".apng",
        ".mjpg",
        ".mjpeg",
        ".y4m",
        ".dv",
    }
)
# What HEIF and AVIF call themselves in their first box; other files of its kind (MP4, QuickTime) are videos.
IMAGE_BRANDS = frozenset(
    {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2"}
    | {b"msf1", b"miaf", b"avci", b"avcs", b"jpeg", b"jpgs"}
)

# Pictures and films that mien itself writes into a results folder, and a file that tells it from any other folder.
PRODUCTS = (
    (re.compile(r"annotated\.(mp4|png)|timeline\.png"), "frames.csv"),
    (re.compile(r"face-\d+\.png"), "explain.json"),
)


def name_of(source: object) -> str:
    """The name of a file or an address as text, from whatever stands for one. Raises SourceError for anything else."""
    try:
        name = os.fsdecode(source)  # type: ignore[arg-type]
    except TypeError as error:
        raise SourceError("the name of a file", f"a {type(source).__qualname__}", "give text or a path") from error
    if not name:
        raise SourceError("the name of a file", "an empty text", "check the variable that it comes from")
    return name


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts as people do: ``frame2`` before ``frame10``, upper and lower case alike."""
    parts = re.findall(r"\d+|\D+", name.casefold())
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts]


def is_address(source: str) -> bool:
    """True for ``rtsp://...`` and the like: a scheme of two or more letters (one is a Windows drive)."""
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", source) is not None


def camera_number(source: str) -> int | None:
    """The number of a camera named ``"0"`` (when no file has that name) or ``/dev/video0``; None for anything else."""
    if source.isdecimal() and not os.path.exists(source):
        return int(source)
    device = re.fullmatch(r"/dev/video(\d+)", source)
    return int(device[1]) if device else None


def is_glob(source: str) -> bool:
    """True for a pattern with wildcards, when no file has that very name."""
    return glob.has_magic(source) and not os.path.exists(source)


def is_image(path: Path) -> bool:
    """True when ``path`` is read as a still picture: by its header, unless its suffix says video.

    An animation (PNG, WebP, AVIF, HEIF with pictures that follow each other in time) is a film, as a GIF is.
    """
    if path.suffix.lower() in VIDEO_SUFFIXES or not path.is_file():  # what is read from a pipe is gone
        return False
    kind, animated = _header(path)
    if kind == "ISO":
        return False
    return not animated if kind else path.suffix.lower() in IMAGE_SUFFIXES


def is_animated_webp(path: Path) -> bool:
    """True for the one kind of animation that FFmpeg cannot read."""
    return path.is_file() and _header(path) == ("webp", True)


def _header(path: Path) -> tuple[str, bool]:
    """A file's format as a picture, "" for none, "ISO" for an MP4 and the like; whether it is an animation."""
    try:
        with path.open("rb") as file:
            data = FileBytes(file)
            head = data[:16]
            kind = format_of(head)
            if kind == "heif" and head[8:12] not in IMAGE_BRANDS:
                return "ISO", False
            return kind, is_animated(data)
    except OSError:
        return "", False


def is_product(path: str | Path) -> bool:
    """True for a drawing that an earlier run of mien left beside its tables: no source, unless it is named itself."""
    folder, name = os.path.split(path)
    return any(form.fullmatch(name) and os.path.exists(os.path.join(folder, mark)) for form, mark in PRODUCTS)


def images_in(folder: Path) -> list[Path]:
    """The picture files directly in ``folder`` (by suffix; none hidden, none of mien's own), in natural order."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != "."]
    return sorted((path for path in found if not is_product(path)), key=lambda path: natural_key(path.name))


def expand(sources: Sequence[str]) -> list[str]:
    """What a list of arguments means: one entry for every video or picture, in natural order, each once.

    A folder stands for the videos and pictures in it and below it (known suffixes, hidden files left out), a pattern
    for what it matches (``**`` for folders below); both without what mien wrote itself (:func:`is_product`), so that
    results may lie among the sources. Addresses and camera numbers pass as they are. An entry that stands
    for nothing (a missing path, an empty folder) stays, so that whoever opens it reports it.
    """
    entries = [entry for source in sources for entry in _entries(source)]
    distinct = {_identity(entry): entry for entry in entries}
    return sorted(distinct.values(), key=natural_key)


def _identity(entry: str) -> str:
    return entry if is_address(entry) or camera_number(entry) is not None else os.path.abspath(entry)


def _entries(source: str) -> list[str]:
    if is_address(source) or camera_number(source) is not None:
        return [source]
    if is_glob(source):
        matches = glob.glob(source, recursive=True)
        others = [match for match in matches if not is_product(match)]
        return [entry for match in others or matches for entry in _entries(match)] or [source]
    if os.path.isdir(source):
        return list(_media_below(source)) or [source]
    return [os.path.normpath(source)]


def _media_below(folder: str) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "."]
        for name in files:
            path = os.path.normpath(os.path.join(parent, name))
            if Path(name).suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES and name[0] != "." and not is_product(path):
                yield path
