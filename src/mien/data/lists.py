"""Lists and folders of published data sets, whatever happened to a copy on its way.

Lists are text of two columns, clip and label. Copies differ in what sits between the columns, in a header, in a byte
order mark, in line ends, in slashes, and in leading zeros that a spreadsheet dropped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import ConfigError, DataError
from mien.core.labels import LabelSpace
from mien.data.manifest import Kind, Split
from mien.media.files import VIDEO_SUFFIXES

PARTS: tuple[Split, Split] = ("train", "test")
_LAST_COLUMN = re.compile(r"[,;\t ]+(?=[^,;\t ]+$)")


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a list.

    Attributes:
        name: the clip as the list calls it, with ``/`` between folders.
        label: the label as written.
    """

    name: str
    label: str


def read_lines(path: Path) -> list[str]:
    """The lines that are not blank, stripped. Raises DataError for a file that cannot be read as UTF-8 text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("a list as UTF-8 text", f"{path}: {error}", "save it as UTF-8, or take a new copy") from error
    return [line for line in map(str.strip, text.splitlines()) if line]


def read_list(path: Path, header: Sequence[str] = ()) -> list[Item]:
    """The lines of a list of clips and labels, in their order.

    Args:
        path: the list; columns stand between commas, semicolons, tabs or spaces.
        header: column names that the first line may hold.

    Raises:
        DataError: a line without two columns, a clip that is listed twice, or nothing at all.
    """
    items: dict[str, Item] = {}
    for number, line in enumerate(read_lines(path), 1):
        cells = [cell.strip().strip("\"'") for cell in _LAST_COLUMN.split(line.rstrip(",;"), maxsplit=1)]
        if number == 1 and [cell.lower() for cell in cells] == list(header):
            continue
        if len(cells) != 2 or not all(cells):
            raise DataError("a clip and its label on every line", f"{path}, line {number}: {line}", "mend that line")
        item = Item(cells[0].replace("\\", "/").strip("/"), cells[1])
        if item.name in items:
            got = f"{path}, line {number}: {item.name} again"
            raise DataError("every clip once in a list", got, "remove one of the lines")
        items[item.name] = item
    if not items:
        raise DataError("a list of clips and labels", f"{path}, which is empty", "take a new copy of it")
    return list(items.values())


def label_of(item: Item, space: LabelSpace, path: Path, start: int | None = None) -> str:
    """The class of ``space`` that an item's label names, by word or by number.

    Args:
        item: from :func:`read_list`.
        space: the classes in the order that numbers count them.
        path: the list, for the message.
        start: number of the first class; None where labels have to be words.

    Raises:
        DataError: no such class.
    """
    try:
        if not item.label.isdecimal():
            return space.labels[space.index(item.label)]
        if start is not None and start <= int(item.label) < start + len(space):
            return space.labels[int(item.label) - start]
        fix = "this may be the list of another data set"
    except ConfigError as error:
        fix = error.fix
    numbers = "" if start is None else f", or a number from {start} to {start + len(space) - 1}"
    expected = f"a label of {space.name}, such as {', '.join(space.labels[:3])}{numbers}"
    raise DataError(expected, f"{item.label!r} for {item.name} in {path}", fix)


def find_lists(
    root: Path, patterns: Iterable[str], folds: Sequence[int], layout: Sequence[str]
) -> dict[tuple[int, Split], Path]:
    """The lists of all folds and both splits, from the first pattern that any file fits.

    Args:
        root: folder of the release.
        patterns: paths from ``root`` with ``{split}`` and, where there are folds, ``{fold}``; the preferred one first.
        folds: the numbers of the folds; ``(0,)`` for a set without.
        layout: the layouts there are, for the message.

    Raises:
        DataError: no list fits, or a fold has only one of its two lists.
    """
    for pattern in patterns:
        wanted: list[tuple[int, Split]] = [(fold, split) for fold in folds for split in PARTS]
        paths = {(fold, split): root / pattern.format(fold=fold, split=split) for fold, split in wanted}
        found = {key: path for key, path in paths.items() if path.is_file()}
        for fold, split in wanted:
            if (fold, split) not in found and any(key[0] == fold for key in found):
                got = f"no file at {paths[fold, split]}"
                raise DataError("a train and a test list of every fold", got, "copy the missing list")
        if found:
            return found
    raise unknown_layout(root, layout)


def unknown_layout(root: Path, layout: Sequence[str]) -> DataError:
    """The error for a folder that none of the known layouts fits."""
    what = (
        f"only {', '.join(sorted(os.listdir(root))[:8]) or 'nothing'} in {root}"
        if root.is_dir()
        else f"no folder at {root}"
    )
    return DataError(f"one of these layouts: {'; '.join(layout)}", what, "give the folder that holds these")


@dataclass(frozen=True)
class Clips:
    """The clips of a release in one folder, found by name with or without leading zeros and suffix.

    Attributes:
        folder: from the root of the release.
        kind: what most of them are: folders of frames, or videos.
        entries: key of a clip -> its name in the folder and what it is.
    """

    folder: str
    kind: Kind
    entries: Mapping[str, tuple[str, Kind]]

    def place(self, name: str) -> tuple[str, Kind]:
        """Path from the root and kind of the clip a list calls ``name``; where it should be, if it is not there."""
        stem, _ = _stem(name)
        missing = stem if self.kind == "frames" else f"{stem}.mp4"
        entry, kind = self.entries.get(clip_key(name), (missing, self.kind))
        return f"{self.folder}/{entry}", kind


def find_clips(root: Path, folders: Iterable[str], layout: Sequence[str]) -> Clips:
    """The first of ``folders`` (from ``root``) with clips in it. Raises DataError when none has."""
    for folder in folders:
        entries = _clips_in(root / folder)
        if entries:
            videos = sum(kind == "video" for _, kind in entries.values())
            return Clips(folder, "video" if 2 * videos > len(entries) else "frames", entries)
    raise unknown_layout(root, layout)


def clip_key(name: str) -> str:
    """What ``00025``, ``25`` and ``00025.mp4`` have in common: ``25``."""
    stem, _ = _stem(name)
    return stem.lstrip("0") or "0"


def padded(name: str) -> str:
    """The five digits of DFEW's and MAFW's clip names: ``1`` and ``00001.mp4`` are ``00001``."""
    return clip_key(name).zfill(5)


def _stem(name: str) -> tuple[str, str]:
    """Name without and with its suffix apart; only suffixes of videos count, as folder names may have dots."""
    stem, suffix = os.path.splitext(name)
    return (stem, suffix) if suffix.lower() in VIDEO_SUFFIXES else (name, "")


def _clips_in(folder: Path) -> dict[str, tuple[str, Kind]]:
    """Clips by key; where a key has two, the name that sorts first (the one with zeros)."""
    if not folder.is_dir():
        return {}
    found: dict[str, tuple[str, Kind]] = {}
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            is_video = _stem(entry.name)[1] != ""
            if not entry.name.startswith(".") and (is_video or entry.is_dir()):
                found.setdefault(clip_key(entry.name), (entry.name, "video" if is_video else "frames"))
    return found


def number_split(number: int) -> Split:
    """Our split of sets of actors that have no official one: every fifth number (5, 10, 15, ...) tests.

    By the actor's own number, so that an incomplete copy keeps the split of those who are there.
    """
    return "test" if number % 5 == 0 else "train"
