"""Rendered people as a prepared set: pictures or folders of frames, a manifest, and the exact labels beside it.

Items are drawn in parts of some persons each; a part whose labels are there is done, so a run that was stopped goes on
where it was, and a set grows by asking for more.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from mien.core.errors import ConfigError, DataError
from mien.core.files import whole_file
from mien.data.manifest import SET, Kind, Manifest, Row
from mien.data.people.apex import LABELS, Source
from mien.data.people.exact import EXACT, Exact, exact_of, joined, load_exact
from mien.data.people.mixtures import load_mixtures
from mien.data.people.model import load_head
from mien.data.people.settings import ANY, PeopleSettings
from mien.data.people.studio import Item, Studio, split_of
from mien.data.pool import spread

Progress = Callable[[str, int, int], None]

ABOUT, PARTS, PICTURES = "people.json", "parts", "pictures"
DRAWING = 1
"""Counts changes of what the same settings draw; sets of two kinds are not mixed."""
PEOPLE_A_PART = 16
MOST = 10_000_000
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]


@dataclass
class Writer:
    """Draws a part of a set; can be sent to another process, where it opens the model anew.

    Attributes:
        model: the morphable head's file.
        mixtures: file of mixtures, or None for textbook prototypes.
        settings: what is drawn.
        out: the set's folder.
        count: items of the whole set.
    """

    model: Path
    mixtures: Path | None
    settings: PeopleSettings
    out: Path
    count: int
    _studio: Studio | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        """Items of a part."""
        return PEOPLE_A_PART * self.settings.each

    def wanted(self, part: int) -> range:
        """Numbers of the items of a part."""
        return range(part * self.size, min((part + 1) * self.size, self.count))

    def done(self, part: int) -> bool:
        """Whether the labels of a part and all its pictures are there; what is torn or was removed is drawn anew."""
        path = self.labels_file(part)
        if not path.is_file():
            return False
        try:
            labels = load_exact(path)
        except DataError:
            return False
        numbers, frames = self.wanted(part), self.settings.frames
        pictures = (self.out / picture for number in numbers for picture in picture_files(number, frames))
        return len(labels) >= len(numbers) and all(picture.is_file() for picture in pictures)

    def __call__(self, part: int) -> int:
        """Draw and write a part; answers how many items it has. Its labels come last."""
        studio = self._studio = self._studio or open_studio(self.model, self.settings, self.mixtures)
        items = []
        for number in self.wanted(part):
            item = studio.item(number)
            write_pictures(item, self.out)
            items.append(dataclasses.replace(item, images=item.images[:0]))
        exact_of(items, studio.head.names).save(self.labels_file(part))
        return len(items)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_studio": None}

    def labels_file(self, part: int) -> Path:
        """Where a part's labels lie."""
        return self.out / PARTS / f"{part:06d}.npz"


def open_studio(model: Path, settings: PeopleSettings, mixtures: Path | None = None) -> Studio:
    """A studio of a model's file, with the expressions of a file of mixtures if there is one.

    Raises:
        DataError: a file that cannot be read, or does not hold what it must.
        MissingDependencyError: Numba is not installed.
    """
    head = load_head(model)
    source: Source | None = None if mixtures is None else load_mixtures(mixtures, head.names)
    return Studio(head, settings, source)


def write_people(
    model: Path,
    out: Path,
    count: int,
    settings: PeopleSettings | None = None,
    mixtures: Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Manifest:
    """Write a set of ``count`` pictures or clips, or go on with one.

    Args:
        model: ``.npz`` of a morphable head.
        out: folder of the set; made if it is not there.
        count: items; every ``settings.each`` of them show one person.
        settings: what is drawn.
        mixtures: ``.npz`` of real faces' movements and votes; None draws textbook prototypes.
        workers: processes; the files do not depend on it.
        progress: told of stage, items done, items in all.

    Raises:
        ConfigError: a count or workers out of range, or a folder with a set of other settings or another kind.
        DataError: a model or mixtures that cannot be read.
        MissingDependencyError: Numba is not installed.
        KeyboardInterrupt: Ctrl-C; finished parts stay.
    """
    settings = settings or PeopleSettings()
    if not 1 <= count <= MOST:
        raise ConfigError(f"a count from 1 to {MOST:,}", str(count), "change --count")
    if workers < 1:
        raise ConfigError("at least 1 worker", str(workers), "use 1, or the number of your CPU cores")
    writer = Writer(model, mixtures, settings, out, count)
    _demand_readable(writer)
    _demand_same(out, _facts(model, mixtures, settings))
    parts = range(-(-count // writer.size))
    todo = [part for part in parts if not writer.done(part)]
    finished = count - sum(len(writer.wanted(part)) for part in todo)
    for _, drawn in spread(writer, todo, workers):
        finished += drawn
        if progress is not None:
            progress("draw", finished, count)
    exact = joined([load_exact(writer.labels_file(part)) for part in parts], count)
    exact.save(out / EXACT)
    manifest = _manifest(exact, settings, out)
    manifest.save(out)
    return manifest


def write_pictures(item: Item, out: Path) -> None:
    """The frames of an item as JPEGs."""
    for path, image in zip(picture_files(item.number, len(item.images)), item.images, strict=True):
        _write(out / path, image)


def picture_path(number: int, frames: int) -> Path:
    """Where the picture, or the folder of a clip's frames, lies in a set."""
    name = f"{number:07d}" if frames > 1 else f"{number:07d}.jpg"
    return Path(PICTURES, f"{number // 1000:04d}", name)


def picture_files(number: int, frames: int) -> list[Path]:
    """Where each frame of an item lies in a set."""
    path = picture_path(number, frames)
    return [path] if frames == 1 else [path / f"{frame:03d}.jpg" for frame in range(frames)]


def _write(path: Path, image: UInt8[np.ndarray, "3 s s"]) -> None:
    done, code = cv2.imencode(".jpg", np.ascontiguousarray(image[::-1].transpose(1, 2, 0)), QUALITY)
    if not done:
        raise DataError("a picture that can be encoded", f"one of {image.shape}", "choose another --size")
    with whole_file(path) as draft:
        draft.write_bytes(code.tobytes())


def _manifest(exact: Exact, settings: PeopleSettings, out: Path) -> Manifest:
    kind: Kind = "frames" if settings.frames > 1 else "image"
    rows = tuple(
        Row(
            id=f"{number:07d}",
            path=picture_path(int(number), settings.frames).as_posix(),
            kind=kind,
            label=LABELS.labels[int(votes.argmax())],
            split=split_of(settings, int(person)),
            subject=f"p{person:06d}",
            votes=tuple(float(vote) for vote in votes),
        )
        for number, person, votes in zip(exact.number, exact.person, exact.votes, strict=True)
    )
    style = str(exact.style[0])
    notes = (
        f"rendered people, seed {settings.seed}: nobody in it exists; labels in the style {style!r}",
        f"{len(set(exact.person.tolist()))} persons, {settings.each} items of each, none in two splits",
        f"movements, 68 points, pose, gaze and blinks of every frame: {EXACT}",
    )
    rate = settings.rate if settings.frames > 1 else None
    return Manifest("people", LABELS, rows, out.resolve(), settings.size, notes, rate=rate)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _demand_readable(writer: Writer) -> None:
    """Find out before processes start, and before anything is written."""
    head = load_head(writer.model)
    if writer.mixtures is not None:
        load_mixtures(writer.mixtures, head.names)


def _facts(model: Path, mixtures: Path | None, settings: PeopleSettings) -> dict[str, Any]:
    """All that the pictures depend on."""
    return {
        "drawing": DRAWING,
        "model": _digest(model),
        "mixtures": None if mixtures is None else _digest(mixtures),
        **dataclasses.asdict(settings),
    }


def _demand_same(out: Path, facts: dict[str, Any]) -> None:
    """Make ``out``, or see that the set in it is of the same kind. Raises ConfigError."""
    path = out / ABOUT
    try:
        if not path.is_file():
            if (out / SET).exists():
                raise ConfigError(
                    "a new folder, or one of rendered people", f"another set in {out}", "choose another -o"
                )
            with whole_file(path) as draft:
                draft.write_text(json.dumps(facts, indent=2) + "\n")
            return
        before = json.loads(path.read_text())
        if not isinstance(before, dict):
            raise ValueError(f"a {type(before).__name__}")
        before = {"turn": 1.0, "course": ANY, **before}  # what sets were drawn with before these were settings
    except OSError as error:
        raise ConfigError("a folder for the set", f"{out}: {error.strerror}", "choose another -o") from error
    except ValueError as error:
        raise ConfigError(f"{ABOUT} as mien writes it", f"{path}: {error}", "choose another -o") from error
    other = [f"{key} {before.get(key)} instead of {now}" for key, now in facts.items() if before.get(key) != now]
    if other:
        raise ConfigError(f"settings as before in {out}", "; ".join(other), "choose another -o, or remove that set")
