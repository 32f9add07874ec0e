"""The networks there are, by the name that records of weights have. No torch here: reading a record must start fast."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from inspect import get_annotations
from typing import Any, ClassVar, get_args

from mien.core.errors import ConfigError
from mien.core.registry import Place, Registry
from mien.core.signals import Kind

MOST_SIDE = 2048
"""Of an input, in pixels, whatever the network."""


class NetConfig:
    """The shape of a network, as it stands in the record of its weights: a frozen dataclass on this class.

    Attributes:
        network: name in :data:`NETS`.
        input_size: side of the square input in pixels.
        classes: number of classes.
        dim: of the feature, a field or a property.
        frames: clip length of the temporal parts; None where there are none, and frames are averaged.
    """

    network: ClassVar[str]
    input_size: int
    classes: int
    dim: int
    frames: int | None = None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = [one for one in cls.__mro__ if issubclass(one, NetConfig) and one is not NetConfig]
        for name in ("network", "input_size", "classes", "dim"):
            if not any(name in vars(one) or name in get_annotations(one) for one in own):
                raise ConfigError("network, input_size, classes and dim", f"{cls.__name__} without {name}", "add it")

    def fits(self, side: int) -> bool:
        """Whether the network takes inputs of this side, in pixels."""
        return 0 < side <= MOST_SIDE

    def recorded(self) -> dict[str, Any]:
        """The fields that stand in the record of weights."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]  # a dataclass by then

    @classmethod
    def tiny(cls, classes: int) -> Any:
        """A small one, for tests; here as it is."""
        return cls(classes=classes)  # type: ignore[call-arg]  # a dataclass by then


@dataclass(frozen=True)
class Entry:
    """Where a network is to be found.

    Attributes:
        net: its class, a :class:`mien.models.net.Net`.
        config: the class of its :class:`NetConfig`.
        faster: a function of a network and a torch dtype: the same function for use alone, quicker; empty: none.
    """

    net: Place
    config: Place
    faster: Place = Place()


def _entry(net: str, config: str, faster: str = "") -> Entry:
    return Entry(Place(f"mien.models.{net}"), Place(f"mien.models.{config}"), Place(faster and f"mien.models.{faster}"))


NETS: Registry[Entry] = Registry(
    "network",
    {
        "s2d": _entry("s2d:S2D", "shape:S2DConfig", "fast:fold_s2d"),
        "cnn": _entry("cnn:Cnn", "cnn:CnnConfig", "cnn:fold_cnn"),
        "poster": _entry("poster:Poster", "poster:PosterConfig"),
        "points": _entry("points:Points", "points:PointsConfig", "points:fold_points"),
    },
)
"""A network of yours is a file and a line here; a weights file names the line, never an import path."""


@dataclass(frozen=True)
class HeadEntry:
    """Where a kind of head is to be found.

    Attributes:
        head: its class, a :class:`mien.models.heads.Head`.
        linear: its answer to a clip is the mean of those to the frames, which may so be asked one by one: it is linear
            in the feature, or takes that mean itself.
        says: kinds of signals that it can say.
    """

    head: Place
    linear: bool
    says: tuple[Kind, ...] = get_args(Kind)


HEADS: Registry[HeadEntry] = Registry(
    "head",
    {
        "linear": HeadEntry(Place("mien.models.heads:Linear"), linear=True),
        "landmark": HeadEntry(Place("mien.models.heads:Landmark"), linear=True),
        "cosine": HeadEntry(Place("mien.models.heads:Cosine"), linear=False),
        "graph": HeadEntry(Place("mien.models.unit_graph:Graph"), linear=True),
        "graph-edges": HeadEntry(Place("mien.models.unit_edges:GraphEdges"), linear=True, says=("flags",)),
        "queries": HeadEntry(Place("mien.models.queries:Queries"), linear=True),
        "two-way": HeadEntry(Place("mien.models.two_way:TwoWayQueries"), linear=True),
        "levels": HeadEntry(Place("mien.models.levels:Levels"), linear=True),
        "plane": HeadEntry(Place("mien.models.heads:Plane"), linear=False, says=("scale",)),
        "level": HeadEntry(Place("mien.models.heads:Level"), linear=False, says=("classes",)),
        "text": HeadEntry(Place("mien.models.text_head:Text"), linear=False, says=("classes",)),
        "covered": HeadEntry(Place("mien.models.covered:Covered"), linear=True),
    },
)
"""What may say a signal beside the expression, by the name that records have."""


def config_of(network: str, fields: dict[str, Any]) -> Any:
    """The configuration that a record tells of; JSON's lists are tuples there.

    Raises:
        ConfigError: no such network, or values out of their range.
        TypeError: other fields.
    """
    known = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return NETS[network].config.found()(**known)


def build(config: Any) -> Any:
    """A fresh network of a configuration."""
    return NETS[config.network].net.found()(config)
