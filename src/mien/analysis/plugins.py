"""What a user plugs in beside a model: another landmark net, another way to tell pose, a net that tells faces apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mien.analysis.provenance import source_facts
from mien.analysis.reunion import Reunion
from mien.faces.embedders import Embedder, EmbedderSettings
from mien.faces.landmarkers import LandmarkSettings
from mien.models.beside import POSES, OtherPoints
from mien.models.network import Network

PLUGGED = ("landmarks", "pose", "same_person")
"""What :attr:`PlugIns.facts` may hold."""


@dataclass(frozen=True)
class PlugIns:
    """What is plugged in; nothing by default. The docstrings below the fields are the command's help.

    Raises:
        ConfigError: an unknown name, or a value out of range.
    """

    points: LandmarkSettings = field(default_factory=LandmarkSettings)
    """Whose landmarks."""
    pose: str | None = None
    """What tells how a head is turned: head, the weights' own; points, an ordinary head laid on the 68 points, also for
    weights that say no pose. None: the weights, where they do. --most-yaw goes by it."""

    persons: EmbedderSettings = field(default_factory=EmbedderSettings)
    """What tells faces apart, so that who comes back after a cut of a film keeps the number. Not live."""

    def __post_init__(self) -> None:
        if self.pose is not None:
            POSES.demand(self.pose)

    def around(self, network: Network) -> Network:
        """``network`` with what is plugged in; itself where nothing is.

        Raises:
            ConfigError, WeightsError: something cannot be plugged into it, or its file is none.
        """
        _ = self.embed  # opened before the first source, whatever that is
        find = self.points.make()
        if find is not None:
            network = OtherPoints(network, find)
        return network if self.pose is None else POSES[self.pose](network)

    @cached_property
    def embed(self) -> Embedder | None:
        """What tells faces apart, opened once for all films; None where nothing does.

        Raises:
            ConfigError, WeightsError: the embedder's file, or what is said of it, is wrong.
        """
        return self.persons.make()

    def __getstate__(self) -> dict[str, Any]:
        """Without the embedder: another process opens it at its first film."""
        return {name: value for name, value in self.__dict__.items() if name != "embed"}

    def reunion(self) -> Reunion | None:
        """For one film; None where faces are not told apart. Raises as :attr:`embed` does."""
        return None if self.embed is None else Reunion(self.embed, self.persons.same_person)

    @cached_property
    def facts(self) -> dict[str, Any]:
        """For the provenance, as JSON types: nothing of what is not plugged in."""
        points, persons, found = self.points, self.persons, dict[str, Any]()
        if points.landmarker is not None:
            found["landmarks"] = file_facts(points.landmarker, points.landmarker_file, points.landmarker_input)
        if self.pose is not None:
            found["pose"] = self.pose
        if persons.embedder_file is not None:
            told = file_facts(persons.embedder, persons.embedder_file, persons.embedder_input)
            found["same_person"] = {**told, "likeness": persons.same_person}
        return found


def file_facts(name: str | None, path: Path | None, words: Sequence[str], **more: Any) -> dict[str, Any]:
    """What the provenance says of a net of the user's: name, how it takes a crop, and its file with its SHA-256."""
    file = {} if path is None else {"file": source_facts(path, with_hash=True)}
    return {"name": name, "input": list(words), **more, **file}
