"""The sound of a prepared set's clips, where it was asked for: a WAV file a clip, beside its crops.

``crops/a/b`` sounds as ``sound/a/b.wav``: mono, 16 kHz, 16 bit, from the 0.0 of the film on; what the film has no sound
for is silent there. A voice tells who speaks as a face does: guard these files like the crops.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float32

from mien.core.errors import DataError, SourceError
from mien.core.files import whole_file
from mien.data.crops import Job
from mien.data.manifest import Manifest, Row
from mien.media.listen import LEAST_PEAK, RATE, Listener, filled

SOUND = "sound"
"""Folder of a prepared set."""
FULL = 32767
MOST_SECONDS = 3600
"""Of a file: labelled clips are short, and a damaged clock may claim years."""


@dataclass(frozen=True)
class SoundKeeper:
    """Writes the sound of films into a prepared set's folder; sent to worker processes.

    Attributes:
        root: folder that the rows' paths start from.
        out: the prepared set.
    """

    root: Path
    out: Path

    def __call__(self, job: Job) -> bool:
        """Whether the item has sound that can be heard; its file is there then."""
        if job.row.kind != "video":
            return False
        path = self.out / SOUND / f"{job.name}.wav"
        if path.exists():
            return True
        try:
            with whole_file(path) as draft:
                heard = write_sound(self.root / job.row.path, draft)
        except SourceError:
            return False
        if not heard:
            path.unlink()
        return heard


def write_sound(film: Path, path: Path) -> bool:
    """Write a film's sound from 0.0 on as WAV, an hour at most; whether any of it can be heard.

    Raises SourceError for no film.
    """
    heard = False
    with Listener(film) as listener, wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        left = MOST_SECONDS * RATE
        for part, _ in filled(listener.pieces()):
            part = part[:left]
            left -= len(part)
            if not len(part):
                break
            heard = heard or float(np.abs(part).max(initial=0.0)) >= LEAST_PEAK
            file.writeframes(np.round(part.clip(-1, 1) * FULL).astype("<i2").tobytes())
    return heard


def sound_file(manifest: Manifest, row: Row) -> Path:
    """Where the sound of a prepared row lies, if it was kept."""
    return manifest.root / SOUND / f"{PurePosixPath(*PurePosixPath(row.path).parts[1:])}.wav"


def read_sound(path: Path) -> Float32[np.ndarray, " n"]:
    """A file of :func:`write_sound`, full scale being -1 to 1. Raises DataError for another."""
    expected = f"a WAV file, mono, {RATE} Hz, 16 bit"
    try:
        with wave.open(str(path), "rb") as file:
            kind = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            data = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise DataError(expected, f"{path}: {error}", "prepare the set again") from error
    if kind != (1, 2, RATE):
        raise DataError(expected, f"{path}: {kind[0]} channels, {kind[2]} Hz, {8 * kind[1]} bit", "prepare it again")
    return (np.frombuffer(data[: len(data) // 2 * 2], "<i2") / FULL).astype(np.float32)
