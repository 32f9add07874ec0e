"""Names of files: which are videos or pictures, their order, and what a list of arguments means."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    # streams without a container: surveillance recorders, encoders
    | {".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".obu", ".ivf", ".h261", ".h263", ".m1v", ".mpv"}
    # other names of the containers above: cameras, drones, broadcast, old downloads
    | {".insv", ".lrv", ".lrf", ".mp4v", ".3gpp", ".ismv", ".qt", ".mj2", ".mk3d", ".divx", ".xvid", ".m2t", ".tod"}
    | {".mod", ".trp", ".tp", ".m2p", ".mpe", ".vro", ".evo", ".wtv", ".dvr-ms", ".gxf", ".nut", ".rm", ".rmvb", ".ogm"}
)
MAY_BE_STILL = frozenset({".gif", ".apng"})
"""Of those, the ones whose header tells."""
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
STDIN = "-"
"""The name of standard input; a file of that name is ``./-``."""
WRITTEN = "written by mien"
NO_MEDIA = "no videos or pictures by their names: name one itself to have it tried"
MOST_SUFFIXES = 12
"""Named in the line on what was left out."""


def name_of(source: object) -> str:
    """The name of a file or an address as text, from whatever stands for one. Raises SourceError for anything else."""
    try:
        name = os.fsdecode(source)  # type: ignore[arg-type]
    except TypeError as error:
        raise SourceError("the name of a file", f"a {type(source).__qualname__}", "give text or a path") from error
    if not name:
        raise SourceError("the name of a file", "an empty text", "check the variable that it comes from")
    return name


def not_there(source: str) -> SourceError | None:
    """What is wrong with a path or a pattern that leads to nothing; None where it does, and for what is none."""
    if _is_no_path(source) or os.path.exists(source):  # Path.exists raises where a name is too long
        return None
    if not glob.has_magic(source):
        return SourceError("a file or folder that exists", source, "check the path")
    if not matches(source):
        return SourceError("files that match the pattern", f"none for {source}", "check the folder and the pattern")
    return None


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


def is_pipe(source: object) -> bool:
    """True for what can be read once only: the name of a pipe, and ``-`` where standard input is no file."""
    if not isinstance(source, str | os.PathLike):
        return False
    name = name_of(source)
    try:
        mode = (os.fstat(0) if name == STDIN else os.stat(name)).st_mode
    except (OSError, ValueError):
        return name == STDIN
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISBLK(mode) or camera_number(name) is not None)


def is_glob(source: str) -> bool:
    """True for a pattern with wildcards, when no file has that very name."""
    return glob.has_magic(source) and not os.path.exists(source)


def is_image(path: Path) -> bool:
    """True when ``path`` is read as a still picture: by its header, unless its suffix says video.

    An animation (GIF, PNG, WebP, AVIF, HEIF with pictures that follow each other in time) is a film.
    """
    if path.suffix.lower() in VIDEO_SUFFIXES - MAY_BE_STILL or not path.is_file():  # what is read from a pipe is gone
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
    """The picture files directly in ``folder`` (by suffix; none hidden, none of mien's own), in natural order.

    Raises:
        SourceError: the folder cannot be read.
    """
    return [Path(path) for path in images_of(folder).sources]


def images_of(folder: Path) -> Listing:
    """As :func:`images_in`, with what else is in ``folder``. Raises SourceError as it does."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: natural_key(entry.name))
    except OSError as error:
        got = f"{folder}: {error.strerror}"
        raise SourceError("a folder that can be read", got, "check its permissions") from error
    listing = Listing([], [])
    for entry in (entry for entry in entries if entry.name[0] != "."):
        path, suffix = str(folder / entry.name), Path(entry.name).suffix.lower()
        if suffix in IMAGE_SUFFIXES and is_product(path):
            listing.left_out.append((path, WRITTEN))
        elif suffix in IMAGE_SUFFIXES:
            listing.sources.append(path)
        elif _is_folder(entry) or suffix in VIDEO_SUFFIXES:
            listing.left_out.append((path, "no pictures: give their names"))
        else:
            listing.left_out.append((path, NO_MEDIA))
    return listing


@dataclass(frozen=True)
class Listing:
    """What a list of arguments means.

    Attributes:
        sources: one entry for every video or picture, in natural order, each once.
        left_out: path and reason of what lies in the folders and is not among them, in natural order.
    """

    sources: list[str]
    left_out: list[tuple[str, str]]

    def left_out_line(self) -> str:
        """One line on what was left out, with reasons and examples; empty where nothing was."""
        if not self.left_out:
            return ""
        kinds: dict[str, dict[str, list[str]]] = {}
        for path, reason in self.left_out:
            kinds.setdefault(reason, {}).setdefault(Path(path).suffix.lower(), []).append(path)
        parts = (f"{_examples(suffixes)} ({reason})" for reason, suffixes in sorted(kinds.items()))
        count, folders = len(self.left_out), any(os.path.isdir(path) for path, _ in self.left_out)
        what = "files and folders" if folders else f"file{'s' * (count != 1)}"
        return f"left out {count} {what}: {'; '.join(parts)}"


def _examples(suffixes: dict[str, list[str]]) -> str:
    """One file of every suffix, and how many more there are of it; at most :data:`MOST_SUFFIXES` of them."""
    kinds = list(suffixes.items())
    said = [
        paths[0] + (f" and {len(paths) - 1} more {suffix or 'without a suffix'}" if len(paths) > 1 else "")
        for suffix, paths in kinds[:MOST_SUFFIXES]
    ]
    rest = sum(len(paths) for _, paths in kinds[MOST_SUFFIXES:])
    return ", ".join([*said, f"{rest} more"] if rest else said)


def expand(sources: Sequence[str]) -> list[str]:
    """What a list of arguments means, as :func:`look_through` has it."""
    return look_through(sources).sources


def look_through(sources: Sequence[str], results: str | Path | None = None) -> Listing:
    """What a list of arguments means, and what in its folders is left out.

    A folder stands for the videos and pictures in it and below it: files with a known suffix that are not hidden, not
    written by mien, and no pipes. Linked folders are entered, every folder once. A pattern stands for what it matches
    (``**`` for folders below). Addresses, camera numbers and ``-`` pass as they are. An entry that stands for nothing
    (a missing path, an empty folder) stays, so that whoever opens it reports it.

    Args:
        sources: the arguments.
        results: where results are written to; nothing in it is a source, unless it or a folder in it is named.
    """
    left_out: list[tuple[str, str]] = []
    entries = [entry for source in sources for entry in _entries(source, results, left_out)]
    distinct: dict[str, str] = {}
    for entry in sorted(entries, key=lambda entry: (len(entry), entry)):
        distinct.setdefault(_identity(entry), entry)
    unsaid = [(path, reason) for path, reason in dict.fromkeys(left_out) if _identity(path) not in distinct]
    unsaid.sort(key=lambda one: natural_key(one[0]))
    return Listing(sorted(distinct.values(), key=natural_key), unsaid)


def _is_no_path(source: str) -> bool:
    return source in ("", STDIN) or is_address(source) or camera_number(source) is not None


def _identity(entry: str) -> str:
    """The same for one file by two ways; a link to a file is a file of its own, as it has a name of its own."""
    if _is_no_path(entry):
        return entry
    folder, name = os.path.split(os.path.abspath(entry))
    return os.path.join(os.path.realpath(folder), name)


def _entries(source: str, results: str | Path | None, left_out: list[tuple[str, str]]) -> list[str]:
    if _is_no_path(source):
        return [source]
    if is_glob(source):
        found = matches(source)
        others = [match for match in found if not is_product(match)]
        return [entry for match in others or found for entry in _entries(match, results, left_out)] or [source]
    if os.path.isdir(source):
        return list(_media_below(source, results, left_out)) or [source]
    tidy = os.path.normpath(source)
    return [os.path.join(os.curdir, tidy) if tidy == STDIN else tidy]


def matches(pattern: str) -> list[str]:
    """The files and folders that ``pattern`` matches, hidden ones left out; ``**`` enters every folder once."""
    parts = pattern.split(os.sep)
    if "**" not in parts:
        return glob.glob(pattern)
    at = parts.index("**")
    above, below = os.sep.join(parts[:at]), os.sep.join(parts[at + 1 :]) or "*"
    tops = glob.glob(above) if above else [os.sep if pattern.startswith(os.sep) else ""]
    folders = (folder for top in tops for folder, _ in _folders(top or os.curdir, []))
    found = (match for folder in folders for match in matches(os.path.join(glob.escape(folder), below)))
    return list(dict.fromkeys(found))


def _media_below(top: str, results: str | Path | None, left_out: list[tuple[str, str]]) -> Iterator[str]:
    apart = None if results is None or _lies_in(top, results) else results
    for folder, entries in _folders(top, left_out):
        among_results = apart is not None and _lies_in(folder, apart)
        for entry in entries:
            path = os.path.normpath(os.path.join(folder, entry.name))
            reason = _why_not(entry)
            if among_results:
                reason = "in the folder for the results" if reason is None else ""
            if reason is None:
                yield path
            elif reason:
                left_out.append((path, reason))


def _why_not(entry: os.DirEntry[str]) -> str | None:
    """Why a file in a folder is no source; None where it is one, empty where it is nothing to speak of."""
    known = Path(entry.name).suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES
    if entry.name[0] == ".":
        return "hidden" if known and entry.name[:2] != "._" else ""  # ._x is what macOS notes about x
    if not known:
        return NO_MEDIA
    if is_product(entry.path):
        return WRITTEN
    # A link that leads nowhere is for whoever opens it to report.
    there = entry.is_file(follow_symlinks=False) or os.path.isfile(entry.path) or not os.path.exists(entry.path)
    return None if there else "no regular files"


def _folders(top: str, left_out: list[tuple[str, str]]) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """``top`` and every folder below it that is not hidden, each once, with its files.

    Links are followed last, so that what can be reached without one is.
    """
    entered: set[tuple[int, int]] = set()
    folders, links = [top], deque[str]()
    while folders or links:
        folder = folders.pop() if folders else links.popleft()
        try:
            if _place(folder) in entered:
                continue
            entered.add(_place(folder))
            with os.scandir(folder) as found:
                entries = list(found)
        except OSError as error:
            left_out.append((folder, f"cannot be opened: {error.strerror}"))
            continue
        by_kind: dict[bool, list[os.DirEntry[str]]] = {False: [], True: []}
        for entry in entries:
            by_kind[_is_folder(entry)].append(entry)
        yield folder, by_kind[False]
        for entry in sorted(by_kind[True], key=lambda entry: natural_key(entry.name)):
            path = os.path.normpath(os.path.join(folder, entry.name))
            if entry.name[0] == ".":
                continue
            if not entry.is_symlink():
                folders.append(path)
            elif _place(path) not in entered and _lies_in(folder, path):
                left_out.append((path, "a link to a folder that it lies in"))
            else:
                links.append(path)


def _place(folder: str) -> tuple[int, int]:
    facts = os.stat(folder)
    return facts.st_dev, facts.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _lies_in(folder: str, other: str | Path) -> bool:
    """True when ``folder`` is ``other`` or one of those below it."""
    whole = os.path.realpath(other)
    return os.path.commonpath([os.path.realpath(folder), whole]) == whole
