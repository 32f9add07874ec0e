"""The networks there are, by the name that records of weights have. No torch here: reading a record must start fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mien.core.registry import Place, Registry


@dataclass(frozen=True)
class Entry:
    """Where a network is to be found.

    Attributes:
        net: its class, a :class:`mien.models.net.Net`.
        config: the class of its configuration, a :class:`mien.models.net.NetConfig`.
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
    },
)
"""A network of yours is a file and a line here; a weights file names the line, never an import path."""


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
