"""One file a data set: its labels, its published counts, and how its release lies on disk.

Every module of this package has a dictionary ``DATASETS``: its :class:`DataSet` values by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mien.core.labels import LabelSpace
from mien.core.registry import Place, Registry
from mien.data.manifest import Manifest


@dataclass(frozen=True)
class DataSet:
    """What mien knows of a data set before it sees a copy of it.

    Attributes:
        name: as in ``mien prepare NAME``.
        labels: the classes in the official order; None where the copy on disk defines them.
        read: from the folder (or file) of the release to its rows, in all folds. It looks only at lists and folder
            names, never at pixels, and does not mind files that are missing: the checks report them. Raises DataError
            for a layout it does not know, naming the layouts it does.
        published: items per fold and split as the paper counts them: ``{0: {"train": 12271, "test": 3068}}``; folds
            without a published count are left out.
        published_classes: items per label, likewise: ``{(0, "test"): {"surprise": 329, ...}}``, where published.
        cropped: the release is made of face crops, so that cropping again is optional.
        layout: the folders and lists ``read`` understands, one line each, for messages and docs.
    """

    name: str
    labels: LabelSpace | None
    read: Callable[[Path], Manifest]
    published: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    published_classes: Mapping[tuple[int, str], Mapping[str, int]] = field(default_factory=dict)
    cropped: bool = False
    layout: tuple[str, ...] = ()


_MODULES = {
    "rafdb": "rafdb",
    "affectnet7": "affectnet",
    "affectnet8": "affectnet",
    "ferplus": "ferplus",
    "dfew": "dfew",
    "ferv39k": "ferv39k",
    "mafw": "mafw",
    "mafw-compound": "mafw",
    "crema-d": "cremad",
    "ravdess": "ravdess",
    "ck+": "ckplus",
    "infer": "infer",
    "bah": "bah",
    "veatic": "veatic",
    "hrm": "hrm",
    "folder": "folder",
    "synthetic": "synthetic",
}
DATASETS: Registry[Mapping[str, DataSet]] = Registry(
    "data set", {name: Place(f"mien.data.datasets.{module}:DATASETS") for name, module in _MODULES.items()}
)
"""In whose dictionary each is; only the module that is asked for is loaded."""


def find_dataset(name: str) -> DataSet:
    """The data set called ``name``. Raises ConfigError with the near spellings for a stranger."""
    return DATASETS[name][name]
