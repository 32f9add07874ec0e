"""Face crops without labels, wherever they lie: a folder of pictures, a prepared set, FERPlus' archive."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import UInt8

from mien.core.errors import DataError, SourceError
from mien.core.settings import thread_count
from mien.data.ferplus import read_ferplus
from mien.data.manifest import SET, Manifest, load_manifest
from mien.data.pixels import frame_count, read_clip
from mien.media.files import IMAGE_SUFFIXES, expand
from mien.media.quiet import quiet_opencv
from mien.media.stills import read_image

Image = UInt8[np.ndarray, "3 h w"]


class Crops(Protocol):
    """Numbered face crops. It is sent to the processes that load items, so it holds names, not open files."""

    def __len__(self) -> int:
        """How many there are; a clip counts once."""
        ...

    def read(self, item: int, share: float) -> Image:
        """Crop ``item`` as RGB; of a clip the frame at this share of its length, in [0, 1)."""
        ...


@dataclass(frozen=True)
class PictureFiles:
    """Pictures in files of their own."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, item: int, share: float) -> Image:
        """See :class:`Crops`."""
        return np.ascontiguousarray(read_image(self.paths[item]).transpose(2, 0, 1))


@dataclass(frozen=True, eq=False)
class PreparedItems:
    """Images and clips of a prepared set."""

    manifest: Manifest

    def __len__(self) -> int:
        return len(self.manifest)

    def read(self, item: int, share: float) -> Image:
        """See :class:`Crops`."""
        row = self.manifest.rows[item]
        place = int(share * frame_count(self.manifest, row))
        frame: Image = read_clip(self.manifest, row, np.array([place]))[0]
        return frame


@dataclass(frozen=True, eq=False)
class GreyArray:
    """Grey images in memory."""

    images: UInt8[np.ndarray, "n h w"]

    def __len__(self) -> int:
        return len(self.images)

    def read(self, item: int, share: float) -> Image:
        """See :class:`Crops`."""
        return np.repeat(self.images[item][None], 3, axis=0)


def open_crops(data: Path, fold: int, complain: Callable[[str], None]) -> Crops:
    """The crops at ``data``: of sets with splits the training split alone.

    Args:
        data: a folder of pictures, searched with all folders below; a folder made by `mien prepare`; FERPlus' .npz.
        fold: of a prepared set with folds; else 0.
        complain: hears of every picture that cannot be read and is left out.

    Raises:
        DataError: nothing there that could be read.
    """
    if (data / SET).is_file():
        return PreparedItems(load_manifest(data).select("train", fold))
    if data.is_dir():
        return PictureFiles(_readable(data, complain))
    if data.suffix == ".npz":
        return GreyArray(read_ferplus(data, "train", majority_only=False).images)
    expected = "a folder of pictures, a prepared set, or the FERPlus .npz"
    raise DataError(expected, f"{data}, which is none of them", "check the path")


def _readable(folder: Path, complain: Callable[[str], None]) -> tuple[Path, ...]:
    """Every picture below a folder that decodes. One look at each costs less than a single epoch, which looks again."""
    paths = [Path(name) for name in expand([str(folder)]) if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    with quiet_opencv(), ThreadPoolExecutor(thread_count()) as pool:
        problems = list(pool.map(_problem, paths))
    for problem in filter(None, problems):
        complain(problem)
    kept = tuple(path for path, problem in zip(paths, problems, strict=True) if not problem)
    if not kept:
        raise DataError("pictures", f"{folder} with none that can be read", "give a folder of face crops")
    return kept


def _problem(path: Path) -> str:
    try:
        read_image(path)
    except SourceError as error:
        return f"{path} is left out: {error}"
    return ""
